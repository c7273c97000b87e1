/** Frames and handshakes that no client should send, and what the server makes of each. */

import { frame, handshake } from "./raw.ts";
import { bytes } from "./raw_client.ts";

/** What a case is called, its bytes, and what comes of it. */
export type Case = readonly [name: string, bytes: Uint8Array, outcome: string];

const OFFER = '{"type":"offer","to":"case","sdp":{}}';
const SIZE = OFFER.length;

/** Not answered; the connection is dropped without a close frame. */
const DROPPED = "end";
const RELAYED = "PEER_NOT_FOUND case, alive";
const INVALID = "INVALID_MESSAGE, alive";

/** A frame whose two bytes of header and whose extended length are as given. */
function odd(
  first: number,
  second: number,
  extended: readonly number[] = [],
  payload: string | readonly number[] = [],
): Uint8Array {
  const isMasked = second >= 0x80;
  const mask = isMasked ? [1, 2, 3, 4] : [];
  const data = bytes(payload).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return bytes([first, second, ...extended], mask, data);
}

/** The payload of a close frame. */
function close(code: number, reason: string | readonly number[] = ""): Uint8Array {
  return bytes([code >> 8, code & 255], reason);
}

function closing(outcome: string, ...codes: number[]): Case[] {
  return codes.map((code) => [
    `close ${code}`,
    frame(8, close(code)),
    `close ${outcome === "" ? code : outcome}, end`,
  ]);
}

/** An announced length, in eight bytes. */
function announced(length: bigint): Uint8Array {
  const extended = new Uint8Array(8);
  new DataView(extended.buffer).setBigUint64(0, length);
  return odd(0x81, 0xff, [...extended], OFFER);
}

/** RFC 6455 wants the connection to fail (sections 5 and 7), and it does. */
const REFUSED: readonly Case[] = [
  ["RSV1", odd(0xc1, 0x80 | SIZE, [], OFFER), DROPPED],
  ["RSV2", odd(0xa1, 0x80 | SIZE, [], OFFER), DROPPED],
  ["RSV3", odd(0x91, 0x80 | SIZE, [], OFFER), DROPPED],
  ["all reserved bits", odd(0xf1, 0x80 | SIZE, [], OFFER), DROPPED],
  ["RSV1 on a ping", odd(0xc9, 0x80), DROPPED],
  ["RSV1 on a close", odd(0xc8, 0x80), DROPPED],
  ["RSV1 on a continuation", bytes(frame(1, "{", false), odd(0xc0, 0x81, [], "}")), DROPPED],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): Case[] => [
    [`opcode ${opcode}`, frame(opcode, ""), DROPPED],
    [`opcode ${opcode}, a fragment`, frame(opcode, OFFER, false), DROPPED],
  ]),
  ["a ping of 126 bytes", frame(9, "x".repeat(126)), DROPPED],
  ["a fragmented ping", frame(9, "x", false), DROPPED],
  ["a fragmented pong", frame(10, "x", false), DROPPED],
  ["a fragmented close", frame(8, close(1000), false), DROPPED],
  ["a continuation of nothing", frame(0, OFFER), DROPPED],
  ["an unfinished continuation of nothing", frame(0, OFFER, false), DROPPED],
  [
    "a continuation of what is complete",
    bytes(frame(1, "{", false), frame(0, "}"), frame(0, "}")),
    "INVALID_MESSAGE, end",
  ],
  ["a text within a text", bytes(frame(1, "{", false), frame(1, OFFER)), DROPPED],
  ["a binary within a text", bytes(frame(1, "{", false), frame(2, "x")), DROPPED],
  ["a text within a binary", bytes(frame(2, "x", false), frame(1, OFFER)), DROPPED],
  ["a length with its highest bit set", announced(1n << 63n | 37n), DROPPED],
  ["a length of all ones", announced((1n << 64n) - 1n), DROPPED],
  ["UTF-8: no such byte", frame(1, bytes([0xff])), DROPPED],
  ["UTF-8: overlong", frame(1, bytes([0xc0, 0x80])), DROPPED],
  ["UTF-8: a surrogate", frame(1, bytes([0xed, 0xa0, 0x80])), DROPPED],
  ["UTF-8: beyond U+10FFFF", frame(1, bytes([0xf4, 0x90, 0x80, 0x80])), DROPPED],
  ["UTF-8: cut short", frame(1, bytes([0xe2, 0x82])), DROPPED],
  ["UTF-8: begun in the middle", frame(1, bytes([0x80])), DROPPED],
  [
    "UTF-8: broken between fragments",
    bytes(frame(1, bytes([0xe2]), false), frame(0, bytes([0xff]))),
    DROPPED,
  ],
  ["UTF-8: broken in a first fragment", frame(1, bytes([0xff]), false), DROPPED],
  ["a close of one byte", frame(8, bytes([3])), DROPPED],
  ["a close reason that is no UTF-8", frame(8, close(1000, [0xff])), DROPPED],
  ["a close reason cut short", frame(8, close(1000, [0xe2, 0x82])), DROPPED],
  ...closing("1002", 0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2000, 2999, 5000, 65535),
];

