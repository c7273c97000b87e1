/**
 * Every interleaving of clients that fight over names, run over and over with seeded schedules on a
 * clock that stands still: nobody acts by a name that somebody else holds.
 */

import { assert, assertEquals } from "@std/assert";
import type { Admission } from "../../src/access/admission.ts";
import type { Connection } from "../../src/sessions/connection.ts";
import type { Phase } from "../../src/sessions/connections.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";
import { FakeSocket } from "../helpers/socket.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";
import { generator } from "../helpers/random.ts";

const SCHEDULES = 3000;
const STEPS = 40;
const NAMES = ["victim", "other", "third"];
const REGISTER_NORMAL = '{"type":"register"}';
const REGISTER_CONSUMER = '{"type":"register","role":"consumer","token":"t"}';

/** A client with its verdicts held back, and what may be true of it. */
class Actor {
  readonly socket = new FakeSocket();
  readonly session: Connection;
  readonly name: string;
  readonly isUnauthenticated: boolean;
  readonly mark: number;
  readonly verdict = Promise.withResolvers<Admission>();
  isOpen = false;
  isLost = false;

  constructor(world: SessionFixture, name: string, isUnauthenticated: boolean, mark: number) {
    this.name = name;
    this.isUnauthenticated = isUnauthenticated;
    this.mark = mark;
    this.session = world.start(this.socket, this.verdict.promise);
  }

  get isEnded(): boolean {
    return this.isLost || this.socket.closedWith !== undefined;
  }

  admit(): void {
    this.verdict.resolve({
      kind: "accepted",
      identity: { room: "room", nodeId: this.name, canJoinAsNormal: !this.isUnauthenticated },
    });
  }
}

async function runSchedule(seed: number): Promise<void> {
  const random = generator(seed);
  const verdicts: ((refusal: CloseReason | null) => void)[] = [];
  const world = new SessionFixture({}, () => new Promise((resolve) => verdicts.push(resolve)));
  const actors: Actor[] = [];
  const pick = () => actors[random(actors.length)];

  for (let step = 0; step < STEPS; step++) {
    const actor = pick();
    switch (actor === undefined ? 0 : random(9)) {
      case 0:
      case 1: {
        const name = NAMES[random(NAMES.length)] ?? "victim";
        actors.push(new Actor(world, name, random(3) === 0, actors.length));
        break;
      }
      case 2:
        if (actor && !actor.isOpen && !actor.isLost) {
          actor.isOpen = true;
          actor.session.handleEvent(new Event("open"));
        }
        break;
      case 3:
        actor?.admit();
        break;
      case 4:
        if (actor?.isOpen) send(actor, random(2) ? REGISTER_NORMAL : REGISTER_CONSUMER);
        break;
      case 5:
        if (actor?.isOpen) send(actor, offer(NAMES[random(NAMES.length)] ?? "", actor.mark));
        break;
      case 6:
        verdicts.splice(random(verdicts.length + 1), 1)[0]?.(
          random(4) ? null : CLOSE.invalidConsumerToken,
        );
        break;
      case 7:
        if (actor?.isOpen) {
          actor.isLost = true;
          actor.session.handleEvent(new Event("close"));
        }
        break;
      case 8:
        world.clock.tick([1, 249, 1000, 11_000][random(4)] ?? 1);
        break;
    }
    for (let n = random(4); n > 0; n--) await Promise.resolve();
    check(world, actors);
  }
  for (const resolve of verdicts) resolve(null);
  for (const actor of actors) {
    actor.admit();
    actor.isLost = true;
    actor.session.handleEvent(new Event("close"));
    actor.session.handleEvent(new Event("close"));
  }
  for (let n = 0; n < 10; n++) await Promise.resolve();
  world.negotiations.close();
  assertEquals([world.registry.peers, world.registry.rooms], [0, 0]);
  assertEquals([world.connections.size, world.connections.closing], [0, 0]);
  assertEquals([world.clock.pending, world.errors], [0, []]);
}

function offer(to: string, mark: number): string {
  return JSON.stringify({ type: "offer", to, mark });
}

/** Sends as an actor; once it has ended, nobody may hear of it. */
function send(actor: Actor, text: string): void {
  const sentBefore = actor.socket.sent.length;
  const wasEnded = actor.isEnded;
  actor.session.receive(text);
  if (wasEnded) assertEquals(actor.socket.sent.length, sentBefore);
}

