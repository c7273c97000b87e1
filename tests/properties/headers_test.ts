/**
 * What must hold for any header: who counts as whom, which page may connect, which token was sent.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { checkProxies, createAddressReader } from "../../src/access/address.ts";
import { readCredentials } from "../../src/access/credentials.ts";
import { createOriginCheck } from "../../src/access/origins.ts";
import {
  anyText,
  authorization,
  forwarded,
  originText,
  protocols,
} from "../helpers/arbitraries.ts";
import { property } from "../helpers/property.ts";

/** The port that a scheme has anyway is not part of an origin. */
function withoutOwnPort(origin: string): string {
  return origin.replace(/^(https:.*):443$|^(http:.*):80$/, "$1$2");
}

/** Whether one pattern lets an origin in, said as simply as possible. */
function lets(pattern: string, origin: string): boolean {
  const wanted = pattern.toLowerCase();
  if (!wanted.includes("*")) return withoutOwnPort(wanted) === origin;
  const [, label = ""] = /^[a-z]+:\/\/([\w-]+)\./.exec(origin) ?? [];
  return label !== "" && wanted.replace("*", label) === origin;
}

function checkOf(patterns: readonly string[]): ReturnType<typeof createOriginCheck> | undefined {
  try {
    return createOriginCheck(patterns);
  } catch (error) {
    assert(error instanceof TypeError);
    return undefined;
  }
}

property(
  "a page may connect only if one of the patterns says so",
  fc.tuple(fc.array(originText, { maxLength: 3 }), fc.array(originText)),
  4000,
  ([patterns, origins]) => {
    const check = checkOf(patterns);
    // What stands in a pattern, with a label in place of its star, is nearest to what may pass.
    const near = patterns.flatMap((text) =>
      ["a", "evil", ""].map((label) => text.replace("*", label))
    );
    for (
      const origin of [
        ...origins,
        ...near,
        ...near.map((text) => `${text}.evil`),
        ...near.map((text) => text.replace("://", "://evil.")),
      ]
    ) {
      const isLetIn = check?.(origin) ?? false;
      if (isLetIn) assert(patterns.some((pattern) => lets(pattern, origin)), origin);
    }
  },
);

property(
  "a page may connect if one of the patterns says so, with the scheme's own port or without",
  fc.tuple(
    fc.constantFrom("https", "http"),
    fc.boolean(),
    fc.constantFrom("a.example", "x-1.b.example"),
    fc.constantFrom("", ":443", ":80", ":8443"),
  ),
  500,
  ([scheme, hasStar, host, port]) => {
    const check = createOriginCheck([`${scheme}://${hasStar ? "*." : "app."}${host}${port}`]);
    assert(check(new URL(`${scheme}://app.${host}${port}`).origin));
  },
);

const tokens = fc.array(fc.oneof(fc.constantFrom("t0k", "abc", ""), anyText), { maxLength: 2 });

property(
  "a token is one that was sent, once, and no other subprotocol is answered",
  fc.tuple(tokens, protocols, authorization),
  4000,
  ([queried, offer, authorized]) => {
    const query = new URLSearchParams(queried.map((token) => ["token", token]));
    const headers = new Headers();
    if (offer !== undefined) headers.set("sec-websocket-protocol", offer);
    if (authorized !== undefined) headers.set("authorization", authorized);
    const found = readCredentials(query, headers, true);
    if ("problem" in found) return assert(found.problem !== "");
    const { token, protocol } = found;
    const offered = headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ??
      [];
    assertEquals(protocol, offered.includes("client-db-sync") ? "client-db-sync" : undefined);
    const sent = [
      ...queried.map((text) => text.toWellFormed()),
      headers.get("authorization")?.match(/^bearer +(.*)/i)?.[1] ?? "",
      ...offered.flatMap((name) => name.startsWith("bearer.") ? name.slice("bearer.".length) : ""),
    ].filter((text) => text !== "");
    assertEquals(sent, token === undefined ? [] : [token]);
  },
);

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const read = createAddressReader([], () => {});
const readBehind = createAddressReader(["10.0.0.0/8", "2001:db8::/32"], () => {});

function headersOf(text: string): Headers {
  return new Headers({ "x-forwarded-for": text });
}

const proxy = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => `10.${a}.${b}.1`),
  fc.constant("2001:db8::7"),
);
property(
  "no X-Forwarded-For makes a difference where no proxy is trusted, nor one from an untrusted proxy",
  fc.tuple(fc.oneof(address, proxy, anyText), forwarded),
  2000,
  ([remote, text]) => {
    const plain = read(remote, new Headers());
    assertEquals(read(remote, headersOf(text)), plain);
    const isTrusted = /^(::ffff:)?(10\.|0a)|^:|^(2001:0?db8|0)/i.test(remote);
    const behind = readBehind(remote, headersOf(text));
    assert(typeof behind === "string");
    if (!isTrusted) assertEquals(behind, plain);
  },
);

const outside = fc.oneof(fc.ipV4(), fc.ipV6().map((text) => text.replace(/^[^:]*:/, "2a00:")))
  .filter((text) =>
    !text.startsWith("10.") && URL.canParse(`http://[${text}]`) === text.includes(":")
  );

property(
  "what a client writes left of what trusted proxies append makes no difference",
  fc.tuple(forwarded, outside, fc.array(proxy, { maxLength: 4 }), proxy),
  3000,
  ([prefix, client, hops, remote]) => {
    const appended = [client, ...hops].join(", ");
    const alone = readBehind(remote, headersOf(appended));
    assertEquals(readBehind(remote, headersOf(`${prefix}, ${appended}`)), alone);
    if (!client.includes(":")) assertEquals(alone, client);
  },
);

const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom("010", "08", "0"));
const range = fc.tuple(
  fc.oneof(
    fc.array(octet, { minLength: 4, maxLength: 4 }).map((all) => all.join(".")),
    fc.ipV6(),
    anyText,
  ),
  fc.constantFrom("", "/0", "/8", "/32", "/33", "/128", "/129"),
).map(([text, bits]) => text + bits);

property("a proxy that passes the check is the one that is trusted", range, 2000, (text) => {
  try {
    checkProxies([text]);
  } catch (error) {
    return assert(error instanceof TypeError);
  }
  const readBehindIt = createAddressReader([text], () => {});
  const [remote = ""] = text.split("/");
  if (remote.includes(":")) return;
  const decimal = remote.split(".").map(Number).join(".");
  assertEquals(readBehindIt(decimal, headersOf("192.0.2.1")), "192.0.2.1");
});
