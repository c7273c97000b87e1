/**
 * Credentials for a TURN server that shares a secret with this one: coturn's `static-auth-secret`
 * (draft-uberti-behave-turn-rest-00). It signs; who gets them, and for how long, is decided elsewhere.
 */

import type { Hash } from "node:crypto";

/** The peer that credentials are for. */
export interface CredentialOwner {
  readonly room: string;
  readonly nodeId: string;
}

/** What a browser shows to a TURN server. */
export interface TurnCredential {
  readonly username: string;
  readonly credential: string;
}

/** Characters of a tag: 132 bits. */
const TAG_LENGTH = 22;

/** The part of `node:crypto` that is used: its hashes answer at once, and WebCrypto's wait. */
type Hashes = Pick<typeof import("node:crypto"), "createHash">;

/** Bytes of a block of SHA-1 and of SHA-256. */
const BLOCK_BYTES = 64;

/**
 * An HMAC of one key (RFC 2104). It keeps the state that both hashes have after the key, which saves
 * three quarters of the time of `createHmac`.
 */
class Hmac {
  readonly #inner: Hash;
  readonly #outer: Hash;

  constructor(
    secret: string,
    { createHash, algorithm }: Hashes & { algorithm: "sha1" | "sha256" },
  ) {
    const bytes = new TextEncoder().encode(secret);
    const key = bytes.length <= BLOCK_BYTES ? bytes : createHash(algorithm).update(bytes).digest();
    const padded = new Uint8Array(BLOCK_BYTES);
    padded.set(key);
    this.#inner = createHash(algorithm).update(padded.map((byte) => byte ^ 0x36));
    this.#outer = createHash(algorithm).update(padded.map((byte) => byte ^ 0x5c));
  }

  digest(text: string, encoding: "base64" | "base64url"): string {
    const inner = this.#inner.copy().update(text).digest();
    return this.#outer.copy().update(inner).digest(encoding);
  }
}

/** A secret that a TURN server knows as well. */
export class TurnSecret {
  readonly #tags: Hmac;
  readonly #credentials: Hmac;

  private constructor(secret: string, { createHash }: Hashes) {
    this.#tags = new Hmac(secret, { createHash, algorithm: "sha256" });
    // coturn knows no other digest.
    this.#credentials = new Hmac(secret, { createHash, algorithm: "sha1" });
  }

  /** Loads what signs, which takes some 20 ms, for who has a secret alone. */
  static async load(secret: string): Promise<TurnSecret> {
    return new TurnSecret(secret, await import("node:crypto"));
  }

  /**
   * Makes the credentials of a peer, which the TURN server accepts until they expire. The user name
   * has a tag instead of the names of peer and room: coturn refuses some characters, and TURN servers
   * log user names. One peer has one tag, so that coturn's `user-quota` counts its allocations.
   *
   * @param owner Whom they are for.
   * @param expires When they expire, in seconds since the Unix epoch.
   */
  mint({ room, nodeId }: CredentialOwner, expires: number): TurnCredential {
    const digest = this.#tags.digest(`${room}\0${nodeId}`, "base64url");
    const username = `${expires}:${digest.slice(0, TAG_LENGTH)}`;
    return { username, credential: this.credentialOf(username) };
  }

  /** The credential of a user name. */
  credentialOf(username: string): string {
    return this.#credentials.digest(username, "base64");
  }
}
