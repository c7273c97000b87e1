/** Runs a random schedule on a world and on the model of it, and compares them after every step. */

import { assertEquals } from "@std/assert";
import type { Admission } from "../../src/access/admission.ts";
import { Connections } from "../../src/sessions/connections.ts";
import { SILENT_JOIN_MS } from "../../src/sessions/deadlines.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";
import { type Actor, checkFrames, checkState, PUSH_MS, StrictSocket } from "./actor.ts";
import { isEnded, LOOK_MS, Model, type ModelClient, type Said } from "./model.ts";
import type { Step } from "./schedules.ts";
import { FAILED_JOIN, MAX_PEERS, SessionFixture } from "./session_fixture.ts";

type ActorStep = Exclude<Step, { op: "connect" | "time" | "pressure" }>;

const MAX_SEND_BUFFER_BYTES = 1_000_000;

export class ScheduleRunner {
  readonly world: SessionFixture;
  readonly #model = new Model(MAX_PEERS);
  readonly #actors: Actor[] = [];
  /** Who sent the message of each mark. */
  readonly #senders: ModelClient[] = [];
  readonly #start: number;
  /** How many joins have failed. */
  #failures = 0;

  /** How many lists named the client that received them. */
  get toldOfItself(): number {
    return this.#actors.reduce((sum, { toldOfItself }) => sum + toldOfItself, 0);
  }

  constructor() {
    const authorize = (token = "") => {
      if (!token.startsWith("slow")) return token === "good" ? null : CLOSE.invalidConsumerToken;
      const { promise, resolve } = Promise.withResolvers<CloseReason | null>();
      const actor = this.#actors[Number(token.slice(4))];
      if (actor !== undefined) actor.judge = resolve;
      return promise;
    };
    this.world = new SessionFixture({ maxSendBufferBytes: MAX_SEND_BUFFER_BYTES }, authorize);
    const { clock, limits } = this.world;
    const connections = new Connections({ clock, checkMs: LOOK_MS, tickMs: 0, limits });
    Object.assign(this.world, { connections });
    Object.assign(this.world.context, { connections });
    this.#start = clock.now();
    this.world.isJoinSlow = (connection) =>
      this.#actors.find(({ session }) => session === connection)?.client.isSlow ?? false;
  }

