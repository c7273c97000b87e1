/**
 * Answers an operator for all instances: asks the others, and makes one answer of theirs and this
 * instance's own. An instance that does not answer within a second is left out, and the answer says so.
 */

import type { Answers, AskOptions } from "../cluster/questioner.ts";
import type { Answer, Question, QuestionKind } from "../cluster/question.ts";
import type { InstancePeers, PeerReport, PeersQuestion, RefusalReport } from "../rooms/report.ts";
import type { LocalAnswers } from "./local_answers.ts";
import { compare, mergeRooms } from "./merge_rooms.ts";
import {
  checkDisconnectRequest,
  checkPeersRequest,
  checkRoomsRequest,
  type DisconnectAnswer,
  type DisconnectRequest,
  type InstancesAnswer,
  type PairReport,
  type PeersAnswer,
  type PeersRequest,
  type RoomsPage,
  type RoomsRequest,
} from "./requests.ts";

/** Milliseconds within which an instance has to answer. */
const ANSWER_MS = 1000;

/** Pages of peers of one instance that are asked for at most: more than any room fills. */
const MAX_PAGES = 1000;

/** What an operator needs of the other instances. */
export interface OtherInstances {
  /** See `Shards.ask`. */
  ask<K extends QuestionKind>(question: Question<K>, options: AskOptions): Promise<Answers<K>>;
}

/** Present where an instance is missing. */
interface Partial {
  readonly partial?: true;
}

/** The operator's view of one server, from one of its instances. */
export class Operator {
  readonly #local: LocalAnswers;
  readonly #others: OtherInstances | undefined;

  /** Answers for this instance, and for others where there are such. */
  constructor(local: LocalAnswers, others: OtherInstances | undefined) {
    this.#local = local;
    this.#others = others;
  }

  /** Every instance. */
  async instances(): Promise<InstancesAnswer> {
    const { answers, isPartial } = await this.#ask({ kind: "info" });
    // With several backplanes, an instance answers through each.
    const byId = new Map(
      [this.#local.info(), ...answers].map((report) => [report.instance, report]),
    );
    return { instances: [...byId.values()], ...partial(isPartial) };
  }

  /**
   * A page of rooms.
   *
   * @throws {AdminRequestError} The request is not possible.
   */
  async rooms(request: RoomsRequest = {}): Promise<RoomsPage> {
    const question = checkRoomsRequest(request);
    const { answers, isPartial } = await this.#ask({ kind: "rooms", ...question });
    const page = mergeRooms([this.#local.rooms(question), ...answers], question.limit);
    return { ...page, ...partial(isPartial) };
  }

  /**
   * The peers of a room.
   *
   * @throws {AdminRequestError} The request is not possible.
   */
  async peers(request: PeersRequest): Promise<PeersAnswer> {
    const question = checkPeersRequest(request);
    const peers: PeerReport[] = [];
    const refusals: RefusalReport[] = [];
    const add = (page: InstancePeers) => {
      peers.push(...page.peers);
      refusals.push(...page.refusals);
    };
    const isPartial = await this.#eachPage(question, add);
    peers.sort((a, b) => compare(a.joinedAt, b.joinedAt) || compare(a.nodeId, b.nodeId));
    refusals.sort((a, b) => compare(b.at, a.at));
    const [a, b] = question.nodeIds;
    const pair = a === undefined || b === undefined
      ? {}
      : { pair: [direction(peers, a, b), direction(peers, b, a)] };
    return { peers, refusals, ...pair, ...partial(isPartial) };
  }

  /**
   * Disconnects a peer, or everybody in a room.
   *
   * @throws {AdminRequestError} The request is not possible.
   */
  async disconnect(request: DisconnectRequest): Promise<DisconnectAnswer> {
    const target = checkDisconnectRequest(request);
    const asked = this.#ask({ kind: "disconnect", ...target });
    const here = this.#local.disconnect(target);
    const { answers, isPartial } = await asked;
    const disconnected = answers.reduce((sum, count) => sum + count, here);
    return { disconnected, ...partial(isPartial) };
  }

  /** Reads the peers of every instance, in as many pages as each needs; whether one is missing. */
  async #eachPage(question: PeersQuestion, add: (page: InstancePeers) => void): Promise<boolean> {
    const first = this.#others?.ask({ kind: "peers", ...question }, { timeoutMs: ANSWER_MS });
    for (let page = this.#local.peers(question); add(page), page.hasMore;) {
      page = this.#local.peers({ ...question, after: lastOf(page) });
    }
    const { answers, isPartial } = await first ?? { answers: [], isPartial: false };
    const rest = answers.map(async ({ instance, answer }) => {
      add(answer);
      let page = answer;
      for (let n = 1; page.hasMore && n < MAX_PAGES; n++) {
        const next: Question<"peers"> = { kind: "peers", ...question, after: lastOf(page) };
        const found = await this.#others?.ask(next, { to: instance, timeoutMs: ANSWER_MS });
        const following = found?.answers[0]?.answer;
        if (following === undefined) return true;
        add(following);
        page = following;
      }
      return page.hasMore;
    });
    return (await Promise.all(rest)).some(Boolean) || isPartial;
  }

  async #ask<K extends QuestionKind>(
    question: Question<K>,
  ): Promise<{ answers: Answer<K>[]; isPartial: boolean }> {
    if (this.#others === undefined) return { answers: [], isPartial: false };
    const { answers, isPartial } = await this.#others.ask(question, { timeoutMs: ANSWER_MS });
    return { answers: answers.map(({ answer }) => answer), isPartial };
  }
}

function partial(isPartial: boolean): Partial {
  return isPartial ? { partial: true } : {};
}

function lastOf({ peers }: InstancePeers): string | undefined {
  return peers.at(-1)?.nodeId;
}

function direction(peers: readonly PeerReport[], from: string, to: string): PairReport {
  const recordOf = (nodeId: string, other: string) =>
    peers.findLast((peer) => peer.nodeId === nodeId)?.partners?.find((one) => one.nodeId === other);
  return {
    from,
    to,
    sent: recordOf(from, to)?.sent ?? null,
    received: recordOf(to, from)?.received ?? null,
  };
}
