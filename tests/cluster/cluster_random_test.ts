/**
 * Random schedules: several instances whose peers join, leave, take names over and change roles while
 * what the instances tell each other is under way, or lost because a backplane fails; while claims are
 * rejected, names are kept from newcomers, and members are lost by a backplane or stored without a
 * socket; with one backplane, and with several that fail each for itself and are exchanged. Once
 * everything has arrived and was audited, every instance knows of each of its rooms exactly who is
 * connected; while a backplane is down, so it is in the rooms of all others. A seed
 * that fails is in the message: run it alone with `SEED=n deno test -A tests/cluster/cluster_random_test.ts`.
 */

import { assert, assertEquals } from "@std/assert";
import { NO_LIMITS } from "../helpers/backplane_conformance.ts";
import { AUDIT_MS } from "../../src/cluster/auditor.ts";
import type { Backplane } from "../../src/cluster/backplane.ts";
import type { SessionContext } from "../../src/sessions/context.ts";
import { createMemoryBackplane, type MemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { shardOf } from "../../src/cluster/room_hash.ts";
import { Shards } from "../../src/cluster/shards.ts";
import { RemotePeer } from "../../src/cluster/remote_peer.ts";
import type { Peer } from "../../src/rooms/peer.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { TAKEOVER_WINDOW_MS } from "../../src/rooms/takeovers.ts";
import { Session } from "../../src/sessions/session.ts";
import { FakeClock } from "../helpers/clock.ts";
import { generator } from "../helpers/random.ts";
import { SlowBackplane } from "../helpers/slow_backplane.ts";
import { FakeSocket } from "../helpers/socket.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";

const SEEDS = Number(Deno.env.get("SEEDS") ?? 1000);
const STEPS = 120;
/** Until what was lost is compared again, and the correction has been audited. */
const AUDITS = 10;

/** With three backplanes, one has two of them and each of the others one. */
const ROOMS = ["q", "s", "t", "v"];
const IDS = ["a", "b", "c", "d"];

type Random = ReturnType<typeof generator>;

/** What one schedule runs with. */
interface World {
  /** One for each backplane, and where some are exchanged, more. */
  readonly memories: readonly MemoryBackplane[];
  /** Indices of memories: what the rooms may be distributed over, at first as the first one says. */
  readonly lists: readonly (readonly number[])[];
  readonly rooms: readonly string[];
  /** Take members out of each memory, where some are lost. */
  readonly saboteurs: readonly Backplane[];
  /** The clock of the backplanes. */
  readonly clock: FakeClock;
}

interface ConnectedPeer {
  readonly room: string;
  readonly session: Session;
  readonly socket: FakeSocket;
}

/** One instance, whose sessions join through its shards. */
class Instance {
  readonly world: World;
  readonly clock = new FakeClock();
  readonly context: SessionContext;
  readonly shards: Shards;
  /** Indices of memories, as in the world. */
  list: readonly number[];
  /** By the index of the memory. */
  readonly #backplanes = new Map<number, SlowBackplane>();
  #peers: ConnectedPeer[] = [];
  #isExchanging = false;

  constructor(world: World) {
    this.world = world;
    const session = new SessionFixture({ maxSendBufferBytes: 1e6 });
    const { logger } = session.context;
    const { clock } = this;
    const rooms = createRooms({ clock, maxPeersPerRoom: 3 });
    const { registry } = rooms;
    const failures = new FailureLimiter(clock, Infinity);
    const limits = { maxPeersPerRoom: 3, maxConsumersPerRoom: 3, maxConsumersPerIdentity: 3 };
    this.list = world.lists[0] ?? [];
    const backplanes = this.#connect(this.list);
    const shards = this.shards = new Shards({
      ...{ backplanes, registry, failures, clock, logger, limits },
    });
    const join = (room: string, peer: Peer) =>
      rooms.join(room, peer, (...of) => shards.join(...of));
    const cancelJoin = shards.cancelJoin.bind(shards);
    this.context = { ...session.context, ...rooms, clock, join, cancelJoin };
    shards.start();
  }

  /** Every one that it is connected to. */
  get backplanes(): SlowBackplane[] {
    return [...this.#backplanes.values()];
  }

  backplaneOf(memory: number | undefined): SlowBackplane | undefined {
    return memory === undefined ? undefined : this.#backplanes.get(memory);
  }

  /** The memory to which a room belongs by the last list. */
  memoryOf(room: string): number | undefined {
    return this.list[shardOf(room, this.list.length)];
  }

  /** Distributes its rooms over others from soon on, unless it is about to do so. */
  async exchange(list: readonly number[]): Promise<void> {
    if (this.#isExchanging) return;
    this.#isExchanging = true;
    this.list = list;
    await this.shards.set(this.#connect(list));
    for (const index of this.#backplanes.keys()) {
      if (!list.includes(index)) this.#backplanes.delete(index);
    }
    this.#isExchanging = false;
  }

  #connect(list: readonly number[]): SlowBackplane[] {
    return list.map((index) => {
      const memory = this.world.memories[index];
      if (memory === undefined) throw new RangeError("There is no such memory");
      const backplane = this.#backplanes.get(index) ?? new SlowBackplane(memory);
      this.#backplanes.set(index, backplane);
      return backplane;
    });
  }

  get peers() {
    return this.#peers = this.#peers.filter(({ session }) => !session.isClosed);
  }

  connect(room: string, nodeId: string, role: string, isAlive: boolean): void {
    const socket = new FakeSocket();
    const identity = { room, nodeId, canJoinAsNormal: true };
    const session = new Session({
      namesRoom: false,
      socket,
      admission: { kind: "accepted", identity },
      context: this.context,
      address: undefined,
    });
    // Once a name was taken over too often, it decides who has that.
    Object.assign(session, { answersWithin: () => Promise.resolve(isAlive) });
    socket.owner = session.connection;
    this.context.connections.add(session.connection);
    session.connection.handleEvent(new Event("open"));
    session.connection.receive(JSON.stringify({ type: "register", role }));
    this.#peers.push({ room, session, socket });
  }

  /** What it knows of a room in which somebody of its own is. */
  view(name: string): string[] | undefined {
    const room = this.context.registry.get(name);
    return room?.members().map(({ id, role }) => `${id} ${role}`).sort();
  }
}

function disconnect({ session, socket }: ConnectedPeer): void {
  socket.readyState = 3;
  session.connection.handleEvent(new Event("close"));
}

/** Lets microtasks run. */
async function settle(): Promise<void> {
  for (let n = 0; n < 12; n++) await null;
}

/** Lets everything arrive that is under way. */
async function drain(instances: readonly Instance[], random: Random): Promise<void> {
  await settle();
  while (true) {
    const busy = instances.flatMap(({ backplanes }) => backplanes)
      .filter(({ waiting }) => waiting > 0);
    if (busy.length === 0) return;
    busy[random(busy.length)]?.advance(random(3));
    await settle();
  }
}

/** Lets everything arrive, and every room be audited, with every backplane but this one. */
async function quiesce(
  instances: readonly Instance[],
  random: Random,
  broken?: number,
): Promise<void> {
  for (const instance of instances) {
    for (const backplane of instance.backplanes) {
      if (backplane === instance.backplaneOf(broken)) backplane.fail();
      else backplane.recover();
    }
  }
  await drain(instances, random);
  for (let n = 0; n < AUDITS; n++) {
    for (const { clock } of instances) clock.tick(AUDIT_MS);
    await drain(instances, random);
  }
}

/** Takes a member out of the backplane behind the back of its instance. */
function lose(instance: Instance, room: string, saboteur: Backplane, random: Random): void {
  const remote = instance.context.registry.get(room)?.members()
    .filter((peer) => peer instanceof RemotePeer) ?? [];
  const peer = remote[random(remote.length)];
  if (peer !== undefined) saboteur.leave(room, peer.id, peer.memberId);
}

/** Stores a member of an instance that has no socket there. */
function haunt(instance: string, room: string, id: string, saboteur: Backplane) {
  if (instance === "") return;
  const member = { id, instance, number: 0, role: "normal", joinedAt: 0 } as const;
  const more = { acceptsConsumers: true, consumerIdentity: "" };
  saboteur.join(room, { ...member, ...more }, { mode: "join", limits: NO_LIMITS });
}

/**
 * Lets a backplane fail, and expects that nobody is sent anything in the rooms of the others, unless
 * these are about to be exchanged.
 */
function fail(instance: Instance, memory: number): void {
  const { shards, world } = instance;
  const before = world.lists.length > 1
    ? []
    : instance.peers.filter(({ room }) => instance.memoryOf(room) !== memory)
      .map(({ socket }) => [socket, socket.sent.length] as const);
  instance.backplaneOf(memory)?.fail();
  for (const [socket, sent] of before) assertEquals(socket.sent.length, sent, "sent elsewhere");
  assert(world.lists.length > 1 || shards.counts.up < shards.counts.total);
}

function act(instance: Instance, random: Random, lists = instance.world.lists): void {
  const { world } = instance;
  const peer = instance.peers[random(instance.peers.length)];
  const room = world.rooms[random(world.rooms.length)] ?? "";
  const id = IDS[random(4)] ?? "";
  const memory = instance.list[random(instance.list.length)] ?? 0;
  const backplane = instance.backplaneOf(memory);
  const saboteur = world.saboteurs[memory];
  const role = random(4) === 0 ? "consumer" : "normal";
  const register = JSON.stringify({ type: "register", role });
  switch (random(14)) {
    case 0:
    case 1:
      return instance.connect(room, id, role, random(3) > 0);
    case 2:
      return peer && disconnect(peer);
    case 3:
      return peer?.session.connection.receive(register);
    case 4:
      if (random(8) === 0 && backplane?.instance !== "") fail(instance, memory);
      else if (lists.length > 1 && random(2) === 0) {
        instance.exchange(lists[random(lists.length)] ?? []);
      }
      return;
    case 5:
      return backplane?.recover();
    case 6:
      world.clock.tick(random(2) === 0 ? AUDIT_MS : TAKEOVER_WINDOW_MS);
      return instance.clock.tick(AUDIT_MS);
    case 7:
      if (saboteur === undefined) return;
      switch (random(6)) {
        case 0:
          return lose(instance, room, saboteur, random);
        case 1:
          return haunt(backplane?.instance ?? "", room, id, saboteur);
        case 2:
          if (backplane !== undefined) backplane.rejectsNext = true;
      }
      return;
    default:
      return backplane?.advance(random(3));
  }
}

/**
 * Expects one peer a name, each told who is there, and the same view of them on every instance; in the
 * rooms of a broken backplane, those of each instance alone.
 */
function check(instances: readonly Instance[], world: World, broken?: number): void {
  const all = instances.flatMap(({ peers }) => peers);
  assertEquals(all.filter(({ socket }) => socket.sent.length === 0), [], "waits for its list");
  for (const room of world.rooms) {
    const isBroken = instances[0]?.memoryOf(room) === broken;
    for (const [n, instance] of instances.entries()) {
      const inRoom = (peers: readonly ConnectedPeer[]) =>
        peers.filter((peer) => peer.room === room);
      const living = inRoom(isBroken ? instance.peers : all).map(({ session }) => session);
      const truth = living.map(({ id, role }) => `${id} ${role}`).sort();
      assertEquals(new Set(living.map(({ id }) => id)).size, living.length, "one a name");
      const isConcerned = inRoom(instance.peers).length > 0;
      assertEquals(instance.view(room), isConcerned ? truth : undefined, `${room} on ${n}`);
    }
  }
  for (const [index, memory] of world.memories.entries()) {
    if (index === broken) continue;
    const rooms = new Set(all.map(({ room }) => room));
    const stored = [...rooms].filter((room) => instances[0]?.memoryOf(room) === index);
    assertEquals(memory.rooms, stored.length, `rooms of ${index}`);
  }
}

interface Form {
  readonly hasLosses: boolean;
  readonly rooms: readonly string[];
  readonly lists: World["lists"];
}

async function run(random: Random, { hasLosses, rooms, lists }: Form): Promise<void> {
  const clock = new FakeClock();
  const count = Math.max(...lists.flat()) + 1;
  const memories = Array.from({ length: count }, () => createMemoryBackplane({ clock }));
  const saboteurs = hasLosses ? memories.map((memory) => memory.connect()) : [];
  const world = { memories, lists, rooms, saboteurs, clock };
  const create = () => new Instance(world);
  const instances = [create(), create(), create()] as const;
  for (let n = 0; n < STEPS; n++) {
    act(instances[random(3)] as Instance, random);
    await settle();
  }
  await quiesce(instances, random);
  const last = lists[random(lists.length)] ?? [];
  for (const instance of instances) instance.exchange(last);
  await quiesce(instances, random);
  check(instances, world);
  const broken = last[random(last.length)];
  for (let n = 0; n < STEPS / 2; n++) {
    act(instances[random(3)] as Instance, random, [last]);
    await settle();
  }
  await quiesce(instances, random, broken);
  check(instances, world, broken);
  await quiesce(instances, random);
  check(instances, world);
  for (const peer of instances.flatMap(({ peers }) => peers)) disconnect(peer);
  await quiesce(instances, random);
  check(instances, world);
  if (hasLosses) return;
  assertEquals(instances.map(({ shards }) => shards.corrections), [0, 0, 0], "corrections");
}

async function runAll(form: Form): Promise<void> {
  const only = Deno.env.get("SEED");
  for (let seed = Number(only ?? 1); seed <= Number(only ?? SEEDS); seed++) {
    await run(generator(seed), form).catch((cause) => {
      throw new Error(`SEED=${seed}: ${cause.message}`, { cause });
    });
  }
}

const FORMS: Readonly<Record<string, Omit<Form, "hasLosses">>> = {
  "one backplane": { rooms: ROOMS.slice(0, 2), lists: [[0]] },
  "three backplanes": { rooms: ROOMS, lists: [[0, 1, 2]] },
  "backplanes that are exchanged": { rooms: ROOMS, lists: [[0, 1], [0, 1, 2], [2, 0], [3]] },
};

for (const [name, form] of Object.entries(FORMS)) {
  Deno.test(`cluster with ${name}: whatever happens, every instance ends up knowing who is connected`, async () => {
    await runAll({ ...form, hasLosses: true });
  });

  Deno.test(`cluster with ${name}: where nothing is lost, nothing is corrected`, async () => {
    await runAll({ ...form, hasLosses: false });
  });
}