  /** Runs it, with one client that is there all the time, so that looks come at a steady pace. */
  async run(steps: readonly Step[]): Promise<void> {
    await this.#step({
      op: "connect",
      name: "a",
      room: "lobby",
      who: "normal",
      isLate: false,
      isSlow: false,
      namesRoom: false,
      isOpen: true,
    });
    for (const each of steps) await this.#step(each);
  }

  /** Every client leaves; nothing may be left behind. */
  async end(): Promise<void> {
    for (const actor of this.#actors) this.#close(actor);
    await flush();
    this.world.negotiations.close();
    const { registry, connections } = this.world;
    assertEquals([registry.peers, registry.rooms], [0, 0]);
    assertEquals([connections.size, connections.closing, connections.neverOpened], [0, 0, 0]);
    this.#checkErrors();
  }

  async #step(each: Step): Promise<void> {
    if (each.op === "time") return await this.#pass(each.ms);
    this.#model.begin();
    if (each.op === "pressure") {
      this.#model.closePending();
      this.world.connections.closePending(CLOSE.outOfMemory);
    } else if (each.op === "connect") this.#connect(each);
    else {
      const present = this.#actors.slice(1).filter(({ client }) => client.state !== "closed");
      const actor = present[each.pick % present.length];
      if (actor !== undefined) this.#act(actor, each);
    }
    await this.#settle();
  }

  /** Lets time pass from one moment at which something happens to the next. */
  async #pass(ms: number): Promise<void> {
    for (const end = this.#model.now + ms; this.#model.now < end;) {
      this.#model.begin();
      const moment = this.#model.nextMoment(end);
      this.world.clock.tick(moment - this.#model.now);
      this.#model.passTo(moment);
      await this.#settle();
    }
  }

  #connect(step: Step & { op: "connect" }): void {
    const { name, room, who, isLate, isSlow, namesRoom, isOpen } = step;
    const silentMs = namesRoom ? SILENT_JOIN_MS.urlWithRoom : SILENT_JOIN_MS.urlWithoutRoom;
    const client = this.#model.connect({ name, room, who, isSlow, silentMs });
    this.world.namesRoom = namesRoom;
    const socket = new StrictSocket(() => this.world.clock.now() - this.#start);
    const identity = { room, nodeId: name, canJoinAsNormal: who === "normal" };
    const admission: Admission = who === "refused"
      ? { kind: "rejected", close: CLOSE.invalidToken }
      : { kind: "accepted", identity };
    const { promise, resolve } = Promise.withResolvers<Admission>();
    this.#actors.push({
      client,
      socket,
      session: this.world.start(socket, isLate ? promise : admission),
      connectedAt: this.#model.now,
      hasStalled: false,
      admit: isLate ? () => resolve(admission) : undefined,
      judge: undefined,
      listedAt: -PUSH_MS,
      servers: [],
      toldOfItself: 0,
      heard: new Map(),
    });
    const actor = this.#actors.at(-1);
    if (isOpen && actor !== undefined) this.#open(actor);
  }

  #open({ client, session, admit }: Actor): void {
    if (client.state !== "opening") return;
    session.handleEvent(new Event("open"));
    // A verdict that is there already differs in nothing but a turn.
    this.#model.open(client, admit === undefined);
  }

  #close({ client, socket, session }: Actor): void {
    socket.readyState = 3;
    session.handleEvent(new Event("close"));
    this.#model.gone(client);
  }

  #act(actor: Actor, each: ActorStep): void {
    const { client, socket } = actor;
    const mayAct = client.state !== "opening" && !client.hasVanished;
    switch (each.op) {
      case "open":
        return this.#open(actor);
      case "close":
        return this.#close(actor);
      case "vanish":
        if (!mayAct || isEnded(client)) return;
        client.hasVanished = true;
        socket.readyState = 3;
        return;
      case "stall":
        // Once only: what comes and goes between two looks cannot be told from what stays.
        if (!mayAct || actor.hasStalled) return;
        actor.hasStalled = client.isStalled = socket.isStalled = true;
        socket.bufferedAmount = 1;
        return;
      case "recover":
        client.isStalled = socket.isStalled = false;
        socket.bufferedAmount = 0;
        return;
      case "pipeline":
        for (const frame of each.frames) {
          if (!isEnded(client)) this.#act(actor, frame);
        }
        return;
      case "answer":
        return this.#answer(actor, each.pick % 9 > 0);
      case "verdict":
        return this.#decide(actor, each.pick % 3 === 0 ? CLOSE.invalidConsumerToken : null);
      case "garbage":
        if (mayAct) this.#say(actor, { kind: "garbage" }, each.pick % 2 ? "{" : '{"type":1}');
        return;
      case "register": {
        if (!mayAct) return;
        const token = each.token === "slow" ? `slow${client.index}` : each.token;
        const said = { kind: "register", role: each.role, token } as const;
        const text = JSON.stringify({ type: "register", role: each.role, token, nodeId: "victim" });
        return this.#withFull(each.isFull ? actor : undefined, () => this.#say(actor, said, text));
      }
      case "signal":
        if (!mayAct) return;
        this.#signal(actor, each);
        if (each.isTwice) this.#signal(actor, each);
    }
  }

  /** Lets the join of an actor be answered, or fail. */
  #answer({ client, session }: Actor, isAnswered: boolean): void {
    if (!this.world.joins.has(session)) return;
    if (!isAnswered) this.#failures++;
    this.world.answerJoin(session, isAnswered);
    this.#model.joinAnswered(client, isAnswered);
  }

  /** Sends a signal that says to be of somebody else. */
  #signal(actor: Actor, { type, to, isFull }: Step & { op: "signal" }): void {
    const { client } = actor;
    const mark = this.#senders.push(client) - 1;
    const text = JSON.stringify({ type, to, from: "victim", fromRole: "normal", mark });
    const target = this.#model.rooms.get(client.room)?.find((member) => member.name === to);
    const full = isFull ? this.#actors[target?.owner.index ?? -1] : undefined;
    this.#withFull(full, () => this.#say(actor, { kind: "signal", type, to, mark }, text));
  }

  /** Does something while so much waits for this actor that nothing is added. */
  #withFull(actor: Actor | undefined, act: () => void): void {
    if (actor === undefined) return act();
    const { client, socket } = actor;
    const before = socket.bufferedAmount;
    socket.bufferedAmount = 2 * MAX_SEND_BUFFER_BYTES + 1;
    client.isFull = true;
    act();
    client.isFull = false;
    socket.bufferedAmount = before;
  }

  #say({ client, session }: Actor, said: Said, text: string): void {
    session.handleEvent(new MessageEvent("message", { data: text }));
    this.#model.say(client, said);
  }

  #decide(actor: Actor, refusal: CloseReason | null): void {
    const { client, admit, judge } = actor;
    actor.admit = actor.judge = undefined;
    admit?.();
    judge?.(refusal);
    if (admit !== undefined) this.#model.admit(client);
    if (judge !== undefined) this.#model.consumerVerdict(client, refusal);
  }

  async #settle(): Promise<void> {
    await flush();
    assertEquals(this.world.clock.now() - this.#start, this.#model.now);
    for (const actor of this.#actors) {
      checkState(actor, this.#model);
      checkFrames(actor, this.#model, this.#senders);
    }
    this.#checkCounts();
  }

  #checkErrors(): void {
    const expected = `A session failed: Error: ${FAILED_JOIN}`;
    assertEquals(this.world.errors, Array(this.#failures).fill(expected));
  }

  #checkCounts(): void {
    const { registry, connections } = this.world;
    const members = [...this.#model.rooms.values()].reduce((sum, { length }) => sum + length, 0);
    assertEquals([registry.peers, registry.rooms], [members, this.#model.rooms.size]);
    const isLost = ({ session }: Actor) => session.phase === "neverOpened";
    const inState = (...states: ModelClient["state"][]) =>
      this.#actors.filter((actor) => states.includes(actor.client.state) && !isLost(actor)).length;
    assertEquals(
      [connections.pending, connections.closing, connections.neverOpened, connections.size],
      [
        inState("opening", "pending"),
        inState("closing"),
        this.#actors.filter(isLost).length,
        inState("opening", "pending", "joined", "closing"),
      ],
    );
    this.#checkErrors();
  }
}

/** Lets every promise that is settled be heard of. */
async function flush(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}
