/**
 * Asks other instances and answers their questions. An instance that is dead, stalls or fails counts as
 * not answering: a question never waits longer than its time-out, and never rejects. What can be asked
 * is defined in `question.ts`; texts travel by `Backplane.post`.
 */

import type { Backplane, PostReply } from "./backplane.ts";
import type { LocalMembers } from "./local_members.ts";
import {
  type Answer,
  decodeAnswer,
  decodeQuestionMessage,
  encodeAnswer,
  encodeQuestion,
  MAX_TEXT,
  type Question,
  type QuestionKind,
} from "./question.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";

/** Questions of this instance that wait for answers at the same time. */
export const MAX_PENDING = 256;

/** Questions of other instances that are being answered at the same time. */
export const MAX_ANSWERING = 256;

/** Instances whose answers to one question are kept. */
const MAX_ANSWERS = 1000;

/** Options of {@linkcode Questioner.ask}. */
export interface AskOptions {
  /** The instance that is asked; every other one when absent. */
  readonly to?: string;
  /** Milliseconds after which what is still missing is not waited for. */
  readonly timeoutMs: number;
}

/** What the other instances have answered. */
export interface Answers<K extends QuestionKind> {
  readonly answers: readonly { readonly instance: string; readonly answer: Answer<K> }[];
  /** Whether an instance has not answered, or could not be asked. */
  readonly isPartial: boolean;
}

/**
 * What came of a question to one instance: its `answer`; `unanswered`, where it replied without one, or
 * could not be asked; `silent`, where it was reached and has not replied in time; `gone`, where there is
 * no such instance any more.
 */
export type Reply<K extends QuestionKind> =
  | { readonly kind: "answer"; readonly answer: Answer<K> }
  | { readonly kind: "unanswered" | "silent" | "gone" };

/** Answers questions, by kind; what a function throws counts as no answer. */
export type Answerers = {
  readonly [K in QuestionKind]?: (question: Question<K>) => Answer<K> | Promise<Answer<K>>;
};

/** Options of {@linkcode Questioner}. */
export interface QuestionerOptions {
  readonly backplane: Backplane;
  readonly localMembers: LocalMembers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where it is counted who has answered. */
  readonly metrics?: Metrics;
}

interface Pending {
  /** The instances that have replied; `undefined` is a reply without an answer. */
  readonly replies: Map<string, unknown>;
  /** Which instances the question has reached, once that is known. */
  posted: PostReply | undefined;
  readonly finish: () => void;
}

/** The questions and answers of one instance. */
export class Questioner {
  readonly #options: QuestionerOptions;
  readonly #answerers: Answerers = {};
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #answering = 0;

  constructor(options: QuestionerOptions) {
    this.#options = options;
  }

