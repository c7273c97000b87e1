/**
 * The backplane within one process: several handlers form one server. It is also the in-memory
 * implementation against which every other backplane is checked.
 */

import type {
  AuditReply,
  Backplane,
  BackplaneListener,
  Envelope,
  EnvelopeHeader,
  JoinOptions,
  JoinReply,
  Member,
  MemberId,
  PostReply,
  RoomView,
  SendOutcome,
  UndeliverableReason,
} from "./backplane.ts";
import {
  keyOf,
  MAX_REVOCATIONS,
  mergeRevocations,
  type Revocation,
} from "../access/revocations.ts";
import { MemoryRooms } from "./memory_rooms.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";

/** Revocations that are stored, expired ones included; then the oldest is forgotten. */
const MAX_STORED = 2 * MAX_REVOCATIONS;

/** Options of {@linkcode createMemoryBackplane}. */
export interface MemoryBackplaneOptions {
  /** The time, by which takeovers of a name are counted; the machine's when absent. */
  clock?: Clock;
}

/** Connects the handlers of one process. */
export interface MemoryBackplane {
  /** Creates the backplane of one more instance. */
  connect(): Backplane;
  /** How many rooms have a member. */
  readonly rooms: number;
}

/**
 * Creates what connects the handlers of one process, so that they form one server.
 *
 * @param options See {@linkcode MemoryBackplaneOptions}.
 * @returns Its `connect` gives each handler a backplane of its own.
 *
 * @example Two handlers that are one server
 * ```ts
 * import { createSignalingHandler } from "@aikofy/client-db-sync";
 * import { createMemoryBackplane } from "@aikofy/client-db-sync/backplane";
 * import { assertEquals } from "@std/assert";
 *
 * const memory = createMemoryBackplane();
 * const start = () => createSignalingHandler({ authEnabled: false, backplane: memory.connect() });
 * await using first = await start();
 * await using second = await start();
 * await new Promise((resolve) => setTimeout(resolve)); // Each reads what is revoked.
 * assertEquals([first.stats().backplane, second.stats().backplane], ["up", "up"]);
 * ```
 */
export function createMemoryBackplane(options: MemoryBackplaneOptions = {}): MemoryBackplane {
  const rooms = new MemoryRooms<MemoryConnection>(options.clock ?? systemClock);
  const revocations = new Map<string, Revocation>();
  return {
    connect: () => new MemoryConnection(rooms, revocations),
    get rooms() {
      return rooms.size;
    },
  };
}

/** The backplane of one instance. */
class MemoryConnection implements Backplane {
  readonly #rooms: MemoryRooms<MemoryConnection>;
  readonly #revocations: Map<string, Revocation>;
  #listener: BackplaneListener | undefined;
  #instance = "";

  constructor(rooms: MemoryRooms<MemoryConnection>, revocations: Map<string, Revocation>) {
    this.#rooms = rooms;
    this.#revocations = revocations;
  }

  start(listener: BackplaneListener): void {
    if (this.#instance !== "") {
      throw new Error("The backplane is in use, or closed: connect one of its own for each server");
    }
    this.#listener = listener;
    this.#instance = this.#rooms.add(this);
    listener.up(this.#instance);
  }

  /** Calls the listener later, in order and never within a call of its own. */
  receive(act: (listener: BackplaneListener) => void): void {
    queueMicrotask(() => {
      if (this.#listener !== undefined) act(this.#listener);
    });
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return Promise.resolve(this.#rooms.join(room, member, options));
  }

  update(room: string, member: Member): void {
    this.#rooms.update(room, member);
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#rooms.leave(room, id, memberId);
  }

  send(envelope: Envelope): Promise<SendOutcome> {
    const target = this.#rooms.connections.get(envelope.target.instance);
    target?.receive((listener) => listener.received(envelope));
    return Promise.resolve(target === undefined ? "not found" : "sent");
  }

  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void {
    const sender = this.#rooms.connections.get(envelope.sender.instance);
    sender?.receive((listener) => listener.undeliverable(envelope, reason));
  }

  audit(views: readonly RoomView[]): Promise<AuditReply> {
    return Promise.resolve(this.#rooms.audit(this.#instance, views));
  }

  authFailed(address: string): void {
    for (const [instance, connection] of this.#rooms.connections) {
      if (instance === this.#instance) continue;
      connection.receive((listener) => listener.authFailed(address));
    }
  }

  post(text: string, to?: string): Promise<PostReply> {
    const reached: string[] = [];
    for (const [instance, connection] of this.#rooms.connections) {
      const isTarget = to === undefined ? instance !== this.#instance : instance === to;
      if (!isTarget) continue;
      connection.receive((listener) => listener.posted(text, this.#instance));
      reached.push(instance);
    }
    return Promise.resolve({ reached, isPartial: to !== undefined && reached.length === 0 });
  }

  storeRevocations(revocations: readonly Revocation[]): Promise<void> {
    for (const revocation of revocations) {
      const key = keyOf(revocation);
      const old = this.#revocations.get(key);
      this.#revocations.delete(key);
      this.#revocations.set(
        key,
        old === undefined ? revocation : mergeRevocations(old, revocation),
      );
    }
    // The instances keep no more than that and say so; here there is no clock to tell the expired.
    for (const key of this.#revocations.keys()) {
      if (this.#revocations.size <= MAX_STORED) break;
      this.#revocations.delete(key);
    }
    return Promise.resolve();
  }

  loadRevocations(): Promise<readonly Revocation[]> {
    return Promise.resolve([...this.#revocations.values()]);
  }

  close(): Promise<void> {
    this.#listener = undefined;
    this.#rooms.remove(this.#instance);
    return Promise.resolve();
  }
}
