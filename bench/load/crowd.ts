/** Many clients at once: making them with their tokens, joining and leaving. */

import { issueToken } from "../../src/access/room_tokens.ts";
import { loadKeyPairFromEnv } from "../../src/access/keys.ts";
import { Client, note, type World } from "./client.ts";

/** How long a crowd may take to join or leave, in milliseconds. */
const DEADLINE_MS = 60_000;

const RUN = crypto.randomUUID().slice(0, 8);
let rooms = 0;

/** Makes the crowds of one run. */
export class Crowds {
  readonly world: World;
  readonly #privateKey: CryptoKey | undefined;

  private constructor(world: World, privateKey: CryptoKey | undefined) {
    this.world = world;
    this.#privateKey = privateKey;
  }

  /** With a key, every client has a token of its own. */
  static async of(world: World, privateKeyJwk: string | undefined): Promise<Crowds> {
    const keys = privateKeyJwk && await loadKeyPairFromEnv(privateKeyJwk);
    return new Crowds(world, keys ? keys.privateKey : undefined);
  }

  /** Clients that have not connected yet, in fresh rooms of this size. */
  async make(count: number, perRoom: number): Promise<Client[]> {
    const clients: Client[] = [];
    for (let number = 0; number < count; number++) {
      if (number % perRoom === 0) rooms++;
      const room = `bench-${RUN}-${rooms}`;
      clients.push(
        new Client(this.world, crypto.randomUUID(), room, await this.#token(room, number)),
      );
    }
    return clients;
  }

  /** The same clients once more, with the tokens that they had. */
  again(clients: readonly Client[]): Client[] {
    return clients.map(({ room, token }) =>
      new Client(this.world, crypto.randomUUID(), room, token)
    );
  }

  /** Lets all of them join, so many at a time; returns how many did. */
  join(clients: readonly Client[], concurrency: number): number {
    let started = 0;
    let settled = 0;
    let joined = 0;
    const next = () => {
      const client = clients[started++];
      client?.join((isIn) => {
        settled++;
        joined += Number(isIn);
        next();
      });
    };
    while (started < Math.min(concurrency, clients.length)) next();
    if (!this.serve(() => settled === clients.length, DEADLINE_MS)) {
      note(this.world, `${clients.length - settled} clients have not joined in time`);
    }
    return joined;
  }

  /** Lets all of them leave, and waits for the last. */
  leave(clients: readonly Client[]): void {
    const { sockets } = this.world;
    const staying = sockets.open - clients.length;
    for (const client of clients) client.leave();
    this.serve(() => sockets.open <= staying, DEADLINE_MS / 4);
    for (const client of clients) client.drop();
  }

  /** Serves the sockets until something holds, or for so long; tells whether it came to hold. */
  serve(isDone: () => boolean, milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    while (!isDone()) {
      const left = end - performance.now();
      if (left <= 0) return false;
      this.world.sockets.poll(Math.min(Math.ceil(left), 50));
    }
    return true;
  }

  /** Serves the sockets for so long. */
  wait(milliseconds: number): void {
    this.serve(() => false, milliseconds);
  }

  async #token(room: string, number: number): Promise<string | undefined> {
    if (this.#privateKey === undefined) return undefined;
    const ttl = `${3600 + number}s`; // One second and one room make one token otherwise.
    return (await issueToken(this.#privateKey, { ttl, subject: room })).token;
  }
}
