/** What must hold for any room token that is shown, and for any that is asked for. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  InvalidTokenError,
  issueToken,
  parseDuration,
  TokenRequestError,
  verifyToken,
} from "../../src/access/room_tokens.ts";
import { generateKeyPairJwk, loadKeyPairFromEnv } from "../../src/access/keys.ts";
import { anyText, durationText } from "../helpers/arbitraries.ts";
import { property } from "../helpers/property.ts";

const { privateKeyJwk } = await generateKeyPairJwk();
const { privateKey, publicKey } = await loadKeyPairFromEnv(privateKeyJwk);

const subject = anyText.filter((text) =>
  text !== "" && text.isWellFormed() && [...text].length <= 256
);
const { token: sample } = await issueToken(privateKey, { ttl: "1h", subject: "room" });
const mutation = fc.tuple(
  fc.nat(sample.length),
  fc.nat(3),
  fc.oneof(fc.constantFrom("A", ".", "=", " ", ""), fc.string()),
);

/** The bytes of a token's three parts, as far as they are base64url. */
function bytesOf(token: string): string {
  const [header, payload, signature = ""] = token.split(".");
  return [header, payload, atob(signature.replaceAll("-", "+").replaceAll("_", "/"))].join(".");
}

property(
  "a token opens its own room under its own key",
  fc.tuple(subject, fc.integer({ min: 1, max: 999 })),
  300,
  async ([room, minutes]) => {
    const { token, expiresAt } = await issueToken(privateKey, {
      ttl: `${minutes}m`,
      subject: room,
    });
    const claims = await verifyToken(token, publicKey);
    assertEquals([claims.sub, new Date(claims.exp * 1000).toISOString()], [room, expiresAt]);
    const stranger = await loadKeyPairFromEnv((await generateKeyPairJwk()).privateKeyJwk);
    await assertRejects(() => verifyToken(token, stranger.publicKey), InvalidTokenError);
  },
);

property("a token with other bytes is refused", mutation, 2000, async ([at, cut, put]) => {
  const mutated = sample.slice(0, at) + put + sample.slice(at + cut);
  try {
    const { sub } = await verifyToken(mutated, publicKey);
    // The last character of base64 has bits that stand for nothing.
    assertEquals([sub, bytesOf(mutated)], ["room", bytesOf(sample)]);
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error;
    assert(mutated !== sample);
  }
});

const part = fc.oneof(
  anyText,
  fc.json().map((json) => btoa(unescape(encodeURIComponent(json)))),
  fc.constantFrom("EdDSA", "none", "HS256").map((alg) =>
    btoa(JSON.stringify({ alg })).replaceAll("=", "")
  ),
  fc.constantFrom(...sample.split(".")),
);

property(
  "a text that is no token of ours is refused",
  fc.oneof(anyText, fc.array(part, { maxLength: 5 }).map((parts) => parts.join("."))),
  1500,
  async (text) => {
    fc.pre(text !== sample);
    await assertRejects(() => verifyToken(text, publicKey), InvalidTokenError);
  },
);

const anyTtl = fc.oneof({ weight: 4, arbitrary: durationText }, {
  weight: 1,
  arbitrary: fc.anything(),
});

property(
  "whatever is asked for, a token expires in the future and within the bound",
  fc.tuple(anyTtl, fc.option(fc.integer({ min: 1, max: 10 ** 8 }), { nil: undefined })),
  1500,
  async ([ttl, maxTtlSeconds]) => {
    const options = { maxTtlSeconds };
    const before = Date.now();
    try {
      const { token, expiresAt } = await issueToken(privateKey, {
        ttl: ttl as string,
        subject: "r",
      }, options);
      const expiry = Date.parse(expiresAt);
      assert(expiry > before && /^\d{4}-/.test(expiresAt));
      assert(expiry <= Date.now() + 1000 * (maxTtlSeconds ?? Infinity));
      await verifyToken(token, publicKey, options);
    } catch (error) {
      if (!(error instanceof TokenRequestError)) throw error;
    }
  },
);

property(
  "a duration is a positive number of seconds or a TypeError",
  durationText,
  2000,
  (text) => {
    const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
    try {
      const seconds = parseDuration(text);
      assertEquals(seconds, Number(text.slice(0, -1)) * (units[text.slice(-1)] ?? NaN));
      assert(seconds > 0 && seconds < 10 ** 15 && Number.isInteger(seconds));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  },
);
