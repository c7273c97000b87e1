/**
 * Stamps a relayed message with who sent it, in the text that came: what it carries is not written
 * anew. Only the members that are the server's own are taken out and put in.
 */

import type { Role } from "./messages.ts";

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** Members that a message has at most to be stamped as it came: offers and candidates have five. */
const MAX_NAMES = 12;

/**
 * Puts `from` and `fromRole` into a message, in place of whatever stood there.
 *
 * @param text A JSON object; that it is valid JSON has been checked.
 * @returns The same object with these two members, each once; `undefined` when that takes reading it
 * anew, because it has many members, or a name is written with escapes or stands there twice.
 */
export function withSender(text: string, from: string, fromRole: Role): string | undefined {
  const start = text.indexOf("{") + 1;
  let body = "";
  let runStart = start; // of what is kept and not in `body` yet
  let memberStart = start;
  let isName = true;
  let isDropped = false;
  const names: string[] = [];
  let depth = 1;
  for (let at = start;; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at + 1);
        if (isName && depth === 1) {
          isName = false;
          const name = text.slice(at + 1, end);
          if (name === "from" || name === "fromRole") isDropped = true;
          else if (names.length === MAX_NAMES || name.includes("\\") || names.includes(name)) {
            return undefined;
          } else names.push(name);
        }
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
          body += text.slice(runStart, memberStart);
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
        body += isDropped ? text.slice(runStart, memberStart) : `${text.slice(runStart, at)},`;
        return `{${body}"from":${JSON.stringify(from)},"fromRole":"${fromRole}"}`;
    }
  }
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
