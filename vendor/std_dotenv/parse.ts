/**
 * Stands in for `parse` of `@std/dotenv`, for entries whose values are in single or double quotes: this
 * project decodes no others with it.
 */

const ENTRY = /^(\w+)=(?:'([^']*)'|"((?:[^"\\]|\\[^])*)")$/gm;

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** The values of a text's entries, by name. */
export function parse(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [, name = "", literal, escaped = ""] of text.matchAll(ENTRY)) {
    values[name] = literal ?? escaped.replace(/\\([^])/g, unescape);
  }
  return values;
}

function unescape(escape: string, character: string): string {
  if (`"'\\`.includes(character)) return character;
  return ESCAPES[character] ?? escape;
}
