/**
 * Whether the clients of peers are alive: pings those of this instance, for other instances as well,
 * and asks the instances of the others. What follows from an answer is decided by the claims.
 */

import type { MemberId } from "./backplane.ts";
import type { LocalMembers } from "./local_members.ts";
import type { PingAnswer } from "./question.ts";
import type { Questioner } from "./questioner.ts";
import { PING_ANSWER_MS } from "../rooms/rooms.ts";

/** How much longer the instance of a peer may take than its client, in milliseconds. */
const INSTANCE_ANSWER_MS = 500;

/** Clients of other instances that are pinged at the same time. */
export const MAX_PINGS = 100;

/** The pings of one instance. */
export class Pings {
  readonly #localMembers: LocalMembers;
  readonly #questioner: Questioner;
  /** By instance and number, so that many who want one name ask once. */
  readonly #asked = new Map<string, Promise<PingAnswer>>();

  constructor(localMembers: LocalMembers, questioner: Questioner) {
    this.#localMembers = localMembers;
    this.#questioner = questioner;
    questioner.answer({ ping: ({ number }) => this.#ping(number) });
  }

  /**
   * Whether the client of a peer answers a ping within 2 s, or that cannot be found out, because this
   * instance or its own is pinging too many, or the backplane fails. A peer whose instance is dead or
   * stalls does not answer. Never rejects.
   */
  async mayBeAlive(memberId: MemberId): Promise<boolean> {
    const { instance, number } = memberId;
    try {
      const isHere = instance === this.#localMembers.instance;
      return await (isHere ? this.#ping(number) : this.#askOnce(memberId)) !== "dead";
    } catch {
      return true;
    }
  }

  /** Pings the client of a peer of this instance. */
  async #ping(number: number): Promise<PingAnswer> {
    const { instance = "" } = this.#localMembers;
    const peer = this.#localMembers.find({ instance, number })?.peer;
    if (peer === undefined || peer.isClosed) return "dead";
    const isAlive = await peer.answersWithin?.(PING_ANSWER_MS);
    if (isAlive === undefined) return "unknown";
    return isAlive ? "alive" : "dead";
  }

  async #askOnce(memberId: MemberId): Promise<PingAnswer> {
    const key = `${memberId.instance} ${memberId.number}`;
    const before = this.#asked.get(key);
    if (before !== undefined) return await before;
    if (this.#asked.size >= MAX_PINGS) return "unknown";
    const answer = this.#ask(memberId);
    this.#asked.set(key, answer);
    try {
      return await answer;
    } finally {
      this.#asked.delete(key);
    }
  }

  async #ask({ instance, number }: MemberId): Promise<PingAnswer> {
    const timeoutMs = PING_ANSWER_MS + INSTANCE_ANSWER_MS;
    const question = { kind: "ping", number } as const;
    const reply = await this.#questioner.askOne(question, { to: instance, timeoutMs });
    if (reply.kind === "answer") return reply.answer;
    return reply.kind === "unanswered" ? "unknown" : "dead";
  }
}
