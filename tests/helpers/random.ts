/** Random schedules that can be run again. */

/** A random number generator whose runs can be repeated (Park and Miller, 1988). */
export function generator(seed: number): (n: number) => number {
  let state = seed * 7919 + 1;
  return (n) => (state = (state * 48271) % 2147483647) % n;
}
