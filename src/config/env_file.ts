/**
 * Reads and edits the text of a `.env` file: the entries of our own settings, and no other. Each entry
 * is found and checked here and then decoded by `@std/dotenv`, which sees no entry that could make it
 * replace a variable: nothing in the file can refer to itself. It opens no file.
 */

import { parse } from "@std/dotenv/parse";

/** What a `.env` file says of the settings. */
export interface EnvFile {
  /** The values of the settings, by name. */
  readonly values: ReadonlyMap<string, string>;
  /** What is wrong with the entry of a setting, by name: a sentence each. */
  readonly problems: ReadonlyMap<string, string>;
  /** The settings that have more than one entry: the last one applies. */
  readonly repeated: ReadonlySet<string>;
  /** Every other name. */
  readonly otherNames: ReadonlySet<string>;
}

/** The start of an entry, as in `export NAME = value`. */
const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*/;

/**
 * An entry in another notation, as in `NAME: value`, `"NAME"=value`, `set NAME=value` or with a character
 * in front of it that is not seen, such as a byte order mark or a no-break space.
 */
const OTHER_NOTATION =
  /^[\s\p{Cf}'"`-]*(?:(?:set|setx|env|export|declare)\s(?:-\w+\s)?|\$?env:)?[\s\p{Cf}'"`]*([A-Za-z_]\w*)[\s\p{Cf}'"`]*[:=]/iu;

/** A variable as a shell writes it: `$NAME`, `${NAME}`. */
const VARIABLE = /\$[A-Za-z_{]/;

/** What follows a closing quote: nothing, or a comment. */
const END = /^[ \t]*(#.*)?$/;

/** A comment behind an unquoted value. */
const UNQUOTED_COMMENT = /(^|[ \t])#.*$/;

const UNCLOSED = "has a quote that is not closed. Close it on the same line";
const TRAILING = "has text behind its closing quote. Put the whole value into quotes";
const NOTATION = "is not written as NAME=value. Write it so, from the start of the line";
const COMMENTED =
  "begins with #, so that it is a comment. Put the value into quotes, or a space before the comment";
const REFERENCE =
  "refers to a variable by $, which is not replaced. Write the value, or put it in single quotes";

/**
 * Reads the entries of settings.
 *
 * @param text The text of the file.
 * @param names The names of the settings.
 * @returns What it says of them. An unquoted value ends at a `#` behind white space; a value in
 * single quotes or backticks stays as it is; in double quotes `\n`, `\r`, `\t`, `\"`, `\'` and `\\` are
 * escapes.
 */
export function parseEnvFile(text: string, names: ReadonlySet<string>): EnvFile {
  const values = new Map<string, string>();
  const problems = new Map<string, string>();
  const repeated = new Set<string>();
  const otherNames = new Set<string>();
  for (const { name, index, entry } of entriesOf(splitLines(text).lines, names)) {
    if (!names.has(name)) {
      otherNames.add(name);
      continue;
    }
    if (values.has(name) || problems.has(name)) repeated.add(name);
    values.delete(name);
    problems.delete(name);
    if (entry.kind === "value") values.set(name, entry.value);
    else problems.set(name, `${name} in .env (line ${index + 1}) ${entry.problem}`);
  }
  return { values, problems, repeated, otherNames };
}

/** Options of {@linkcode editEnvFile}. */
export interface EnvFileEdit {
  /** The names of the settings. */
  readonly names: ReadonlySet<string>;
  /** The new values, which need no quotes, by name; `undefined` removes an entry. */
  readonly changes: ReadonlyMap<string, string | undefined>;
}

/**
 * Changes entries of settings, each of which has one entry that is well formed, or none. A new entry
 * follows the last one that is changed.
 *
 * @param text The text of the file.
 * @param edit What to change.
 * @returns The text with these entries changed and everything else as it was.
 */
export function editEnvFile(text: string, { names, changes }: EnvFileEdit): string {
  const { lines, breaks } = splitLines(text);
  const edited = lines.map((line, index) => line + (breaks[index] ?? ""));
  const added = new Map(changes);
  let last = lines.length - 1;
  for (const { name, start, index, entry } of entriesOf(lines, names)) {
    if (!changes.has(name) || entry.kind !== "value") continue;
    added.delete(name);
    last = index + entry.lineCount - 1;
    const value = changes.get(name);
    edited.fill("", index, last + 1);
    if (value !== undefined) edited[last] = start + value + entry.comment + (breaks[last] ?? "");
  }
  const lineBreak = breaks[0] ?? "\n";
  const isOpen = edited[last] !== "" && breaks[last] === undefined;
  const entries = [...added].filter(([, value]) => value !== undefined);
  const block = entries.map(([name, value]) => `${name}=${value}${lineBreak}`).join("");
  edited[last] = `${edited[last]}${isOpen && block !== "" ? lineBreak : ""}${block}`;
  return edited.join("");
}

/** The lines of a text, and the line break behind each but the last. */
function splitLines(text: string): { lines: string[]; breaks: string[] } {
  const parts = text.split(/(\r\n|\n|\r)/);
  return {
    lines: parts.filter((_, index) => index % 2 === 0),
    breaks: parts.filter((_, index) => index % 2 === 1),
  };
}

/** An entry where it stands. */
interface PlacedEntry {
  readonly name: string;
  /** What precedes its value, as in `export NAME = `. */
  readonly start: string;
  /** The index of its first line. */
  readonly index: number;
  readonly entry: Entry;
}

function* entriesOf(
  lines: readonly string[],
  names: ReadonlySet<string>,
): Generator<PlacedEntry> {
  const isSetting = (line: string) => names.has(ASSIGNMENT.exec(line)?.[1] ?? "");
  let index = 0;
  while (index < lines.length) {
    const line = lines[index] ?? "";
    const [start = "", name = ""] = ASSIGNMENT.exec(line) ?? [];
    if (start === "") {
      const meant = OTHER_NOTATION.exec(line)?.[1];
      if (meant !== undefined) yield { name: meant, start, index, entry: malformed(NOTATION) };
      index++;
      continue;
    }
    const first = line.slice(start.length);
    const entry = start.endsWith("=") && first.startsWith("#")
      ? malformed(COMMENTED)
      : readEntry(first, { lines, next: index + 1, isSetting });
    yield { name, start, index, entry };
    index += entry.lineCount;
  }
}

/** The value of an entry, or what is wrong with it. */
type Entry =
  & { readonly lineCount: number }
  & (
    | { readonly kind: "value"; readonly value: string; readonly comment: string }
    | { readonly kind: "malformed"; readonly problem: string }
  );

function malformed(problem: string, lineCount = 1): Entry {
  return { kind: "malformed", problem, lineCount };
}

/** The lines behind the one that starts an entry. */
interface Following {
  readonly lines: readonly string[];
  /** The index of the first of them. */
  readonly next: number;
  /** Whether a line starts a setting. */
  readonly isSetting: (line: string) => boolean;
}

/**
 * Reads a value, whose quotes may span lines. A line in between that starts a setting shows that a
 * quote was not closed: nothing of that setting may become part of this value.
 */
function readEntry(first: string, { lines, next, isSetting }: Following): Entry {
  const quote = first.charAt(0);
  if (!["'", '"', "`"].includes(quote)) {
    const rest = UNQUOTED_COMMENT.exec(first)?.[0] ?? "";
    const value = first.slice(0, first.length - rest.length).trim();
    if (VARIABLE.test(value)) return malformed(REFERENCE);
    const comment = rest === "" ? "" : ` ${rest.trimStart()}`;
    return { kind: "value", value, comment, lineCount: 1 };
  }
  const body: string[] = [];
  let line: string | undefined = first.slice(1);
  while (line !== undefined && !(body.length > 0 && isSetting(line))) {
    const length = closingQuote(line, quote);
    body.push(length < 0 ? line : line.slice(0, length));
    const lineCount = body.length;
    if (length >= 0) {
      const comment = line.slice(length + 1);
      if (!END.test(comment)) return malformed(TRAILING, lineCount);
      const text = body.join("\n");
      if (quote === "`") return { kind: "value", value: text, comment, lineCount };
      const refers = quote === '"' && VARIABLE.test(text);
      if (refers) return malformed(REFERENCE, lineCount);
      const value = decodeQuoted(`${quote}${text}${quote}`);
      return { kind: "value", value, comment, lineCount };
    }
    line = lines[next + lineCount - 1];
  }
  return malformed(UNCLOSED);
}

/** A backslash and what it escapes in double quotes. */
const ESCAPE = /\\(.)/g;

function decodeQuoted(text: string): string {
  return parse(`VALUE=${text}`)["VALUE"] ?? "";
}

/** Where the quote is closed on a line, or -1. */
function closingQuote(line: string, quote: string): number {
  if (quote !== '"') return line.indexOf(quote);
  return line.replaceAll(ESCAPE, "__").indexOf(quote);
}

/** An encoding that a text file may have. */
export type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** A text, and how it was encoded. */
export interface DecodedText {
  readonly text: string;
  readonly encoding: Encoding;
}

/**
 * Decodes a text file by its byte order mark, which is not part of the text: UTF-8 without one.
 * Windows PowerShell 5 writes UTF-16.
 *
 * @returns The text, or `undefined` if the bytes are in another encoding, or in two.
 */
export function decodeText(bytes: Uint8Array<ArrayBuffer>): DecodedText | undefined {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe
    ? "utf-16le"
    : first === 0xfe && second === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : { text, encoding };
  } catch {
    return undefined;
  }
}

/** Encodes a text without a byte order mark, to append it to a file of that encoding. */
export function encodeText(text: string, encoding: Encoding): Uint8Array<ArrayBuffer> {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) {
    view.setUint16(index * 2, text.charCodeAt(index), encoding === "utf-16le");
  }
  return bytes;
}
