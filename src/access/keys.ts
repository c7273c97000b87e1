/**
 * The server's Ed25519 key pair (RFC 8037): generating it, reading it from base64 of a JWK's JSON,
 * and showing its public half. The private half never leaves this file but as a `CryptoKey`.
 */

import { importJWK } from "jose/key/import";
import { isObject } from "../protocol/messages.ts";
import { SignalingError } from "../runtime/errors.ts";
import { rememberKeyId, thumbprintOf } from "./key_id.ts";

/** The public key as `GET /public-key` shows it. */
export interface PublicJwk {
  /** The JWT algorithm that the key is for. */
  readonly alg: "EdDSA";
  /** The curve. */
  readonly crv: "Ed25519";
  /** The key type, "octet key pair" (RFC 8037, section 2). */
  readonly kty: "OKP";
  /** The public key, base64url. */
  readonly x: string;
}

/** A key pair ready for use, with the texts that it was read from. */
export interface KeyPair {
  /** Signs room tokens. */
  readonly privateKey: CryptoKey;
  /** Verifies room tokens. */
  readonly publicKey: CryptoKey;
  /** The id of the pair: the SHA-256 thumbprint of the public key (RFC 7638). */
  readonly kid: string;
  /** Base64 of the private JWK's JSON: a secret. */
  readonly privateKeyJwk: string;
  /** Base64 of the public JWK's JSON. */
  readonly publicKeyJwk: string;
}

/**
 * A key cannot be read, or the two keys are not a pair. The message never shows key material.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, InvalidKeyError, loadKeyPair } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 *
 * const { publicKeyJwk } = await generateKeyPairJwk();
 * await assertRejects(() => loadKeyPair(publicKeyJwk), InvalidKeyError, "private member d");
 * ```
 */
export class InvalidKeyError extends SignalingError {
  /** Always `ERR_INVALID_KEY`. */
  override readonly code = "ERR_INVALID_KEY";
}

interface PrivateJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly d: string;
}

/**
 * Generates an Ed25519 key pair and returns both halves as base64 of their JWK's JSON, the form
 * that the server's settings and options accept.
 *
 * @returns Both keys. They consist of letters and digits, so that they need no quotes anywhere.
 *
 * @example
 * ```ts
 * import { decodePublicJwk, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { publicKeyJwk } = await generateKeyPairJwk();
 * assertEquals(decodePublicJwk(publicKeyJwk).crv, "Ed25519");
 * ```
 */
export async function generateKeyPairJwk(): Promise<
  { privateKeyJwk: string; publicKeyJwk: string }
> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const { x, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  if (x === undefined || d === undefined) throw new InvalidKeyError("The key cannot be exported");
  return {
    // The length of this JSON, like that of the public one, divides by three: no padding.
    privateKeyJwk: btoa(JSON.stringify({ kty: "OKP", crv: "Ed25519", x, d })),
    publicKeyJwk: encodePublicJwk(x),
  };
}

/**
 * Reads a key pair from base64 texts, such as `generateKeyPairJwk()` returns. It reads no
 * environment: pass the texts.
 *
 * @param privateKeyJwk Base64 of the private JWK's JSON.
 * @param publicKeyJwk Base64 of the public JWK's JSON; derived from the private key when absent.
 * @returns The keys, proven to be a pair.
 * @throws {InvalidKeyError} A text is no Ed25519 JWK, the public one has the private member `d`,
 * or the two are not a pair.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, loadKeyPair } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
 * const keys = await loadKeyPair(privateKeyJwk);
 * assertEquals(keys.publicKeyJwk, publicKeyJwk);
 * ```
 */
export async function loadKeyPair(
  privateKeyJwk: string,
  publicKeyJwk?: string,
): Promise<KeyPair> {
  const jwk = decodePrivateJwk(privateKeyJwk);
  if (publicKeyJwk !== undefined) assertPartners(jwk, decodePublicJwk(publicKeyJwk));
  const { kty, crv, x } = jwk;
  const privateKey = await importKey({ ...jwk });
  const publicKey = await importKey({ kty, crv, x });
  const probe = new Uint8Array(32);
  const signature = await crypto.subtle.sign("Ed25519", privateKey, probe);
  if (!await crypto.subtle.verify("Ed25519", publicKey, signature, probe)) {
    throw new InvalidKeyError("The private key's members x and d do not belong together");
  }
  const kid = await thumbprintOf(x);
  rememberKeyId(privateKey, kid);
  return {
    privateKey,
    publicKey,
    kid,
    privateKeyJwk,
    publicKeyJwk: publicKeyJwk ?? encodePublicJwk(x),
  };
}

