/**
 * Who a connection is in its room. A message starts in `Connection.receive`, comes here as
 * `onMessage`, and goes on to `Room.relay`. A session acts for its own connection alone and is itself
 * the peer that its room knows; it sees no key, and of tokens only the verdict.
 *
 * Two machines describe one socket. `Connections` keeps its phase (phases.ts):
 *
 * ```
 * opening ── the socket opens ──▶ pending ── the room accepts it ──▶ joined
 *    │ 2 s pass                      │ close()                          │ close()
 *    ▼                               ▼                                  ▼
 * neverOpened                     refused                            closing
 *
 * every phase ── the client answers the close, or the connection is lost ──▶ closed
 * ```
 *
 * The session has its state (session_state.ts):
 *
 * ```
 * unopened ── onOpen ──▶ verifying ── the host or the room token admits it ──▶ unregistered
 * unregistered ── register as a consumer ──▶ verifying ── its token is valid ──┐
 *      └── register, a signal, or silence ──▶ joining ◀────────────────────────┘
 * joining ── the claim succeeds ──▶ joined
 * joined ── register as a consumer ──▶ verifying ── its token is valid ──▶ joined
 *
 * every state ── close(), or the connection is lost ──▶ ended
 * ```
 *
 * `verifying` and `joining` await one promise each and are left out where the answer is known at once.
 * Who asks for ICE servers is in `verifying` once more, while they are found, before it joins; one that
 * has joined gets them later, with the list that answers its `register`.
 * In them the connection keeps the client's frames, so that the session awaits at most one thing at a
 * time and no frame overtakes another. A `refresh` changes no state: the verdict on the new token is
 * awaited beside them (refreshes.ts), and what the client sends meanwhile is handled at once. It
 * changes nothing that a frame depends on but when, and for which token, the session is closed.
 */

import type { Admission, ConsumerVerdict } from "../access/admission.ts";
import {
  CLOSE,
  type CloseReason,
  invalidMessage,
  type ParsedHeartbeat,
  type ParsedRegister,
  type Role,
  type SignalMessage,
} from "../protocol/messages.ts";
import type { FoundIceServers } from "../ice/ice_servers.ts";
import { parseClientMessage } from "../protocol/parse.ts";
import { isNews } from "../rooms/director.ts";
import {
  afterHeartbeat,
  afterRegister,
  DEFAULT_SERVING_STATE,
  type Peer,
  type ServingState,
  type SignalOutcome,
} from "../rooms/peer.ts";
import { JOIN_REFUSALS } from "../rooms/names.ts";
import type { JoinResult } from "../rooms/registry.ts";
import type { Room } from "../rooms/room.ts";
import { Connection, type Receiver } from "./connection.ts";
import type { SessionContext, SessionOptions } from "./context.ts";
import { SILENT_JOIN_MS } from "./deadlines.ts";
import { recordJoin } from "./record_join.ts";
import { answerAgain, answerRegister, refuseConsumer } from "./register_answer.ts";
import { relaySignal } from "./relay_signal.ts";
import { Traffic } from "./traffic.ts";
import { type Awaiting, ENDED, NO_IDENTITY, type State, UNREGISTERED } from "./session_state.ts";

/** The session of one connection. */
export class Session implements Peer, Receiver {
  /** The connection, which listens to the socket. */
  readonly connection: Connection;
  readonly isLocal = true;
  role: Role = "normal";
  consumerIdentity = "";
  servingState: ServingState = DEFAULT_SERVING_STATE;
  joinOrder = 0;
  claimedAt = 0;
  identity = NO_IDENTITY;
  wantsRefresh = false;
  hasRegistered = false;
  wantsIceServers = false;
  joinedAt = 0;
  readonly traffic = new Traffic();
  readonly #context: SessionContext;
  readonly #silentJoinMs: number;
  #state: State;

  constructor({ socket, admission, namesRoom, context, address }: SessionOptions) {
    this.connection = new Connection({ socket, receiver: this, context, address });
    this.#silentJoinMs = namesRoom ? SILENT_JOIN_MS.urlWithRoom : SILENT_JOIN_MS.urlWithoutRoom;
    this.#context = context;
    this.#state = { kind: "unopened", admission };
  }

  get id(): string {
    return this.identity.nodeId;
  }

  get isClosed(): boolean {
    return this.#state.kind === "ended";
  }

  get isAwaiting(): boolean {
    return this.#state.kind === "verifying" || this.#state.kind === "joining";
  }

  /** A consumer never reconnects: it is the last to be closed. */
  get closesLast(): boolean {
    return this.role === "consumer";
  }

  send(text: string): boolean {
    return this.connection.send(text);
  }

  signal(text: string, sender: Peer, type: SignalMessage["type"]): SignalOutcome {
    return this.traffic.receivedFrom(sender.id, type, this.connection.signal(text, sender));
  }

  close(reason: CloseReason): void {
    this.connection.close(reason);
  }

  answersWithin(ms: number): Promise<boolean> | undefined {
    return this.connection.ping(ms);
  }

