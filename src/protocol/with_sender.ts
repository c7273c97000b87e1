/**
 * Stamps a relayed message with who sent it, in the text that came: every other member reaches the
 * target exactly as the sender wrote it, be it `1e999`, `-0` or an integer of 30 digits.
 *
 * Scanning takes two fifths of the time that stringifying the parsed message takes at 600 B, and a
 * fifth at 3 kB: relaying as a whole takes 24 % and 31 % less time (bench/relay_bench.ts).
 */

import type { Role } from "./messages.ts";

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const LETTER_F = 102;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/**
 * Puts `from` and `fromRole` into a message, in place of any that it has.
 *
 * @param text A JSON object with at least one other member; the caller has checked that it is valid.
 * @returns The same object with these two members at its end, each once.
 */
export function withSender(text: string, from: string, fromRole: Role): string {
  const start = text.indexOf("{") + 1;
  let kept = "";
  let runStart = start; // Of what is kept and not in `kept` yet.
  let memberStart = start;
  let isName = true;
  let isDropped = false;
  let depth = 1;
  for (let at = start;; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at + 1);
        if (isName) isDropped = isOwnName(text, at + 1, end);
        isName = false;
        at = end;
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++;
        break;
      case COMMA:
        if (depth > 1) break;
        if (isDropped) {
          kept += text.slice(runStart, memberStart);
          runStart = at + 1;
        }
        memberStart = at + 1;
        isName = true;
        isDropped = false;
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        if (--depth > 0) break;
        // A member that is dropped leaves the comma before it.
        kept += isDropped ? text.slice(runStart, memberStart) : `${text.slice(runStart, at)},`;
        return `{${kept}"from":${JSON.stringify(from)},"fromRole":"${fromRole}"}`;
    }
  }
}

/** Whether a name, which stands between two quotes, is one of the server's own. */
function isOwnName(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start);
  if (first !== LETTER_F && first !== BACKSLASH) return false;
  const name = text.slice(start, end);
  const read: unknown = name.includes("\\") ? JSON.parse(`"${name}"`) : name;
  return read === "from" || read === "fromRole";
}

/** Where a string ends: at the first quote with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let end = start;; end++) {
    end = text.indexOf('"', end);
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((end - before) % 2 === 0) return end;
  }
}
