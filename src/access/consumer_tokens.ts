/**
 * Consumer tokens: JWTs of the app's own identity provider, only verified here. It knows the
 * provider's keys, given or fetched, and what a token has to say.
 */

import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from "jose";
import { JOSEError, JWKSMultipleMatchingKeys, JWSSignatureVerificationFailed } from "jose/errors";
import { createLocalJWKSet } from "jose/jwks/local";
import { createRemoteJWKSet, customFetch, type FetchImplementation } from "jose/jwks/remote";
import { jwtVerify } from "jose/jwt/verify";
import { InvalidTokenError, MAX_TOKEN_LENGTH } from "./room_tokens.ts";
import { decodeBase64Json, InvalidKeyError } from "./keys.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import { isObject } from "../protocol/messages.ts";

/** How consumer tokens are verified. */
export interface ConsumerAuthOptions {
  /**
   * The identity provider's public keys: base64 of the JSON of a JWK, an array of JWKs, or a
   * `{ "keys": […] }` set. Either this or `jwksUrl`.
   */
  jwks?: string;
  /**
   * Where to fetch the keys: `https`, or `http` on this machine. They are kept for ten minutes,
   * fetched anew for an unknown key once in 30 seconds at most, and kept on when a fetch fails.
   */
  jwksUrl?: string;
  /** The `iss` that a token must have; any when absent. */
  issuer?: string;
  /** The `aud` that a token must have; any when absent. */
  audience?: string;
  /**
   * The signature algorithms that are accepted: asymmetric ones alone.
   *
   * @default {["ES256", "RS256"]}
   */
  algorithms?: readonly string[];
  /** A claim, a string or an array of strings, that must contain the room; none when absent. */
  roomClaim?: string;
}

/**
 * Verifies a consumer's token for a room, if one is given.
 *
 * @throws {InvalidTokenError} The token is not to be trusted; the message says why, never the token.
 */
export type ConsumerVerifier = (
  token: string,
  room?: string,
) => Promise<Readonly<Record<string, unknown>>>;

/** The algorithms that may be asked for: signatures with a key pair (RFC 7518, RFC 8037, RFC 9864). */
export const CONSUMER_ALGORITHMS: readonly string[] = [
  "ES256",
  "RS256",
  "EdDSA",
  "Ed25519",
  "ES384",
  "ES512",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
];

const FETCH_TIMEOUT_MS = 5000;
const FETCH_COOLDOWN_MS = 30_000;
const CACHE_MS = 600_000;
/** How long a host that did not answer well is left alone. */
const FAILURE_COOLDOWN_MS = 5000;
/** Characters that a fetched key set has at most. */
const MAX_JWKS_LENGTH = 131_072;

/**
 * Creates a verifier of consumer tokens.
 *
 * @param config Which keys, and what a token has to say; see {@linkcode ConsumerAuthOptions}.
 * @param logger Hears of key sets that cannot be fetched; silent when absent.
 * @returns The verifier. A token must always have `exp`.
 * @throws {TypeError} Neither or both of `jwks` and `jwksUrl` are given, the URL is not acceptable,
 * or an algorithm is not one of a key pair.
 * @throws {InvalidKeyError} `jwks` is no set of public keys.
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
  logger: Logger = silentLogger,
): ConsumerVerifier {
  const { jwks, jwksUrl, issuer, audience, roomClaim } = config;
  const algorithms = readAlgorithms(config.algorithms ?? DEFAULTS.consumerAlgorithms);
  if ((jwks === undefined) === (jwksUrl === undefined)) {
    throw new TypeError("Give either `jwks` or `jwksUrl`");
  }
  const getKey = jwks === undefined
    ? fetchedKeys(readJwksUrl(jwksUrl ?? ""), logger)
    : createLocalJWKSet(decodeJwks(jwks));
  const options = {
    algorithms: [...algorithms],
    requiredClaims: ["exp"],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
  return async (token, room) => {
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidTokenError("The token is too long");
    try {
      const payload = await verifyWithAny(token, getKey, options);
      if (roomClaim !== undefined && room !== undefined && !names(payload[roomClaim], room)) {
        throw new InvalidTokenError("The token is not for this room");
      }
      return payload;
    } catch (error) {
      if (error instanceof InvalidTokenError) throw error;
      const reason = error instanceof JOSEError ? error.code : "ERR_UNKNOWN";
      throw new InvalidTokenError(`The token is not valid (${reason})`);
    }
  };
}

/**
 * Reads a set of public keys from base64 of its JSON.
 *
 * @throws {InvalidKeyError} It is no such set, is empty, or holds a private or symmetric key.
 */
