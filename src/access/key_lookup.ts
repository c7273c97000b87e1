/** Finds the key that a token names in a set of public keys, or those that it may mean. */

import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import { JWKSNoMatchingKey } from "jose/errors";
import { createLocalJWKSet } from "jose/jwks/local";

/** Looks keys up in a set. A key without `kid` fits a token with one: it has no other name. */
export function createKeyLookup(keySet: JSONWebKeySet): JWTVerifyGetKey {
  return withNamelessKeys(createLocalJWKSet(keySet), () => keySet);
}

/**
 * Adds the keys without `kid` to a look-up that finds keys by their `kid` alone.
 *
 * @param lookUp The look-up.
 * @param keySet The set that it has looked in.
 */
export function withNamelessKeys(
  lookUp: JWTVerifyGetKey,
  keySet: () => JSONWebKeySet | undefined,
): JWTVerifyGetKey {
  let known: { readonly keySet: JSONWebKeySet; readonly lookUp: JWTVerifyGetKey } | undefined;
  return async (header, token) => {
    try {
      return await lookUp(header, token);
    } catch (error) {
      const current = keySet();
      const { kid, ...nameless } = header;
      if (!(error instanceof JWKSNoMatchingKey) || kid === undefined || current === undefined) {
        throw error;
      }
      if (known?.keySet !== current) {
        const keys = current.keys.filter((key) => key.kid === undefined);
        known = { keySet: current, lookUp: createLocalJWKSet({ keys }) };
      }
      return await known.lookUp(nameless, token);
    }
  };
}
