/** A peer without a socket: it records what it is sent. */

import type { Peer, ServingState } from "../../src/rooms/peer.ts";
import type { Role } from "../../src/protocol/messages.ts";

export class FakePeer implements Peer {
  readonly id: string;
  role: Role;
  readonly isLocal = true;
  readonly isClosed = false;
  joinOrder = 0;
  servingState: ServingState;
  /** The frames it was sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly frames: any[] = [];
  isReachable = true;

  constructor(id: string, role: Role = "normal", service: Partial<ServingState> = {}) {
    this.id = id;
    this.role = role;
    this.servingState = {
      serveConsumers: true,
      capacity: undefined,
      sessions: 0,
      heartbeatAt: undefined,
      ...service,
    };
  }

  send(text: string): boolean {
    if (this.isReachable) this.frames.push(JSON.parse(text));
    return this.isReachable;
  }

  closeAsReplaced(): void {}
}
