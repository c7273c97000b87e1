/**
 * Who a connection is: verifying, pending, joined, ended. A session acts for its own connection
 * alone and is itself the peer that its room knows; it sees no key, and of tokens only whether they
 * hold.
 */

import type { Address } from "../access/address.ts";
import type { Admission, ConsumerVerdict, Identity } from "../access/admission.ts";
import type { Timer } from "../runtime/clock.ts";
import { Connection, type Receiver } from "./connection.ts";
import { closeLoser, JOIN_REFUSALS } from "../rooms/names.ts";
import { isEligible } from "../rooms/director.ts";
import type { SessionContext, SocketLike } from "./context.ts";
import {
  afterHeartbeat,
  afterRegister,
  DEFAULT_SERVING_STATE,
  type Peer,
  type ServingState,
  type SignalOutcome,
} from "../rooms/peer.ts";
import {
  CLOSE,
  type CloseReason,
  parseClientMessage,
  type ParsedHeartbeat,
  type ParsedRegister,
  peerBusy,
  peerNotFound,
  type Role,
  type SignalMessage,
} from "../protocol/messages.ts";
import type { JoinResult } from "../rooms/registry.ts";
import type { Room } from "../rooms/room.ts";

/**
 * How long a socket may stay silent before it joins by itself, in milliseconds: clients of version
 * 0.1 never register.
 */
export const SILENT_JOIN_MS = 250;

/** `verifying` keeps the room of a peer that has joined before. */
type State =
  | { readonly name: "opening"; readonly admission: Admission | Promise<Admission> }
  | {
    readonly name: "verifying";
    readonly room: Room | undefined;
    readonly timer: Timer | undefined;
  }
  | { readonly name: "pending"; readonly timer: Timer | undefined }
  | { readonly name: "joined"; readonly room: Room }
  | { readonly name: "ended" };

const ENDED: State = { name: "ended" };
const NO_IDENTITY: Identity = { room: "", nodeId: "", canJoinAsNormal: false };

/** Options of {@linkcode Session}. */
export interface SessionOptions {
  readonly socket: SocketLike;
  /** Who the client is, or why it is refused; a promise must not reject. */
  readonly admission: Admission | Promise<Admission>;
  readonly context: SessionContext;
  readonly address: Address;
}

/** The session of one connection. */
export class Session implements Peer, Receiver {
  /** The connection, which listens to the socket. */
  readonly connection: Connection;
  readonly isLocal = true;
  role: Role = "normal";
  consumerIdentity = "";
  servingState: ServingState = DEFAULT_SERVING_STATE;
  joinOrder = 0;
  readonly #context: SessionContext;
  #identity = NO_IDENTITY;
  #state: State;

  constructor({ socket, admission, context, address }: SessionOptions) {
    this.connection = new Connection({ socket, receiver: this, context, address });
    this.#context = context;
    this.#state = { name: "opening", admission };
  }

  get id(): string {
    return this.#identity.nodeId;
  }

  get isClosed(): boolean {
    return this.#state.name === "ended";
  }

  send(text: string): boolean {
    return this.connection.send(text);
  }

  signal(text: string): SignalOutcome {
    return this.connection.send(text) ? "sent" : "unreachable";
  }

  close(reason: CloseReason): void {
    this.connection.close(reason);
  }

  /** A consumer never reconnects: it is the last to be closed. */
  get closesLast(): boolean {
    return this.role === "consumer";
  }

  onOpen(): void {
    if (this.#state.name !== "opening") return;
    const { admission } = this.#state;
    if (admission instanceof Promise) this.#verify(undefined, admission, this.#admit);
    else this.#admit(admission);
  }

  onMessage(text: string): void {
    const message = parseClientMessage(text);
    switch (message.type) {
      case "offer":
      case "answer":
      case "ice-candidate":
        return this.#signal(message, text);
      case "register":
        return this.#register(message);
      case "heartbeat":
        return this.#heartbeat(message);
      case "invalid":
        return this.#sendInvalidMessage(message.problem);
      case "unknown":
        return;
    }
  }

  onEnd(): void {
    const state = this.#state;
    this.#stopTimer();
    this.#state = ENDED;
    const room = state.name === "joined" || state.name === "verifying" ? state.room : undefined;
    if (room === undefined) return;
    this.#context.registry.leave(room, this);
    this.#context.logger.debug("Peer left", { room: room.name, nodeId: this.id });
  }

  /** Reads nothing else until the verdict is there, then goes on with what came meanwhile. */
  #verify<Verdict>(
    room: Room | undefined,
    verdict: Promise<Verdict>,
    act: (this: this, verdict: Verdict, room: Room | undefined) => void,
  ): void {
    const timer = this.#closeAfterRegisterTimeout();
    const state: State = { name: "verifying", room, timer };
    this.#state = state;
    this.connection.pause();
    verdict.then((value) => {
      if (this.#state !== state) return;
      this.#stopTimer();
      act.call(this, value, room);
      this.connection.resume();
    }).catch((cause) => this.connection.fail(cause));
  }

  #admit(admission: Admission): void {
    if ("refusal" in admission) {
      this.#context.logger.debug("Connection refused", { ...admission.refusal });
      return this.connection.close(admission.refusal);
    }
    this.#identity = admission.identity;
    const timer = this.#identity.canJoinAsNormal
      ? this.#after(SILENT_JOIN_MS, () => this.#join("normal", undefined))
      : this.#closeAfterRegisterTimeout();
    this.#state = { name: "pending", timer };
  }

