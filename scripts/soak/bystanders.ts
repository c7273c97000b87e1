/**
 * Two peers that do nothing wrong for as long as a soak lasts: they negotiate over and over, every
 * message numbered. Whatever goes on around them, each has to arrive exactly once and in order.
 */

import { until } from "../../tests/helpers/patience.ts";
import { type Message, Peer } from "./peer.ts";
import type { Random } from "../../tests/helpers/random.ts";
import { sleep, type World } from "./world.ts";

/** Offers that may wait for their answer: the server relays no more than 16 answers owed. */
const MAX_UNANSWERED = 8;

/** How long a message that came twice may take to come again, in milliseconds. */
const LATE_MS = 300;

/** The names of the bystanders of a room. */
export function bystandersOf(room: string): readonly [string, string] {
  return [`bystander-of-${room}-a`, `bystander-of-${room}-b`];
}

/** One of a pair. */
class Bystander {
  readonly peer: Peer;
  readonly #world: World;
  readonly #partner: string;
  sent = 0;
  received = 0;
  #next = 0;

  constructor(world: World, peer: Peer, partner: string, onMessage: (message: Message) => void) {
    this.peer = peer;
    this.#world = world;
    this.#partner = partner;
    peer.onMessage = (message) => {
      if (message.from !== partner) return;
      this.#check(message);
      onMessage(message);
    };
  }

  say(type: "offer" | "answer" | "ice-candidate"): void {
    const seq = this.sent++;
    const payload = type === "ice-candidate" ? { candidate: { seq } } : { sdp: { seq } };
    this.peer.send({ type, to: this.#partner, from: "somebody else", seq, ...payload });
  }

  #check({ type, seq, to, fromRole }: Message): void {
    this.received++;
    this.#world.tally.counts.bystanders++;
    if (seq !== this.#next || to !== this.peer.id || fromRole !== "normal") {
      this.#world.tally.problem(
        `${this.peer.id} got ${type} ${seq} for ${to} from a ${fromRole}, not ${this.#next}`,
      );
    }
    this.#next = (seq ?? this.#next) + 1;
  }
}

/** A pair of bystanders. */
export class Pair {
  readonly #world: World;
  readonly #a: Bystander;
  readonly #b: Bystander;
  readonly #running: Promise<void>;
  #isStopping = false;
  #unanswered = 0;

  private constructor(world: World, a: Peer, b: Peer, random: Random) {
    this.#world = world;
    this.#a = new Bystander(world, a, b.id, ({ type }) => {
      if (type === "answer") this.#unanswered--;
    });
    this.#b = new Bystander(world, b, a.id, ({ type }) => {
      if (type !== "offer") return;
      this.#b.say("answer");
      this.#b.say("ice-candidate");
    });
    for (const peer of [a, b]) {
      peer.closed.then((code) => {
        if (!this.#isStopping) world.tally.problem(`${peer.id} was closed with ${code}`);
      });
    }
    this.#running = this.#run(random);
  }

  /** Lets a pair into a room, and start. */
  static async start(world: World, room: string, random: Random): Promise<Pair> {
    const [a, b] = bystandersOf(room);
    const { peer: first } = await Peer.join(world, room, a);
    const { peer: second } = await Peer.join(world, room, b);
    return new Pair(world, first, second, random);
  }

  /** Lets the last messages arrive, and the pair leave. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    const [a, b] = [this.#a, this.#b];
    await until(
      "the bystanders' messages",
      () => a.sent === b.received && b.sent === a.received,
    ).catch(() => {});
    await sleep(LATE_MS);
    for (const [from, to] of [[a, b], [b, a]] as const) {
      if (from.sent !== to.received) {
        this.#world.tally.problem(`${to.peer.id} got ${to.received} of ${from.sent} messages`);
      }
    }
    await Promise.all([a.peer.leave(), b.peer.leave()]);
  }

  async #run(random: Random): Promise<void> {
    while (!this.#isStopping) {
      if (this.#unanswered < MAX_UNANSWERED && this.#a.peer.closeCode === undefined) {
        this.#unanswered++;
        this.#a.say("offer");
        this.#a.say("ice-candidate");
        this.#a.say("ice-candidate");
      }
      await sleep(random.between(10, 40));
    }
  }
}
