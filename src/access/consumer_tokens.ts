/**
 * Consumer tokens: JWTs of the app's own identity provider, which this server only verifies. It knows
 * what a token has to say; the keys come from elsewhere.
 */

import type { JWTPayload, JWTVerifyGetKey } from "jose";
import { JWKSMultipleMatchingKeys, JWSSignatureVerificationFailed } from "jose/errors";
import { jwtVerify } from "jose/jwt/verify";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import { checkConsumerAuth, type ConsumerAuthOptions } from "./consumer_options.ts";
import { createFetchedKeys } from "./fetched_keys.ts";
import { InvalidTokenError, toInvalidTokenError } from "./invalid_token.ts";
import { createKeyLookup } from "./key_lookup.ts";
import { decodeJwks, readAlgorithms, readJwksUrl } from "./key_set.ts";
import { checkSpelling } from "./token_text.ts";
import { checkTimes } from "./token_times.ts";

export type { ConsumerAuthOptions };

/**
 * Verifies a consumer's token for a room, if one is given.
 *
 * @returns The claims of the token.
 * @throws {InvalidTokenError} The token is not valid; `reason` and the message say why, never the
 * token.
 * @throws {KeySetError} The identity provider's keys cannot be fetched: this says nothing about the
 * token.
 */
export type ConsumerVerifier = (
  token: string,
  room?: string,
) => Promise<Readonly<Record<string, unknown>>>;

/** What a verifier depends on. */
export interface ConsumerVerifierOptions {
  /** Where failed fetches of a key set are reported; silent when absent. */
  logger?: Logger;
  /** The time; that of the machine when absent. */
  clock?: Clock;
}

/**
 * Creates a verifier of consumer tokens.
 *
 * @param config Which keys, and what a token has to say; see {@linkcode ConsumerAuthOptions}.
 * @param options Where it logs, and the time.
 * @returns The verifier. A token must always have `exp`.
 * @throws {TypeError} Neither or both of `jwks` and `jwksUrl` are given, the URL is not acceptable,
 * an algorithm is not one of a key pair, an option is empty or out of its bounds, or its name is not
 * known; the message names the likely one.
 * @throws {InvalidKeyError} `jwks` is not a set of public keys, or one of them can never verify a
 * token with these algorithms.
 *
 * @example
 * ```ts
 * import { InvalidTokenError, makeConsumerVerifier } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 * import { exportJWK, generateKeyPair, SignJWT } from "jose";
 *
 * const { publicKey, privateKey } = await generateKeyPair("ES256");
 * const verify = makeConsumerVerifier({
 *   jwks: btoa(JSON.stringify(await exportJWK(publicKey))),
 *   roomClaim: "rooms",
 * });
 * const token = await new SignJWT({ rooms: ["todos"] }).setExpirationTime("1h")
 *   .setProtectedHeader({ alg: "ES256" }).sign(privateKey);
 * await verify(token, "todos");
 * await assertRejects(() => verify(token, "other"), InvalidTokenError);
 * ```
 */
export function makeConsumerVerifier(
  config: ConsumerAuthOptions,
  { logger = silentLogger, clock = systemClock }: ConsumerVerifierOptions = {},
): ConsumerVerifier {
  checkConsumerAuth(config);
  const { jwks, jwksUrl, issuer, audience, roomClaim } = config;
  const algorithms = readAlgorithms(config.algorithms ?? DEFAULTS.consumerAlgorithms);
  if ((jwks === undefined) === (jwksUrl === undefined)) {
    throw new TypeError("Give either `jwks` or `jwksUrl`");
  }
  const getKey = jwks === undefined
    ? createFetchedKeys(readJwksUrl(jwksUrl ?? ""), { clock, logger })
    : createKeyLookup(decodeJwks(jwks, algorithms));
  const options = {
    algorithms: [...algorithms],
    requiredClaims: ["exp"],
    clockTolerance: config.clockToleranceSeconds ?? DEFAULTS.clockToleranceSeconds,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  return async (token, room) => {
    checkSpelling(token);
    const now = clock.now();
    const payload = await verifyWithAny(token, getKey, { ...options, currentDate: new Date(now) })
      .catch((cause) => {
        throw toInvalidTokenError(cause) ?? cause;
      });
    checkTimes(payload, now);
    if (roomClaim !== undefined && room !== undefined && !names(payload[roomClaim], room)) {
      const message = `The token is not for this room (${roomClaim})`;
      throw new InvalidTokenError(message, { reason: "claims", claim: roomClaim });
    }
    return payload;
  };
}

/** A token without `kid` may fit several keys of a set: any that verifies it will do. */
async function verifyWithAny(
  token: string,
  getKey: JWTVerifyGetKey,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, getKey, options)).payload;
  } catch (error) {
    if (!(error instanceof JWKSMultipleMatchingKeys)) throw error;
    let reason: unknown = new JWSSignatureVerificationFailed();
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (mismatch) {
        if (!(mismatch instanceof JWSSignatureVerificationFailed)) reason = mismatch;
      }
    }
    throw reason;
  }
}

/** Whether a claim, a string or an array of strings, contains a room. */
function names(claim: unknown, room: string): boolean {
  return claim === room || (Array.isArray(claim) && claim.includes(room));
}
