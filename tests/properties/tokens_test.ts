/** What must hold for any room token that is shown, and for any that is asked for. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { decodeJwt, UnsecuredJWT } from "jose";
import { parseDuration, parseSignedDuration } from "../../src/access/duration.ts";
import { InvalidTokenError } from "../../src/access/invalid_token.ts";
import { issueToken, TokenRequestError, verifyToken } from "../../src/access/room_tokens.ts";
import { generateKeyPairJwk, loadKeyPair } from "../../src/access/keys.ts";
import { anyText, durationText } from "../helpers/arbitraries.ts";
import { property } from "../helpers/property.ts";

const { privateKeyJwk } = await generateKeyPairJwk();
const { privateKey, publicKey } = await loadKeyPair(privateKeyJwk);

const subject = anyText.filter((text) =>
  text !== "" && text.isWellFormed() && [...text].length <= 256
);
const { token: sample } = await issueToken(privateKey, { ttl: "1h", subject: "room" });
const mutation = fc.tuple(
  fc.nat(sample.length),
  fc.nat(3),
  fc.oneof(fc.constantFrom("A", ".", "=", " ", ""), fc.string()),
);

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
    const otherKeys = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
    await assertRejects(() => verifyToken(token, otherKeys.publicKey), InvalidTokenError);
  },
);

property("a token with another spelling is refused", mutation, 2000, async ([at, cut, put]) => {
  const mutated = sample.slice(0, at) + put + sample.slice(at + cut);
  try {
    const { sub } = await verifyToken(mutated, publicKey);
    assertEquals([sub, mutated], ["room", sample]);
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

/** The seconds that `jose` reads, or `undefined`. */
function secondsOfJose(text: string): number | undefined {
  try {
    // With "0s" first, so that both are computed from the same second.
    const { nbf = NaN, exp = NaN } = decodeJwt(
      new UnsecuredJWT().setNotBefore("0s").setExpirationTime(text).encode(),
    );
    return exp - nbf;
  } catch {
    return undefined;
  }
}

property(
  "a duration has the length that jose reads, or is a TypeError",
  durationText,
  4000,
  (text) => {
    let expected = secondsOfJose(text);
    // The clock may have moved on between the two.
    if (expected !== secondsOfJose(text)) expected = secondsOfJose(text);
    try {
      const seconds = parseSignedDuration(text);
      // A very long one loses digits where jose adds it to the time.
      if (Math.abs(seconds) < 1e15) assertEquals(seconds, expected);
      else assert(expected !== undefined);
    } catch (error) {
      assert(error instanceof TypeError);
      assertEquals(expected, undefined);
    }
  },
);

property(
  "a lifetime is a positive number of whole seconds or a TypeError",
  durationText,
  2000,
  (text) => {
    try {
      const seconds = parseDuration(text);
      assert(seconds > 0 && Number.isInteger(seconds));
      assertEquals(seconds, parseSignedDuration(text));
    } catch (error) {
      assert(error instanceof TypeError);
    }
  },
);