  onOpen(): void {
    if (this.#state.kind !== "unopened") return;
    const { admission } = this.#state;
    if (!(admission instanceof Promise)) return this.#onAdmission(admission);
    const state: Awaiting = { kind: "verifying", room: undefined };
    this.#await(state, admission, (settled) => this.#onAdmission(settled));
  }

  onMessage(text: string): void {
    const message = parseClientMessage(text);
    this.#context.metrics.countMessage(message.type);
    switch (message.type) {
      case "register":
        return this.#register(message);
      case "heartbeat":
        return this.#heartbeat(message);
      case "refresh":
        return this.#context.refreshes.refresh(this, message.token);
      case "invalid":
        return void this.connection.sendMessage(invalidMessage(message.problem));
      case "unknown":
        return;
      default:
        return this.#relay(message, text);
    }
  }

  /** The client was silent for as long as it may: it joins if it can, else it is closed. */
  onDeadline(): void {
    const canJoin = this.#state.kind === "unregistered" && this.identity.canJoinAsNormal;
    if (canJoin) this.#enter("normal", undefined);
    else this.connection.close(CLOSE.registrationTimeout);
  }

  onEnd(): void {
    const state = this.#state;
    this.#context.deadlines.clear(this);
    this.#context.refreshes.ended(this);
    this.#context.icePushes.end(this);
    this.#state = ENDED;
    if (state.kind === "joining") this.#context.cancelJoin(this);
    const room = state.kind === "joined" || state.kind === "verifying" ? state.room : undefined;
    if (room === undefined) return;
    this.#context.registry.leave(room, this);
    this.#context.logger.debug("Peer left", this.connection.logFields);
  }

  /** Reads nothing until the verdict is there, acts on it, and goes on with what came meanwhile. */
  #await<Verdict>(
    state: Awaiting,
    verdict: Promise<Verdict>,
    act: (verdict: Verdict) => void,
  ): void {
    this.#state = state;
    this.#closeAfterRegisterTimeout();
    verdict.then((value) => {
      if (this.#state !== state) return;
      this.#context.deadlines.clear(this);
      act(value);
      this.connection.resume();
    }).catch((cause) => this.connection.fail(cause));
  }

  #onAdmission(settled: Admission): void {
    const admission = this.#context.recheck(settled);
    if (admission.kind === "rejected") {
      return this.connection.close(admission.close, admission.detail);
    }
    this.identity = admission.identity;
    this.#state = UNREGISTERED;
    if (this.identity.canJoinAsNormal) this.#context.deadlines.set(this, this.#silentJoinMs);
    else this.#closeAfterRegisterTimeout();
  }

  #closeAfterRegisterTimeout(): void {
    this.#context.deadlines.set(this, this.#context.registerTimeoutMs);
  }

  #register(message: ParsedRegister): void {
    this.hasRegistered = true;
    const room = this.#state.kind === "joined" ? this.#state.room : undefined;
    this.wantsRefresh = message.refresh;
    this.wantsIceServers = message.iceServers;
    if (message.role === "consumer") return this.#registerConsumer(message.token, room);
    if (!this.identity.canJoinAsNormal) return this.connection.close(CLOSE.missingToken);
    this.servingState = afterRegister(this.servingState, message);
    this.#enter("normal", room);
  }

  #registerConsumer(token: string | undefined, room: Room | undefined): void {
    const { address } = this.connection;
    const verdict = this.#context.authorizeConsumer(token, this.identity.room, address);
    if (!(verdict instanceof Promise)) return this.#onConsumerVerdict(verdict, room);
    this.#await({ kind: "verifying", room }, verdict, (one) => this.#onConsumerVerdict(one, room));
  }

  #onConsumerVerdict(verdict: ConsumerVerdict, room: Room | undefined): void {
    if (verdict.kind === "rejected") return refuseConsumer(this, verdict);
    this.consumerIdentity = verdict.identity;
    this.#enter("consumer", room);
  }

  #heartbeat(message: ParsedHeartbeat): void {
    if (this.role !== "normal" || !this.identity.canJoinAsNormal) return;
    const before = this.servingState;
    const now = this.#context.clock.elapsed();
    this.servingState = afterHeartbeat(before, message, now);
    if (this.#state.kind !== "joined" || !isNews(before, this.servingState, now)) return;
    this.#context.registry.update(this.#state.room, this);
  }

  #relay(message: SignalMessage, text: string): void {
    if (this.#state.kind === "unregistered") {
      if (!this.identity.canJoinAsNormal) {
        return void this.connection.sendMessage(invalidMessage("Register first"));
      }
      this.#enter("normal", undefined);
      if (this.isAwaiting) return this.connection.requeue(text);
    }
    if (this.#state.kind !== "joined") return;
    relaySignal(this, this.#state.room, message, text);
  }

  /** Joins in a role, once the ICE servers are found where they come before the list. */
  #enter(role: Role, joined: Room | undefined): void {
    this.#context.deadlines.clear(this);
    this.role = role;
    if (role === "normal") this.consumerIdentity = "";
    if (joined !== undefined) {
      this.#state = { kind: "joined", room: joined };
      return answerAgain(this.#context, this, joined);
    }
    this.claimedAt = this.#context.clock.elapsed();
    if (!this.wantsIceServers) return this.#join();
    const found = this.#context.icePushes.find(this);
    this.#await({ kind: "verifying", room: undefined }, found, (servers) => this.#join(servers));
    this.#context.deadlines.clear(this); // Finding them has a time limit of its own.
  }

  /** Joins, unless a newer connection of the same name has joined while the ICE servers were found. */
  #join(found?: FoundIceServers): void {
    const { room } = this.identity;
    if (this.#context.registry.isOvertaken(room, this)) return this.close(CLOSE.replaced);
    const result = this.#context.join(room, this);
    if (!(result instanceof Promise)) return this.#onJoined(result, found);
    this.#await({ kind: "joining" }, result, (settled) => this.#onJoined(settled, found));
  }

  #onJoined({ room, outcome, rotation }: JoinResult, found: FoundIceServers | undefined): void {
    if (outcome.kind !== "joined" && outcome.kind !== "replaced") {
      return this.connection.close(JOIN_REFUSALS[outcome.kind]);
    }
    this.#state = { kind: "joined", room };
    this.connection.markJoined();
    recordJoin(this.#context, this, { room, outcome });
    answerRegister(this.#context, this, { room, found, rotation });
  }
}
