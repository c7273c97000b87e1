/**
 * Envelopes on their way to other instances. Redis ends a subscriber for which too much is waiting, so
 * for each target no more than a window is under way: marks that the target answers tell what has
 * arrived. What exceeds the window waits here, bounded for each sender, and the senders take turns, so
 * that a flood delays and refuses its own sender's envelopes alone.
 */

import type { Envelope, SendOutcome } from "../backplane.ts";

/** UTF-16 units under way to one instance: at most three times as many bytes. */
export const WINDOW = 262_144;

/** After how many units a mark is sent. */
export const MARK_EVERY = WINDOW / 4;

/** Units of one sender that may wait: more than a newcomer to a room of 1,000 offers. */
export const MAX_WAITING_PER_SENDER = 4_194_304;

/** Units of all senders that may wait before only senders are served of whom little waits. */
const MAX_WAITING = 33_554_432;

/** What counts as little. */
const LITTLE = 65_536;

/** How long an envelope may wait, in milliseconds. */
const MAX_WAITING_MS = 2000;

/** What an outbox needs of the connection. */
export interface OutboxOptions {
  /** Sends an envelope to its target's instance. */
  readonly publish: (envelope: Envelope) => Promise<SendOutcome>;
  /** Asks an instance to answer with this position once it has received everything before. */
  readonly publishMark: (instance: string, position: number) => void;
  /** Milliseconds by a clock that never goes back. */
  readonly now: () => number;
}

interface Waiting {
  readonly envelope: Envelope;
  readonly since: number;
  readonly resolve: (outcome: SendOutcome | Promise<SendOutcome>) => void;
}

/** One target: its positions count the units that were ever sent to it. */
interface Target {
  /** When it was added. */
  readonly since: number;
  sent: number;
  marked: number;
  reached: number;
  /** When it answered a mark last. */
  reachedAt: number;
  /** What waits, by sender; the first sender is the next. */
  readonly waiting: Map<number, Waiting[]>;
}

/** The envelopes of one connection. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #targets = new Map<string, Target>();
  readonly #waitingBySender = new Map<number, number>();
  #waiting = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Units that wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Sends an envelope, now or in its turn. */
  send(envelope: Envelope): Promise<SendOutcome> {
    const { target: { instance }, sender: { number } } = envelope;
    let target = this.#targets.get(instance);
    if (target === undefined) {
      target = {
        since: this.#options.now(),
        sent: 0,
        marked: 0,
        reached: 0,
        reachedAt: -Infinity,
        waiting: new Map(),
      };
      this.#targets.set(instance, target);
    }
    if (target.waiting.size === 0 && isOpen(target)) return this.#publish(target, envelope);
    const ofSender = this.#waitingBySender.get(number) ?? 0;
    const isTooMuch = ofSender + envelope.text.length > MAX_WAITING_PER_SENDER ||
      this.#waiting > MAX_WAITING && ofSender > LITTLE || this.#waiting > 2 * MAX_WAITING;
    if (isTooMuch) return Promise.resolve("busy");
    return new Promise((resolve) => {
      const entry = { envelope, since: this.#options.now(), resolve };
      const queue = target.waiting.get(number);
      if (queue === undefined) target.waiting.set(number, [entry]);
      else queue.push(entry);
      this.#count(envelope, 1);
    });
  }

  /** Sends what waits for an instance that has received everything up to a position. */
  reached(instance: string, position: number): void {
    const target = this.#targets.get(instance);
    if (target === undefined || position > target.sent) return;
    target.reached = Math.max(target.reached, position);
    target.reachedAt = this.#options.now();
    while (target.waiting.size > 0 && isOpen(target)) this.#sendNext(target);
    if (target.reached === target.sent) this.#targets.delete(instance);
  }

  /** Gives up what has waited too long, and what waits for an instance that does not exist. */
  expire(exists: (instance: string) => boolean): void {
    const before = this.#options.now() - MAX_WAITING_MS;
    for (const [instance, target] of this.#targets) {
      const isGone = target.since <= before && !exists(instance);
      const isSlow = !isGone && target.reachedAt > before;
      this.#drop(target, isGone ? Infinity : before, isSlow ? "busy" : "not found");
      if (isGone) this.#targets.delete(instance);
    }
  }

  /** Gives up everything. */
  close(): void {
    for (const target of this.#targets.values()) this.#drop(target, Infinity, "not found");
    this.#targets.clear();
  }

  #publish(target: Target, envelope: Envelope): Promise<SendOutcome> {
    const { instance } = envelope.target;
    const outcome = this.#options.publish(envelope);
    target.sent += envelope.text.length;
    if (target.sent - target.marked >= MARK_EVERY) {
      target.marked = target.sent;
      this.#options.publishMark(instance, target.sent);
    }
    return outcome;
  }

  /** Sends one envelope of the sender whose turn it is. */
  #sendNext(target: Target): void {
    const [next] = target.waiting;
    if (next === undefined) return;
    const [sender, queue] = next;
    const entry = queue.shift();
    target.waiting.delete(sender);
    if (queue.length > 0) target.waiting.set(sender, queue);
    if (entry === undefined) return;
    this.#count(entry.envelope, -1);
    entry.resolve(this.#publish(target, entry.envelope));
  }

  #drop(target: Target, before: number, outcome: SendOutcome): void {
    for (const [sender, queue] of target.waiting) {
      let count = 0;
      while (count < queue.length && (queue[count]?.since ?? 0) <= before) count++;
      for (const { envelope, resolve } of queue.splice(0, count)) {
        this.#count(envelope, -1);
        resolve(outcome);
      }
      if (queue.length === 0) target.waiting.delete(sender);
    }
  }

  #count({ sender: { number }, text: { length } }: Envelope, sign: 1 | -1): void {
    this.#waiting += sign * length;
    const ofSender = (this.#waitingBySender.get(number) ?? 0) + sign * length;
    if (ofSender > 0) this.#waitingBySender.set(number, ofSender);
    else this.#waitingBySender.delete(number);
  }
}

function isOpen({ sent, reached }: Target): boolean {
  return sent - reached < WINDOW;
}