  #closeAfterRegisterTimeout(): Timer | undefined {
    const { registerTimeoutMs } = this.#context;
    if (registerTimeoutMs === 0) return undefined;
    return this.#after(registerTimeoutMs, () => this.connection.close(CLOSE.registrationTimeout));
  }

  #after(delayMs: number, act: () => void): Timer {
    return this.#context.clock.setTimeout(() => this.connection.run(act), delayMs);
  }

  #register(message: ParsedRegister): void {
    const room = this.#state.name === "joined" ? this.#state.room : undefined;
    if (message.role === "consumer") return this.#registerConsumer(message.token, room);
    if (!this.#identity.canJoinAsNormal) return this.connection.close(CLOSE.missingToken);
    this.servingState = afterRegister(this.servingState, message);
    this.#join("normal", room);
  }

  #registerConsumer(token: string | undefined, room: Room | undefined): void {
    const { address } = this.connection;
    const verdict = this.#context.authorizeConsumer(token, this.#identity.room, address);
    if (!(verdict instanceof Promise)) return this.#admitConsumer(verdict, room);
    this.#stopTimer();
    this.#verify(room, verdict, this.#admitConsumer);
  }

  #admitConsumer(verdict: ConsumerVerdict, room: Room | undefined): void {
    if (verdict.kind === "accepted") {
      this.consumerIdentity = verdict.identity;
      return this.#join("consumer", room);
    }
    const { reason } = verdict.close;
    this.connection.sendMessage({ type: "auth-err", status: "UNAUTHENTICATED", message: reason });
    this.#context.logger.debug("Consumer refused", { reason });
    this.connection.close(verdict.close);
  }

  #heartbeat(message: ParsedHeartbeat): void {
    if (this.role !== "normal" || !this.#identity.canJoinAsNormal) return;
    const before = this.servingState;
    const now = this.#context.clock.elapsed();
    this.servingState = afterHeartbeat(before, message, now);
    const isNews = before.heartbeatAt === undefined ||
      isEligible(before, now) !== isEligible(this.servingState, now);
    if (isNews && this.#state.name === "joined") {
      this.#context.registry.update(this.#state.room, this);
    }
  }

  #signal(message: SignalMessage, text: string): void {
    if (this.#state.name === "pending") {
      if (!this.#identity.canJoinAsNormal) return this.#sendInvalidMessage("Register first");
      this.#join("normal", undefined);
    }
    if (this.#state.name === "verifying") return this.connection.requeue(text);
    if (this.#state.name !== "joined") return;
    const outcome = this.#state.room.relay(this, message, text);
    if (outcome === "not found") this.connection.sendMessage(peerNotFound(message.to));
    else if (outcome === "busy") this.connection.sendMessage(peerBusy(message.to));
  }

  /** Takes a role in the room, be it by joining or by changing one it had. */
  #join(role: Role, joined: Room | undefined): void {
    this.#stopTimer();
    this.role = role;
    if (joined !== undefined) {
      const limit = joined.exceededLimit(this);
      if (limit !== undefined) return this.connection.close(JOIN_REFUSALS[limit]);
      this.#state = { name: "joined", room: joined };
      this.#context.registry.update(joined, this);
      return this.#sendPeerOrServerList(joined, undefined);
    }
    const outcome = this.#context.join(this.#identity.room, this);
    if (outcome instanceof Promise) this.#verify(undefined, outcome, this.#onJoined);
    else this.#onJoined(outcome);
  }

  #onJoined({ room, outcome, rotation }: JoinResult): void {
    if (outcome.kind !== "joined" && outcome.kind !== "replaced") {
      return this.connection.close(JOIN_REFUSALS[outcome.kind]);
    }
    this.#state = { name: "joined", room };
    this.connection.markJoined();
    if (outcome.kind === "replaced") closeLoser(outcome.old, this);
    this.#context.logger.debug("Peer joined", { room: room.name, nodeId: this.id });
    this.#sendPeerOrServerList(room, rotation);
  }

  #sendPeerOrServerList(room: Room, rotation: number | undefined): void {
    this.connection.sendMessage(
      this.role === "normal"
        ? { type: "peer-list", peers: room.otherNormalIds(this) }
        : { type: "server-list", servers: this.#context.director.register(room, this, rotation) },
    );
  }

  #sendInvalidMessage(problem: string): void {
    this.connection.sendMessage({ type: "error", code: "INVALID_MESSAGE", message: problem });
  }

  #stopTimer(): void {
    const state = this.#state;
    if (state.name !== "pending" && state.name !== "verifying") return;
    if (state.timer !== undefined) this.#context.clock.clearTimeout(state.timer);
  }
}
