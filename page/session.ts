/**
 * One stay in a room: a client, the connections it makes, and what each step says to the timeline. What
 * the page shows beside is decided in `main.ts`.
 */

import { type Peer, SignalingClient, type StateChange, StopError } from "../src/client/mod.ts";
import { msText } from "./dom.ts";
import { Link } from "./link.ts";
import { type Backplanes, type Problem, PROBLEMS } from "./problem.ts";
import { askHealth, type Attempt, backplaneText, explainClosing, isHealth } from "./refusal.ts";
import type { Timeline } from "./timeline.ts";

/** How long the page waits for the one that has invited it, in milliseconds. */
const INVITER_MS = 4000;

/** How often the page asks whether Redis is back, in milliseconds. */
const BACKPLANE_MS = 5000;

/** How long it stays on the page what was wrong with a connection that has ended, in milliseconds. */
const KEEP_MS = 60_000;

/** What a stay needs, and whom it tells. */
export interface SessionOptions extends Attempt {
  readonly isRelayOnly: boolean;
  /** The page that has invited this one. */
  readonly inviter: string | undefined;
  readonly timeline: Timeline;
  readonly onState: (text: string, state: string) => void;
  /** What is wrong with the connection to the server (`""`) or to a peer, or nothing any more. */
  readonly onProblem: (about: string, problem: Problem | undefined) => void;
  readonly onIceServers: (servers: readonly RTCIceServer[]) => void;
  readonly onLink: (link: Link) => void;
  readonly onLinks: () => void;
  readonly onLeft: (link: Link) => void;
}

/** A page in a room. */
export class Session {
  readonly links = new Map<string, Link>();
  readonly #client: SignalingClient;
  readonly #options: SessionOptions;
  readonly #abort = new AbortController();
  #start = 0;
  #hasSocket = false;
  #hasMetInviter: boolean;
  #backplane = 0;
  /** Peers whose connections have failed, with the timers after which that is history. */
  readonly #troubled = new Map<string, number>();

