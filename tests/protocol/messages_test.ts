import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type ClientMessage, CLOSE, isLongerThan } from "../../src/protocol/messages.ts";
import { parseClientMessage } from "../../src/protocol/parse.ts";

function parse(value: unknown): unknown {
  return parseClientMessage(JSON.stringify(value));
}

function problem(text: string): string {
  const message = parseClientMessage(text);
  assert(message.type === "invalid", `${text} was taken as ${message.type}`);
  return message.problem;
}

Deno.test("parseClientMessage() reads a register of version 1 and fills in its defaults", () => {
  assertEquals(parse({ type: "register", nodeId: "n-1" }), {
    type: "register",
    role: "normal",
    serveConsumers: true,
    capacity: undefined,
    token: undefined,
    refresh: false,
    iceServers: false,
  });
});

Deno.test("parseClientMessage() reads every field of a register", () => {
  const options = { role: "consumer", serveConsumers: false, capacity: 50 };
  const fields = { ...options, token: "a.b.c", refresh: true, iceServers: true };
  assertEquals(parse({ type: "register", nodeId: "c-1", protocolVersion: 1, ...fields }), {
    type: "register",
    ...fields,
  });
});

Deno.test("parseClientMessage() reads a token that is no text as a missing one", () => {
  for (const token of [5, null, {}, ["a.b.c"], true]) {
    const message = parseClientMessage(
      JSON.stringify({ type: "register", role: "consumer", token }),
    );
    assertEquals(message.type === "register" && message.token, undefined);
    assertEquals(parse({ type: "refresh", token }), { type: "refresh", token: undefined });
  }
});

Deno.test("parseClientMessage() reads a heartbeat whose every field is optional", () => {
  const nothing = { sessions: undefined, serveConsumers: undefined, capacity: undefined };
  assertEquals(parse({ type: "heartbeat" }), { type: "heartbeat", ...nothing });
  assertEquals(
    parse({ type: "heartbeat", load: { sessions: 12 }, serveConsumers: true, capacity: 50 }),
    { type: "heartbeat", sessions: 12, serveConsumers: true, capacity: 50 },
  );
});

Deno.test("parseClientMessage() leaves the payload of a signal as it came", () => {
  const offer = { type: "offer", to: "b", sdp: { type: "offer", sdp: "v=0" }, extra: [1, null] };
  assertEquals(parse(offer), offer);
});

Deno.test("parseClientMessage() calls a type it does not know unknown", () => {
  assertEquals(parse({ type: "hello" }), { type: "unknown" });
  assertEquals(parse({ type: "toString" }), { type: "unknown" });
  assertEquals(parse({ type: "" }), { type: "unknown" });
});

Deno.test("parseClientMessage() answers everything else with a sentence", () => {
  const texts = [
    "",
    "null",
    "5",
    '"offer"',
    "[]",
    '[{"type":"offer"}]',
    "{}",
    "{",
    '{"type":5}',
    '{"type":null}',
    '{"type":{"type":"offer"}}',
    '{"type":"offer"}',
    '{"type":"offer","to":5}',
    '{"type":"answer","to":null}',
    `{"type":"offer","to":"${"a".repeat(129)}"}`,
    '{"type":"ice-candidate","to":["a"]}',
    '{"__proto__":{"type":"offer","to":"a"}}',
    '{"type":"register","role":"admin"}',
    '{"type":"register","role":5}',
    '{"type":"register","serveConsumers":"yes"}',
    '{"type":"register","refresh":"yes"}',
    '{"type":"register","capacity":"many"}',
    '{"type":"register","capacity":-1}',
    '{"type":"register","capacity":1e999}',
    '{"type":"heartbeat","load":5}',
    '{"type":"heartbeat","load":[]}',
    '{"type":"heartbeat","load":{"sessions":"12"}}',
    '{"type":"heartbeat","serveConsumers":1}',
    '{"type":"heartbeat","capacity":{}}',
    "[".repeat(30_000),
    "[".repeat(30_000) + "]".repeat(30_000),
    "\u0000",
  ];
  for (const text of texts) assert(problem(text).length > 0);
  assertStringIncludes(problem('{"type":"offer"}'), "`to`");
});

Deno.test("isLongerThan() counts characters, not units or bytes", () => {
  assertEquals(isLongerThan("😀".repeat(128), 128), false);
  assertEquals(isLongerThan("😀".repeat(129), 128), true);
  assertEquals(isLongerThan("a".repeat(128), 128), false);
  assertEquals(isLongerThan("a".repeat(129), 128), true);
  assertEquals(isLongerThan("ß".repeat(1000), 128), true);
});

Deno.test("CLOSE has codes that may be sent, reasons that fit a close frame, and HTTP statuses", () => {
  for (const { code, reason, status } of Object.values(CLOSE)) {
    assert(status >= 400 && status < 600, reason);
    assert(code === 1000 || code === 1001 || (code >= 1007 && code <= 1013) || code >= 4000);
    assert(new TextEncoder().encode(reason).byteLength <= 123);
  }
});

Deno.test("parseClientMessage() accepts everything that ClientMessage lets a client write", () => {
  const candidate = { candidate: "", sdpMid: "0" };
  const messages: readonly ClientMessage[] = [
    { type: "register", nodeId: "a", role: "normal" },
    { type: "register", nodeId: "a", serveConsumers: true, capacity: 50, protocolVersion: 1 },
    { type: "register", nodeId: "c", role: "consumer", token: "a.b.c" },
    { type: "register", refresh: true },
    { type: "refresh", token: "a.b.c" },
    { type: "offer", to: "b", sdp: { type: "offer", sdp: "v=0" } },
    { type: "answer", to: "b", from: "x", sdp: {} },
    { type: "ice-candidate", to: "b", candidate },
    { type: "heartbeat" },
    { type: "heartbeat", load: { sessions: 12 }, serveConsumers: true, capacity: 50 },
  ];
  for (const message of messages) {
    assertEquals(parseClientMessage(JSON.stringify(message)).type, message.type);
  }
});
