/** A peer of another instance: what it is sent goes there. To its room it is a peer like any other. */

import type { Envelope, Member, SeatedMember, Stay } from "./backplane.ts";
import { type Peer, type Service, UNSAID } from "../rooms/peer.ts";
import type { Role } from "../protocol/messages.ts";

/** Hands a frame to a peer elsewhere; `false` when it cannot be reached. */
export type Post = (
  target: RemotePeer,
  text: string,
  sender: Peer | undefined,
  type: Envelope["type"],
) => boolean;

/** One stay of a peer of another instance. */
export class RemotePeer implements Peer {
  readonly id: string;
  readonly isLocal = false;
  readonly isGone = false;
  readonly stay: Stay;
  readonly joinedAt: number;
  seat: number;
  role: Role = "normal";
  service: Service = UNSAID;
  readonly #post: Post;

  constructor(member: SeatedMember, post: Post) {
    this.id = member.id;
    this.stay = { instance: member.instance, number: member.number };
    this.joinedAt = member.joinedAt;
    this.seat = member.seat;
    this.#post = post;
    this.become(member);
  }

  /** Takes over what its own instance says of it, which knows alone whether it is healthy. */
  become({ role, serves }: Pick<Member, "role" | "serves">): void {
    this.role = role;
    this.service = { ...UNSAID, serveConsumers: serves };
  }

  send(text: string, sender?: Peer, type: Envelope["type"] = "list"): boolean {
    return this.#post(this, text, sender, type);
  }

  /** Its own instance closes it. */
  replace(): void {}
}
