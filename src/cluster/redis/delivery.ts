/**
 * The delivery of envelopes to the channels of other instances: what is sent passes the outbox, and
 * what was sent is remembered until a heartbeat has shown that its target still subscribes.
 */

import type { Envelope, EnvelopeHeader, SendOutcome } from "../backplane.ts";
import type { InstanceWatch } from "./instance_watch.ts";
import type { RedisKeys } from "./keys.ts";
import { encodeEnvelope, encodeMark, encodeMarkReached, PING } from "./messages.ts";
import { Outbox } from "./outbox.ts";

/** What a delivery needs of its connection. */
export interface DeliveryOptions {
  /** The name of this instance. */
  readonly instance: string;
  readonly keys: RedisKeys;
  readonly watch: InstanceWatch;
  /** Publishes a text and resolves with the number of subscribers. */
  readonly publish: (channel: string, text: string) => Promise<number>;
  /** Reports an envelope that was published for an instance that does not exist any more. */
  readonly undeliverable: (envelope: EnvelopeHeader) => void;
  /** Milliseconds by a clock that never goes back. */
  readonly now: () => number;
}

/** The envelopes that one connection sends. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #outbox: Outbox;
  /** Headers of envelopes that were sent since the last heartbeat, by instance. */
  #sent = new Map<string, EnvelopeHeader[]>();

  constructor(options: DeliveryOptions) {
    const { instance, now } = options;
    this.#options = options;
    this.#outbox = new Outbox({
      publish: (envelope) => this.#publish(envelope),
      publishMark: (target, position) => this.#post(target, encodeMark(instance, position)),
      now,
    });
  }

  /** Sends an envelope, now or once its target has received what was sent before. */
  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#outbox.send(envelope);
  }

  /** Answers the mark of another instance. */
  marked(from: string, position: number): void {
    this.#post(from, encodeMarkReached(this.#options.instance, position));
  }

  /** Goes on sending to an instance that has answered a mark. */
  reached(from: string, position: number): void {
    this.#outbox.reached(from, position);
  }

  /** Checks, with every heartbeat, what was sent and what waits. */
  check(exists: (instance: string) => boolean): void {
    this.#verifyDelivered();
    this.#outbox.expire(exists);
  }

  /** Gives up what waits. */
  close(): void {
    this.#outbox.close();
  }

  #post(instance: string, text: string): void {
    const { publish, keys } = this.#options;
    publish(keys.channel(instance), text).catch(() => {}); // The connection says that it failed.
  }

  async #publish(envelope: Envelope): Promise<SendOutcome> {
    const { keys, publish, watch } = this.#options;
    const { text: _, ...header } = envelope;
    const { instance } = envelope.target;
    const text = encodeEnvelope(envelope, watch.heartbeatsOf(instance) ?? 0);
    try {
      if (await publish(keys.channel(instance), text) === 0) return "not found";
    } catch {
      return "not found";
    }
    const headers = this.#sent.get(instance);
    if (headers === undefined) this.#sent.set(instance, [header]);
    else headers.push(header);
    return "sent";
  }

  /** Redis may have passed an envelope to an instance that had just died: does it still subscribe? */
  #verifyDelivered(): void {
    const { keys, publish, undeliverable } = this.#options;
    const sent = this.#sent;
    this.#sent = new Map();
    for (const [instance, headers] of sent) {
      publish(keys.channel(instance), PING).then((subscribers) => {
        if (subscribers === 0) { for (const header of headers) undeliverable(header); }
      }).catch(() => {});
    }
  }
}
