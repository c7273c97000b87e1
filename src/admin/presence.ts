/**
 * Tells a host which peers join and leave on this instance. Events wait in a queue and are passed on
 * after what caused them, so that a slow or failing host delays no join and no message.
 */

import type { Role } from "../protocol/messages.ts";
import type { Peer } from "../rooms/peer.ts";
import type { ChangeListener } from "../rooms/registry.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";

/** A peer of this instance has joined a room or left it. */
export interface PeerEvent {
  /** Every `joined` is followed by one `left` of the same `connection`. */
  readonly type: "joined" | "left";
  /** The room. */
  readonly room: string;
  /** The peer's name. */
  readonly nodeId: string;
  /** What it is in the room; a peer that changes its role leaves in the old one and joins in the new. */
  readonly role: Role;
  /** When it happened, ISO 8601. */
  readonly at: string;
}

/** Called for every event; what it throws, or rejects with, is logged. */
export type OnPeer = (event: PeerEvent) => void | Promise<void>;

/** Options of {@linkcode Presence}. */
export interface PresenceOptions {
  readonly onPeer: OnPeer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The peers of one instance, as its host is told of them. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #roles = new Map<Peer, Role>();
  #queue: PeerEvent[] = [];
  #timer: Timer | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Takes note of a change of a room. */
  readonly changed: ChangeListener = (room, peer) => {
    if (!peer.isLocal) return;
    const before = this.#roles.get(peer);
    const now = room.has(peer) ? peer.role : undefined;
    if (before === now) return;
    if (before !== undefined) this.#add("left", room.name, peer, before);
    if (now === undefined) this.#roles.delete(peer);
    else {
      this.#roles.set(peer, now);
      this.#add("joined", room.name, peer, now);
    }
  };

  /** Passes on what waits, at once. */
  flush(): void {
    const { clock, onPeer } = this.#options;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#queue;
    this.#queue = [];
    for (const event of events) {
      // A `try` for what it throws, and `catch` for what it rejects with.
      try {
        Promise.resolve(onPeer(event)).catch((cause) => this.#failed(cause));
      } catch (cause) {
        this.#failed(cause);
      }
    }
  }

  #add(type: PeerEvent["type"], room: string, { id }: Peer, role: Role): void {
    const { clock } = this.#options;
    const at = new Date(clock.now()).toISOString();
    this.#queue.push({ type, room, nodeId: id, role, at });
    this.#timer ??= clock.setTimeout(() => this.flush(), 0);
  }

  #failed(cause: unknown): void {
    this.#options.logger.error("onPeer() failed", failureFields(cause));
  }
}
