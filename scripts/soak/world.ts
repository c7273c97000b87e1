/**
 * What every client of a soak shares: where the server is, the tokens for its rooms, what is counted,
 * how many sockets there may be, and whether it is time to go.
 */

import { requestToken, signalUrl } from "../../tests/helpers/requests.ts";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Tally } from "./tally.ts";

/** Client sockets at once. */
export const MAX_SOCKETS = 600;

/** The rooms that everybody shares; each has a pair of bystanders. */
export const ROOMS: readonly string[] = ["soak-0", "soak-1", "soak-2", "soak-3"];

const CONSUMER_ALGORITHM = "ES256";

/** The claim that names the rooms of a consumer. */
export const ROOM_CLAIM = "rooms";

/** A client that holds a socket. */
export interface Holder {
  /** Lets go of the socket at once. */
  drop(): void;
}

/** Tokens for every room. */
export interface Tokens {
  readonly rooms: ReadonlyMap<string, string>;
  readonly consumer: string;
}

/** An identity provider: its public keys as the server takes them, and a token that it signed. */
export async function createProvider(): Promise<{ jwks: string; token: string }> {
  const { publicKey, privateKey } = await generateKeyPair(CONSUMER_ALGORITHM);
  const token = await new SignJWT({ [ROOM_CLAIM]: [...ROOMS] }).setExpirationTime("48h")
    .setProtectedHeader({ alg: CONSUMER_ALGORITHM }).sign(privateKey);
  return { jwks: btoa(JSON.stringify(await exportJWK(publicKey))), token };
}

/** Asks the server for a token for each room. */
export async function requestTokens(
  url: string,
  adminSecret: string,
  consumer: string,
): Promise<Tokens> {
  const rooms = new Map<string, string>();
  for (const room of ROOMS) rooms.set(room, await requestToken(url, adminSecret, room, "48h"));
  return { rooms, consumer };
}

/** One phase of a soak, seen by its clients. */
export class World {
  readonly url: string;
  readonly port: number;
  readonly tokens: Tokens;
  readonly tally: Tally;
  readonly #ending = new AbortController();
  readonly #holders = new Set<Holder>();
  #names = 0;

  constructor(url: string, tokens: Tokens, tally: Tally) {
    this.url = url;
    this.port = Number(new URL(url).port);
    this.tokens = tokens;
    this.tally = tally;
  }

  /** Whether everybody is to come to an end. */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** How many sockets there may still be. */
  get free(): number {
    return MAX_SOCKETS - this.#holders.size;
  }

  /** Tells everybody to come to an end. */
  end(): void {
    this.#ending.abort();
  }

  /** Counts a socket. */
  took(holder: Holder): void {
    this.#holders.add(holder);
  }

  /** Counts a socket no longer. */
  letGo(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** Ends every socket that is left. */
  dropAll(): void {
    for (const holder of [...this.#holders]) holder.drop();
  }

  /** A name that nobody else has. */
  name(kind: string): string {
    return `${kind}-${this.#names++}`;
  }

  /** What a peer of a room connects with. */
  query(room: string, nodeId: string): Record<string, string> {
    return { token: this.tokens.rooms.get(room) ?? "", room, nodeId };
  }

  /** The same as the path of a request. */
  path(room: string, nodeId: string): string {
    return `/signal?${new URLSearchParams(this.query(room, nodeId))}`;
  }

  /** The URL of `/signal` with this query. */
  signal(query: Record<string, string>): string {
    return signalUrl(this.url, query);
  }

  /** Waits, but not beyond the end. */
  rest(ms: number): Promise<void> {
    const { signal } = this.#ending;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}

/** Waits. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
