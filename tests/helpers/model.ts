/**
 * What a server owes its clients, as a plain model: rooms as lists of members in order of joining,
 * and what becomes of each client. It knows no socket and nothing of how the server works.
 */

import { CLOSE, type CloseReason, type Role } from "../../src/protocol/messages.ts";

/** How often clients that have stopped reading are looked for, in milliseconds. */
export const LOOK_MS = 7001;

/** How long after its last offer a pair is remembered, in milliseconds. */
const FORGET_MS = 90_000;

/** What a client sends. */
export type Said =
  | { kind: "register"; role: Role; token: string }
  | { kind: "signal"; type: "offer" | "answer" | "ice-candidate"; to: string; mark: number }
  | { kind: "garbage" };

/** A client in the eyes of the model. */
export interface ModelClient {
  readonly index: number;
  readonly name: string;
  readonly room: string;
  readonly who: "normal" | "unauthenticated" | "refused";
  /** Whether its joins wait for other instances. */
  readonly isSlow: boolean;
  /** Milliseconds after which it joins by itself. */
  readonly silentMs: number;
  state: "opening" | "pending" | "joined" | "closing" | "closed";
  role: Role;
  /** What is awaited about it, and what it said since. */
  awaited: "verdict" | "join" | undefined;
  early: Said[];
  deadline: { at: number; order: number; act: () => void } | undefined;
  closedWith: CloseReason | undefined;
  /** Frames that it must get in this step. */
  expected: Record<string, unknown>[];
  /** Whether its connection is dead without anybody knowing. */
  hasVanished: boolean;
  /** Whether so much waits for it that nothing is added. */
  isFull: boolean;
  /** Whether it has stopped reading, and whether that was seen before. */
  isStalled: boolean;
  wasSeenStalled: boolean;
}

interface Member {
  readonly name: string;
  role: Role;
  owner: ModelClient;
}

export class Model {
  now = 0;
  readonly clients: ModelClient[] = [];
  readonly rooms = new Map<string, Member[]>();
  /** The normals of each room at every moment of this step, and since when they are these. */
  readonly seen = new Map<string, string[][]>();
  readonly changedAt = new Map<string, number>();
  /** Offers that are not answered, by who made them and to whom. */
  readonly #unanswered = new Map<string, number>();
  /** When the last offer of either of two clients was made. */
  readonly #offeredAt = new Map<string, number>();
  readonly #maxPeers: number;
  #order = 0;
  #nextLook = { at: LOOK_MS, order: this.#order++, act: () => this.#look() };

  constructor(maxPeers: number) {
    this.#maxPeers = maxPeers;
  }

  connect(
    given: Pick<ModelClient, "name" | "room" | "who" | "isSlow" | "silentMs">,
  ): ModelClient {
    const client: ModelClient = {
      index: this.clients.length,
      ...given,
      state: "opening",
      role: "normal",
      awaited: undefined,
      early: [],
      deadline: undefined,
      closedWith: undefined,
      expected: [],
      hasVanished: false,
      isFull: false,
      isStalled: false,
      wasSeenStalled: false,
    };
    this.clients.push(client);
    return client;
  }

  /** The socket has opened; the verdict on its token is there already, or is awaited. */
  open(client: ModelClient, isAdmitted: boolean): void {
    client.state = "pending";
    this.#await(client, "verdict");
    if (isAdmitted) this.admit(client);
  }

  /** The verdict on its token has come. */
  admit(client: ModelClient): void {
    if (client.state !== "pending" || client.awaited === undefined) return;
    client.awaited = undefined;
    if (client.who === "refused") return this.#end(client, CLOSE.invalidToken);
    if (client.who === "unauthenticated") this.#closeAfter(client, 10_000);
    else this.#set(client, client.silentMs, () => this.#enter(client, "normal"));
    this.#goOn(client);
  }

  /** The verdict on its consumer token has come. */
  consumerVerdict(client: ModelClient, refusal: CloseReason | null): void {
    if (isEnded(client) || client.awaited !== "verdict") return;
    client.deadline = client.awaited = undefined;
    this.#judge(client, refusal);
    this.#goOn(client);
  }

  /** The other instances have answered its join, or did not. */
  joinAnswered(client: ModelClient, isAnswered: boolean): void {
    if (isEnded(client) || client.awaited !== "join") return;
    client.deadline = client.awaited = undefined;
    if (isAnswered) this.#joined(client, client.role);
    else this.#end(client, CLOSE.internalError);
    this.#goOn(client);
  }

