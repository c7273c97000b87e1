/** Finds the first few of many names without sorting all of them. */

/**
 * The smallest names by UTF-16 code units, sorted.
 *
 * @param names Any names, each once.
 * @param count How many at most.
 */
export function smallest(names: Iterable<string>, count: number): string[] {
  let found: string[] = [];
  let bound: string | undefined;
  for (const name of names) {
    if (bound !== undefined && name >= bound) continue;
    found.push(name);
    if (found.length < count * 2) continue;
    found = found.sort().slice(0, count);
    bound = found.at(-1);
  }
  return found.sort().slice(0, count);
}
