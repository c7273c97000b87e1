/** A peer without a socket: it records what it is sent. */

import type { Peer, Service } from "../../src/rooms/peer.ts";
import type { Role } from "../../src/protocol/messages.ts";

export class FakePeer implements Peer {
  readonly id: string;
  role: Role;
  readonly isLocal = true;
  readonly isGone = false;
  seat = 0;
  service: Service;
  /** The frames it was sent, parsed. */
  // deno-lint-ignore no-explicit-any
  readonly frames: any[] = [];
  isReachable = true;

  constructor(id: string, role: Role = "normal", service: Partial<Service> = {}) {
    this.id = id;
    this.role = role;
    this.service = {
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

  replace(): void {}
}
