/**
 * A backplane that counts what is asked of another one, what of that fails, and how long it takes. What
 * the other one returns reaches the caller as it is. Where it returns nothing, a failure is logged: the
 * other one may belong to a host, and throw or reject where it must not.
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
import { callHost } from "../runtime/host_call.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";

/** Options of {@linkcode MeasuredBackplane}. */
export interface MeasuredBackplaneOptions {
  readonly clock: Clock;
  /** Where it counts. */
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Counts what is asked of a backplane. */
export class MeasuredBackplane implements Backplane {
  readonly #backplane: Backplane;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  #hasBeenUp = false;

  constructor(backplane: Backplane, { clock, metrics, logger }: MeasuredBackplaneOptions) {
    this.#backplane = backplane;
    this.#logger = logger;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  start(listener: BackplaneListener): void {
    const started: unknown = this.#backplane.start({
      ...listener,
      up: (instance) => {
        if (this.#hasBeenUp) this.#metrics.backplaneReconnects++;
        this.#hasBeenUp = true;
        listener.up(instance);
      },
    });
    callHost(() => started, (cause) => this.#failed("start", cause));
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return this.#measure("join", () => this.#backplane.join(room, member, options));
  }

  update(room: string, member: Member): void {
    this.#tell("update", () => this.#backplane.update(room, member));
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#tell("leave", () => this.#backplane.leave(room, id, memberId));
  }

  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#measure("send", () => this.#backplane.send(envelope));
  }

  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void {
    this.#tell("report", () => this.#backplane.reportUndeliverable(envelope, reason));
  }

  audit(views: readonly RoomView[]): Promise<AuditReply> {
    return this.#measure("audit", () => this.#backplane.audit(views));
  }

  authFailed(address: string): void {
    this.#tell("auth_failed", () => this.#backplane.authFailed(address));
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

  /** Never rejects: what of it fails is logged. */
  async close(): Promise<void> {
    try {
      await this.#backplane.close();
    } catch (cause) {
      this.#failed("close", cause);
    }
  }

  #tell(operation: BackplaneOperation, run: () => unknown): void {
    this.#metrics.backplaneCommands[operation]++;
    callHost(run, (cause) => {
      this.#metrics.backplaneErrors[operation]++;
      this.#failed(operation, cause);
    });
  }

  #failed(operation: BackplaneOperation | "start" | "close", cause: unknown): void {
    this.#logger.error("The backplane failed", { operation, ...failureFields(cause) });
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
