/**
 * One connection as the page shows it: its candidates, the selected pair, the round-trip time, bytes,
 * and why no path is found. What is sent over it is in `chat.ts` and `files.ts`.
 */

import type { Peer } from "../src/client/mod.ts";
import { bytesText, make, msText } from "./dom.ts";
import { type CandidateKind, explainPath, NO_ANSWER } from "./path.ts";
import type { IceFailure } from "./path_problem.ts";
import { plainText } from "./plain.ts";
import type { Problem } from "./problem.ts";
import type { Timeline } from "./timeline.ts";

/**
 * How long a connection may take before the page says what is missing, in milliseconds: less than a
 * consumer stays with a server that it cannot reach.
 */
const PATIENCE_MS = 8000;

/** How often the numbers are read, in milliseconds. */
const STATS_MS = 1000;

/** Failures of ICE servers that are kept. */
const MAX_FAILURES = 50;

const KINDS: readonly CandidateKind[] = ["host", "srflx", "prflx", "relay"];

/** What a connection tells the page. */
export interface LinkOptions {
  readonly peer: Peer;
  readonly timeline: Timeline;
  readonly isRelayOnly: boolean;
  /** What is wrong with this connection, or nothing any more. */
  readonly onProblem: (problem: Problem | undefined) => void;
  /** The state has changed. */
  readonly onState: () => void;
}

/** The selected pair, as `getStats` tells it. */
interface Selected {
  readonly text: string;
  readonly roundTripMs: number | undefined;
  readonly sent: number;
  readonly received: number;
}

/** A peer of the room and what is known of the connection to it. */
export class Link {
  readonly peer: Peer;
  /** The card with the details. */
  readonly card: HTMLElement;
  /** Whether something could be sent to it. */
  hasBeenOpen = false;
  readonly #options: LinkOptions;
  readonly #local = new Map<string, CandidateKind>();
  readonly #remote = new Map<string, CandidateKind>();
  readonly #failures: IceFailure[] = [];
  readonly #values = new Map<string, HTMLElement>();
  #patience = 0;
  #stats = 0;
  #hasRoundTrip = false;
  #pair = "";

  constructor(options: LinkOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.card = make("section", {
      class: "card",
      "aria-label": `Connection to ${plainText(this.id)}`,
    });
    this.card.append(make("h3", {}, plainText(this.id)), this.#makeDetails());
    this.#listen();
    this.#waitForPath();
    this.#show();
  }

  get id(): string {
    return this.#options.peer.id;
  }

  get isOpen(): boolean {
    return this.peer.channel.readyState === "open";
  }

  /** What the connection does, in a word. */
  get state(): string {
    if (this.isOpen) return "connected";
    const { connectionState } = this.peer.connection;
    return connectionState === "connected" ? "opening" : connectionState;
  }

  /** Counts the candidates that the other side has sent, alone or in a description. */
  onSignal(message: Readonly<Record<string, unknown>>): void {
    const { candidate, sdp } = message;
    if (hasText(candidate, "candidate")) this.#count(this.#remote, "remote", candidate.candidate);
    if (!hasText(sdp, "sdp")) return;
    for (const [line] of sdp.sdp.matchAll(/^a=candidate:.*$/gm)) {
      this.#count(this.#remote, "remote", line.slice(2).trim());
    }
  }

  /** Stops reading numbers. */
  end(): void {
    clearTimeout(this.#patience);
    clearInterval(this.#stats);
  }

  #listen(): void {
    const { peer, timeline, isRelayOnly, onState, onProblem } = this.#options;
    const { connection, channel } = peer;
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate?.candidate) this.#count(this.#local, "own", candidate.candidate);
    });
    connection.addEventListener("icecandidateerror", (event) => {
      if (this.#failures.length >= MAX_FAILURES) return;
      this.#failures.push({ url: event.url, code: event.errorCode, text: event.errorText });
      // A server that refuses this side is not going to give it a relay.
      const isRefusal = event.errorCode !== NO_ANSWER;
      if (isRefusal && isRelayOnly && this.#local.size === 0) this.#explain();
    });
    connection.addEventListener("icegatheringstatechange", () => {
      // Without any there will be no path, whatever the other side does.
      if (connection.iceGatheringState === "complete" && this.#local.size === 0) this.#explain();
    });
    peer.addEventListener("state", ({ detail }) => {
      if (detail === "connected") onProblem(undefined);
      else if (detail === "failed") this.#explain();
      else if (detail === "disconnected") this.#waitForPath();
      if (detail === "failed" || detail === "disconnected") {
        timeline.add(
          "end",
          `the path to ${this.id} is ${detail}`,
          detail === "failed" ? "bad" : "wait",
        );
      }
      this.#show();
      onState();
    });
    channel.addEventListener("open", () => {
      clearTimeout(this.#patience);
      this.hasBeenOpen = true;
      timeline.add("channel", `open to ${this.id}`);
      onProblem(undefined);
      this.#stats = setInterval(() => this.#readStats(), STATS_MS);
      this.#readStats();
      this.#show();
      onState();
    });
  }

  #waitForPath(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      if (this.peer.connection.connectionState !== "connected") this.#explain();
      this.#waitForPath();
    }, PATIENCE_MS);
  }

