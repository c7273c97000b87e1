/**
 * How long peers may stay on what they came with: tells those that ask when it expires, lets them send
 * a new token, and closes them when their time is over. A verdict on a token is awaited beside the
 * session: the client's other messages go on meanwhile. Consumers stay, for they never come back.
 */

import type { Address } from "../access/address.ts";
import type { Identity } from "../access/admission.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { Revocations } from "../access/revocations.ts";
import { REVOKED_MESSAGE } from "../access/room_token_check.ts";
import { expiryOf, isRefreshable, type Refresher, type RefreshVerdict } from "../access/refresh.ts";
import {
  CLOSE,
  type CloseReason,
  invalidMessage,
  invalidToken,
  type Role,
  type ServerMessage,
} from "../protocol/messages.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import { Expiries } from "./expiries.ts";
import type { ConnectionFields } from "./log_connection.ts";

/** A session, as far as it depends on what it came with. */
export interface ExpiringSession {
  /** Who the client is, and what that rests on. */
  identity: Identity;
  readonly role: Role;
  /** Whether the last `register` has asked for refreshes. */
  readonly wantsRefresh: boolean;
  readonly isClosed: boolean;
  close(reason: CloseReason): void;
  readonly connection: {
    readonly address: Address;
    readonly logFields: ConnectionFields;
    /** Sends an answer; `false` when the client has not read so much that it cannot be sent. */
    answer(message: ServerMessage): boolean;
    /** Closes the socket because of a failure of the server's own. */
    fail(cause: unknown): void;
  };
}

/** Options of {@linkcode Refreshes}. */
export interface RefreshesOptions {
  readonly clock: Clock;
  readonly check: Refresher;
  readonly revocations: Pick<Revocations, "has">;
  readonly refusals: Pick<RefusalLog, "closed">;
  /** Where it is counted what came of new tokens. */
  readonly metrics: Pick<Metrics, "refreshes">;
  /** Whether every normal peer is closed after its expiry, whether it has asked for refreshes or not. */
  readonly closeExpired: boolean;
}

/** The last moment that ISO 8601 writes with four digits for the year. */
const LATEST_TIME_MS = 253402300799_999;

/** Who stays, and until when, of all sessions of one handler. */
export class Refreshes {
  readonly #check: Refresher;
  readonly #revocations: Pick<Revocations, "has">;
  readonly #refusals: Pick<RefusalLog, "closed">;
  readonly #counts: Metrics["refreshes"];
  readonly #closeExpired: boolean;
  readonly #expiries: Expiries<ExpiringSession>;
  /** The sessions that await the verdict on a new token. */
  readonly #checking = new Set<ExpiringSession>();

  constructor(options: RefreshesOptions) {
    const { clock, check, revocations, refusals, closeExpired, metrics } = options;
    this.#refusals = refusals;
    this.#check = check;
    this.#revocations = revocations;
    this.#counts = metrics.refreshes;
    this.#closeExpired = closeExpired;
    const onOver = (session: ExpiringSession) => session.close(CLOSE.tokenExpired);
    this.#expiries = new Expiries({ clock, onOver });
  }

  /** A session has joined, or registered again, and has its list. */
  registered(session: ExpiringSession): void {
    this.#watch(session);
    const { identity } = session;
    if (asks(session) && expiryOf(identity) < Infinity) answer(session, tokenMessage(identity));
  }

  /** A client has sent a new token. */
  refresh(session: ExpiringSession, token: string | undefined): void {
    const problem = this.#problemOf(session);
    if (problem !== undefined) return answer(session, invalidMessage(problem));
    if (!token) return answer(session, invalidToken("`token` must be a token, as a string"));
    const verdict = this.#check(token, session.identity, session.connection.address);
    if (!(verdict instanceof Promise)) return this.#decide(session, verdict);
    this.#checking.add(session);
    verdict.finally(() => this.#checking.delete(session))
      .then((settled) => this.#decide(session, settled))
      .catch((cause) => session.connection.fail(cause));
  }

  /** A session has ended. */
  ended(session: ExpiringSession): void {
    this.#expiries.delete(session);
  }

  /** Why a client may not send a new token now. */
  #problemOf(session: ExpiringSession): string | undefined {
    if (!isRefreshable(session.identity)) {
      return "Nothing expires here: there is no token to refresh";
    }
    if (session.role === "consumer") return "A consumer stays without a refresh";
    if (!session.wantsRefresh) return 'Register with "refresh": true first';
    return this.#checking.has(session)
      ? "Your last refresh is still being checked: wait for its answer"
      : undefined;
  }

  #decide(session: ExpiringSession, settled: RefreshVerdict): void {
    const verdict = this.#recheck(settled);
    this.#counts[verdict.kind]++;
    if (session.isClosed) return;
    if (verdict.kind === "refused") {
      const { message: cause } = verdict;
      this.#refusals.closed("Refresh refused", { ...session.connection.logFields, cause });
      return answer(session, invalidToken(cause));
    }
    session.identity = verdict.identity;
    this.#watch(session);
    answer(session, tokenMessage(verdict.identity));
  }

  /** What a verdict is now: the token may have been revoked since it was checked. */
  #recheck(verdict: RefreshVerdict): RefreshVerdict {
    const token = verdict.kind === "accepted" ? verdict.identity.token : undefined;
    return token !== undefined && this.#revocations.has(token)
      ? { kind: "refused", message: REVOKED_MESSAGE }
      : verdict;
  }

  /** Closes a session after its expiry, or not. */
  #watch(session: ExpiringSession): void {
    const expiresAt = expiryOf(session.identity);
    const isClosed = asks(session) || this.#closeExpired && session.role === "normal";
    if (isClosed && expiresAt < Infinity) this.#expiries.set(session, expiresAt);
    else this.#expiries.delete(session);
  }
}

function asks({ wantsRefresh, role }: ExpiringSession): boolean {
  return wantsRefresh && role === "normal";
}

function tokenMessage(identity: Identity): ServerMessage {
  const expiresAt = expiryOf(identity);
  const isForGood = expiresAt === Infinity;
  const time = new Date(Math.min(expiresAt, LATEST_TIME_MS));
  return { type: "token", expiresAt: isForGood ? null : time.toISOString() };
}

function answer(session: ExpiringSession, message: ServerMessage): void {
  if (!session.connection.answer(message)) session.close(CLOSE.readsTooSlowly);
}
