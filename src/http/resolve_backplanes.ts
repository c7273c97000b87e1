/** The option `backplane`, checked and as a list. It starts none of them. */

import type { Backplane } from "../cluster/backplane.ts";
import { checkMethods } from "../runtime/option_checks.ts";

/** What every backplane needs; one of the host may lack the others, of which it then does nothing. */
const METHODS = [
  ...["start", "join", "update", "leave", "send", "reportUndeliverable", "audit", "authFailed"],
  "close",
];

/**
 * One backplane or a list of them, as a list.
 *
 * @throws {TypeError} One is not usable or is there twice, or the list is empty.
 */
export function checkBackplanes(given: Backplane | readonly Backplane[]): readonly Backplane[] {
  if (!isList(given)) {
    checkMethods("backplane", given, METHODS);
    return [given];
  }
  const backplanes = [...given]; // The host may change its own list.
  if (backplanes.length === 0) {
    throw new TypeError("backplane must have at least one element: leave it out for one instance");
  }
  for (const [index, backplane] of backplanes.entries()) {
    checkMethods(`backplane[${index}]`, backplane, METHODS);
    const first = backplanes.indexOf(backplane);
    if (first === index) continue;
    throw new TypeError(
      `backplane[${index}] is backplane[${first}]: create one of its own for each element`,
    );
  }
  return backplanes;
}

function isList(given: Backplane | readonly Backplane[]): given is readonly Backplane[] {
  return Array.isArray(given);
}
