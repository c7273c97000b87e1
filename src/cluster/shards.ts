/**
 * Several backplanes as one: each room belongs to one of them, by a hash of its name, and each has a
 * `Cluster` of its own. So one that fails separates the peers of its own rooms and of no others. With
 * one backplane it passes everything on. What a backplane does is left to its cluster.
 */

import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { Peer } from "../rooms/peer.ts";
import type { JoinResult } from "../rooms/registry.ts";
import { type LogFields, withFields } from "../runtime/logger.ts";
import type { Backplane } from "./backplane.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import type { Answerers, Answers, AskOptions } from "./questioner.ts";
import type { Answer, Question, QuestionKind } from "./question.ts";
import { shardOf } from "./room_hash.ts";
import { ShardedRevocations } from "./sharded_revocations.ts";

/** Options of {@linkcode Shards}. */
export interface ShardsOptions extends Omit<ClusterOptions, "backplane" | "failures" | "owns"> {
  /** One for each shard; the order is the same on every instance. */
  readonly backplanes: readonly Backplane[];
  /** Failed tokens and secrets, counted on all instances together. */
  readonly failures: Pick<FailureLimiter, "subscribe" | "count">;
}

/** Answers questions, by kind; rooms are asked for with each shard, which has some of them. */
export interface ShardedAnswerers extends Omit<Answerers, "rooms"> {
  readonly rooms?: (
    question: Question<"rooms">,
    isAsked: (room: string) => boolean,
  ) => Answer<"rooms">;
}

/** This instance among the others, on every backplane. */
export class Shards {
  /** The revocations of tokens, on all instances. */
  readonly revocations: ShardedRevocations;
  readonly #options: ShardsOptions;
  readonly #clusters: readonly Cluster[];

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.#clusters = options.backplanes.map((backplane) => this.#create(backplane));
    this.revocations = new ShardedRevocations(
      this.#clusters.map(({ revocations }) => revocations),
      options.logger,
    );
    options.failures.subscribe((address) => this.#authFailed(address));
  }

  /** How many members differed from what the backplanes had, and were corrected. */
  get corrections(): number {
    return this.#clusters.reduce((sum, { corrections }) => sum + corrections, 0);
  }

  /** How many shards there are, and how many work and know what is revoked. */
  get counts(): { readonly up: number; readonly total: number } {
    const up = this.#clusters.filter(({ revocations }) => revocations.isRead).length;
    return { up, total: this.#clusters.length };
  }

  /** Whether peers of other instances can be reached, in every room. */
  get isUp(): boolean {
    return this.#clusters.every(({ isUp }) => isUp);
  }

  /** Starts to take part. What a backplane throws is thrown, after those that had started are closed. */
  start(): void {
    try {
      for (const cluster of this.#clusters) cluster.start();
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  /** Ends to take part: the members of this instance are removed. */
  async close(): Promise<void> {
    await Promise.all(this.#clusters.map((cluster) => cluster.close()));
  }

  /** See `Cluster.join`. */
  join(room: string, peer: Peer, dead?: Peer): JoinResult | Promise<JoinResult> {
    return this.#of(room).join(room, peer, dead);
  }

  /** See `Cluster.cancelJoin`. */
  cancelJoin(peer: Peer): void {
    for (const cluster of this.#clusters) cluster.cancelJoin(peer);
  }

  /** Answers questions of other instances, of these kinds, from now on. */
  answer({ rooms, ...others }: ShardedAnswerers): void {
    for (const cluster of this.#clusters) {
      cluster.answer(others);
      if (rooms === undefined) continue;
      cluster.answer({
        rooms: (question) => rooms(question, (room) => this.#of(room) === cluster),
      });
    }
  }

  /**
   * Asks the other instances: about one room through its shard, and else through every shard. So the
   * answers about all rooms are disjoint, and one about the instance itself comes as often as it is
   * reached. Partial, too, if one of these shards is down. Never rejects.
   */
  async ask<K extends QuestionKind>(
    question: Question<K>,
    options: AskOptions,
  ): Promise<Answers<K>> {
    const room = "room" in question ? question.room : undefined;
    const asked = room === undefined ? this.#clusters : [this.#of(room)];
    const replies = await Promise.all(asked.map((cluster) => cluster.ask(question, options)));
    return {
      answers: replies.flatMap(({ answers }) => answers),
      isPartial: replies.some(({ isPartial }) => isPartial),
    };
  }

  /** Tells the other instances, each once, that a token or secret was not valid here. */
  #authFailed(address: string): void {
    this.#clusters.find(({ isUp }) => isUp)?.authFailed(address);
  }

  #of(room: string): Cluster {
    const cluster = this.#clusters[shardOf(room, this.#clusters.length)];
    if (cluster === undefined) throw new RangeError("There is no shard");
    return cluster;
  }

  #create(backplane: Backplane): Cluster {
    const cluster: Cluster = new Cluster({
      ...this.#options,
      backplane,
      logger: withFields(this.#options.logger, () => this.#fieldsOf(cluster)),
      owns: (room) => this.#of(room) === cluster,
    });
    return cluster;
  }

  /** What tells a line of the log about one of several from those about the others. */
  #fieldsOf(cluster: Cluster): LogFields {
    const { length } = this.#clusters;
    return length === 1 ? {} : { shard: this.#clusters.indexOf(cluster) + 1, shards: length };
  }
}
