/** Random choices that can be repeated: all of them follow from one seed. */

/** A random number generator (Mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number of its own, for something that runs beside this. */
  fork(): Random {
    return new Random(this.int(2 ** 32));
  }

  /** From 0 up to, and without, `n`. */
  int(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * n);
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.int(1_000_000) < probability * 1_000_000;
  }

  /** One of these. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new RangeError("There is nothing to pick from");
    return item;
  }
}

/** A function that returns a number from 0 up to, and without, `n`. */
export function generator(seed: number): (n: number) => number {
  const random = new Random(seed);
  return (n) => random.int(n);
}
