/**
 * The backplane over one Redis, or over the part of a Redis Cluster in which one tag has its keys. It
 * owns one connection at a time and opens another one when that fails; where it leads is asked again
 * each time. `backplane.ts` creates it.
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
} from "../backplane.ts";
import type { Revocation } from "../../access/revocations.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { Barriers } from "./barriers.ts";
import { RedisConnection } from "./connection.ts";
import { evictionWarning } from "./eviction.ts";
import type { Endpoint } from "./endpoint.ts";
import type { RedisKeys } from "./keys.ts";
import {
  encodeAuthFailed,
  encodeBarrier,
  encodeUndeliverable,
  type RedisMessage,
} from "./messages.ts";
import { explained } from "./problems.ts";
import { auditCall, decodeAuditReply } from "./scripts/audit.ts";
import { decodeJoinReply, joinCall } from "./scripts/join.ts";
import { leaveCall } from "./scripts/leave.ts";
import { decodePostReply, postCall } from "./scripts/post.ts";
import type { ScriptCall } from "./scripts/shared.ts";
import {
  decodeRevocations,
  loadRevocationsCall,
  storeRevocationsCall,
} from "./scripts/revocations.ts";
import { updateCall } from "./scripts/update.ts";

/** Options of {@linkcode RedisBackplane}. */
export interface RedisBackplaneParts {
  readonly endpoint: Endpoint;
  readonly keys: RedisKeys;
  readonly clock: Clock;
}

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/** One shard of a server: all of it, where there is but one. */
export class RedisBackplane implements Backplane {
  readonly #endpoint: Endpoint;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  readonly #barriers = new Barriers();
  #listener: BackplaneListener | undefined;
  #connection: RedisConnection | undefined;
  /** The attempt to connect that is under way. */
  #connecting: Promise<void> | undefined;
  #retry: Timer | undefined;
  #retryMs = MIN_RETRY_MS;
  #previous = "";
  readonly #closing = new AbortController();
  /** The policy that was warned of last. */
  #warnedPolicy = "noeviction";

  constructor({ endpoint, keys, clock }: RedisBackplaneParts) {
    this.#endpoint = endpoint;
    this.#keys = keys;
    this.#clock = clock;
  }

  start(listener: BackplaneListener): void {
    if (this.#listener !== undefined || this.#closing.signal.aborted) {
      throw new Error("The backplane is in use, or closed: create one of its own for each server");
    }
    this.#listener = listener;
    this.#connecting = this.#connect();
  }

  async join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return decodeJoinReply(await this.#run(joinCall(this.#keys, room, member, options)));
  }