function check(world: SessionFixture, actors: readonly Actor[]): void {
  const joined = actors.filter(({ isEnded, socket }) =>
    !isEnded && socket.sent.some(({ type }) => type === "peer-list" || type === "server-list")
  );
  assertEquals(new Set(joined.map(({ name }) => name)).size, joined.length, "one socket a name");
  assertEquals(world.registry.peers, joined.length, "counts equal sockets");
  assertEquals(world.registry.rooms, joined.length > 0 ? 1 : 0, "rooms vanish when empty");
  const inPhase = (...phases: Phase[]) =>
    actors.filter(({ session }) => phases.includes(session.phase)).length;
  assertEquals(
    inPhase("pending", "joined"),
    actors.filter((actor) => actor.isOpen && !actor.isEnded).length,
  );
  assertEquals(inPhase("joined"), joined.length, "who has joined is counted as joined");
  assertEquals(world.connections.pending, inPhase("opening", "pending"));
  assertEquals(world.connections.closing, inPhase("closing", "refused"));
  assertEquals(world.connections.neverOpened, inPhase("neverOpened"));
  for (const actor of actors) {
    for (const frame of actor.socket.sent) {
      if (frame.type !== "offer") continue;
      const sender = actors[frame.mark];
      assert(sender !== undefined && frame.from === sender.name, "from is the sender's own name");
      if (sender.isUnauthenticated) {
        assertEquals(frame.fromRole, "consumer", "an unauthenticated client is no normal");
      }
      assert(actor.name === frame.to, "what is relayed reaches whom it names");
    }
    if (actor.isUnauthenticated) {
      assert(
        actor.socket.sent.every(({ type }) => type !== "peer-list"),
        "no list for an unauthenticated client",
      );
    }
  }
}

Deno.test(`race: ${SCHEDULES} schedules of clients that fight over names keep every invariant`, async () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    try {
      await runSchedule(seed);
    } catch (cause) {
      throw new Error(`Schedule ${seed}: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
    }
  }
});

/** All orders of the steps of two clients, each keeping its own order. */
function* interleavings(one: readonly string[], two: readonly string[]): Generator<string[]> {
  const [a, ...restOne] = one;
  const [b, ...restTwo] = two;
  if (a === undefined || b === undefined) return void (yield [...one, ...two]);
  for (const rest of interleavings(restOne, two)) yield [a, ...rest];
  for (const rest of interleavings(one, restTwo)) yield [b, ...rest];
}

Deno.test("race: a token-less socket never becomes its victim, in any interleaving of a takeover", async () => {
  const attack = [
    "unauthenticated opens",
    "unauthenticated admitted",
    "unauthenticated registers",
    "unauthenticated offers",
  ];
  const takeover = ["victim opens", "victim admitted", "victim registers", "victim offers"];
  let count = 0;
  for (const steps of interleavings(attack, takeover)) {
    for (const verdict of [null, CLOSE.invalidConsumerToken]) {
      count++;
      const world = new SessionFixture({}, () => Promise.resolve(verdict));
      const bystander = world.join("bystander");
      const old = world.join("victim");
      const [unauthenticated, victim] = [
        new Actor(world, "victim", true, 1),
        new Actor(world, "victim", false, 2),
      ];
      for (const step of steps) {
        const [who, what] = step.split(" ");
        const actor = who === "unauthenticated" ? unauthenticated : victim;
        if (what === "opens") actor.session.handleEvent(new Event("open"));
        if (what === "admitted") actor.admit();
        if (what === "registers") {
          actor.session.receive(who === "unauthenticated" ? REGISTER_CONSUMER : REGISTER_NORMAL);
        }
        if (what === "offers") actor.session.receive(offer("bystander", actor.mark));
        for (let n = 0; n < 5; n++) await Promise.resolve();
      }
      for (let n = 0; n < 5; n++) await Promise.resolve();
      const heard = bystander.socket.sent.filter(({ type }) => type === "offer");
      assertEquals(
        heard.map(({ mark, fromRole }) => [mark, fromRole]),
        [[2, "normal"]],
        steps.join(),
      );
      assertEquals(old.socket.closedWith, CLOSE.replaced);
      assertEquals(victim.socket.closedWith, undefined);
      assert(unauthenticated.socket.closedWith !== undefined);
      assertEquals(world.registry.peers, 2);
    }
  }
  assertEquals(count, 140);
});
