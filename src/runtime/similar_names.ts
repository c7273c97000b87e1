/** Finds names that are probably misspelt: a setting or an option that is not read warns of nothing. */

/** Names that differ in at most so many letters count as similar. */
const MAX_DISTANCE = 2;

/** Shorter names, such as `HOST`, are similar to too many others; of these at most one letter differs. */
const MIN_LENGTH = 8;

/**
 * Finds the name that another one probably means, whatever its case.
 *
 * @param name A name that is not known.
 * @param knownNames The names that are known.
 * @param minLength Shorter ones are not found.
 * @returns The most similar one, or `undefined` if none is similar.
 */
export function findSimilar(
  name: string,
  knownNames: Iterable<string>,
  minLength = MIN_LENGTH,
): string | undefined {
  let nearest: string | undefined;
  let least = MAX_DISTANCE + 1;
  const wanted = name.toUpperCase();
  for (const known of knownNames) {
    if (known.length < minLength || Math.abs(known.length - wanted.length) >= least) continue;
    const one = known.toUpperCase();
    if (!sharesThird(wanted, one)) continue;
    const distance = distanceOf(wanted, one);
    if (distance >= least || (distance > 1 && one.length < MIN_LENGTH)) continue;
    [nearest, least] = [known, distance];
  }
  return nearest;
}

/** Two changes leave at least one third of a name as it was: without one there is nothing to count. */
function sharesThird(name: string, other: string): boolean {
  const third = Math.ceil(other.length / 3);
  return [0, third, 2 * third].some((start) => name.includes(other.slice(start, start + third)));
}

/** How many letters have to be changed, added or removed (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + Number(one[i - 1] !== other[j - 1]);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
