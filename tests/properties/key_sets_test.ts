/** Which tokens a set of keys accepts, against a model: by a known, an unknown or no key id. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { SignJWT } from "jose";
import { type Admission, admit } from "../../src/access/admission.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { generateKeyPairJwk, type KeyPair, loadKeyPair } from "../../src/access/keys.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { TOKEN_AUDIENCE, TOKEN_ISSUER } from "../../src/access/room_tokens.ts";
import { Revocations } from "../../src/access/revocations.ts";
import { TokenCache } from "../../src/access/token_cache.ts";
import { createVerificationKeys } from "../../src/access/verification_keys.ts";
import { VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";
import { property } from "../helpers/property.ts";

const PAIRS = 8;
const HERE = "192.0.2.1";
const pairs: readonly KeyPair[] = await Promise.all(
  Array.from(
    { length: PAIRS },
    async () => loadKeyPair((await generateKeyPairJwk()).privateKeyJwk),
  ),
);

/** A key of the set: which, and the id that its JWK gives it. */
const member = fc.record({
  pair: fc.nat(PAIRS - 1),
  name: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
});

/** What the header of a token names: a thumbprint, a name, or nothing. */
const header = fc.oneof(
  fc.record({ kind: fc.constant("thumbprint" as const), pair: fc.nat(PAIRS - 1) }),
  fc.record({ kind: fc.constant("name" as const), name: fc.constantFrom("a", "b", "c", "", "d") }),
  fc.record({ kind: fc.constant("none" as const) }),
);

const token = fc.record({ signer: fc.nat(PAIRS - 1), header, isExpired: fc.boolean() });

type Token = typeof token extends fc.Arbitrary<infer T> ? T : never;
type Member = typeof member extends fc.Arbitrary<infer T> ? T : never;

/** The keys that may verify a token, by their numbers. */
function candidates({ header }: Token, signing: number, set: readonly Member[]): number[] {
  const members = [{ pair: signing, name: undefined }, ...set];
  const matching = members.filter(({ pair, name }) => {
    if (header.kind === "none") return true;
    return header.kind === "name" ? name === header.name : pair === header.pair;
  });
  return [...new Set(matching.map(({ pair }) => pair))].slice(0, 4);
}

function pairOf(number: number): KeyPair {
  const pair = pairs[number];
  if (pair === undefined) throw new RangeError("No such pair");
  return pair;
}

async function sign({ signer, header, isExpired }: Token, now: number): Promise<string> {
  const kid = header.kind === "none"
    ? {}
    : { kid: header.kind === "name" ? header.name : pairOf(header.pair).kid };
  const exp = Math.floor(now / 1000) + (isExpired ? -1 : 60);
  return await new SignJWT({ sub: "r", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp })
    .setProtectedHeader({ alg: "EdDSA", ...kid }).sign(pairOf(signer).privateKey);
}

property(
  "a set of keys accepts a token if a key that it may name has signed it, and counts forgeries alone",
  fc.record({
    signing: fc.nat(PAIRS - 1),
    set: fc.array(member, { maxLength: 8 }),
    tokens: fc.array(token, { minLength: 1, maxLength: 12 }),
  }),
  150,
  async ({ signing, set, tokens }) => {
    const clock = new FakeClock();
    const jwks = set.map(({ pair, name }) => ({
      ...JSON.parse(atob(pairOf(pair).publicKeyJwk)),
      ...(name === undefined ? {} : { kid: name }),
    }));
    const keys = await createVerificationKeys(
      pairOf(signing),
      jwks.length === 0 ? undefined : btoa(JSON.stringify(jwks)),
    );
    assertEquals(
      keys.jwks.keys.map(({ kid }) => kid),
      [...new Set([signing, ...set.map(({ pair }) => pair)])].map((number) => pairOf(number).kid),
    );
    let forgeries = 0;
    const failures = new FailureLimiter(clock, 1000);
    failures.subscribe(() => forgeries++);
    const options = {
      policy: {
        kind: "room token" as const,
        keys,
        options: { clock },
        limiter: new VerificationLimiter(failures),
        cache: new TokenCache(clock),
        revocations: new Revocations(clock),
      },
      allowsConsumers: false,
      refusals: new RefusalLog({ clock, logger: silentLogger }),
    };
    const request = new Request("http://h/signal");
    for (const token of tokens) {
      const text = await sign(token, clock.now());
      const may = candidates(token, signing, set);
      const isSigned = may.includes(token.signer);
      const isForged = may.length > 0 && !isSigned;
      // The second time a valid or expired token is known, and the answer is the same.
      for (let n = 0; n < 2; n++) {
        const before = forgeries;
        const admission: Admission = await admit(options, {
          query: new URLSearchParams(),
          token: text,
          address: HERE,
          request,
        });
        assertEquals(admission.kind === "accepted", isSigned && !token.isExpired);
        if (admission.kind === "rejected") assertEquals(admission.close, CLOSE.invalidToken);
        assertEquals(forgeries - before, isForged ? 1 : 0);
      }
    }
  },
);
