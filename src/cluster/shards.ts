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
import type { Answer, Question, QuestionKind, ShardPlace } from "./question.ts";
import { shardOf } from "./room_hash.ts";
import { ShardedRevocations } from "./sharded_revocations.ts";

/** Options of {@linkcode Shards}. */
export interface ShardsOptions extends Omit<ClusterOptions, "backplane" | "failures" | "owns"> {
  /** One for each shard; the order is the same on every instance. */
  readonly backplanes: readonly Backplane[];
  /** Failed tokens and secrets, counted on all instances together. */
  readonly failures: Pick<FailureLimiter, "subscribe" | "count">;
}

/** How long others may take to say where a shard is in their lists, in milliseconds. */
const COMPARE_MS = 1000;

const LISTS_DIFFER =
  "The lists of backplanes of two instances differ, or name one Redis twice: some peers do not meet";

/** Answers questions, by kind; rooms are asked for with each shard, which has some of them. */
export interface ShardedAnswerers extends Omit<Answerers, "rooms" | "shard"> {
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
  /** In the order of the shards. */
  #byBackplane: ReadonlyMap<Backplane, Cluster> = new Map();
  #clusters: readonly Cluster[] = [];
  /** Those that are about to be used. */
  #starting: readonly Cluster[] = [];
  readonly #places = new WeakMap<Cluster, ShardPlace>();
  #answerers: ShardedAnswerers = {};
  /** What those have corrected that are not used any more. */
  #correctedBefore = 0;
  /** Backplanes that were used, and cannot be used again. */
  readonly #closed = new WeakSet<Backplane>();
  #exchange: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.revocations = new ShardedRevocations(options.logger);
    this.#use(this.#clustersOf(options.backplanes));
    options.failures.subscribe((address) => this.#authFailed(address));
  }

  /** How many members differed from what the backplanes had, and were corrected. */
  get corrections(): number {
    return this.#clusters.reduce(
      (sum, { corrections }) => sum + corrections,
      this.#correctedBefore,
    );
  }

  /** How many shards there are, and how many work and know what is revoked. */
  get counts(): { readonly up: number; readonly total: number } {
    const up = this.#clusters.filter(({ revocations }) => revocations.isRead).length;
    return { up, total: this.#clusters.length };
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
    this.#isClosed = true;
    const all = [...this.#clusters, ...this.#starting];
    await Promise.all(all.map((cluster) => cluster.close()));
    await this.#exchange; // It closes those that are not in the list any more.
  }

  /**
   * Distributes the rooms over these backplanes from soon on: once the new ones among them work, or have
   * not done so within some seconds. Nobody is disconnected. A room that belongs to another backplane
   * then leaves the old one, and its names are claimed in the new one. Those that are not in the list
   * any more are closed. A second call waits for the first one.
   *
   * @throws {TypeError} One has been used before, and is closed.
   * @throws {Error} This instance has ended, or one cannot be started; then nothing has changed.
   */
  set(backplanes: readonly Backplane[]): Promise<void> {
    const exchanged = this.#exchange.then(() => this.#set(backplanes));
    this.#exchange = exchanged.catch(() => {});
    return exchanged;
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
  answer(answerers: ShardedAnswerers): void {
    this.#answerers = { ...this.#answerers, ...answerers };
    for (const cluster of this.#clusters) this.#letAnswer(cluster);
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

  async #set(backplanes: readonly Backplane[]): Promise<void> {
    if (this.#isClosed) throw new Error("The backplanes cannot be changed: it is closed");
    if (backplanes.some((one) => this.#closed.has(one))) {
      throw new TypeError("A backplane that was used before is closed: create a new one");
    }
    const before = this.#byBackplane;
    const next = this.#clustersOf(backplanes);
    const created = this.#starting = [...next].flatMap(([one, cluster]) =>
      before.has(one) ? [] : cluster
    );
    try {
      for (const cluster of created) cluster.start();
      await Promise.all(created.map(({ revocations }) => revocations.whenKnown));
      if (this.#isClosed) throw new Error("The backplanes were not changed: it was closed");
    } catch (cause) {
      for (const one of next.keys()) if (!before.has(one)) this.#closed.add(one);
      await Promise.all(created.map((cluster) => cluster.close()));
      throw cause;
    } finally {
      this.#starting = [];
    }
    this.#moveTo(next);
    const removed = [...before].filter(([one]) => !next.has(one));
    for (const [one, { corrections }] of removed) {
      this.#closed.add(one);
      this.#correctedBefore += corrections;
    }
    await Promise.all(removed.map(([, cluster]) => cluster.close()));
  }

  /** Uses these, in one turn: nothing that a backplane reports comes in between. */
  #moveTo(next: ReadonlyMap<Backplane, Cluster>): void {
    const before = this.#clusters;
    this.#use(next);
    for (const cluster of before) {
      const released = cluster.release((room) => this.#of(room) !== cluster);
      const byOwner = Map.groupBy(released, ({ room }) => this.#of(room));
      for (const [owner, members] of byOwner) owner.adopt(members);
    }
  }

  #use(clusters: ReadonlyMap<Backplane, Cluster>): void {
    this.#byBackplane = clusters;
    this.#clusters = [...clusters.values()];
    for (const [index, cluster] of this.#clusters.entries()) {
      this.#places.set(cluster, { shard: index + 1, shards: clusters.size });
    }
    this.revocations.use(this.#clusters.map(({ revocations }) => revocations));
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

  /** A cluster for each backplane: the one that it has, or a new one. */
  #clustersOf(backplanes: readonly Backplane[]): ReadonlyMap<Backplane, Cluster> {
    return new Map(backplanes.map((one, index) => {
      const before = this.#byBackplane.get(one);
      const cluster = before ?? this.#create(one);
      const place = { shard: index + 1, shards: backplanes.length };
      if (before === undefined) this.#places.set(cluster, place);
      return [one, cluster];
    }));
  }

  #create(backplane: Backplane): Cluster {
    const cluster: Cluster = new Cluster({
      ...this.#options,
      backplane,
      logger: withFields(this.#options.logger, () => logFields(this.#placeOf(cluster))),
      owns: (room) => this.#of(room) === cluster,
      onUp: () => void this.#compareLists(cluster),
    });
    this.#letAnswer(cluster);
    this.revocations.prepare(cluster.revocations);
    return cluster;
  }

  /** Warns where others see this shard at another place: their rooms are not where these are. */
  async #compareLists(cluster: Cluster): Promise<void> {
    const { answers } = await cluster.ask({ kind: "shard" }, { timeoutMs: COMPARE_MS });
    const { shard, shards } = this.#placeOf(cluster);
    const other = answers.find(({ answer }) => answer.shard !== shard || answer.shards !== shards);
    if (other === undefined) return;
    this.#options.logger.warn(LISTS_DIFFER, {
      here: `shard ${shard} of ${shards}`,
      there: `shard ${other.answer.shard} of ${other.answer.shards}`,
    });
  }

  #placeOf(cluster: Cluster): ShardPlace {
    return this.#places.get(cluster) ?? { shard: 0, shards: 0 };
  }

  #letAnswer(cluster: Cluster): void {
    const { rooms, ...others } = this.#answerers;
    cluster.answer({ ...others, shard: () => this.#placeOf(cluster) });
    if (rooms === undefined) return;
    const isAsked = (room: string) => this.#of(room) === cluster;
    cluster.answer({ rooms: (question) => rooms(question, isAsked) });
  }
}

/** What tells the lines of a shard in the log from those of the others. */
function logFields(place: ShardPlace): LogFields {
  return place.shards === 1 ? {} : { ...place };
}
