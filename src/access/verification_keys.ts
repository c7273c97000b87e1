/**
 * The public keys that verify room tokens: the signing key's, and further ones while keys are replaced.
 * It finds the keys that a token may be signed with; `room_tokens.ts` verifies with them.
 */

import { isObject } from "../protocol/messages.ts";
import { thumbprintOf } from "./key_id.ts";
import { checkJwks, decodeJwks } from "./key_set.ts";
import {
  decodeBase64Json,
  decodePublicJwk,
  importKey,
  InvalidKeyError,
  type KeyPair,
} from "./keys.ts";

/** Public keys that `VERIFY_KEYS_JWK` may contain. */
export const MAX_VERIFY_KEYS = 16;

/** Keys that are tried for one token. */
const MAX_TRIES = 4;

/** The names of the algorithm: RFC 8037, and RFC 9864. */
const ALGORITHMS: readonly string[] = ["EdDSA", "Ed25519"];

/** A public key as `GET /.well-known/jwks.json` shows it (RFC 7517). */
export interface PublicSetKey {
  /** The key type, "octet key pair" (RFC 8037, section 2). */
  readonly kty: "OKP";
  /** The curve. */
  readonly crv: "Ed25519";
  /** The public key, base64url. */
  readonly x: string;
  /** Its id: the SHA-256 thumbprint (RFC 7638). */
  readonly kid: string;
  /** What the key is for: signatures. */
  readonly use: "sig";
  /** The JWT algorithm that the key is for. */
  readonly alg: "EdDSA";
}

/** The public keys that verify room tokens, as a JWK set (RFC 7517, section 5). */
export interface PublicKeySet {
  /** The key that signs new tokens first. */
  readonly keys: readonly PublicSetKey[];
}

/** A public key, with the id that its JWK gives it. */
interface NamedKey {
  readonly x: string;
  readonly kid?: unknown;
}

/** Public keys that verify room tokens; made by {@linkcode loadVerificationKeys}. */
export interface VerificationKeys {
  /** The keys as a JWK set. */
  readonly jwks: PublicKeySet;
  /**
   * Finds the keys that a token may be signed with, 4 at most.
   *
   * @param kid The key id in the header of the token.
   * @returns The keys of that id: of an unknown one none. Without an id: every key.
   */
  find(kid: string | undefined): readonly CryptoKey[];
}

/**
 * Reads the public keys that verify room tokens, for {@linkcode verifyToken}. A key has its thumbprint
 * as its id (RFC 7638), and also the `kid` of its JWK if that is another: a token may name either.
 *
 * @param keys A JWK set, such as `GET /.well-known/jwks.json` answers; an array of JWKs; one JWK; or
 * base64 of the JSON of one of these. 17 keys at most.
 * @returns The keys, without those that occur twice.
 * @throws {InvalidKeyError} A key is no public Ed25519 key, has the private member `d`, or there are too
 * many; the message says which key, and why.
 *
 * @example
 * ```ts
 * import { createServer, generateKeyPairJwk, loadVerificationKeys, verifyToken } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await createServer({ adminSecret: "my-secret", ...await generateKeyPairJwk() });
 * const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
 * const answer = await fetch(`${url}/token`, {
 *   method: "POST",
 *   headers: { "content-type": "application/json", "x-admin-secret": "my-secret" },
 *   body: JSON.stringify({ ttl: "1h", subject: "todos" }),
 * });
 * const { token } = await answer.json();
 *
 * const set = await (await fetch(`${url}/.well-known/jwks.json`)).json();
 * const { sub } = await verifyToken(token, await loadVerificationKeys(set));
 * assertEquals(sub, "todos");
 * ```
 */
export async function loadVerificationKeys(keys: string | object): Promise<VerificationKeys> {
  const value = typeof keys === "string" ? decodeBase64Json(keys) : keys;
  const jwks = checkJwks(value, ALGORITHMS).keys.map(toNamedKey);
  checkNumber(jwks.length, MAX_VERIFY_KEYS + 1);
  return await importKeys(jwks);
}

/**
 * Reads further public keys from base64 of a JWK, an array of JWKs or a JWK set.
 *
 * @throws {InvalidKeyError} They are not usable, or too many; the message says which, and why.
 */
export function decodeVerifyKeys(base64: string): readonly NamedKey[] {
  if (typeof base64 !== "string") {
    throw new InvalidKeyError("The keys must be base64 of their JSON");
  }
  const { keys } = decodeJwks(base64, ALGORITHMS);
  checkNumber(keys.length, MAX_VERIFY_KEYS);
  return keys.map(toNamedKey);
}

/**
 * The keys of a server: that of its pair first, then further ones.
 *
 * @param pair The pair that signs. Its thumbprint is its id, and so is a `kid` of either JWK.
 * @param verifyKeysJwk Base64 of further public keys.
 * @throws {InvalidKeyError} The further keys are not usable.
 */
export async function createVerificationKeys(
  { privateKeyJwk, publicKeyJwk }: KeyPair,
  verifyKeysJwk?: string,
): Promise<VerificationKeys> {
  const { x } = decodePublicJwk(publicKeyJwk);
  const own = [privateKeyJwk, publicKeyJwk].map((text) => {
    const jwk = decodeBase64Json(text);
    return { x, kid: isObject(jwk) ? jwk["kid"] : undefined };
  });
  return await importKeys([
    ...own,
    ...verifyKeysJwk === undefined ? [] : readOption(verifyKeysJwk),
  ]);
}

/** @throws {InvalidKeyError} The option is not usable; the message begins with its name. */
function readOption(verifyKeysJwk: string): readonly NamedKey[] {
  try {
    return decodeVerifyKeys(verifyKeysJwk);
  } catch (cause) {
    if (!(cause instanceof InvalidKeyError)) throw cause;
    throw new InvalidKeyError(`verifyKeysJwk is not usable: ${cause.message}`, { cause });
  }
}

function toNamedKey({ x = "", kid }: { x?: string; kid?: string }): NamedKey {
  return { x, kid };
}

function checkNumber(number: number, max: number): void {
  if (number <= max) return;
  throw new InvalidKeyError(`There are ${number} keys: ${max} at most are accepted`);
}

async function importKeys(jwks: readonly NamedKey[]): Promise<VerificationKeys> {
  const keys: PublicSetKey[] = [];
  const byThumbprint = new Map<string, CryptoKey>();
  const byName = new Map<string, Set<CryptoKey>>();
  for (const { x, kid: ownName } of jwks) {
    const kid = await thumbprintOf(x);
    let key = byThumbprint.get(kid);
    if (key === undefined) {
      key = await importKey({ kty: "OKP", crv: "Ed25519", x });
      byThumbprint.set(kid, key);
      keys.push({ kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" });
    }
    for (const name of typeof ownName === "string" ? [kid, ownName] : [kid]) {
      byName.set(name, (byName.get(name) ?? new Set()).add(key));
    }
  }
  const all = [...byThumbprint.values()].slice(0, MAX_TRIES);
  const named = new Map([...byName].map(([name, set]) => [name, [...set].slice(0, MAX_TRIES)]));
  return {
    jwks: { keys },
    find: (kid) => kid === undefined ? all : named.get(kid) ?? [],
  };
}
