/**
 * The steps of replacing the signing key, as changes of the entries of `.env`: a next key is prepared
 * and becomes known to every instance, then it signs, then the previous one is dropped. It writes no
 * file.
 */

import {
  decodeBase64Json,
  generateKeyPairJwk,
  InvalidKeyError,
  loadKeyPair,
} from "../access/keys.ts";
import { decodeVerifyKeys, MAX_VERIFY_KEYS } from "../access/verification_keys.ts";
import { isObject } from "../protocol/messages.ts";
import { Failure } from "./failure.ts";
import { keygenCommand } from "./surroundings.ts";

/** The entry of the next private key, which the server does not read. */
const NEXT_KEY = "NEXT_PRIVATE_KEY_JWK";

/** The entries of `.env` that a rotation reads and changes. */
export const ROTATED_NAMES: readonly string[] = [
  "PRIVATE_KEY_JWK",
  "PUBLIC_KEY_JWK",
  "VERIFY_KEYS_JWK",
  NEXT_KEY,
];

/** The values of the entries, as far as they are set. */
export type KeyEntries = ReadonlyMap<string, string>;

/** What a step does. */
export interface Step {
  /** The new values of entries; `undefined` removes one. */
  readonly changes: ReadonlyMap<string, string | undefined>;
  /** What was done and what to do next, a sentence each. They name entries and show no key. */
  readonly advice: readonly string[];
}

const DROP =
  "Once the last token of the previous key has expired (after MAX_TOKEN_TTL, if that is set), run: " +
  keygenCommand("--drop-previous");

const RESTART = "Restart every instance with this .env, one after the other.";

/** Generates the next key and lets every instance know its public half. */
export async function prepareNext(entries: KeyEntries): Promise<Step> {
  await readPair(entries, "PRIVATE_KEY_JWK");
  if (entries.has(NEXT_KEY)) {
    throw failure(
      `A next key is prepared already. ${RESTART} Then run: ${keygenCommand("--rotate")}`,
    );
  }
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const keys = new VerifyKeys(entries.get("VERIFY_KEYS_JWK"));
  keys.append(decodeObject(publicKeyJwk));
  return {
    changes: new Map([["VERIFY_KEYS_JWK", keys.encode()], [NEXT_KEY, privateKeyJwk]]),
    advice: [
      `Prepared ${NEXT_KEY}, and added its public half to VERIFY_KEYS_JWK.`,
      `1. ${RESTART}`,
      `2. After 5 minutes if other programs verify tokens, else at once, run: ${
        keygenCommand("--rotate")
      }`,
    ],
  };
}

/** Lets the next key sign, or a new one if none is prepared, and keeps the previous public key. */
export async function rotate(entries: KeyEntries, now: number): Promise<Step> {
  const previous = await readPair(entries, "PRIVATE_KEY_JWK");
  const isPrepared = entries.has(NEXT_KEY);
  const next = isPrepared ? await readPair(entries, NEXT_KEY) : await generateKeyPairJwk();
  const keys = new VerifyKeys(entries.get("VERIFY_KEYS_JWK"));
  keys.remove(decodeObject(next.publicKeyJwk));
  keys.prepend({
    ...decodeObject(previous.publicKeyJwk),
    ...ownId(entries),
    rotatedAt: new Date(now).toISOString(),
  });
  const changes = new Map<string, string | undefined>([
    ["PRIVATE_KEY_JWK", next.privateKeyJwk],
    ["VERIFY_KEYS_JWK", keys.encode()],
  ]);
  if (entries.has("PUBLIC_KEY_JWK")) changes.set("PUBLIC_KEY_JWK", next.publicKeyJwk);
  if (isPrepared) changes.set(NEXT_KEY, undefined);
  const restart = isPrepared
    ? `1. ${RESTART}`
    : "1. Restart the server. Several instances: all at the same time, since one with the old .env " +
      "refuses tokens of the new key. To restart them one after the other, run keygen --next " +
      "before the next rotation.";
  const what = isPrepared ? "The prepared key is PRIVATE_KEY_JWK now" : "PRIVATE_KEY_JWK is new";
  return {
    changes,
    advice: [`${what}; VERIFY_KEYS_JWK has the previous public key.`, restart, `2. ${DROP}`],
  };
}

