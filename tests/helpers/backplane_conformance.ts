/**
 * What every backplane does, tested on the interface itself. Call `testBackplane` for a new one, and
 * add it to `BACKPLANES` for the tests of whole servers.
 */

import { assertEquals } from "@std/assert";
import {
  type Backplane,
  type Envelope,
  type EnvelopeHeader,
  type Member,
  type RoomEvent,
  type RoomView,
  summarize,
  type UndeliverableReason,
} from "../../src/cluster/backplane.ts";
import type { BackplaneKind, BackplaneServer } from "./backplanes.ts";
import type { RoomLimits } from "../../src/rooms/room.ts";
import { until } from "./patience.ts";

/** Rooms may have any number of members. */
export const NO_LIMITS: RoomLimits = {
  maxPeersPerRoom: Infinity,
  maxConsumersPerRoom: Infinity,
  maxConsumersPerIdentity: Infinity,
};

/** One instance, with everything that it has received and not yet been asked for. */
export class ConnectedInstance {
  readonly backplane: Backplane;
  instance = "";
  readonly downReasons: string[] = [];
  readonly envelopes: Envelope[] = [];
  readonly undeliverable: [EnvelopeHeader, UndeliverableReason][] = [];
  readonly lost: string[] = [];
  readonly listed = new Set<string>();
  readonly failedAddresses: string[] = [];
  /** What was posted to it: sender and text. */
  readonly posts: [string, string][] = [];
  /** How many events had come when each of them came. */
  readonly eventsBeforePosts: number[] = [];
  #events: RoomEvent[] = [];
  #lastNumber = 0;

