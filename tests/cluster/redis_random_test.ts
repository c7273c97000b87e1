/**
 * Random schedules over every form of Redis: peers of three instances join, leave and disconnect while their
 * claims are in flight, connections are killed and keys are deleted. Once all is quiet, Redis has
 * exactly the peers that are connected, and every instance knows them.
 */

import { assertEquals } from "@std/assert";
import { Shards } from "../../src/cluster/shards.ts";
import { createRedisBackplanes } from "../../src/cluster/redis/backplane.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import type { CloseReason } from "../../src/protocol/messages.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { NO_LIMITS } from "../helpers/backplane_conformance.ts";
import { until } from "../helpers/client.ts";
import { SilentPeer } from "../helpers/peer.ts";
import { generator } from "../helpers/random.ts";
import { hasRedis, type TestRedis } from "../helpers/redis.ts";
import {
  CLUSTER,
  type RedisForm,
  SENTINEL,
  SEVERAL,
  SINGLE,
  type StartedForm,
} from "../helpers/redis_forms.ts";

const SEEDS = Number(Deno.env.get("SEEDS") ?? 5);
const STEPS = 400;
const ROOMS = ["r", "s", "t"];
const IDS = ["a", "b", "c", "d", "e"];

type Random = ReturnType<typeof generator>;

/** A peer that leaves its room as a session does. */
class ConnectedPeer extends SilentPeer {
  override isClosed = false;
  readonly room: string;
  readonly #instance: Instance;

  constructor(instance: Instance, room: string, id: string) {
    super(id);
    this.room = room;
    this.#instance = instance;
  }

  override close(reason?: CloseReason): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closedWith = reason;
    this.#instance.left(this);
  }
}

class Instance {
  readonly rooms = createRooms({ clock: systemClock, maxPeersPerRoom: Infinity });
  readonly peers = new Set<ConnectedPeer>();
  readonly cluster: Shards;

  constructor(url: string) {
    this.cluster = new Shards({
      backplanes: createRedisBackplanes({ url }),
      registry: this.rooms.registry,
      failures: new FailureLimiter(systemClock, Infinity),
      clock: systemClock,
      logger: silentLogger,
      limits: NO_LIMITS,
    });
    this.cluster.start();
  }

  async join(room: string, id: string): Promise<void> {
    const peer = new ConnectedPeer(this, room, id);
    this.peers.add(peer);
    try {
      const { outcome } = await this.cluster.join(room, peer);
      if (outcome.kind === "replaced") outcome.old.close({ code: 1000, reason: "", status: 409 });
      else if (outcome.kind !== "joined") peer.close();
    } catch {
      peer.close();
    }
  }

  /** What a session does at its end, joined or not. */
  left(peer: ConnectedPeer): void {
    this.peers.delete(peer);
    const room = this.rooms.registry.get(peer.room);
    if (room?.has(peer)) this.rooms.registry.leave(room, peer);
    else this.cluster.cancelJoin(peer);
  }

  /** The ids in a room, as this instance sees it. */
  view(room: string): string {
    return this.rooms.registry.get(room)?.members().map(({ id }) => id).sort().join() ?? "";
  }
}

function act(
  instance: Instance,
  redis: StartedForm,
  random: Random,
  hasLosses: boolean,
): Promise<unknown> | undefined {
  const room = ROOMS[random(ROOMS.length)] ?? "";
  const peers = [...instance.peers];
  switch (random(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      instance.join(room, IDS[random(IDS.length)] ?? "");
      return;
    case 4:
    case 5:
    case 6:
      peers[random(peers.length)]?.close();
      return;
    case 7:
      return new Promise((resolve) => setTimeout(resolve, random(4)));
    case 8:
      if (random(6) > 0 || !hasLosses) return;
      return onEveryServer(
        redis,
        ({ cli }, key) => cli("del", `${key}room:${room}`, `${key}meta:${room}`),
      );
    case 9:
      if (random(20) > 0 || !hasLosses) return;
      return redis.servers[random(redis.servers.length)]?.cli(
        ...["client", "kill", "type", random(2) === 0 ? "pubsub" : "normal"],
      );
    default:
      return Promise.resolve();
  }
}

/** Runs a command for the keys of each shard on each server; an error means that it is elsewhere. */
async function onEveryServer(
  { servers, tags }: StartedForm,
  run: (server: TestRedis, key: string) => Promise<string[]>,
): Promise<string[]> {
  const keys = tags.map((tag) => `client-db-sync:{${tag}}`);
  const runs = servers.flatMap((server) => keys.map((key) => run(server, key)));
  const replies = await Promise.all(runs);
  return replies.flat().filter((line) => !line.startsWith("MOVED "));
}

/** The members that Redis has in a room. */
async function stored(redis: StartedForm, room: string): Promise<string> {
  const ids = await onEveryServer(redis, ({ cli }, key) => cli("hkeys", `${key}room:${room}`));
  return ids.sort().join();
}

async function check(instances: readonly Instance[], redis: StartedForm): Promise<void> {
  for (const room of ROOMS) {
    const connected = () =>
      instances.flatMap(({ peers }) => [...peers]).filter((peer) => peer.room === room)
        .map(({ id }) => id).sort().join();
    await until(`${room} to be the same everywhere`, async () => {
      if (await stored(redis, room) !== connected()) return false;
      return instances.every((instance) => {
        const isConcerned = [...instance.peers].some((peer) => peer.room === room);
        return instance.view(room) === (isConcerned ? connected() : "");
      });
    }, 15_000).catch(async (cause) => {
      const views = instances.map((instance) => instance.view(room));
      throw new Error(`${cause.message}: ${connected()} / ${await stored(redis, room)} / ${views}`);
    });
  }
}

async function run(form: RedisForm, hasLosses: boolean): Promise<void> {
  await using redis = await form.start(3);
  // What has several servers takes longer to look into.
  const seeds = form === SINGLE ? SEEDS : Math.ceil(SEEDS / 3);
  for (let seed = 1; seed <= seeds; seed++) {
    const random = generator(seed);
    const instances = [1, 2, 3].map(() => new Instance(redis.url));
    await until(
      "all to be up",
      () => instances.every(({ cluster: { counts } }) => counts.up === counts.total),
    );
    for (let n = 0; n < STEPS; n++) {
      await act(instances[random(3)] as Instance, redis, random, hasLosses);
    }
    await check(instances, redis);
    for (const { peers } of instances) for (const peer of [...peers]) peer.close();
    await check(instances, redis);
    const corrections = instances.map(({ cluster }) => cluster.corrections);
    if (!hasLosses) assertEquals(corrections, [0, 0, 0], `SEED=${seed}`);
    for (const { cluster } of instances) await cluster.close();
    const keys = (await Promise.all(redis.servers.map(({ cli }) => cli("keys", "*")))).flat();
    const left = keys.filter((key) => !key.includes("}takeovers:"));
    assertEquals(left, [], `SEED=${seed}`);
  }
}

for (const form of [SINGLE, SEVERAL, CLUSTER, SENTINEL]) {
  Deno.test({
    name:
      `redis random (${form.name}): it has no member without a socket, and each instance sees all`,
    ignore: !hasRedis,
    fn: () => run(form, true),
  });

  Deno.test({
    name: `redis random (${form.name}): where nothing is lost, nothing is corrected`,
    ignore: !hasRedis,
    fn: () => run(form, false),
  });
}