  update(room: string, member: Member): void {
    this.#runWithoutReply(updateCall(this.#keys, room, member));
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#runWithoutReply(leaveCall(this.#keys, room, id, memberId));
  }

  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#connection?.send(envelope) ?? Promise.resolve("not found");
  }

  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void {
    const channel = this.#keys.channel(envelope.sender.instance);
    this.#connection?.post(channel, encodeUndeliverable(envelope, reason));
  }

  async audit(views: readonly RoomView[]): Promise<AuditReply> {
    const connection = this.#connection;
    if (connection === undefined || views.length === 0) return { missing: [], removed: 0 };
    const { instance } = connection;
    const reply = await connection.run(auditCall(this.#keys, instance, views));
    const audited = decodeAuditReply(reply, views);
    // A member that seems to be missing may have been replaced.
    if (audited.missing.length > 0 && connection === this.#connection) {
      const channel = this.#keys.channel(instance);
      await this.#barriers.pass((id) => connection.post(channel, encodeBarrier(id)));
    }
    return audited;
  }

  authFailed(address: string): void {
    const from = this.#connection?.instance;
    if (from !== undefined) this.#connection?.post(this.#keys.all, encodeAuthFailed(address, from));
  }

  async post(text: string, to?: string): Promise<PostReply> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("Redis is down");
    const call = postCall(this.#keys, connection.instance, text, to);
    return decodePostReply(await connection.run(call));
  }

  async storeRevocations(revocations: readonly Revocation[]): Promise<void> {
    await this.#run(storeRevocationsCall(this.#keys, revocations, this.#clock.now()));
  }

  async loadRevocations(): Promise<readonly Revocation[]> {
    const all: Revocation[] = [];
    let cursor = "0";
    do {
      const reply = await this.#run(loadRevocationsCall(this.#keys, cursor));
      const page = decodeRevocations(reply);
      all.push(...page.revocations);
      cursor = page.cursor;
    } while (cursor !== "0");
    return all;
  }

  async #run(call: ScriptCall): Promise<unknown> {
    if (this.#connection === undefined) throw new Error("Redis is down");
    return await this.#connection.run(call);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#retry !== undefined) {
      this.#clock.clearTimeout(this.#retry);
      // What the last connection has left is removed by the next.
      if (this.#previous !== "") this.#connecting = this.#connect();
    }
    const connection = this.#connection;
    this.#connection = undefined;
    this.#barriers.clear();
    await connection?.leave();
    await this.#connecting; // It may have written to Redis already, and removes that.
  }

  #runWithoutReply(call: ScriptCall): void {
    this.#connection?.run(call).catch(() => {});
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    try {
      const connection = await RedisConnection.open({
        endpoint: this.#endpoint,
        keys: this.#keys,
        clock: this.#clock,
        previous: this.#previous,
        signal: this.#closing.signal,
        events: {
          failed: (reason) => this.#failed(reason),
          message: (message) => this.#onMessage(message),
          undeliverable: (envelope) => this.#listener?.undeliverable(envelope, "not found"),
          roomsListed: (rooms) => this.#listener?.roomsListed(rooms),
        },
      });
      if (this.#closing.signal.aborted) return await connection.leave();
      this.#previous = connection.instance;
      this.#connection = connection;
      this.#retryMs = MIN_RETRY_MS;
      connection.start();
      this.#listener?.up(connection.instance);
      this.#warnOfEviction(await connection.evictionPolicy());
    } catch (cause) {
      if (this.#closing.signal.aborted) return;
      this.#down(String(cause));
      this.#retryLater();
    }
  }

  #warnOfEviction(policy: string | undefined): void {
    const message = evictionWarning(policy);
    if (policy === undefined || message === undefined || policy === this.#warnedPolicy) return;
    this.#warnedPolicy = policy;
    this.#listener?.warn(message, { policy });
  }

  #failed(reason: string): void {
    this.#connection = undefined;
    this.#barriers.clear();
    this.#down(reason);
    this.#retryLater();
  }

  #down(reason: string): void {
    this.#listener?.down(explained(this.#endpoint.kind, reason));
  }

  #retryLater(): void {
    if (this.#closing.signal.aborted) return;
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
    this.#retry = this.#clock.setTimeout(() => {
      this.#connecting = this.#connect();
    }, delayMs);
  }

  #onMessage(message: RedisMessage): void {
    const connection = this.#connection;
    if (connection === undefined || this.#listener === undefined) return;
    switch (message.kind) {
      case "room event":
        return this.#listener.roomChanged(message.event);
      case "envelope":
        return connection.isFresh(message.heartbeats)
          ? this.#listener.received(message.envelope)
          : this.reportUndeliverable(message.envelope, "not found");
      case "undeliverable":
        return this.#listener.undeliverable(message.envelope, message.reason);
      case "members lost":
        if (message.from !== connection.instance) this.#listener.membersLost(message.room);
        return;
      case "auth failed":
        if (message.from !== connection.instance) this.#listener.authFailed(message.address);
        return;
      case "barrier":
        return this.#barriers.received(message.id);
      case "post":
        return this.#listener.posted(message.text, message.from);
    }
  }
}
