/**
 * The schemas of `docs/protocol/` describe the messages that the server accepts and sends. The helpers
 * for clients check in every other test that what the server sends is valid.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { isObject } from "../../src/protocol/messages.ts";
import { parseClientMessage } from "../../src/protocol/parse.ts";
import { frame, validMessage } from "../helpers/arbitraries.ts";
import { ROOT } from "../helpers/command.ts";
import { property } from "../helpers/property.ts";
import { assertDescribed, assertMessage, isMessage } from "../helpers/schemas.ts";

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

/** The messages in the document's block below a heading. */
function examplesBelow(heading: string, text: string): Record<string, unknown>[] {
  const [, block = ""] = new RegExp(`^## ${heading}\n+\`\`\`jsonc\n([^\`]*)`, "m").exec(text) ?? [];
  return block.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** What tells messages apart: the type, and of errors the code. */
function kindsOf(messages: readonly Record<string, unknown>[]): Set<unknown> {
  return new Set(messages.map(({ type, code }) => code ?? type));
}

Deno.test("schemas: the examples in docs/protocol.md are valid, and of every kind of message", async () => {
  const text = await Deno.readTextFile(`${ROOT}docs/protocol.md`);
  const ofClient = examplesBelow("Messages of the client", text);
  const ofServer = examplesBelow("Messages of the server", text);
  for (const message of ofClient) assertMessage("ClientMessage", message);
  for (const message of ofServer) assertMessage("ServerMessage", message);
  const inline = [...text.matchAll(/`(\{ "type".*?\})`/g)].map(([, json = ""]) => JSON.parse(json));
  for (const message of inline) assertMessage("ClientMessage", message);
  assert(inline.length > 0);
  const signals = ["offer", "answer", "ice-candidate"];
  assertEquals(
    kindsOf([...ofClient, ...inline]),
    new Set([...signals, "register", "heartbeat", "refresh"]),
  );
  assertEquals(
    kindsOf([...ofServer, ...signals.map((type) => ({ type }))]),
    new Set([
      ...signals,
      ...["peer-list", "server-list", "token", "ice-servers", "auth-err"],
      ...["PEER_NOT_FOUND", "PEER_BUSY", "INVALID_MESSAGE", "INVALID_TOKEN"],
    ]),
  );
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
