/** The diagram and the numbers of docs/protocol.md are those of the code. */

import { assert, assertEquals } from "@std/assert";
import { DEFAULT_LIMITS } from "../../src/access/limits.ts";
import { CLOSE, MAX_NODE_ID_LENGTH, MAX_ROOM_LENGTH } from "../../src/protocol/messages.ts";
import { HEARTBEAT_TIMEOUT_MS } from "../../src/rooms/director.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import { SILENT_JOIN_MS } from "../../src/sessions/deadlines.ts";
import { EXPIRED_CLOSE_MS } from "../../src/sessions/expiries.ts";
import { PHASES } from "../../src/sessions/phases.ts";
import { ROOT } from "../helpers/command.ts";

const text = await Deno.readTextFile(`${ROOT}docs/protocol.md`);
const [, diagram = "", afterDiagram = ""] =
  /^```mermaid\n([\s\S]*?)^```\n\n(.*?)\n\n/ms.exec(text) ??
    [];

/** From, to and label of each arrow; the start and the end of a connection are `[*]`. */
const arrows = [...diagram.matchAll(/^ +(\S+) --> (\S+): (.+)$/gm)].map(
  ([, from = "", to = "", label = ""]) => ({ from, to, label }),
);

Deno.test("docs/protocol.md: the states of a connection are those of a session", async () => {
  const source = await Deno.readTextFile(`${ROOT}src/sessions/session_state.ts`);
  const states = new Set([...source.matchAll(/readonly kind: "(\w+)"/g)].map(([, name]) => name));
  assert(states.size > 4);
  assertEquals(
    new Set(arrows.flatMap(({ from, to }) => [from, to])),
    states.union(new Set(["[*]"])),
  );
});

Deno.test("docs/protocol.md: every state can be reached and ends", () => {
  const ends = new Set(arrows.filter(({ to }) => to === "ended").map(({ from }) => from));
  const states = new Set(arrows.map(({ to }) => to)).difference(new Set(["[*]", "ended"]));
  assertEquals(ends, states);
  const reached = new Set(["[*]"]);
  for (const _ of arrows) for (const { from, to } of arrows) if (reached.has(from)) reached.add(to);
  assert(states.isSubsetOf(reached));
});

Deno.test("docs/protocol.md: the diagram and the lines below it have every close code", () => {
  const found = `${diagram}${afterDiagram}`.match(/\b(1\d{3}|4\d{3})\b/g) ?? [];
  const codes = Object.values(CLOSE).map(({ code }) => String(code));
  assertEquals(new Set(found), new Set(codes));
});

/** The whole numbers in the row of the table of times and sizes that begins like this. */
function numbersOf(row: string): number[] {
  const [, cell] = new RegExp(`^\\| ${row}[^|]*\\|([^|]*)\\|`, "m").exec(text) ?? [];
  assert(cell !== undefined, row);
  return (cell.match(/\d+/g) ?? []).map(Number);
}

Deno.test("docs/protocol.md: the times and sizes are those of the code", () => {
  const limits = DEFAULT_LIMITS;
  const rows: Readonly<Record<string, readonly number[]>> = {
    "A frame": [limits.maxMessageBytes, limits.maxPendingMessageBytes],
    "Frames": [limits.maxMessagesPerSecond, limits.messageBurst],
    "Bytes of a client": [limits.maxBytesPerSecond, limits.byteBurst],
    "Bytes that wait": [limits.maxSendBufferBytes],
    "`room`, `nodeId`": [MAX_ROOM_LENGTH, MAX_NODE_ID_LENGTH],
    "`register`": [DEFAULTS.registerTimeoutMs / 1000],
    "Silence": [SILENT_JOIN_MS.urlWithRoom / 1000, SILENT_JOIN_MS.urlWithoutRoom],
    "An answer to a ping": [DEFAULTS.idleTimeoutSeconds],
    "`heartbeat`": [HEARTBEAT_TIMEOUT_MS / 1000],
    "`refresh`": [EXPIRED_CLOSE_MS / 1000],
    "The answer to a close": [PHASES.closing.deadlineMs / 1000],
  };
  for (const [row, numbers] of Object.entries(rows)) assertEquals(numbersOf(row), numbers, row);
  const section = text.slice(text.indexOf("\n## Times and sizes"));
  const table = section.slice(0, section.indexOf("\n## ", 1));
  assertEquals(table.match(/^\| /gm)?.length, Object.keys(rows).length + 2);
});