/** Drops the keys that signed before. Keys that no rotation has put into the set stay. */
export function dropPrevious(entries: KeyEntries): Step {
  const keys = new VerifyKeys(entries.get("VERIFY_KEYS_JWK"));
  const times = keys.removeRotated();
  if (times.length === 0) throw failure("VERIFY_KEYS_JWK in .env has no key of a former rotation");
  const number = times.length === 1 ? "1 key" : `${times.length} keys`;
  return {
    changes: new Map([["VERIFY_KEYS_JWK", keys.encode()]]),
    advice: [
      `Dropped ${number} from VERIFY_KEYS_JWK, which signed until ${times.join(", ")}.`,
      "Restart every instance: from then on it refuses the tokens of these keys.",
    ],
  };
}

type Jwk = Readonly<Record<string, unknown>>;

/** The keys of `VERIFY_KEYS_JWK`, each with all that its JWK says. */
class VerifyKeys {
  /** The members of the set beside its keys; `undefined` if it is an array. */
  readonly #set: Jwk | undefined;
  #keys: Jwk[] = [];

  constructor(text: string | undefined) {
    if (text === undefined) return;
    try {
      decodeVerifyKeys(text);
    } catch (error) {
      throw unusable("VERIFY_KEYS_JWK", error);
    }
    const value = decodeBase64Json(text);
    const isSet = isObject(value) && value["keys"] !== undefined;
    if (isSet) this.#set = value;
    const list = isSet ? value["keys"] : value;
    this.#keys = (Array.isArray(list) ? list : [list]).filter(isObject);
  }

  append(jwk: Jwk): void {
    this.remove(jwk);
    this.#setKeys([...this.#keys, jwk]);
  }

  prepend(jwk: Jwk): void {
    this.remove(jwk);
    this.#setKeys([jwk, ...this.#keys]);
  }

  remove({ x }: Jwk): void {
    this.#keys = this.#keys.filter((jwk) => jwk["x"] !== x);
  }

  /** Removes the keys that signed before. Returns until when each did. */
  removeRotated(): string[] {
    const isRotated = ({ rotatedAt }: Jwk) => typeof rotatedAt === "string";
    const removed = this.#keys.filter(isRotated);
    this.#keys = this.#keys.filter((jwk) => !isRotated(jwk));
    return removed.map(({ rotatedAt }) => String(rotatedAt));
  }

  /** Base64 of the set; `undefined` if it is empty. */
  encode(): string | undefined {
    if (this.#keys.length === 0) return undefined;
    const value = this.#set === undefined ? this.#keys : { ...this.#set, keys: this.#keys };
    return btoa(JSON.stringify(value));
  }

  #setKeys(keys: Jwk[]): void {
    if (keys.length > MAX_VERIFY_KEYS) {
      throw failure(`VERIFY_KEYS_JWK has ${MAX_VERIFY_KEYS} keys, the most there can be. ${DROP}`);
    }
    this.#keys = keys;
  }
}

/** A pair by the name of its private entry. */
async function readPair(
  entries: KeyEntries,
  name: string,
): Promise<{ privateKeyJwk: string; publicKeyJwk: string }> {
  const text = entries.get(name);
  if (text === undefined) {
    throw failure(
      `${name} is not set in .env: there is no key to replace. Run: ${keygenCommand()}`,
    );
  }
  return await loadKeyPair(text).catch((error) => {
    throw unusable(name, error);
  });
}

/** The id that the JWK of the signing key gives it: tokens may name the key by it. */
function ownId(entries: KeyEntries): Jwk {
  for (const name of ["PRIVATE_KEY_JWK", "PUBLIC_KEY_JWK"]) {
    const { kid } = decodeObject(entries.get(name) ?? btoa("{}"));
    if (typeof kid === "string") return { kid };
  }
  return {};
}

function decodeObject(base64: string): Jwk {
  const value = decodeBase64Json(base64);
  return isObject(value) ? value : {};
}

/** Why an entry cannot be used, if that is what failed. */
function unusable(name: string, error: unknown): unknown {
  if (!(error instanceof InvalidKeyError)) return error;
  return failure(`${name} in .env is not usable: ${error.message}`);
}

function failure(line: string): Failure {
  return new Failure({ lines: [line] });
}
