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

const encoder = new TextEncoder();

/** A secret that a TURN server knows as well. */
export class TurnSecret {
  readonly #usernameKey: CryptoKey;
  readonly #tagKey: CryptoKey;

  private constructor(usernameKey: CryptoKey, tagKey: CryptoKey) {
    this.#usernameKey = usernameKey;
    this.#tagKey = tagKey;
  }

  /** Imports the secret, once for all credentials. It has a character at least. */
  static async import(secret: string): Promise<TurnSecret> {
    const [usernameKey, tagKey] = await Promise.all([
      importKey(secret, "SHA-1"), // coturn knows no other.
      importKey(secret, "SHA-256"),
    ]);
    return new TurnSecret(usernameKey, tagKey);
  }

  /**
   * Makes the credentials of a peer, which the TURN server accepts until they expire. The user name
   * has a tag instead of the names of peer and room: coturn refuses some characters, and TURN servers
   * log user names. One peer has one tag, so that coturn's `user-quota` counts its allocations.
   *
   * @param owner Whom they are for.
   * @param expires When they expire, in seconds since the Unix epoch.
   */
  async mint({ room, nodeId }: CredentialOwner, expires: number): Promise<TurnCredential> {
    const digest = await sign(this.#tagKey, `${room}\0${nodeId}`);
    const tag = digest.toBase64({ alphabet: "base64url" }).slice(0, TAG_LENGTH);
    const username = `${expires}:${tag}`;
    return { username, credential: await this.credentialOf(username) };
  }

  /** The credential of a user name. */
  async credentialOf(username: string): Promise<string> {
    return (await sign(this.#usernameKey, username)).toBase64();
  }
}

function importKey(secret: string, hash: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash };
  return crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
}

async function sign(key: CryptoKey, text: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}