/** Too much for the server, though not against RFC 6455. */
const TOO_MUCH: readonly Case[] = [1n << 26n, 1n << 32n, 1n << 53n, (1n << 63n) - 1n].map(
  (length) => [`${length} bytes announced`, announced(length), DROPPED],
);

/** RFC 6455 allows it, and it harms nobody. */
const ALLOWED: readonly Case[] = [
  ["a close without a code", frame(8, ""), "close, end"],
  ["a close reason of 123 bytes", frame(8, close(1000, "x".repeat(123))), "close 1000, end"],
  ...closing("", 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999),
  ["an offer after a close", bytes(frame(8, close(1000)), frame(1, OFFER)), "close 1000, end"],
  ["a ping after a close", bytes(frame(8, close(1000)), frame(9, "x")), "close 1000, end"],
  ["two closes", bytes(frame(8, close(1000)), frame(8, close(1001))), "close 1000, end"],
  ["rubbish after a close", bytes(frame(8, close(1000)), frame(3, "")), "close 1000, end"],
  ["a close within a text", bytes(frame(1, "{", false), frame(8, close(1000))), "close 1000, end"],
  ["a pong that nobody asked for", frame(10, "x"), "alive"],
  ["90 pongs", bytes(...Array(90).fill(frame(10, "x".repeat(125)))), "alive"],
  ["1000 pongs", bytes(...Array(1000).fill(frame(10, "x".repeat(125)))), DROPPED],
  ["a ping of 125 bytes", frame(9, "x".repeat(125)), "pong 125, alive"],
  ["1000 pings", bytes(...Array(1000).fill(frame(9, "x"))), "pong 1, ".repeat(1000) + "alive"],
  [
    "a ping within a text",
    bytes(frame(1, OFFER.slice(0, 9), false), frame(9, ""), frame(0, OFFER.slice(9))),
    `pong 0, ${RELAYED}`,
  ],
  [
    "UTF-8 cut between fragments",
    bytes(frame(1, bytes([0xe2]), false), frame(0, bytes([0x82, 0xac]))),
    INVALID,
  ],
  [
    "1000 empty fragments",
    bytes(frame(1, "", false), ...Array(1000).fill(frame(0, "", false)), frame(0, OFFER)),
    RELAYED,
  ],
  ["an empty text", frame(1, ""), INVALID],
  ["an empty binary", frame(2, ""), INVALID],
  ["a binary", frame(2, OFFER), INVALID],
  ["a byte order mark", frame(1, `\ufeff${OFFER}`), INVALID],
];

/** RFC 6455 wants the connection to fail, and Deno goes on: laxer, and harmless. */
const LAXER: readonly Case[] = [
  ["an unmasked text", odd(0x81, SIZE, [], OFFER), RELAYED],
  ["an unmasked binary", odd(0x82, 1, [], "x"), INVALID],
  ["an unmasked ping", odd(0x89, 1, [], "x"), "pong 1, alive"],
  ["an unmasked pong", odd(0x8a, 1, [], "x"), "alive"],
  ["an unmasked close", odd(0x88, 2, [], [3, 232]), "close 1000, end"],
  ["a short length in two bytes", odd(0x81, 0xfe, [0, SIZE], OFFER), RELAYED],
  ["a short length in eight bytes", odd(0x81, 0xff, [0, 0, 0, 0, 0, 0, 0, SIZE], OFFER), RELAYED],
  ["no length in eight bytes", odd(0x81, 0xff, Array(8).fill(0)), INVALID],
  ["a ping with two bytes of length", odd(0x89, 0xfe, [0, 1], "x"), "pong 1, alive"],
  ["a pong of 126 bytes", frame(10, "x".repeat(126)), "alive"],
  ["a pong of 65535 bytes", frame(10, "x".repeat(65535)), "alive"],
  ["a close reason of 124 bytes", frame(8, close(1000, "x".repeat(124))), "close 1000, end"],
  ["a close reason of 65533 bytes", frame(8, close(1000, "x".repeat(65533))), "close 1000, end"],
];

