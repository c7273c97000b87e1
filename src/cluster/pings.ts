/** Whether the clients of peers are alive: pings those of this instance, for other instances as well. */

import type { LocalMembers } from "./local_members.ts";
import type { PingAnswer } from "./question.ts";
import type { Questioner } from "./questioner.ts";

/** Milliseconds within which the client of a peer has to answer a ping. */
const ANSWER_MS = 2000;

/** The pings of one instance. */
export class Pings {
  readonly #localMembers: LocalMembers;

  constructor(localMembers: LocalMembers, questioner: Questioner) {
    this.#localMembers = localMembers;
    questioner.answer({ ping: ({ number }) => this.#ping(number) });
  }

  /** Pings the client of a peer of this instance. */
  async #ping(number: number): Promise<PingAnswer> {
    const { instance = "" } = this.#localMembers;
    const peer = this.#localMembers.find({ instance, number })?.peer;
    if (peer === undefined || peer.isClosed) return "dead";
    const isAlive = await peer.answersWithin?.(ANSWER_MS);
    if (isAlive === undefined) return "unknown";
    return isAlive ? "alive" : "dead";
  }
}
