/** Random texts of the kinds that reach a server from outside, hostile ones above all. */

import fc from "fast-check";

/** Any text, with characters of every plane and halves of them. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ minLength: 100, maxLength: 600, unit: fc.constantFrom("a", "é", "€", "🚪") }),
);

const type = fc.constantFrom(
  "offer",
  "answer",
  "ice-candidate",
  "register",
  "heartbeat",
  "refresh",
  "later",
);
const anyValue = fc.oneof(fc.jsonValue(), anyText);
const number = fc.constantFrom(-1, 0, 0.5, 50, null);
/** A value of the right kind most of the time, so that what is wrong is often one field alone. */
const mostly = (value: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: anyValue });
const looseMessage = fc.record({
  type: mostly(type),
  to: mostly(fc.string()),
  role: mostly(fc.constantFrom("normal", "consumer")),
  serveConsumers: mostly(fc.boolean()),
  capacity: mostly(number),
  load: mostly(fc.record({ sessions: mostly(number) })),
  token: mostly(fc.string()),
  refresh: mostly(fc.boolean()),
  iceServers: mostly(fc.boolean()),
  sdp: fc.jsonValue(),
}, { requiredKeys: [] }).map((message) => JSON.stringify(message));

/** Frames: any text, any JSON, and what is nearly a message. */
export const frame: fc.Arbitrary<string> = fc.oneof(anyText, fc.json(), looseMessage, looseMessage);

const count = fc.option(
  fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })),
  {
    nil: undefined,
  },
).map((value) => value === undefined ? value : value + 0);
const flag = fc.boolean();
const id = fc.string({ unit: "binary", maxLength: 128 });

/** Messages as a client that keeps to the contract writes them, each field given. */
export const validMessage: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({
    type: fc.constant("register"),
    role: fc.constantFrom("normal", "consumer"),
    serveConsumers: flag,
    capacity: count,
    token: fc.option(anyText, { nil: undefined }),
    refresh: flag,
    iceServers: flag,
  }),
  fc.record({ type: fc.constant("refresh"), token: anyText }),
  fc.record({
    type: fc.constant("heartbeat"),
    sessions: count,
    serveConsumers: fc.option(flag, { nil: undefined }),
    capacity: count,
  }),
  fc.record({
    type: fc.constantFrom("offer", "answer", "ice-candidate"),
    to: id,
    sdp: fc.jsonValue(),
  }),
);

/** A key of JSON in one of its spellings: as it is, or with some characters escaped. */
function spelling(key: string): fc.Arbitrary<string> {
  return fc.array(flag, { minLength: key.length, maxLength: key.length }).map((escapes) =>
    [...key].map((char, index) =>
      escapes[index] ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : char
    ).join("")
  );
}

const forgedValue = fc.constantFrom(
  '"victim"',
  '{"from":"victim","fromRole":"normal"}',
  "null",
  "[]",
  '{"__proto__":{"from":"victim"}}',
);
const forgedMember = fc.tuple(
  fc.constantFrom("from", "fromRole", "__proto__", "constructor", "toJSON", "sdp", "0").chain(
    spelling,
  ),
  forgedValue,
).map(([key, value]) => `"${key}":${value}`);

/** Offers to `b`, as texts, with members that try to speak for somebody else. */
export const forgedOffer: fc.Arbitrary<string> = fc.array(forgedMember, { maxLength: 8 })
  .chain((members) =>
    fc.shuffledSubarray(['"type":"offer"', '"to":"b"', ...members], {
      minLength: members.length + 2,
    })
  ).map((members) => `{${members.join(",")}}`);

const label = fc.constantFrom("a", "app", "evil", "example", "com", "x-1", "_b", "");
const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const scheme = fc.constantFrom("https://", "http://", "HTTPS://", "app://", "https:/", "");
const port = fc.constantFrom("", "", "", ":8443", ":80", ":443", ":");
const star = fc.constantFrom("", "", "*.", "*", "*.*.");
const tail = fc.constantFrom(
  "",
  "",
  "",
  "",
  "/",
  "/.example.com",
  "@evil.com",
  "?.example.com",
  "#",
);

/** Origins, what is nearly one, and patterns of them. */
export const originText: fc.Arbitrary<string> = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(scheme, star, host, port, tail).map((parts) => parts.join("")) },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom("null", ""), anyText) },
);

/** Durations, what is nearly one, and anything else. */
export const durationText: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(
    fc.constantFrom("", "", "", "-", "+", " "),
    fc.oneof(
      fc.nat(200).map(String),
      fc.bigInt({ min: 0n, max: 10n ** 25n }).map(String),
      fc.double({ min: 0 }).map(String),
    ),
    fc.constantFrom("", " "),
    fc.constantFrom("s", "sec", "m", "minutes", "h", "d", "days", "w", "y", "years", "", "x", "H"),
    fc.constantFrom("", "", "", " ago", " from now"),
  ).map((parts) => parts.join("")),
  anyText,
);

const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
});
const ipv4 = fc.ipV4();
const hop = fc.oneof(
  ipv4,
  fc.ipV6(),
  ipv4.map((address) => `${address}:4711`),
  fc.ipV6().map((address) => `[${address}]:4711`),
  fc.constantFrom(
    "10.0.0.9",
    "unknown",
    "",
    "010.0.0.1",
    "0x7f.1",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
  ),
  headerText,
);

/** Values of X-Forwarded-For. */
export const forwarded: fc.Arbitrary<string> = fc.array(hop, { maxLength: 40 })
  .map((hops) => hops.join(", "));

const protocolName = fc.oneof(
  fc.constantFrom(
    "client-db-sync",
    "client-db-sync",
    "bearer.abc",
    "bearer.",
    "bearer.x.y",
    "chat",
    "",
  ),
  headerText,
);

/** Values of Sec-WebSocket-Protocol, or none. */
export const protocols: fc.Arbitrary<string | undefined> = fc.option(
  fc.array(protocolName, { maxLength: 4 }).map((names) => names.join(", ")),
  { nil: undefined },
);

/** Values of Authorization, or none. */
export const authorization: fc.Arbitrary<string | undefined> = fc.option(
  fc.oneof(fc.constantFrom("Bearer t0k", "bearer  t0k", "Bearer ", "Basic abc"), headerText),
  { nil: undefined },
);