  /** Answers questions of these kinds from now on; those of other kinds get no answer. */
  answer(answerers: Answerers): void {
    Object.assign(this.#answerers, answerers);
  }

  /** Asks one other instance, or all of them. Never rejects. */
  async ask<K extends QuestionKind>(
    question: Question<K>,
    options: AskOptions,
  ): Promise<Answers<K>> {
    const pending = await this.#ask(question, options);
    const answers = pending && collect(question.kind, pending);
    this.#count(answers?.isPartial ?? true);
    return answers ?? { answers: [], isPartial: true };
  }

  /** Asks one other instance. Never rejects. */
  async askOne<K extends QuestionKind>(
    question: Question<K>,
    options: AskOptions & { readonly to: string },
  ): Promise<Reply<K>> {
    const reply = replyOf(question.kind, options.to, await this.#ask(question, options));
    this.#count(reply.kind !== "answer");
    return reply;
  }

  #count(isPartial: boolean): void {
    const { metrics } = this.#options;
    if (metrics !== undefined) metrics.asks[isPartial ? "partial" : "complete"]++;
  }

  /** Asks, and resolves once all have replied, or the time is over; `undefined` where it cannot. */
  async #ask(
    question: { readonly kind: QuestionKind },
    { to, timeoutMs }: AskOptions,
  ): Promise<Pending | undefined> {
    const id = ++this.#lastId;
    const text = encodeQuestion(id, question);
    const isUp = this.#options.localMembers.instance !== undefined;
    if (!isUp || this.#pending.size >= MAX_PENDING || text.length > MAX_TEXT) {
      return undefined;
    }
    const { promise, resolve: finish } = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimeout(finish, timeoutMs);
    const pending: Pending = { replies: new Map(), posted: undefined, finish };
    this.#pending.set(id, pending);
    this.#post(text, to).then((posted) => {
      pending.posted = posted;
      finishIfComplete(pending);
    }).catch(finish);
    await promise;
    this.#options.clock.clearTimeout(timer);
    this.#pending.delete(id);
    return pending;
  }

  /** Takes a text from another instance. */
  receive(text: string, from: string): void {
    const message = decodeQuestionMessage(text);
    if (message?.kind === "question") this.#reply(message.id, message.question, from);
    if (message?.kind !== "answer") return;
    const pending = this.#pending.get(message.id);
    if (pending === undefined || pending.replies.has(from)) return;
    if (pending.replies.size >= MAX_ANSWERS) return;
    pending.replies.set(from, message.value);
    finishIfComplete(pending);
  }

  /** Ends all waiting, because the backplane has failed or this instance stops. */
  abort(): void {
    for (const { finish } of this.#pending.values()) finish();
  }

  async #reply(id: number, question: Question | undefined, from: string): Promise<void> {
    let text = encodeAnswer(id);
    if (question !== undefined && this.#answering < MAX_ANSWERING) {
      this.#answering++;
      try {
        const answered = encodeAnswer(id, await this.#answerTo(question));
        if (answered.length > MAX_TEXT) throw new RangeError("The answer is too large");
        text = answered;
      } catch (cause) {
        const { kind } = question;
        const fields = { kind, ...failureFields(cause) };
        this.#options.logger.error("Answering another instance failed", fields);
      } finally {
        this.#answering--;
      }
    }
    this.#post(text, from).catch(() => {}); // Then the other instance waits in vain.
  }

  #answerTo<K extends QuestionKind>(
    question: Question<K>,
  ): Answer<K> | Promise<Answer<K>> | undefined {
    return this.#answerers[question.kind]?.(question);
  }

  /** Posts a text; a backplane that throws or replies with something else rejects, too. */
  async #post(text: string, to: string | undefined): Promise<PostReply> {
    const reply = await this.#options.backplane.post(text, to);
    if (Array.isArray(reply?.reached)) return reply;
    throw new TypeError("post() of the backplane must resolve to a PostReply");
  }
}

function finishIfComplete({ replies, posted, finish }: Pending): void {
  if (posted?.reached.every((instance) => replies.has(instance))) finish();
}

function replyOf<K extends QuestionKind>(
  kind: K,
  instance: string,
  pending: Pending | undefined,
): Reply<K> {
  const answer = decodeAnswer(kind, pending?.replies.get(instance));
  if (answer !== undefined) return { kind: "answer", answer };
  const { posted, replies } = pending ?? {};
  if (posted === undefined || replies?.has(instance)) return { kind: "unanswered" };
  return { kind: posted.reached.includes(instance) ? "silent" : "gone" };
}

function collect<K extends QuestionKind>(kind: K, { replies, posted }: Pending): Answers<K> {
  const answers: { instance: string; answer: Answer<K> }[] = [];
  const asked = posted?.reached ?? [...replies.keys()];
  for (const instance of asked) {
    const answer = decodeAnswer(kind, replies.get(instance));
    if (answer !== undefined) answers.push({ instance, answer });
  }
  const isComplete = posted?.isPartial === false && answers.length === asked.length;
  return { answers, isPartial: !isComplete };
}