export function decodeJwks(base64: string): JSONWebKeySet {
  const value = decodeBase64Json(base64);
  const list = Array.isArray(value)
    ? value
    : isObject(value)
    ? value["keys"] ?? [value]
    : undefined;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isObject)) {
    throw new InvalidKeyError("The text is no JWK, array of JWKs or JWK set");
  }
  for (const jwk of list) {
    if (typeof jwk["kty"] !== "string" || jwk["kty"] === "oct") {
      throw new InvalidKeyError("Every key must be the public one of a key pair");
    }
    if (jwk["d"] !== undefined) {
      throw new InvalidKeyError("A key holds the private member d: give public keys only");
    }
  }
  return { keys: list as JSONWebKeySet["keys"] };
}

/**
 * Reads the URL of a key set.
 *
 * @throws {TypeError} It is no URL, or neither `https` nor `http` on this machine.
 */
export function readJwksUrl(text: string): URL {
  const url = URL.parse(text);
  const isHere = url !== null && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && isHere))) {
    throw new TypeError("The URL of a key set must be https, or http on this machine");
  }
  return url;
}

/**
 * Checks the names of algorithms. `EdDSA` and its newer name `Ed25519` stand for each other.
 *
 * @throws {TypeError} There is none, or one is unknown, `none`, or symmetric.
 */
export function readAlgorithms(names: readonly string[]): readonly string[] {
  if (names.length === 0 || !names.every((name) => CONSUMER_ALGORITHMS.includes(name))) {
    throw new TypeError(`The algorithms must be some of ${CONSUMER_ALGORITHMS.join(", ")}`);
  }
  const isEd25519 = names.includes("EdDSA") || names.includes("Ed25519");
  return isEd25519 ? [...new Set([...names, "EdDSA", "Ed25519"])] : names;
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

/** Keys fetched by jose, which caches and cools down, through a fetch that knows what to keep. */
function fetchedKeys(url: URL, logger: Logger): JWTVerifyGetKey {
  return createRemoteJWKSet(url, {
    cooldownDuration: FETCH_COOLDOWN_MS,
    timeoutDuration: FETCH_TIMEOUT_MS,
    cacheMaxAge: CACHE_MS,
    [customFetch]: keepLastGood(logger),
  });
}

/**
 * A fetch that answers with the last good key set when the host fails, takes no set that is too
 * long, and leaves a host that has just failed alone.
 */
function keepLastGood(logger: Logger): FetchImplementation {
  let lastGood: string | undefined;
  let failedAt = -Infinity;
  return async (url, options) => {
    if (Math.abs(Date.now() - failedAt) < FAILURE_COOLDOWN_MS) {
      if (lastGood === undefined) throw new Error("The key set could not be fetched just now");
      return new Response(lastGood);
    }
    try {
      const response = await fetch(url, options);
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`Status ${response.status}`);
      }
      lastGood = await readKeySet(response);
    } catch (error) {
      failedAt = Date.now();
      logger.warn("The consumers' key set cannot be fetched", { cause: String(error) });
      if (lastGood === undefined) throw error;
    }
    return new Response(lastGood);
  };
}

async function readKeySet(response: Response): Promise<string> {
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.length > MAX_JWKS_LENGTH) throw new Error("The key set is too long");
  }
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || !Array.isArray(value["keys"]) || !value["keys"].every(isObject)) {
    throw new Error("The answer is no key set");
  }
  return text;
}

/** Whether a claim, a string or an array of strings, contains a room. */
function names(claim: unknown, room: string): boolean {
  return claim === room || (Array.isArray(claim) && claim.includes(room));
}
