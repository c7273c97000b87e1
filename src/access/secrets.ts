/** The admin secret: whether a text is it, and whether an HTTP header can carry it. */

/** Tells whether an HTTP header can carry a text as it is: printable ASCII, no spaces at its ends. */
export function fitsHeader(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}

/** Tells whether a text is the secret, in the same time for every text of one length. */
export type SecretCheck = (candidate: string) => Promise<boolean>;

/**
 * Creates a check that compares in constant time: it computes an HMAC of both texts under a random
 * key of its own, and WebCrypto compares the results.
 */
export async function createSecretCheck(secret: string): Promise<SecretCheck> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const random = crypto.getRandomValues(new Uint8Array(32)); // `generateKey` takes 40 ms to load.
  const key = await crypto.subtle.importKey("raw", random, algorithm, false, ["sign", "verify"]);
  const encoder = new TextEncoder();
  const expected = await crypto.subtle.sign("HMAC", key, encoder.encode(secret));
  return (candidate) => crypto.subtle.verify("HMAC", key, expected, encoder.encode(candidate));
}
