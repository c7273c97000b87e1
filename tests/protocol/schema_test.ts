/**
 * The schemas of `docs/protocol/` describe the messages that the server accepts and sends. The helpers
 * for clients check in every other test that what the server sends is valid.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseClientMessage } from "../../src/protocol/parse.ts";
import { frame, validMessage } from "../helpers/arbitraries.ts";
import { filesIn, ROOT } from "../helpers/command.ts";
import { property } from "../helpers/property.ts";
import { assertDescribed, assertMessage, isMessage, readProtocol } from "../helpers/schemas.ts";

/** Whether the server acts on a text. */
function isAccepted(text: string): boolean {
  const { type } = parseClientMessage(text);
  return type !== "invalid" && type !== "unknown";
}

property(
  "the schemas describe every message of a client that the server accepts",
  frame,
  2000,
  assertDescribed,
);

property("the server accepts every message that the schemas describe", frame, 2000, (text) => {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return;
  }
  if (isMessage("ClientMessage", message)) assert(isAccepted(text), text);
});

property(
  "the schemas describe every message of a client that keeps to the contract",
  validMessage,
  500,
  (message) => {
    assert(isMessage("ClientMessage", JSON.parse(JSON.stringify(message))));
  },
);

/** The messages in a document, wherever they are: each begins with its type. */
function messagesIn(text: string): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  let end = 0;
  for (const { index } of text.matchAll(/\{\s*"type"\s*:/g)) {
    if (index < end) continue; // It is inside the one before.
    end = endOfObject(text, index);
    found.push(JSON.parse(text.slice(index, end)));
  }
  return found;
}

/** The index behind the object that begins here. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  for (const { 0: token, index } of text.slice(start).matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") depth++;
    if (token === "}" && --depth === 0) return start + index + 1;
  }
  return text.length;
}

/** Which messages an example may be: of signals, only those of the server name their sender. */
function definitionOf(message: Record<string, unknown>): string {
  const { type } = message;
  const isOfClient = ["register", "heartbeat", "refresh"].includes(String(type)) ||
    isSignal(type) && !("from" in message);
  return isOfClient ? "ClientMessage" : "ServerMessage";
}

function isSignal(type: unknown): boolean {
  return type === "offer" || type === "answer" || type === "ice-candidate";
}

/** What tells messages apart: the direction, the type, and of errors the code. */
function kindOf(message: Record<string, unknown>): string {
  return `${definitionOf(message)} ${message["code"] ?? message["type"]}`;
}

/** Every kind of message that the schemas describe. */
function describedKinds(): Set<string> {
  const { $defs } = readProtocol("messages.schema.json") as Record<string, Definitions>;
  return new Set(
    ["ClientMessage", "ServerMessage"].flatMap((union) =>
      ($defs?.[union]?.oneOf ?? []).flatMap(({ $ref }) => {
        const properties = $defs?.[$ref.replace("#/$defs/", "")]?.properties;
        const codes = properties?.["code"]?.enum ?? [properties?.["type"]?.const];
        return codes.map((code) => `${union} ${code}`);
      })
    ),
  );
}

/** As much of the file of schemas as the test reads. */
type Definitions = Readonly<
  Record<string, {
    readonly oneOf?: readonly { readonly $ref: string }[];
    readonly properties?: Readonly<Record<string, { const?: string; enum?: readonly string[] }>>;
  }>
>;

/** The documents with examples of messages. */
async function documents(): Promise<string[]> {
  const found = await Array.fromAsync(filesIn("docs"), ({ path }) => path);
  return ["README.md", "SECURITY.md", ...found.filter((path) => path.endsWith(".md"))];
}

Deno.test("schemas: every message in the README and the documents is valid", async () => {
  let count = 0;
  for (const path of await documents()) {
    for (const message of messagesIn(await Deno.readTextFile(ROOT + path))) {
      assertMessage(definitionOf(message), message);
      count++;
    }
  }
  assert(count > 20);
});

Deno.test("schemas: docs/protocol.md shows every kind of message", async () => {
  const shown = new Set(messagesIn(await Deno.readTextFile(`${ROOT}docs/protocol.md`)).map(kindOf));
  assertEquals(shown, describedKinds());
});

Deno.test("schemas: a message of the server that they do not describe fails a test", () => {
  const refused = [
    { type: "peer-list", peers: "a" },
    { type: "peer-list", peers: [], more: 1 },
    { type: "offer", to: "a", from: "b" },
    { type: "later" },
  ];
  for (const message of refused) {
    assertThrows(() => assertMessage("ServerMessage", message), Error, "docs/protocol");
  }
  assertMessage("ServerMessage", {
    type: "offer",
    to: "a",
    from: "b",
    fromRole: "normal",
    more: 1,
  });
});