  constructor(options: SessionOptions) {
    this.#options = options;
    const { room, nodeId, isConsumer, isRelayOnly, token, inviter } = options;
    this.#hasMetInviter = inviter === undefined || inviter === nodeId || isConsumer;
    // What was refused once is not sent again.
    const source = (reason: string): string => {
      if (reason === "refused") throw new StopError("The token was refused");
      return token;
    };
    const url = new URL("/signal", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.#client = new SignalingClient({
      url,
      room,
      nodeId,
      role: isConsumer ? "consumer" : "normal",
      signal: this.#abort.signal,
      rtc: { iceTransportPolicy: isRelayOnly ? "relay" : "all" },
      ...token === "" ? {} : isConsumer ? { getConsumerToken: source } : { getToken: source },
    });
    this.#listen();
    this.#client.connect().catch(() => {}); // The event `state` says the same.
  }

  /** Whether the page is in the room. */
  get isJoined(): boolean {
    return this.#client.state === "joined";
  }

  /** Leaves the room. */
  end(): void {
    this.#abort.abort();
    clearInterval(this.#backplane);
    for (const id of [...this.#troubled.keys()]) this.#setPeerProblem(id, undefined);
    for (const link of this.links.values()) {
      link.end();
      this.#setPeerProblem(link.id, undefined);
    }
    this.links.clear();
  }

  #listen(): void {
    const { timeline, onIceServers } = this.#options;
    this.#client.addEventListener("state", ({ detail }) => this.#onState(detail));
    this.#client.addEventListener("message", ({ detail }) => this.#onMessage(detail));
    this.#client.addEventListener("peer", ({ detail }) => this.#onPeer(detail));
    this.#client.addEventListener("iceservers", ({ detail }) => {
      const urls = detail.flatMap(({ urls }) => urls);
      timeline.add("ICE servers", urls.join(", ") || "the server names none");
      onIceServers(detail);
    });
  }

  #onState(change: StateChange): void {
    if (this.#abort.signal.aborted) return;
    const { room, nodeId, timeline, onState, onProblem, isConsumer } = this.#options;
    switch (change.state) {
      case "connecting":
        this.#start = performance.now();
        this.#hasSocket = false;
        return onState("Connecting…", "connecting");
      case "joined":
        timeline.add("room", `joined ${room} as ${nodeId}${isConsumer ? ", a consumer" : ""}`);
        onProblem("", undefined);
        this.#expectInviter();
        this.#watchBackplane();
        return onState(`In the room ${room} as ${nodeId}`, "joined");
      case "waiting": {
        const seconds = Math.ceil((change.retryInMs ?? 0) / 1000);
        onState(`Not connected: trying again in ${seconds} s`, "waiting");
        void this.#onClosed(change);
        return;
      }
      case "stopped":
        onState("Not in a room", "stopped");
        if (change.code !== undefined) this.#onClosed(change);
    }
  }

  async #onClosed(change: StateChange): Promise<void> {
    const { timeline, onProblem } = this.#options;
    const { code = 1006, reason = "" } = change;
    const what = this.#hasSocket ? "closed" : "not opened";
    timeline.add("socket", `${what}: ${reason || "no reason"} (${code})`, "bad");
    const problem = await explainClosing(change, this.#options);
    if (!this.#abort.signal.aborted && !this.isJoined) onProblem("", problem);
  }

  #onMessage(
    { sent, message }: { sent: boolean; message: Readonly<Record<string, unknown>> },
  ): void {
    const { timeline } = this.#options;
    const { type, from, to, code, peers, servers } = message;
    if (!this.#hasSocket) {
      this.#hasSocket = true;
      timeline.add("socket", `open after ${msText(performance.now() - this.#start)}`);
    }
    if (type === "offer" || type === "answer") {
      timeline.add(type, sent ? `sent to ${to}` : `received from ${from}`);
    }
    if (type === "error" && to !== this.#options.nodeId) {
      timeline.add("end", `${code}: ${message["message"]}`, "wait");
    }
    // The client joins by a list, and makes the peer of an offer, after this event.
    queueMicrotask(() => {
      if (type === "peer-list") timeline.add("list", listText(peers, "peer"));
      else if (type === "server-list") this.#onServers(servers);
      else if (!sent && typeof from === "string") this.links.get(from)?.onSignal(message);
      else if (code === "PEER_NOT_FOUND" && typeof to === "string" && !this.links.has(to)) {
        this.#setPeerProblem(to, undefined);
      }
    });
  }

  #onServers(servers: unknown): void {
    const { timeline, onProblem, room } = this.#options;
    timeline.add("list", listText(servers, "server"));
    const isEmpty = Array.isArray(servers) && servers.length === 0;
    onProblem("servers", isEmpty ? PROBLEMS.noServers(room) : undefined);
  }

  #onPeer(peer: Peer): void {
    const { timeline, isRelayOnly, onProblem, onLink, onLinks, onLeft } = this.#options;
    const { id } = peer;
    const link = new Link({
      peer,
      timeline,
      isRelayOnly,
      onProblem: (problem) => this.#setPeerProblem(id, problem),
      onState: onLinks,
    });
    if (id === this.#options.inviter) {
      this.#hasMetInviter = true;
      onProblem("inviter", undefined);
    }
    this.links.get(id)?.end();
    this.links.set(id, link);
    peer.addEventListener("close", () => {
      if (this.links.get(id) !== link) return;
      this.links.delete(id);
      link.end();
      if (link.hasBeenOpen) this.#setPeerProblem(id, undefined);
      else this.#keepPeerProblem(id);
      timeline.add("end", `the connection to ${id} has ended`, "wait");
      onLeft(link);
      onLinks();
    });
    onLink(link);
    onLinks();
  }

  /** Says so if the page that has invited this one does not come up. */
  #expectInviter(): void {
    const { inviter, onProblem } = this.#options;
    if (this.#hasMetInviter || inviter === undefined) return;
    setTimeout(async () => {
      const health = await askHealth();
      if (this.#hasMetInviter || !this.isJoined || !isHealth(health)) return;
      const { backplane } = health;
      if (backplane && backplane.up < backplane.total) return; // That is said already.
      onProblem("inviter", PROBLEMS.instances(inviter, backplane !== undefined));
    }, INVITER_MS);
  }

  /** Says so while the instances of the server, if there are several, are not connected. */
  #watchBackplane(): void {
    const { timeline, onProblem } = this.#options;
    let down = 0;
    const check = async (): Promise<void> => {
      const health = await askHealth();
      if (!this.isJoined || !isHealth(health)) return;
      const { backplane } = health;
      onProblem("backplane", backplane && backplaneProblem(backplane));
      if (backplane === undefined) return clearInterval(this.#backplane);
      const before = down;
      down = backplane.total - backplane.up;
      if (down !== before) {
        timeline.add("server", backplaneText(backplane), down > 0 ? "bad" : "ok");
      }
    };
    clearInterval(this.#backplane);
    this.#backplane = setInterval(check, BACKPLANE_MS);
    void check();
  }

  #setPeerProblem(id: string, problem: Problem | undefined): void {
    clearTimeout(this.#troubled.get(id));
    this.#troubled.delete(id);
    this.#options.onProblem(`peer ${id}`, problem);
  }

  /** The client tries again soon, so that what is wrong stays on the page; unless the peer has left. */
  #keepPeerProblem(id: string): void {
    clearTimeout(this.#troubled.get(id));
    this.#troubled.set(id, setTimeout(() => this.#setPeerProblem(id, undefined), KEEP_MS));
  }
}

function backplaneProblem(backplanes: Backplanes): Problem | undefined {
  const { up, total } = backplanes;
  if (up === total) return undefined;
  return up === 0 ? PROBLEMS.backplane() : PROBLEMS.someBackplanes(backplanes);
}

function listText(names: unknown, what: string): string {
  if (!Array.isArray(names) || names.length === 0) return `no other ${what}`;
  const shown = names.slice(0, 5).join(", ");
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.length} ${what}${names.length === 1 ? "" : "s"}: ${shown}${more}`;
}
