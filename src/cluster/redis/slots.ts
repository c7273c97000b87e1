/**
 * The hash slots of a Redis Cluster, and the tags by which the logical shards of a server are
 * distributed over them (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
 */

/** How many slots a Redis Cluster has. */
export const SLOTS = 16_384;

/** CRC16 by the polynomial of XMODEM, as Redis uses it. */
const POLYNOMIAL = 0x1021;

/** The part of a range, on both sides of its middle, in which a tag is looked for. */
const MIDDLE = 1 / 8;

/** The slot of a key that has this tag. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
    }
    crc &= 0xffff;
  }
  return crc % SLOTS;
}

/**
 * A tag for each shard. Their slots lie near the middle of equal ranges, since the nodes of a cluster
 * usually have ranges, too: so each node gets its part of the shards. Every instance makes the same.
 */
export function shardTags(count: number): string[] {
  const width = SLOTS / count;
  return Array.from({ length: count }, (_, shard) => {
    const middle = (shard + 0.5) * width;
    let number = 0;
    while (Math.abs(slotOf(String(number)) - middle) > width * MIDDLE) number++;
    return String(number);
  });
}