  #explain(): void {
    const { onProblem, isRelayOnly } = this.#options;
    const { connection } = this.peer;
    const servers = connection.getConfiguration().iceServers ?? [];
    onProblem(explainPath({
      peer: this.id,
      isAnswered: connection.remoteDescription !== null,
      local: countsOf(this.#local),
      remote: countsOf(this.#remote),
      areHidden: [...this.#remote.keys()].some((text) => text.includes(".local ")),
      isGathering: connection.iceGatheringState !== "complete",
      isRelayOnly,
      urls: servers.flatMap(({ urls }) => urls),
      failures: this.#failures,
    }));
  }

  #count(candidates: Map<string, CandidateKind>, whose: string, text: string): void {
    const kind = KINDS.find((each) => text.includes(` typ ${each}`));
    // The password of a restart is in it; the same address is the same candidate.
    const key = text.replace(/ (ufrag|generation|network-(id|cost)) \S+/g, "");
    if (kind === undefined || candidates.has(key) || candidates.size > 200) return;
    candidates.set(key, kind);
    const [, , protocol = "", , address = "", port = ""] = text.split(" ");
    const where = hostPort(address, port);
    const by = whose === "own" ? "own" : `of ${this.id}`;
    this.#options.timeline.add("candidates", `${by}: ${kind}, ${protocol.toLowerCase()} ${where}`);
    this.#show();
  }

  async #readStats(): Promise<void> {
    const { connection } = this.peer;
    if (connection.connectionState !== "connected") return;
    const selected = readSelected(await connection.getStats());
    if (selected === undefined) return;
    const { text, roundTripMs, sent, received } = selected;
    const { timeline } = this.#options;
    if (text !== this.#pair) timeline.add("selected pair", `to ${this.id}: ${text}`);
    this.#pair = text;
    if (!this.#hasRoundTrip && roundTripMs !== undefined) {
      this.#hasRoundTrip = true;
      timeline.add("round trip", `to ${this.id}: ${msText(roundTripMs)}`);
    }
    this.#set("Selected pair", text);
    this.#set("Round trip", roundTripMs === undefined ? "not measured yet" : msText(roundTripMs));
    this.#set("Sent", bytesText(sent));
    this.#set("Received", bytesText(received));
  }

  #makeDetails(): HTMLElement {
    const list = make("dl");
    const names = ["State", "Own candidates", "Their candidates", "Selected pair", "Round trip"];
    for (const name of [...names, "Sent", "Received"]) {
      const value = make("dd", { "data-value": name }, "–");
      this.#values.set(name, value);
      list.append(make("div", {}, make("dt", {}, name), value));
    }
    return list;
  }

  #show(): void {
    this.card.dataset["state"] = this.state;
    this.#set("State", this.peer.role === "consumer" ? `${this.state}, a consumer` : this.state);
    this.#set("Own candidates", countsText(this.#local));
    this.#set("Their candidates", countsText(this.#remote));
  }

  #set(name: string, text: string): void {
    const value = this.#values.get(name);
    if (value !== undefined && value.textContent !== text) value.textContent = text;
  }
}

function hasText<K extends string>(value: unknown, key: K): value is Record<K, string> {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, key) === "string";
}

function countsOf(candidates: ReadonlyMap<string, CandidateKind>): Map<CandidateKind, number> {
  const counts = new Map<CandidateKind, number>();
  for (const kind of candidates.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function countsText(candidates: ReadonlyMap<string, CandidateKind>): string {
  const counts = countsOf(candidates);
  return KINDS.flatMap((kind) => counts.has(kind) ? [`${counts.get(kind)} ${kind}`] : []).join(
    ", ",
  ) ||
    "none";
}

/** Finds the pair that is in use; Chromium and Firefox mark it in different ways. */
function readSelected(report: RTCStatsReport): Selected | undefined {
  const all = [...report.values()];
  const transport = all.find(({ type, selectedCandidatePairId }) =>
    type === "transport" && selectedCandidatePairId
  );
  const pair = transport === undefined
    ? all.find(({ type, selected, nominated, state }) =>
      type === "candidate-pair" && (selected ?? (nominated && state === "succeeded"))
    )
    : report.get(transport.selectedCandidatePairId);
  if (pair === undefined) return undefined;
  const local = report.get(pair.localCandidateId);
  const remote = report.get(pair.remoteCandidateId);
  const { currentRoundTripTime: seconds } = pair;
  return {
    text: `${describe(local)} → ${describe(remote)}`,
    roundTripMs: typeof seconds === "number" ? seconds * 1000 : undefined,
    sent: Number(pair.bytesSent ?? 0),
    received: Number(pair.bytesReceived ?? 0),
  };
}

function hostPort(address: string, port: unknown): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function describe(candidate: Record<string, unknown> | undefined): string {
  if (candidate === undefined) return "unknown";
  const { candidateType, protocol, relayProtocol, address, port } = candidate;
  const relay = typeof relayProtocol === "string" ? ` over ${relayProtocol}` : "";
  const where = address ? ` ${hostPort(String(address), port)}` : "";
  return `${candidateType} ${protocol}${where}${relay}`;
}
