/** Tests of properties: what holds for random inputs from a fixed seed; one that fails is shrunk. */

import fc from "fast-check";

const SEED = 20260101;

/** A test of a property: it returns or resolves for every input. */
export function property<T>(
  name: string,
  inputs: fc.Arbitrary<T>,
  numRuns: number,
  hold: (input: T) => void | Promise<void>,
): void {
  Deno.test(`property: ${name}`, async () => {
    const holds = fc.asyncProperty(inputs, async (input) => await hold(input));
    await fc.assert(holds, { seed: SEED, numRuns });
  });
}
