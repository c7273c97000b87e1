/** Finds names that are probably misspelt settings: a setting that is not read warns of nothing. */

/** Names that differ in at most so many letters count as similar. */
const MAX_DISTANCE = 2;

/** Shorter names, such as `HOST`, are similar to too many others. */
const MIN_LENGTH = 8;

/**
 * Finds the setting that a name probably means.
 *
 * @param name A name that is no setting.
 * @param settings The names of the settings.
 * @returns The most similar setting, or `undefined` if none is similar.
 */
export function findSimilar(name: string, settings: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = MAX_DISTANCE + 1;
  for (const setting of settings) {
    if (setting.length < MIN_LENGTH || Math.abs(setting.length - name.length) >= least) continue;
    const distance = distanceOf(name.toUpperCase(), setting);
    if (distance < least) [nearest, least] = [setting, distance];
  }
  return nearest;
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
