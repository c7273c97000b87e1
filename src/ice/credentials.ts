/**
 * Credentials for a TURN server that shares a secret with this one: coturn's `static-auth-secret`
 * (draft-uberti-behave-turn-rest-00). It signs; who gets them, and for how long, is decided elsewhere.
 */

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

/** The function of `node:crypto` that computes an HMAC: half the time of WebCrypto's, which waits twice. */
type CreateHmac = typeof import("node:crypto")["createHmac"];

/** A secret that a TURN server knows as well. */
export class TurnSecret {
  readonly #secret: string;
  readonly #createHmac: CreateHmac;

  private constructor(secret: string, createHmac: CreateHmac) {
    this.#secret = secret;
    this.#createHmac = createHmac;
  }

  /** Loads what signs, which takes some 20 ms, for who has a secret alone. */
  static async load(secret: string): Promise<TurnSecret> {
    const { createHmac } = await import("node:crypto");
    return new TurnSecret(secret, createHmac);
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
    const digest = this.#createHmac("sha256", this.#secret).update(`${room}\0${nodeId}`)
      .digest("base64url");
    const username = `${expires}:${digest.slice(0, TAG_LENGTH)}`;
    return { username, credential: this.credentialOf(username) };
  }

  /** The credential of a user name. coturn knows no other digest. */
  credentialOf(username: string): string {
    return this.#createHmac("sha1", this.#secret).update(username).digest("base64");
  }
}
