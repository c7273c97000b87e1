/**
 * The id of a key (`kid`): its RFC 7638 thumbprint, so that every instance gives a key the same id and
 * nobody has to choose one. It remembers the ids of private keys, whose public half a `CryptoKey` does
 * not show.
 */

import { calculateJwkThumbprint } from "jose/jwk/thumbprint";

/** The ids of private keys. A key that nobody else refers to is forgotten with its id. */
const ids = new WeakMap<CryptoKey, string>();

/**
 * Computes the SHA-256 thumbprint of an Ed25519 key (RFC 7638, RFC 8037 appendix A.3).
 *
 * @param x The public key, base64url.
 */
export function thumbprintOf(x: string): Promise<string> {
  return calculateJwkThumbprint({ kty: "OKP", crv: "Ed25519", x });
}

/** Remembers the id of a private key. */
export function rememberKeyId(privateKey: CryptoKey, kid: string): void {
  ids.set(privateKey, kid);
}

/** The id of a private key; `undefined` if it was not remembered and the key cannot be exported. */
export async function keyIdOf(privateKey: CryptoKey): Promise<string | undefined> {
  const known = ids.get(privateKey);
  if (known !== undefined || !privateKey.extractable) return known;
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  if (x === undefined) return undefined;
  const kid = await thumbprintOf(x);
  ids.set(privateKey, kid);
  return kid;
}
