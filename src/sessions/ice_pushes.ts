/**
 * ICE servers over the sockets of the peers that ask for them: once with the answer to a `register`,
 * and fresh ones before the credentials expire, for as long as the socket is joined. One queue and one
 * timer serve all peers. What a list contains, and how it is found, is decided elsewhere.
 */

import type { CredentialOwner } from "../ice/credentials.ts";
import type { IcePeer } from "../ice/ice_options.ts";
import type { FoundIceServers } from "../ice/ice_servers.ts";
import type { Role, ServerMessage } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { DueQueue } from "../runtime/due_queue.ts";

/** A session that has asked. */
export interface IceSession {
  readonly identity: CredentialOwner;
  readonly role: Role;
  readonly connection: {
    answer(message: ServerMessage): boolean;
    sendMessage(message: ServerMessage): boolean;
    fail(cause: unknown): void;
  };
}

/** Options of {@linkcode IcePushes}. */
export interface IcePushesOptions {
  readonly clock: Clock;
  /** Finds the ICE servers of a peer, in a bounded time. Must not reject. */
  readonly find: (peer: IcePeer) => Promise<FoundIceServers>;
}

/** Fresh ones are sent after this part of the time that a list is good for. */
const RENEW_AFTER = 3 / 4;

/** Lists that are renewed at once: a crowd that joined together must not delay those that join now. */
const MAX_RENEWING = 16;

/** The peers of one handler that have asked for ICE servers. */
export class IcePushes {
  readonly #clock: Clock;
  readonly #find: IcePushesOptions["find"];
  /** When the list that a session was sent last is over, by `Clock.elapsed`. */
  readonly #endsAt = new Map<IceSession, number>();
  readonly #queue: DueQueue<IceSession>;
  /** Those whose list is due, in order. */
  readonly #due = new Set<IceSession>();
  /** Those whose list is being found. */
  readonly #renewing = new Map<IceSession, symbol>();
  #running = 0;

  constructor({ clock, find }: IcePushesOptions) {
    this.#clock = clock;
    this.#find = find;
    this.#queue = new DueQueue({
      clock,
      onDue: (session) => {
        this.#due.add(session);
        this.#renewNext();
      },
    });
  }

  /** Finds the ICE servers of a session that has asked, in its role of now. */
  find({ identity: { room, nodeId }, role }: IceSession): Promise<FoundIceServers> {
    return this.#find({ room, nodeId, role });
  }

  /**
   * Sends a session that has registered what was found for it, and fresh ones in time; nothing more if
   * it has not asked this time.
   */
  registered(session: IceSession, found: FoundIceServers | undefined): void {
    this.end(session);
    if (found === undefined) return;
    this.#schedule(session, found);
    this.#sends(session, found); // Both before the answer, which may end the session.
    session.connection.answer(toMessage(found));
  }

  /** Sends a session nothing more. */
  end(session: IceSession): void {
    this.#queue.delete(session);
    this.#due.delete(session);
    this.#renewing.delete(session);
    this.#endsAt.delete(session);
  }

  #sends(session: IceSession, { answer: { ttl } }: FoundIceServers): void {
    this.#endsAt.set(session, this.#clock.elapsed() + ttl * 1000);
  }

  /**
   * Whether a list should replace the one that a session has. One that lacks something should only if
   * that one would be over before the next is found, and if it has anything at all.
   */
  #isBetter(session: IceSession, { answer, isComplete }: FoundIceServers): boolean {
    if (isComplete) return true;
    const nextAt = this.#clock.elapsed() + answer.ttl * 1000 * RENEW_AFTER;
    return answer.iceServers.length > 0 && nextAt >= (this.#endsAt.get(session) ?? 0);
  }

  #schedule(session: IceSession, { answer: { ttl } }: FoundIceServers): void {
    this.#queue.set(session, ttl * 1000 * RENEW_AFTER);
  }

  #renewNext(): void {
    for (const session of this.#due) {
      if (this.#running >= MAX_RENEWING) return;
      this.#due.delete(session);
      this.#renew(session);
    }
  }

  /** What it finds goes to nobody if the session has ended, or has asked again, meanwhile. */
  async #renew(session: IceSession): Promise<void> {
    const renewal = Symbol();
    this.#renewing.set(session, renewal);
    this.#running++;
    try {
      const found = await this.find(session);
      if (this.#renewing.get(session) !== renewal) return;
      this.#renewing.delete(session);
      this.#schedule(session, found);
      if (!this.#isBetter(session, found)) return;
      this.#sends(session, found);
      session.connection.sendMessage(toMessage(found));
    } catch (cause) {
      session.connection.fail(cause);
    } finally {
      this.#running--;
      this.#renewNext();
    }
  }
}

function toMessage({ answer: { iceServers, expiresAt } }: FoundIceServers): ServerMessage {
  return { type: "ice-servers", iceServers, expiresAt };
}