/**
 * The name of `loadKeyPair` in the npm package: it reads no environment either.
 *
 * @deprecated Use `loadKeyPair`, which is the same function.
 */
export const loadKeyPairFromEnv: typeof loadKeyPair = loadKeyPair;

/**
 * Reads a public key from base64 of its JWK's JSON.
 *
 * @param publicKeyJwk Base64 (or base64url) of the public JWK's JSON.
 * @returns The public members alone, whatever else the text contains.
 * @throws {InvalidKeyError} The text is no Ed25519 JWK or has the private member `d`.
 *
 * @example
 * ```ts
 * import { decodePublicJwk, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { publicKeyJwk } = await generateKeyPairJwk();
 * const { kty, crv, alg } = decodePublicJwk(publicKeyJwk);
 * assertEquals([kty, crv, alg], ["OKP", "Ed25519", "EdDSA"]);
 * ```
 */
export function decodePublicJwk(publicKeyJwk: string): PublicJwk {
  const jwk = decodeOkpJwk(publicKeyJwk);
  if (jwk["d"] !== undefined) {
    throw new InvalidKeyError("The public key has the private member d: this is the private key");
  }
  return { alg: "EdDSA", crv: "Ed25519", kty: "OKP", x: keyMember(jwk, "x") };
}

/**
 * Reads a private key from base64 of its JWK's JSON.
 *
 * @throws {InvalidKeyError} The text is no private Ed25519 JWK.
 */
export function decodePrivateJwk(privateKeyJwk: string): PrivateJwk {
  const jwk = decodeOkpJwk(privateKeyJwk);
  if (jwk["d"] === undefined) {
    throw new InvalidKeyError("The private key has no private member d: this is the public key");
  }
  return { kty: "OKP", crv: "Ed25519", x: keyMember(jwk, "x"), d: keyMember(jwk, "d") };
}

/**
 * Checks that a public key belongs to a private one.
 *
 * @throws {InvalidKeyError} It is not.
 */
export function assertPartners(privateJwk: { x: string }, publicJwk: { x: string }): void {
  if (privateJwk.x !== publicJwk.x) {
    throw new InvalidKeyError("The public key does not belong to the private key");
  }
}

function encodePublicJwk(x: string): string {
  return btoa(JSON.stringify({ kty: "OKP", crv: "Ed25519", x, alg: "EdDSA" }));
}

/**
 * Reads base64 (or base64url) of JSON.
 *
 * @throws {InvalidKeyError} The text is something else.
 */
export function decodeBase64Json(base64: string): unknown {
  try {
    return JSON.parse(atob(base64.trim().replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    throw new InvalidKeyError("The key is not base64 of a JWK's JSON");
  }
}

function decodeOkpJwk(base64: string): Record<string, unknown> {
  const jwk = decodeBase64Json(base64);
  if (!isObject(jwk)) throw new InvalidKeyError("The key is not base64 of a JWK's JSON");
  if (jwk["kty"] !== "OKP" || jwk["crv"] !== "Ed25519") {
    throw new InvalidKeyError('The key is no Ed25519 key: kty must be "OKP" and crv "Ed25519"');
  }
  return jwk;
}

/** A 32-byte member as base64url. */
function keyMember(jwk: Record<string, unknown>, name: "x" | "d"): string {
  const value = jwk[name];
  if (typeof value !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(value)) {
    throw new InvalidKeyError(`The key's member ${name} is not 32 bytes as base64url`);
  }
  return value;
}

/**
 * Imports an Ed25519 key.
 *
 * @throws {InvalidKeyError} It is not valid.
 */
export async function importKey(jwk: { kty: string; crv: string; x: string; d?: string }): Promise<
  CryptoKey
> {
  try {
    return await importJWK(jwk, "EdDSA") as CryptoKey;
  } catch {
    throw new InvalidKeyError("The key is no valid Ed25519 key");
  }
}
