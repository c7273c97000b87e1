/**
 * A backplane that counts what is asked of another one, what of that fails, and how long it takes. It
 * changes nothing: what the other one returns reaches the caller as it is.
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
} from "./backplane.ts";
import type { Revocation } from "../access/revocations.ts";
import type { BackplaneOperation, Metrics } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";

/** Options of {@linkcode MeasuredBackplane}. */
export interface MeasuredBackplaneOptions {
  readonly clock: Clock;
  /** Where it counts. */
  readonly metrics: Metrics;
}

/** Counts what is asked of a backplane. */
export class MeasuredBackplane implements Backplane {
  readonly #backplane: Backplane;
  readonly #clock: Clock;
  readonly #metrics: Metrics;

  constructor(backplane: Backplane, { clock, metrics }: MeasuredBackplaneOptions) {
    this.#backplane = backplane;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  start(listener: BackplaneListener): void {
    this.#backplane.start({
      ...listener,
      up: (instance) => {
        this.#metrics.backplaneUps++;
        listener.up(instance);
      },
    });
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return this.#measure("join", () => this.#backplane.join(room, member, options));
  }

  update(room: string, member: Member): void {
    this.#metrics.backplaneCommands.update++;
    this.#backplane.update(room, member);
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#metrics.backplaneCommands.leave++;
    this.#backplane.leave(room, id, memberId);
  }

  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#measure("send", () => this.#backplane.send(envelope));
  }

  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void {
    this.#metrics.backplaneCommands.report++;
    this.#backplane.reportUndeliverable(envelope, reason);
  }

  audit(views: readonly RoomView[]): Promise<AuditReply> {
    return this.#measure("audit", () => this.#backplane.audit(views));
  }

  authFailed(address: string): void {
    this.#metrics.backplaneCommands.auth_failed++;
    this.#backplane.authFailed(address);
  }

  post(text: string, to?: string): Promise<PostReply> {
    return this.#measure("post", () => this.#backplane.post(text, to));
  }

  storeRevocations(revocations: readonly Revocation[]): Promise<void> {
    return this.#measure("store_revocations", () => this.#backplane.storeRevocations(revocations));
  }

  loadRevocations(): Promise<readonly Revocation[]> {
    return this.#measure("load_revocations", () => this.#backplane.loadRevocations());
  }

  close(): Promise<void> {
    return this.#backplane.close();
  }

  #measure<T>(operation: BackplaneOperation, run: () => Promise<T>): Promise<T> {
    const { backplaneCommands, backplaneErrors, backplaneSeconds } = this.#metrics;
    const startedAt = this.#clock.elapsed();
    backplaneCommands[operation]++;
    try {
      const result = run();
      Promise.resolve(result).then(
        () => backplaneSeconds.observe((this.#clock.elapsed() - startedAt) / 1000),
        () => backplaneErrors[operation]++,
      );
      return result;
    } catch (cause) {
      backplaneErrors[operation]++;
      throw cause;
    }
  }
}
