/** Peers without a socket, for tests and micro benchmarks. */

import {
  DEFAULT_SERVING_STATE,
  type Peer,
  type ServingState,
  type SignalOutcome,
} from "../../src/rooms/peer.ts";
import type { CloseReason, Role } from "../../src/protocol/messages.ts";

/** A peer that forgets what it is sent. */
export class SilentPeer implements Peer {
  readonly id: string;
  role: Role;
  readonly isLocal: boolean = true;
  isClosed = false;
  joinOrder = 0;
  servingState: ServingState;
  isReachable = true;
  /** Whether it accepts no signal because too much waits for it. */
  isBusy = false;
  consumerIdentity = "";
  closedWith: CloseReason | undefined;

  constructor(id: string, role: Role = "normal", service: Partial<ServingState> = {}) {
    this.id = id;
    this.role = role;
    this.servingState = { ...DEFAULT_SERVING_STATE, ...service };
  }

  send(_text: string): boolean {
    return this.isReachable;
  }

  signal(text: string): SignalOutcome {
    if (this.isBusy) return "busy";
    return this.send(text) ? "sent" : "unreachable";
  }

  close(reason: CloseReason): void {
    this.closedWith = reason;
  }
}

/** A peer that records what it is sent. */
export class FakePeer extends SilentPeer {
  /** The frames it was sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly frames: any[] = [];

  override send(text: string): boolean {
    if (this.isReachable) this.frames.push(JSON.parse(text));
    return this.isReachable;
  }
}
