/** What is published in Redis is read back as it was, and nothing else is. */

import { assertEquals } from "@std/assert";
import type { Envelope } from "../../../src/cluster/backplane.ts";
import {
  decodeMessage,
  encodeAuthFailed,
  encodeEnvelope,
  encodePost,
  encodeUndeliverable,
  MESSAGE_KIND,
  PING,
} from "../../../src/cluster/redis/messages.ts";

const ENVELOPE: Envelope = {
  room: 'r"\n😀 /',
  type: "offer",
  from: "n\t\u0000",
  sender: { instance: "x", number: 7 },
  to: "b",
  target: { instance: "y", number: 8 },
  text: '{"type":"offer",\n"sdp":"\\n"}',
};
const { text: _, ...HEADER } = ENVELOPE;
const STORED = "x 7 normal 1 1700000000000 3 ";
const MEMBER = {
  id: "a",
  instance: "x",
  number: 7,
  role: "normal",
  acceptsConsumers: true,
  joinedAt: 1700000000000,
  joinOrder: 3,
  consumerIdentity: "",
} as const;

Deno.test("messages: an envelope is read as it was written, whatever the names and the frame", () => {
  const heartbeats = 12345;
  assertEquals(decodeMessage(encodeEnvelope(ENVELOPE, heartbeats)), {
    kind: "envelope",
    envelope: ENVELOPE,
    heartbeats,
  });
});

Deno.test("messages: the report of an undeliverable envelope has its header and the reason", () => {
  assertEquals(decodeMessage(encodeUndeliverable(HEADER, "busy")), {
    kind: "undeliverable",
    envelope: HEADER,
    reason: "busy",
  });
});

Deno.test("messages: a failed authentication is read with its address and its instance", () => {
  const message = decodeMessage(encodeAuthFailed("192.0.2.1", "x"));
  assertEquals(message, { kind: "auth failed", address: "192.0.2.1", from: "x" });
});

Deno.test("messages: a post is read with its text, whatever that is, and its instance", () => {
  for (const text of ['["any",\n"text"]\n\n😀', ""]) {
    assertEquals(decodeMessage(encodePost(text, "x")), { kind: "post", text, from: "x" });
  }
});

Deno.test("messages: room events are read as the scripts write them", () => {
  const read = (...fields: unknown[]) => decodeMessage(JSON.stringify(fields));
  const event = (event: unknown) => ({ kind: "room event" as const, event });
  const second = "y 8 consumer 0 1700000000001 1 an issuer  and\na subject";
  const secondMember = {
    id: "b",
    instance: "y",
    number: 8,
    role: "consumer",
    acceptsConsumers: false,
    joinedAt: 1700000000001,
    joinOrder: 1,
    consumerIdentity: "an issuer  and\na subject",
  };
  const common = { room: "r", rotation: 2, isReclaim: false };
  const joined: unknown = event({ kind: "joined", member: MEMBER, ...common });
  assertEquals<unknown>(read(MESSAGE_KIND.joined, "r", "a", STORED, 2, false), joined);
  const snapshot: unknown = event({
    kind: "snapshot",
    members: [secondMember, MEMBER],
    ...common,
    isReclaim: true,
  });
  const pairs = ["a", STORED, "b", second];
  assertEquals<unknown>(read(MESSAGE_KIND.snapshot, "r", pairs, 2, true), snapshot);
  const updated: unknown = event({ kind: "updated", room: "r", member: MEMBER });
  assertEquals<unknown>(read(MESSAGE_KIND.updated, "r", "a", STORED), updated);
  const left: unknown = event({
    kind: "left",
    room: "r",
    id: "a",
    memberId: { instance: "x", number: 7 },
  });
  assertEquals<unknown>(read(MESSAGE_KIND.left, "r", "a", "x", 7), left);
  const instanceLeft: unknown = event({ kind: "instance left", room: "r", instance: "x" });
  assertEquals<unknown>(read(MESSAGE_KIND.instanceLeft, "r", "x"), instanceLeft);
});

Deno.test("messages: a heartbeat is read, and a ping asks for nothing", () => {
  const heartbeat = decodeMessage(JSON.stringify([MESSAGE_KIND.heartbeat, 7]));
  assertEquals(heartbeat, { kind: "heartbeat", sentAt: 7 });
  assertEquals(decodeMessage(PING), undefined);
});

Deno.test("messages: what is no message of this version is ignored", () => {
  const texts = [
    "",
    "not JSON",
    "null",
    "{}",
    "[]",
    '["of a later version"]',
    '["joined"]',
    '["joined",1,"a","x 7 normal 1 1 3",0,false]',
    '["joined","r","a","x seven normal 1 1 3",0,false]',
    '["joined","r","a","x 7 admin 1 1 3",0,false]',
    '["joined","r","a","x 7",0,false]',
    '["snapshot","r",7,0,false]',
    '["heartbeat"]',
    '["mark","x"]',
    '["left","r","a","x","7"]',
    '["instance left","r",null]',
    '["post",7]\nany text',
    '["auth failed",["192.0.2.1"],"x"]',
    '["undeliverable","r","register","a","x",7,"b","y",8,"busy"]',
    '["envelope","r","offer","a","x",7,"b","y",8]\n{}',
  ];
  for (const text of texts) assertEquals(decodeMessage(text), undefined, text);
});
