/**
 * A histogram with fixed buckets, as Prometheus counts: numbers that are changed in place. What it
 * measures is the caller's concern.
 */

/** Counts observations by size. */
export class Histogram {
  /** The upper bounds of the buckets, each included, without the last one, which has none. */
  readonly bounds: readonly number[];
  /** How many observations each bucket has, the one without a bound last. */
  readonly counts: number[];
  /** The sum of all observations. */
  sum = 0;
  /** Is told of every observation as well, where another system counts, too. */
  listener: ((value: number) => void) | undefined;

  /** Creates an empty histogram with these bounds, in ascending order. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** How many observations there were. */
  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Counts one observation. */
  observe(value: number): void {
    let bucket = 0;
    while (value > (this.bounds[bucket] ?? Infinity)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.listener?.(value);
  }
}
