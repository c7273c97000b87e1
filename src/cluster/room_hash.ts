/**
 * Which of several backplanes a room belongs to, by its name alone, so that every instance comes to the
 * same result without asking. What that means for the room is decided by the shards.
 */

/** The basis and the prime of FNV-1a with 32 bits. */
const FNV = { basis: 0x811c9dc5, prime: 0x01000193 } as const;

/** Tells the indices apart: 2^32 divided by the golden ratio, which is odd. */
const INDEX_STEP = 0x9e3779b9;

/**
 * The index of the backplane that a room belongs to, by rendezvous hashing: each index has a weight for
 * each name, and the heaviest wins. So one more backplane at the end of the list gets its share of the
 * rooms from all the others, and no other room moves. A change of this function splits rooms while
 * instances of both versions run.
 *
 * @param room The name of the room.
 * @param count How many backplanes there are, 1 or more.
 */
export function shardOf(room: string, count: number): number {
  if (count === 1) return 0;
  let hash: number = FNV.basis;
  for (let n = 0; n < room.length; n++) hash = Math.imul(hash ^ room.charCodeAt(n), FNV.prime);
  let best = 0;
  let heaviest = -1;
  for (let index = 0; index < count; index++) {
    const weight = mix(hash + Math.imul(index, INDEX_STEP));
    if (weight <= heaviest) continue;
    heaviest = weight;
    best = index;
  }
  return best;
}

/** Lets every bit of the input change half of the bits of the result: the finalizer of MurmurHash3. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
