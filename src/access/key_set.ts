/**
 * Sets of public keys that are configured: reading them, the URL of one, and the names of algorithms.
 * It verifies no token and fetches nothing.
 */

import type { JSONWebKeySet } from "jose";
import { isObject } from "../protocol/messages.ts";
import { checkTexts } from "../runtime/option_checks.ts";
import { decodeBase64Json, InvalidKeyError } from "./keys.ts";
import { findKeyProblem } from "./public_jwk.ts";

/** The algorithms that may be configured: signatures with a key pair (RFC 7518, RFC 8037, RFC 9864). */
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

/**
 * Reads a set of public keys from base64 of its JSON.
 *
 * @param base64 Base64 (or base64url) of a JWK, an array of JWKs, or a JWK set.
 * @param algorithms The names of the algorithms that tokens may have.
 * @throws {InvalidKeyError} It is no such set, is empty, or contains a key that can never verify a
 * token; the message says which key, and why.
 */
export function decodeJwks(
  base64: string,
  algorithms: readonly string[] = CONSUMER_ALGORITHMS,
): JSONWebKeySet {
  return checkJwks(decodeBase64Json(base64), algorithms);
}

/**
 * Checks a set of public keys, and leaves out those of it that are for encryption.
 *
 * @param value A JWK, an array of JWKs, or a JWK set.
 * @param algorithms The names of the algorithms that tokens may have.
 * @throws {InvalidKeyError} As {@linkcode decodeJwks}.
 */
export function checkJwks(value: unknown, algorithms: readonly string[]): JSONWebKeySet {
  const list = Array.isArray(value)
    ? value
    : isObject(value)
    ? value["keys"] ?? [value]
    : undefined;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isObject)) {
    throw new InvalidKeyError("There is no JWK, array of JWKs or JWK set");
  }
  // Identity providers publish what they encrypt with in the same set.
  const signing = list.filter(({ use }) => use !== "enc");
  const keys = signing.length === 0 ? list : signing;
  for (const jwk of keys) {
    const problem = findKeyProblem(jwk, algorithms);
    if (problem !== undefined) {
      throw new InvalidKeyError(`${nameOf(jwk, list.indexOf(jwk))} ${problem}`);
    }
  }
  return { keys: keys as JSONWebKeySet["keys"] };
}

/** Its place in the set, and its `kid` if it has one that can be shown. */
function nameOf({ kid }: Record<string, unknown>, index: number): string {
  const shown = typeof kid === "string" && kid.length <= 64 ? ` (kid ${JSON.stringify(kid)})` : "";
  return `Key ${index + 1}${shown}`;
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
  checkTexts("algorithms", names);
  if (names.length === 0 || !names.every((name) => CONSUMER_ALGORITHMS.includes(name))) {
    throw new TypeError(`The algorithms must be some of ${CONSUMER_ALGORITHMS.join(", ")}`);
  }
  const isEd25519 = names.includes("EdDSA") || names.includes("Ed25519");
  return isEd25519 ? [...new Set([...names, "EdDSA", "Ed25519"])] : names;
}