  say(client: ModelClient, said: Said): void {
    if (isEnded(client)) return;
    if (client.awaited !== undefined) return void client.early.push(said);
    if (said.kind === "garbage") return this.#complain(client);
    if (said.kind === "signal") return this.#signal(client, said);
    if (said.role === "normal") {
      if (client.who === "unauthenticated") return this.#end(client, CLOSE.missingToken);
      return this.#enter(client, "normal");
    }
    if (said.token === "good") return this.#judge(client, null);
    if (said.token === "bad") return this.#judge(client, CLOSE.invalidConsumerToken);
    this.#await(client, "verdict");
  }

  /** The client has closed its socket, or has confirmed that the server did. */
  gone(client: ModelClient): void {
    if (!isEnded(client)) this.#leave(client);
    client.state = "closed";
  }

  closePending(): void {
    for (const client of this.clients) {
      if (client.state === "pending") this.#end(client, CLOSE.outOfMemory);
    }
  }

  /** The moment at which something happens by itself, up to `end`. */
  nextMoment(end: number): number {
    const moments = this.clients.flatMap(({ deadline }) => deadline?.at ?? []);
    return Math.min(end, this.#nextLook.at, ...moments);
  }

  /** Lets the time pass to a moment no later than the next one. */
  passTo(moment: number): void {
    this.now = moment;
    const due = [this.#nextLook, ...this.clients.flatMap(({ deadline }) => deadline ?? [])]
      .filter(({ at }) => at <= moment).sort((a, b) => a.order - b.order);
    for (const { act } of due) act();
  }

  normals(room: string): string[] {
    return (this.rooms.get(room) ?? []).filter(({ role }) => role === "normal")
      .map(({ name }) => name);
  }

  /** Begins a step: forgets what was seen and expected in the one before. */
  begin(): void {
    this.seen.clear();
    for (const room of this.rooms.keys()) this.seen.set(room, [this.normals(room)]);
    for (const client of this.clients) client.expected = [];
  }

  #look(): void {
    for (const client of this.clients) {
      if (isEnded(client)) continue;
      if (client.isStalled && client.wasSeenStalled) this.#end(client, CLOSE.readsTooSlowly);
      client.wasSeenStalled = client.isStalled;
    }
    this.#nextLook = { ...this.#nextLook, at: this.now + LOOK_MS, order: this.#order++ };
  }

  #await(client: ModelClient, what: "verdict" | "join"): void {
    client.awaited = what;
    this.#closeAfter(client, 10_000);
  }

