/**
 * Reads the query of a request strictly: every parameter is known, given once and valid UTF-8. A route
 * that acts on what it reads must not guess.
 */

import { splitUrl } from "./url.ts";

/** Characters of an unknown name that the message shows. */
const MAX_SHOWN = 40;

/** What a query contains, or what is wrong with it: a sentence. */
export type StrictQuery =
  | { readonly values: Readonly<Record<string, string>> }
  | { readonly problem: string };

/** Reads the query of a URL that may have these parameters, and no others. */
export function readStrictQuery(url: string, known: readonly string[]): StrictQuery {
  const values: Record<string, string> = {};
  for (const part of splitUrl(url).query.split("&")) {
    if (part === "") continue;
    const [, encodedName = "", encodedValue = ""] = /^([^=]*)=?(.*)$/s.exec(part) ?? [];
    const name = decode(encodedName);
    const value = decode(encodedValue);
    if (name === undefined || value === undefined) {
      return { problem: "The query must be percent-encoded UTF-8" };
    }
    if (!known.includes(name)) {
      const shown = JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name);
      const all = known.length === 0 ? "none" : known.map((one) => `\`${one}\``).join(", ");
      return { problem: `There is no parameter ${shown}: there is ${all}` };
    }
    if (Object.hasOwn(values, name)) return { problem: `\`${name}\` is given more than once` };
    values[name] = value;
  }
  return { values };
}

/** `undefined` for half of a percent sign, and for bytes that are not UTF-8, as of half a surrogate pair. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