export const FRAMES: readonly Case[] = [...REFUSED, ...TOO_MUCH, ...ALLOWED, ...LAXER];

/** Frames that are never complete: the server waits for the rest. */
export const ENDLESS: readonly Uint8Array[] = [
  ...[(1n << 26n) - 1n, 1n << 25n, 1n << 16n].map(announced),
  frame(1, OFFER).slice(0, -1),
  frame(1, OFFER, false),
  bytes([0x81]),
];

const HEAD = handshake("/signal?room=fuzz");
const VERSION = "Sec-WebSocket-Version: 13";

function header(name: string, value: string): string {
  return HEAD.replace(new RegExp(`^${name}: .*`, "m"), value);
}

/** Handshakes, and the status that each gets. */
export const HANDSHAKES: readonly (readonly [string | Uint8Array, number])[] = [
  [header("Host", "Host: a\r\nHost: b"), 400],
  [header("Host", "Host"), 400],
  [header("Host", "H(st: localhost"), 400],
  [header("Host", "Host: local\0host"), 400],
  [header("Upgrade", "Upgrade : websocket"), 400],
  [header("Upgrade", "Upgrade:\r\n websocket"), 400],
  [header("Upgrade", "Upgrade: h2c"), 426],
  [header("Upgrade", "X: y"), 426],
  [header("Connection", "X: y"), 400],
  [header("Connection", "Connection: close"), 400],
  [header("Sec-WebSocket-Key", "X: y"), 400],
  [header("Sec-WebSocket-Version", "X: y"), 426],
  [header("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426],
  [header("Sec-WebSocket-Version", `${VERSION}\r\nSec-WebSocket-Version: 8`), 426],
  ...["HEAD", "TRACE", "POST", "get"].map((method) =>
    [HEAD.replace("GET", method), method === "HEAD" ? 426 : 405] as const
  ),
  ...["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/", ""].map((version) =>
    [HEAD.replace("HTTP/1.1", version), 400] as const
  ),
  ...["", "signal", "*", "/sig\0nal", "/signal x"].map((target) =>
    [HEAD.replace("/signal?room=fuzz", target), 400] as const
  ),
  [HEAD.replace("/signal", "http://[x/signal"), 400],
  [header("Host", "Content-Length: -5"), 400],
  [header("Host", "Content-Length: 5\r\nContent-Length: 6"), 400],
  [header("Host", "Host: localhost\r\nSec-WebSocket-Protocol: \x01(]"), 400],
  [handshake(`/signal?${"y".repeat(70_000)}`), 400],
  [handshake("/signal", [`X: ${"y".repeat(600_000)}`]), 400],
  [handshake("/signal", Array(200).fill("X: y")), 400],
  [HEAD.replaceAll("\r\n", "\r"), 400],
  [bytes([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3], Array(195).fill(7)), 400],
  [new Uint8Array(100), 400],
  [new Uint8Array(100).fill(255), 400],
  [frame(1, OFFER), 400],
];

/** Handshakes that no client may send by RFC 6455 (section 4) or RFC 9112, and that Deno takes. */
export const LAXER_HANDSHAKES: readonly string[] = [
  header("Host", "X: y"),
  HEAD.replace("HTTP/1.1", "HTTP/1.0"),
  header("Sec-WebSocket-Key", "Sec-WebSocket-Key: "),
  header("Sec-WebSocket-Key", "Sec-WebSocket-Key: !"),
  header("Sec-WebSocket-Key", "Sec-WebSocket-Key: x\r\nSec-WebSocket-Key: y"),
  HEAD.replace("/signal", "/signal#fragment"),
  HEAD.replaceAll("\r\n", "\n"),
];