  constructor(backplane: Backplane) {
    this.backplane = backplane;
    backplane.start({
      up: (instance) => this.instance = instance,
      down: (reason) => this.downReasons.push(reason),
      roomChanged: (event) => this.#events.push(event),
      received: (envelope) => this.envelopes.push(envelope),
      undeliverable: (...report) => this.undeliverable.push(report),
      membersLost: (room) => this.lost.push(room),
      roomsListed: (rooms) => rooms.forEach((room) => this.listed.add(room)),
      warn: () => {},
      authFailed: (address) => this.failedAddresses.push(address),
      posted: (text, from) => {
        this.posts.push([from, text]);
        this.eventsBeforePosts.push(this.#events.length);
      },
    });
  }

  /** A member of this instance. */
  member(id: string, more: Partial<Member> = {}): Member {
    const number = ++this.#lastNumber;
    const { instance } = this;
    return {
      id,
      instance,
      number,
      role: "normal",
      acceptsConsumers: true,
      consumerIdentity: "",
      joinedAt: 1_800_000_000_000 + number,
      ...more,
    };
  }

  /** Claims a name for a new member, which it returns. */
  async join(room: string, id: string, more: Partial<Member> = {}): Promise<Member> {
    const member = this.member(id, more);
    const reply = await this.backplane.join(room, member, { mode: "join", limits: NO_LIMITS });
    assertEquals(reply, "joined");
    return member;
  }

  /** The next events, of which there have to be so many. */
  async events(count: number): Promise<RoomEvent[]> {
    await until(`${count} events`, () => this.#events.length >= count);
    return this.#events.splice(0);
  }

  /** What has come so far. */
  get received(): string[] {
    return brief(this.#events);
  }

  /** Everything that was published before has arrived, and is forgotten. */
  async settle(): Promise<RoomEvent[]> {
    const probe = this.member("probe");
    const room = `probe ${crypto.randomUUID()}`;
    await this.backplane.join(room, probe, { mode: "join", limits: NO_LIMITS });
    await until("the probe", () => this.#events.some((event) => event.room === room));
    this.backplane.leave(room, "probe", probe);
    return this.#events.splice(0).filter((event) => event.room !== room);
  }

  /** What it would say of a room in an audit. */
  view(room: string, members: readonly Member[], others?: readonly Member[]): RoomView {
    return {
      room,
      members: members.map(({ id, number }) => ({ id, number, isRequired: true })),
      others: others && summarize(others),
    };
  }
}

type Connect = () => Promise<ConnectedInstance>;

/** Registers every test of this suite for one kind of backplane. */
export function testBackplane(kind: BackplaneKind): void {
  for (const [sentence, test] of SENTENCES) {
    Deno.test({
      name: `backplane (${kind.name}): ${sentence}`,
      ignore: kind.ignore,
      fn: async () => {
        await using server = await kind.open();
        await withInstances(server, test);
      },
    });
  }
}

async function withInstances(
  server: BackplaneServer,
  test: (connect: Connect) => Promise<void>,
): Promise<void> {
  const instances: ConnectedInstance[] = [];
  try {
    await test(async () => {
      const instance = new ConnectedInstance(server.connect());
      instances.push(instance);
      await until("the backplane to be up", () => instance.instance !== "");
      return instance;
    });
  } finally {
    for (const { backplane } of instances) await backplane.close();
  }
}

/** The ids of a snapshot, or the id that an event is about. */
function idsOf(event: RoomEvent): string {
  switch (event.kind) {
    case "snapshot":
      return event.members.map(({ id }) => id).join();
    case "joined":
    case "updated":
      return event.member.id;
    case "left":
      return event.id;
    case "instance left":
      return event.instance;
  }
}

function brief(events: readonly RoomEvent[]): string[] {
  return events.map((event) => `${event.kind} ${idsOf(event)}`);
}

const SENTENCES: readonly [string, (connect: Connect) => Promise<void>][] = [
  ["every instance has a name of its own", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    assertEquals(x.instance === y.instance, false);
  }],

  [
    "an instance receives the room with its first member, then every further one",
    async (connect) => {
      const [x, y] = [await connect(), await connect()];
      const a = await x.join("r", "a");
      const b = await y.join("r", "b");
      const c = await x.join("r", "c");
      const [snapshot, ...joined] = await x.events(3);
      const common = { room: "r", rotation: 0, isReclaim: false };
      assertEquals(snapshot, { kind: "snapshot", members: [{ ...a, joinOrder: 1 }], ...common });
      assertEquals(joined, [
        { kind: "joined", member: { ...b, joinOrder: 2 }, ...common },
        { kind: "joined", member: { ...c, joinOrder: 3 }, ...common },
      ]);
      assertEquals(brief(await y.events(2)), ["snapshot a,b", "joined c"]);
    },
  ],

  ["a newcomer of the same role replaces a member, and keeps its place", async (connect) => {
    const [x, y, z] = [await connect(), await connect(), await connect()];
    const first = await x.join("r", "a");
    await y.join("r", "b");
    const second = await y.join("r", "a");
    x.backplane.leave("r", "a", first);
    x.backplane.update("r", { ...first, acceptsConsumers: false });
    await x.settle();
    await z.join("r", "c");
    const [snapshot] = await z.events(1);
    const members = snapshot?.kind === "snapshot" ? snapshot.members : [];
    assertEquals(members.map(({ id, joinOrder }) => [id, joinOrder]), [["a", 1], ["b", 2], [
      "c",
      3,
    ]]);
    assertEquals(members[0], { ...second, joinOrder: 1 });
  }],

  [
    "the instance of a replaced member receives its successor, even as its last event",
    async (connect) => {
      const [x, y] = [await connect(), await connect()];
      await x.join("r", "a");
      await y.join("r", "a");
      await y.join("r", "b");
      assertEquals(brief(await x.settle()), ["snapshot a", "joined a"]);
    },
  ],

  ["a normal peer takes any name over, a consumer that of its own identity", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const claim = (id: string, more: Partial<Member>) =>
      y.backplane.join("r", y.member(id, more), { mode: "join", limits: NO_LIMITS });
    const consumer = (consumerIdentity: string) => ({
      role: "consumer" as const,
      consumerIdentity,
    });
    await x.join("r", "normal");
    await x.join("r", "consumer", consumer("issuer one"));
    assertEquals(await claim("normal", consumer("issuer one")), "idInUse");
    assertEquals(await claim("consumer", consumer("issuer two")), "idInUse");
    assertEquals(await claim("consumer", consumer("")), "idInUse");
    assertEquals(await claim("consumer", consumer("issuer one")), "joined");
    assertEquals(await claim("consumer", {}), "joined");
    assertEquals(await claim("normal", {}), "joined");
    const identities = (await y.settle()).map((event) =>
      event.kind === "joined" || event.kind === "updated" ? event.member.consumerIdentity : ""
    );
    assertEquals(identities, ["", "", ""].slice(0, identities.length));
  }],

  [
    "a name that was taken over three times, on whichever instance, stays with its holder",
    async (connect) => {
      const instances = [await connect(), await connect(), await connect()] as const;
      const [x, y, z] = instances;
      const claim = (
        on: ConnectedInstance,
        member: Member,
        dead?: Member,
        mode: "join" | "reclaim" = "join",
      ) =>
        on.backplane.join("r", member, {
          mode,
          limits: NO_LIMITS,
          ...(dead && { dead: { instance: dead.instance, number: dead.number } }),
        });
      for (const on of [x, y, z]) assertEquals(await claim(on, on.member("a")), "joined");
      const a = x.member("a");
      assertEquals(await claim(x, a), "joined and kept");
      const keptBy = { instance: a.instance, number: a.number };
      const other = x.member("other");
      for (const on of instances) assertEquals(await claim(on, on.member("a")), { keptBy });
      assertEquals(await claim(y, y.member("a"), other), { keptBy });
      assertEquals(await claim(y, { ...y.member("a"), number: a.number }), { keptBy });
      assertEquals(await claim(y, y.member("a", { role: "consumer" })), "idInUse");
      assertEquals(await claim(x, a), "joined");
      assertEquals(await claim(y, y.member("b")), "joined");
      // One that is dead keeps nothing, and the next one does.
      const next = y.member("a");
      assertEquals(await claim(y, next, a), "joined");
      assertEquals(await claim(z, z.member("a"), a), {
        keptBy: { instance: next.instance, number: next.number },
      });
      const reclaimed = z.member("a", { joinedAt: next.joinedAt + 1000 });
      assertEquals(await claim(z, reclaimed, undefined, "reclaim"), "joined");
      z.backplane.leave("r", "a", reclaimed);
      await z.settle();
      assertEquals(await claim(x, x.member("a")), "joined");
      assertEquals(brief(await y.settle()).at(-1), "joined a");
    },
  ],

  ["only takeovers from a member of the same role that is not dead count", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const claim = (member: Member, dead?: Member) =>
      y.backplane.join("r", member, { mode: "join", limits: NO_LIMITS, ...(dead && { dead }) });
    let holder = await x.join("r", "a");
    for (let n = 0; n < 5; n++) {
      const newcomer = y.member("a");
      assertEquals(await claim(newcomer, holder), "joined");
      holder = newcomer;
    }
    for (let n = 0; n < 5; n++) {
      y.backplane.leave("r", "a", holder);
      holder = y.member("a");
      assertEquals(await claim(holder), "joined");
    }
    for (let n = 0; n < 5; n++) {
      const consumer = y.member(`c${n}`, { role: "consumer" });
      assertEquals(await claim(consumer), "joined");
      assertEquals(await claim(y.member(`c${n}`)), "joined");
    }
  }],

  ["each role has a limit of its own, and each identity", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const limits = { maxPeersPerRoom: 1, maxConsumersPerRoom: 3, maxConsumersPerIdentity: 2 };
    const claim = (id: string, more: Partial<Member> = {}, mode: "join" | "reclaim" = "join") =>
      y.backplane.join("r", y.member(id, more), { mode, limits });
    const consumer = (consumerIdentity: string) => ({
      role: "consumer" as const,
      consumerIdentity,
    });
    await x.join("r", "a");
    assertEquals(await claim("b"), "full");
    assertEquals(await claim("c1", consumer("one")), "joined");
    assertEquals(await claim("c2", consumer("one")), "joined");
    assertEquals(await claim("c3", consumer("one")), "identityFull");
    assertEquals(await claim("c2", consumer("one")), "joined");
    assertEquals(await claim("c3", consumer("two")), "joined");
    assertEquals(await claim("c4", consumer("two")), "full");
    assertEquals(await claim("c4", consumer("")), "full");
    assertEquals(await claim("c1"), "full");
    assertEquals(await claim("a"), "joined");
    assertEquals(await claim("b", {}, "reclaim"), "joined");
  }],

