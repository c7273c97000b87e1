/**
 * Clients that join, meet, leave and come back as the simulation assumes it, over the sockets of the
 * load benchmark: one thread that waits for nothing but its sockets.
 */

import { Client, type World } from "../load/client.ts";
import { frameOf } from "../load/frames.ts";
import { payloadOf } from "../load/payloads.ts";
import { PROTOCOLS } from "../load/protocols.ts";
import { Sockets } from "../load/tcp.ts";
import { BYTES, SDP_MESSAGES } from "./assumptions.ts";
import { type Instance, newToken } from "./fleet.ts";

const PROTOCOL = PROTOCOLS["client-db"];
const SDP = payloadOf("offer", BYTES.sdp - 100);
const CANDIDATE = payloadOf("candidate", BYTES.candidate - 60);
const decoder = new TextDecoder();

/** How long a step may take, in milliseconds. */
const DEADLINE_MS = 60_000;

/** A client that can be told of the end of its connection. */
export class Peer extends Client {
  /** Called when the server has ended the connection. */
  onEnd: (() => void) | undefined;
  hasJoined = false;
  readonly instance: Instance;

  constructor(world: World, instance: Instance, identity: PeerIdentity) {
    super(world, identity.id, identity.room, identity.token);
    this.instance = instance;
  }

  override ended(): void {
    if (this.onEnd === undefined) super.ended();
    else {
      this.drop();
      this.onEnd();
    }
  }
}

/** Who a client is. */
export interface PeerIdentity {
  readonly id: string;
  readonly room: string;
  readonly token: string;
}

/** What clients can do together. */
export class Traffic {
  readonly sockets = new Sockets();
  /** What went wrong, in words, with how often. */
  readonly problems = new Map<string, number>();
  messages = 0;
  readonly #worlds = new Map<number, World>();

  /** A client that has not connected, with a token of its own. */
  async peer(instance: Instance, room: string, id: string): Promise<Peer> {
    return this.comingBack({ room, id, token: await newToken(room) }, instance);
  }

  /** The same client once more, at an instance. */
  comingBack(
    { room, id, token }: { room: string; id: string; token: string | undefined },
    instance: Instance,
  ): Peer {
    let world = this.#worlds.get(instance.port);
    if (world === undefined) {
      const { sockets, problems } = this;
      world = { sockets, problems, port: instance.port, protocol: PROTOCOL };
      this.#worlds.set(instance.port, world);
    }
    return new Peer(world, instance, { room, id, token: token ?? "" });
  }

  /** Does something at a rate, at random times, for as long as there is something to do. */
  pace(perSecond: number, count: number, act: (n: number) => void): void {
    let due = performance.now();
    for (let n = 0; n < count;) {
      const now = performance.now();
      if (now < due) {
        this.sockets.poll(Math.max(Math.floor(due - now), 0));
        continue;
      }
      act(n++);
      due += -Math.log(1 - Math.random()) * 1000 / perSecond;
    }
  }

  /** Lets clients join, so many at a time; rejects if one does not. */
  joinAll(peers: readonly Peer[], atOnce: number): void {
    let [started, joined] = [0, 0];
    const next = () => {
      const peer = peers[started++];
      peer?.join((isIn) => {
        peer.hasJoined = isIn;
        if (!isIn) throw new Error(`A client has not joined: ${[...this.problems.keys()]}`);
        joined++;
        next();
      });
    };
    while (started < Math.min(atOnce, peers.length)) next();
    this.until(() => joined === peers.length, "clients to join");
  }

  /** Lets clients leave, and waits until their sockets are closed. */
  leaveAll(peers: readonly Peer[]): void {
    const staying = this.sockets.open - peers.length;
    for (const peer of peers) peer.leave();
    this.until(() => this.sockets.open <= staying, "clients to leave");
  }

  /** Serves the sockets until something is so. */
  until(isSo: () => boolean, what: string): void {
    const end = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > end) throw new Error(`Waited in vain for ${what}`);
      this.sockets.poll(5);
    }
  }

  /** Serves the sockets for so long. */
  wait(milliseconds: number): void {
    const end = performance.now() + milliseconds;
    for (let left = milliseconds; left > 0; left = end - performance.now()) {
      this.sockets.poll(Math.ceil(left));
    }
  }

  /** Lets a client answer the offers that it gets, and then send its candidates. */
  answerOffers(peer: Peer, messagesPerMeeting: number): void {
    peer.onText = (bytes) => {
      if (bytes[9] !== OFFER_INITIAL) return;
      const text = decoder.decode(bytes);
      const from = /"from":"([^"]*)"/.exec(text)?.[1] ?? "";
      this.#send(peer, from, "answer");
      for (let n = 0; n < (messagesPerMeeting - SDP_MESSAGES) / 2; n++) {
        this.#send(peer, from, "candidate");
      }
    };
  }

  /** Lets a newcomer offer to everybody in its list, and send its candidates. */
  meetAll(peer: Peer, messagesPerMeeting: number): void {
    const { peers } = JSON.parse(peer.list);
    for (const to of peers) {
      this.#send(peer, to, "offer");
      for (let n = 0; n < (messagesPerMeeting - SDP_MESSAGES) / 2; n++) {
        this.#send(peer, to, "candidate");
      }
    }
  }

  #send(peer: Peer, to: string, kind: "offer" | "answer" | "candidate"): void {
    this.messages++;
    peer.send(frameFor(peer.id, to, kind));
  }
}

/** The first letter of the type of an offer, as it stands in the text. */
const OFFER_INITIAL = "o".charCodeAt(0);

/** A frame with a message from one client to another. */
export function frameFor(
  id: string,
  to: string,
  kind: "offer" | "answer" | "candidate",
): Uint8Array<ArrayBuffer> {
  const sender = { id, room: "", token: undefined };
  if (kind === "candidate") return frameOf(PROTOCOL.signal("candidate", sender, to, CANDIDATE));
  const offer = PROTOCOL.signal("offer", sender, to, SDP);
  return frameOf(kind === "offer" ? offer : offer.replace('"offer"', '"answer"'));
}

/** The messages of two that meet, as one of them could send them: the same kinds and sizes. */
export function meetingFrames(id: string, to: string, messages: number): Uint8Array<ArrayBuffer>[] {
  return Array.from(
    { length: messages },
    (_, n) => frameFor(id, to, n < SDP_MESSAGES ? "offer" : "candidate"),
  );
}