  #goOn(client: ModelClient): void {
    for (const said of client.early.splice(0)) this.say(client, said);
  }

  #judge(client: ModelClient, refusal: CloseReason | null): void {
    if (refusal === null) return this.#enter(client, "consumer");
    this.#tell(client, { type: "auth-err", status: "UNAUTHENTICATED" });
    this.#end(client, refusal);
  }

  #enter(client: ModelClient, role: Role): void {
    client.deadline = undefined;
    client.role = role;
    if (client.isSlow && client.state !== "joined") this.#await(client, "join");
    else this.#joined(client, role);
  }

  #joined(client: ModelClient, role: Role): void {
    const members = this.rooms.get(client.room) ?? [];
    const member = members.find(({ name }) => name === client.name);
    const isFull = members.filter((other) => other.role === role && other.name !== client.name)
      .length >= this.#maxPeers;
    if (client.state === "joined" && member !== undefined) {
      if (isFull) return this.#end(client, CLOSE.roomFull);
      if (member.role !== role) this.#forgetOffers(client);
      member.role = role;
    } else if (member !== undefined) {
      if (role === "consumer" && member.role === "normal") {
        return this.#end(client, CLOSE.nodeIdInUse);
      }
      if (isFull) return this.#end(client, CLOSE.roomFull);
      const old = member.owner;
      const reason = member.role === role ? CLOSE.replaced : CLOSE.nodeIdInUse;
      Object.assign(member, { owner: client, role });
      this.#end(old, reason);
    } else {
      if (isFull) return this.#end(client, CLOSE.roomFull);
      this.rooms.set(client.room, [...members, { name: client.name, role, owner: client }]);
    }
    client.state = "joined";
    this.#changed(client.room);
    if (client.isFull || client.hasVanished) return this.#end(client, CLOSE.readsTooSlowly);
    const peers = this.normals(client.room).filter((name) => name !== client.name);
    this.#tell(client, role === "normal" ? { type: "peer-list", peers } : { type: "server-list" });
  }

  #signal(client: ModelClient, said: Said & { kind: "signal" }): void {
    const { type, to, mark } = said;
    if (client.state === "pending") {
      if (client.who === "unauthenticated") return this.#complain(client);
      this.#enter(client, "normal");
      if (client.awaited !== undefined) return void client.early.unshift(said);
    }
    if (client.state !== "joined") return;
    const target = this.rooms.get(client.room)?.find(({ name }) => name === to)?.owner;
    const mayTalk = client.role === "normal" || target?.role === "normal";
    if (target !== undefined && mayTalk) {
      if (!this.#isWanted(client, target, type)) return;
      const frame = { type, to, from: client.name, fromRole: client.role, mark };
      if (this.#tell(target, frame)) return;
      if (target.isFull && !target.hasVanished) {
        if (type === "answer") this.#takeAnswerBack(client, target);
        this.#tell(client, { type: "error", code: "PEER_BUSY", to });
        return;
      }
    }
    this.#tell(client, { type: "error", code: "PEER_NOT_FOUND", to });
  }

  /** An answer to an offer that has been answered is not, for 90 s after the last offer. */
  #isWanted(from: ModelClient, to: ModelClient, type: string): boolean {
    if (type === "ice-candidate") return true;
    const made = `${from.index}>${to.index}`;
    const got = `${to.index}>${from.index}`;
    const both = from.index < to.index ? made : got;
    const offeredAt = this.#offeredAt.get(both) ?? this.now;
    const isForgotten = this.now >= offeredAt + FORGET_MS;
    if (isForgotten) { for (const one of [made, got]) this.#unanswered.delete(one); }
    this.#offeredAt.set(both, isForgotten || type === "offer" ? this.now : offeredAt);
    if (type === "offer") {
      this.#unanswered.set(made, Math.min((this.#unanswered.get(made) ?? 0) + 1, 16));
    }
    const waiting = this.#unanswered.get(got);
    if (type !== "answer" || waiting === undefined) return true;
    this.#unanswered.set(got, Math.max(waiting - 1, 0));
    return waiting > 0;
  }

  /** A peer that changes its role starts again: offers to it and from it no longer count. */
  #forgetOffers({ index }: ModelClient): void {
    for (const pairs of [this.#unanswered, this.#offeredAt]) {
      for (const pair of pairs.keys()) {
        if (pair.split(">").includes(String(index))) pairs.delete(pair);
      }
    }
  }

  #takeAnswerBack(from: ModelClient, to: ModelClient): void {
    const got = `${to.index}>${from.index}`;
    const waiting = this.#unanswered.get(got);
    if (waiting !== undefined) this.#unanswered.set(got, waiting + 1);
  }

  #complain(client: ModelClient): void {
    this.#tell(client, { type: "error", code: "INVALID_MESSAGE" });
  }

  #tell(client: ModelClient, frame: Record<string, unknown>): boolean {
    if (isEnded(client) || client.hasVanished || client.isFull) return false;
    return client.expected.push(frame) > 0;
  }

  #end(client: ModelClient, why: CloseReason): void {
    if (isEnded(client)) return;
    client.closedWith = why;
    this.#leave(client);
    client.state = "closing";
  }

  #leave(client: ModelClient): void {
    client.deadline = client.awaited = undefined;
    client.early = [];
    const members = this.rooms.get(client.room) ?? [];
    const others = members.filter(({ owner }) => owner !== client);
    if (others.length === members.length) return;
    if (others.length > 0) this.rooms.set(client.room, others);
    else this.rooms.delete(client.room);
    this.#changed(client.room);
  }

  #changed(room: string): void {
    const normals = this.normals(room);
    const seen = this.seen.get(room) ?? [[]];
    if (normals.join() !== seen.at(-1)?.join()) this.changedAt.set(room, this.now);
    this.seen.set(room, [...seen, normals]);
  }

  #closeAfter(client: ModelClient, ms: number): void {
    this.#set(client, ms, () => this.#end(client, CLOSE.registrationTimeout));
  }

  #set(client: ModelClient, ms: number, act: () => void): void {
    client.deadline = { at: this.now + ms, order: this.#order++, act };
  }
}

export function isEnded({ state }: ModelClient): boolean {
  return state === "closing" || state === "closed";
}