  ["of two members that reclaim one name the later stays", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const options = { mode: "reclaim", limits: NO_LIMITS } as const;
    const older = x.member("a", { joinedAt: 1000 });
    const later = y.member("a", { joinedAt: 2000 });
    assertEquals(await y.backplane.join("r", later, options), "joined");
    await x.join("r", "b");
    await x.settle();
    assertEquals(await x.backplane.join("r", older, options), "outdated");
    assertEquals(brief(await x.settle()), ["snapshot a,b"]);
    const latest = x.member("a", { joinedAt: 3000 });
    assertEquals(await x.backplane.join("r", latest, options), "joined");
    const [joined] = (await y.settle()).slice(-1);
    assertEquals(joined?.kind === "joined" && [joined.member.instance, joined.isReclaim], [
      x.instance,
      true,
    ]);
  }],

  ["a restored member has its old place, unless somebody else has its name", async (connect) => {
    const [x, y, z] = [await connect(), await connect(), await connect()];
    await x.join("r", "a");
    await y.join("r", "b");
    await y.join("r", "c");
    await x.settle();
    await y.settle();
    const options = { mode: "restore", limits: NO_LIMITS, joinOrder: 7 } as const;
    const lost = x.member("lost");
    assertEquals(await x.backplane.join("r", lost, options), "joined");
    assertEquals(brief(await x.settle()), ["joined lost"]);
    const [joined] = await y.settle();
    assertEquals(joined?.kind === "joined" && [joined.member.joinOrder, joined.isReclaim], [
      7,
      true,
    ]);
    const late = x.member("b");
    assertEquals(await x.backplane.join("r", late, options), "outdated");
    await z.join("r", "d");
    const [snapshot] = await z.events(1);
    const members = snapshot?.kind === "snapshot" ? snapshot.members : [];
    assertEquals(members.map(({ id, joinOrder }) => `${id} ${joinOrder}`), [
      "a 1",
      "b 2",
      "c 3",
      "lost 7",
      "d 8",
    ]);
  }],

  ["consumers are counted for all instances", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    await x.join("r", "c1", { role: "consumer" });
    await y.join("r", "c2", { role: "consumer" });
    const rotations = [...await x.settle(), ...await y.settle()].map((event) =>
      event.kind === "joined" || event.kind === "snapshot" ? event.rotation : 0
    );
    assertEquals(rotations, [1, 2, 2]);
  }],

  ["a change goes to the other instances of the room", async (connect) => {
    const [x, y, z] = [await connect(), await connect(), await connect()];
    const a = await x.join("r", "a");
    await y.join("r", "b");
    await z.join("other", "z");
    for (const instance of [x, y, z]) await instance.settle();
    const change = {
      role: "consumer",
      acceptsConsumers: false,
      consumerIdentity: "i\nd 😀",
    } as const;
    x.backplane.update("r", { ...a, ...change });
    await x.settle();
    const member = { ...a, joinOrder: 1, ...change };
    assertEquals(await y.settle(), [{ kind: "updated", room: "r", member }]);
    assertEquals(await z.settle(), []);
  }],

  ["a leave goes to the other instances of the room", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const a = await x.join("r", "a");
    await y.join("r", "b");
    await x.settle();
    await y.settle();
    x.backplane.leave("r", "a", a);
    assertEquals(await x.settle(), []);
    const memberId = { instance: a.instance, number: a.number };
    const [left] = await y.settle();
    assertEquals(left?.kind === "left" && [left.id, left.memberId.instance, left.memberId.number], [
      "a",
      memberId.instance,
      memberId.number,
    ]);
  }],

  ["an instance that closes is removed from its rooms", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    await x.join("r", "a");
    await y.join("r", "b");
    await y.join("s", "c");
    await x.settle();
    const { instance } = y;
    await y.backplane.close();
    assertEquals(await x.settle(), [{ kind: "instance left", room: "r", instance }]);
    await x.join("s", "d");
    assertEquals(brief(await x.settle()), ["snapshot d"]);
  }],

  [
    "envelopes arrive in order, and each instance is told of those it sent in vain",
    async (connect) => {
      const [x, y] = [await connect(), await connect()];
      const sender = { instance: x.instance, number: 1 };
      const target = { instance: y.instance, number: 2 };
      const header = { room: "r", type: "offer", from: "a", sender, to: "b", target } as const;
      const frames = Array.from({ length: 50 }, (_, n) => `{"n":${n},\n"😀":"\\n"}`);
      const sent = await Promise.all(frames.map((text) => x.backplane.send({ ...header, text })));
      assertEquals(new Set(sent), new Set(["sent"]));
      await until("all envelopes", () => y.envelopes.length === frames.length);
      assertEquals(y.envelopes.map(({ text }) => text), frames);
      assertEquals(y.envelopes[0], { ...header, text: frames[0] ?? "" });
      y.backplane.reportUndeliverable(header, "not found");
      y.backplane.reportUndeliverable(header, "busy");
      await until("both reports", () => x.undeliverable.length === 2);
      assertEquals(x.undeliverable, [[header, "not found"], [header, "busy"]]);
      const nobody = { ...header, target: { instance: "nobody", number: 2 }, text: "{}" };
      assertEquals(await x.backplane.send(nobody), "not found");
    },
  ],

  ["a failed authentication is told to the other instances", async (connect) => {
    const [x, y, z] = [await connect(), await connect(), await connect()];
    x.backplane.authFailed("192.0.2.1");
    await until("both to know", () => y.failedAddresses.length + z.failedAddresses.length === 2);
    assertEquals([x.failedAddresses, y.failedAddresses, z.failedAddresses], [
      [],
      ["192.0.2.1"],
      ["192.0.2.1"],
    ]);
  }],

  [
    "a text is posted to one instance or to all others, in the order of the calls",
    async (connect) => {
      const [x, y, z] = [await connect(), await connect(), await connect()];
      const texts = ['["any",\n"text"] 😀', "", "x".repeat(262_144)];
      for (const text of texts) {
        const { reached, isPartial } = await x.backplane.post(text);
        assertEquals([reached.toSorted(), isPartial], [[y.instance, z.instance].sort(), false]);
      }
      const one = await x.backplane.post("for one", y.instance);
      assertEquals(one, { reached: [y.instance], isPartial: false });
      const nobody = await x.backplane.post("for nobody", "nobody");
      assertEquals(nobody, { reached: [], isPartial: true });
      await z.backplane.post("last");
      await until("all", () => x.posts.length + y.posts.length + z.posts.length === 9);
      const sent = texts.map((text) => [x.instance, text]);
      const [forOne, last] = [[x.instance, "for one"], [z.instance, "last"]];
      assertEquals([x.posts, y.posts, z.posts], [[last], [...sent, forOne, last], sent] as unknown);
    },
  ],

  ["what is posted arrives in order with what happens in rooms", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    await y.join("r", "b");
    await y.settle();
    for (let n = 0; n < 20; n++) {
      const joining = x.join("r", `a${n}`);
      await Promise.all([joining, x.backplane.post(`after a${n}`)]);
    }
    await until("all", () => y.posts.length === 20);
    assertEquals(y.eventsBeforePosts, Array.from({ length: 20 }, (_, n) => n + 1));
  }],

  ["a text to an instance that has closed does not arrive", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    await y.backplane.close();
    assertEquals(await x.backplane.post("late"), { reached: [], isPartial: false });
    assertEquals((await x.backplane.post("late", y.instance)).isPartial, true);
    assertEquals(y.posts, []);
  }],

  ["an audit of what is there changes nothing", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const a = await x.join("r", "a");
    const b = await y.join("r", "b", { role: "consumer", acceptsConsumers: false });
    await x.settle();
    await y.settle();
    const reply = await x.backplane.audit([x.view("r", [a], [b]), x.view("nowhere", [])]);
    assertEquals(reply, { missing: [], removed: 0 });
    assertEquals([await x.settle(), await y.settle(), y.lost], [[], [], []]);
  }],

  ["an audit finds members that were lost, and tells the other instances", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const a = await x.join("r", "a");
    await y.join("r", "b");
    const lost = x.member("lost");
    const replaced = x.member("b");
    const inFlight = { id: "new", number: x.member("new").number, isRequired: false };
    const view = x.view("r", [a, lost, replaced]);
    const members = [...view.members, inFlight];
    const reply = await x.backplane.audit([{ ...view, members }]);
    assertEquals(reply, { missing: [{ room: "r", number: lost.number }], removed: 0 });
    await until("the other instance to know", () => y.lost.length > 0);
    assertEquals([x.lost, y.lost], [[], ["r"]]);
  }],

  ["an audit resolves after what had happened was reported", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    for (let round = 0; round < 50; round++) {
      const id = `a${round}`;
      const a = await x.join("r", id);
      await x.settle();
      const again = await y.join("r", id);
      y.backplane.leave("r", id, again);
      await y.settle();
      const { missing } = await x.backplane.audit([x.view("r", [a])]);
      assertEquals([missing.length, x.received], [1, [`joined ${id}`]]);
    }
  }],

  [
    "an audit removes members that have no socket, and tells the other instances",
    async (connect) => {
      const [x, y] = [await connect(), await connect()];
      await x.join("r", "ghost");
      const a = await x.join("r", "a");
      const b = await y.join("r", "b");
      await x.join("empty", "ghost");
      await y.settle();
      const views = [x.view("r", [a], [b]), x.view("empty", [])];
      assertEquals(await x.backplane.audit(views), { missing: [], removed: 2 });
      assertEquals(brief(await y.settle()), ["left ghost"]);
      await y.join("empty", "c");
      assertEquals(brief(await y.settle()), ["snapshot c"]);
    },
  ],

  ["an audit gives an instance the room where its view of the others is wrong", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const a = await x.join("r", "a");
    const b = await y.join("r", "b");
    await x.settle();
    const wrong = [[], [{ ...b, role: "consumer" as const }], [b, y.member("c")]];
    for (const others of wrong) {
      await x.backplane.audit([x.view("r", [a], others)]);
      const [snapshot] = await x.settle();
      assertEquals(snapshot && brief([snapshot]), ["snapshot a,b"]);
      assertEquals(snapshot?.kind === "snapshot" && snapshot.isReclaim, true);
    }
    await y.backplane.close();
    await x.settle();
    x.backplane.leave("r", "a", a);
    await x.backplane.audit([x.view("r", [], [b])]);
    assertEquals(brief(await x.settle()), ["snapshot "]);
  }],

  ["the rooms of an instance are listed to it", async (connect) => {
    const x = await connect();
    await x.join("r", "a");
    await x.join("s", "b");
    await until("both rooms to be listed", async () => {
      await x.backplane.audit([]);
      return x.listed.has("r") && x.listed.has("s");
    });
  }],

  [
    "revocations are there for instances that come later, with the later times of two",
    async (connect) => {
      const x = await connect();
      const inAnHour = Date.now() + 3_600_000;
      const token = { kind: "token", jti: 'j "😀 ', expiresAt: inAnHour } as const;
      const subject = {
        kind: "subject",
        subject: "s 1 2\n",
        issuedBefore: 1_700_000_000,
        expiresAt: inAnHour,
      } as const;
      assertEquals(await x.backplane.loadRevocations(), []);
      await x.backplane.storeRevocations([token, subject]);
      await x.backplane.storeRevocations([
        { ...token, expiresAt: inAnHour - 1 },
        { ...subject, issuedBefore: subject.issuedBefore + 5, expiresAt: inAnHour - 1 },
      ]);
      const many = Array.from({ length: 2500 }, (_, n) => ({
        kind: "token",
        jti: `many ${n}`,
        expiresAt: inAnHour + n,
      } as const));
      for (let n = 0; n < many.length; n += 500) {
        await x.backplane.storeRevocations(many.slice(n, n + 500));
      }
      await x.backplane.close();
      const y = await connect();
      const stored = (await y.backplane.loadRevocations())
        .toSorted((one, other) => one.expiresAt - other.expiresAt);
      const kinds = stored.slice(0, 3).map(({ kind }) => kind).toSorted();
      assertEquals(kinds, ["subject", "token", "token"]);
      assertEquals(stored.find(({ kind }) => kind === "subject"), {
        ...subject,
        issuedBefore: subject.issuedBefore + 5,
      });
      const tokens = stored.filter((one) => one.kind === "token");
      assertEquals(tokens.find(({ jti }) => jti === token.jti), token);
      assertEquals(tokens.filter(({ jti }) => jti !== token.jti), many);
    },
  ],

  ["names are any Unicode", async (connect) => {
    const [x, y] = [await connect(), await connect()];
    const [room, id] = ['r"\n\\ 😀 / :', 'n\t"💥\\u0000 '];
    const a = await x.join(room, id);
    const b = await y.join(room, "b");
    const [snapshot] = await y.events(1);
    assertEquals(snapshot?.kind === "snapshot" && [snapshot.room, snapshot.members[0]?.id], [
      room,
      id,
    ]);
    await x.settle();
    assertEquals(await x.backplane.audit([x.view(room, [a], [b])]), { missing: [], removed: 0 });
    assertEquals(await x.settle(), []);
    x.backplane.leave(room, id, a);
    const left = (await y.settle()).find(({ kind }) => kind === "left");
    assertEquals(left && idsOf(left), id);
  }],
];
