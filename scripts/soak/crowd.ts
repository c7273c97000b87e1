/**
 * Clients that come and go as those in the field do: one by one, by the hundred, under names that
 * are taken, and as consumers. What each is owed is checked on the way.
 */

import { until } from "../../tests/helpers/patience.ts";
import { CLOSE } from "../../mod.ts";
import { bystandersOf } from "./bystanders.ts";
import { Peer } from "./peer.ts";
import type { Random } from "../../tests/helpers/random.ts";
import { RawPeer } from "./raw_peer.ts";
import { ROOMS, type World } from "./world.ts";

/** Clients of a storm. */
const STORM = { least: 150, most: 300 };

/** Sockets that a storm leaves to everybody else. */
const RESERVED = 150;

/** Names in a storm that many clients fight over. */
const CONTESTED = 10;

/**
 * What a client sees, instead of the close code, that was sending while it was closed: Deno ends the
 * connection when a frame comes behind its close frame, and the system may then drop both.
 */
const CUT_OFF = 0;

/** How a client under a contested name is closed: after three takeovers its holder keeps the name. */
const CONTEST_CODES: readonly number[] = [CLOSE.replaced.code, CLOSE.nodeIdInUse.code, CUT_OFF];

/** Peers that a newcomer offers to; a real one offers to all. */
const OFFERS = 3;

/** Joins a room, negotiates with some that are there, and leaves in one way or another. */
export async function churn(world: World, random: Random): Promise<void> {
  world.tally.counts.churn++;
  const room = random.pick(ROOMS);
  const id = world.name("visitor");
  if (random.chance(0.4)) return await churnRaw(world, random, room, id);
  const capacity = random.chance(0.3) ? { capacity: random.int(20) } : {};
  const { peer, peers } = await Peer.join(world, room, id, capacity);
  peer.onMessage = ({ type, from }) => {
    if (type === "offer" && from !== undefined) peer.send({ type: "answer", to: from, sdp: {} });
  };
  negotiate(peer, peers, random);
  if (random.chance(0.5)) {
    peer.send({ type: "heartbeat", load: { sessions: random.int(20) } });
  }
  await world.rest(random.between(20, 1000));
  await peer.leave();
}

async function churnRaw(world: World, random: Random, room: string, id: string): Promise<void> {
  const raw = await RawPeer.join(world, room, id);
  await raw.send({ type: "offer", to: random.pick(bystandersOf(room)), sdp: {} });
  await world.rest(random.between(20, 500));
  if (random.chance(0.5)) await raw.finish();
  else await raw.reset();
}

function negotiate(peer: Peer, peers: readonly string[], random: Random): void {
  for (let n = 0; n < Math.min(peers.length, OFFERS); n++) {
    const to = random.pick(peers);
    peer.send({ type: "offer", to, sdp: { type: "offer", sdp: "v=0".repeat(300) } });
    peer.send({ type: "ice-candidate", to, candidate: { candidate: "candidate:1 1 udp 1 ::1" } });
  }
}

/** Hundreds at once, a third of them under names that others of them take. */
export async function storm(world: World, random: Random): Promise<void> {
  const count = Math.min(random.between(STORM.least, STORM.most), world.free - RESERVED);
  if (count < STORM.least / 2) return;
  world.tally.counts.storms++;
  const room = random.pick(ROOMS);
  const prefix = world.name("storm");
  const contested = (n: number) => `${prefix}-contested-${n % CONTESTED}`;
  const isContested = (n: number) => n % 3 === 0;
  const peers = await Promise.all(
    Array.from({ length: count }, (_, n) => {
      const name = isContested(n) ? contested(n) : `${prefix}-${n}`;
      return rush(world, random, room, name);
    }),
  );
  const names = new Set(peers.map(({ id }) => id));
  await until(
    `one socket for each name of ${prefix}`,
    () => peers.filter(({ closeCode }) => closeCode === undefined).length <= names.size,
  );
  await world.rest(random.between(100, 500));
  const left = peers.filter(({ closeCode }) => closeCode === undefined);
  if (new Set(left.map(({ id }) => id)).size < names.size) {
    world.tally.problem(`${names.size} names came in ${prefix} and ${left.length} stayed`);
  }
  for (const { id, closeCode } of peers) {
    if (closeCode === undefined) continue;
    world.tally.counts.takeovers++;
    if (!CONTEST_CODES.includes(closeCode)) {
      world.tally.problem(`${id} was closed with ${closeCode}, not replaced or refused`);
    }
  }
  await Promise.all(left.map((peer) => peer.leave()));
}

/** Joins and offers at once, even if another client takes over its name meanwhile. */
async function rush(world: World, random: Random, room: string, id: string): Promise<Peer> {
  const peer = await Peer.open(world, world.query(room, id));
  try {
    negotiate(peer, await peer.register(), random);
  } catch (error) {
    if (peer.closeCode === undefined) throw error;
  }
  return peer;
}

/** Comes again under its own name while it is still there, as a page does that is reloaded. */
export async function reload(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const id = world.name("reloaded");
  const { peer: partner } = await Peer.join(world, room, `partner-of-${id}`);
  const answersClose = random.chance(0.6);
  const old = answersClose
    ? (await Peer.join(world, room, id)).peer
    : await RawPeer.join(world, room, id);
  await world.rest(random.between(0, 300));
  const { peer } = await Peer.join(world, room, id);
  if (old instanceof RawPeer) world.tally.counts.unanswered++;
  else if (await old.closed !== CLOSE.replaced.code) {
    world.tally.problem(`The old ${id} was closed with ${old.closeCode}`);
  }
  const seq = random.int(1_000_000);
  const offered = peer.expect("offer", (offer) => offer.from === partner.id && offer.seq === seq);
  partner.send({ type: "offer", to: id, seq, sdp: {} });
  await offered;
  world.tally.counts.reloads++;
  world.tally.counts.takeovers++;
  await Promise.all([peer.leave(), partner.leave()]);
  if (old instanceof RawPeer) {
    await world.rest(random.between(0, 2000));
    if (!world.isEnding) old.drop();
  }
}

/** Registers as a consumer, and watches the lists that it is pushed. */
export async function consume(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const peer = await Peer.open(world, { room, nodeId: world.name("consumer") });
  if (random.chance(0.1)) {
    const refused = peer.expect("auth-err");
    peer.send({ type: "register", role: "consumer", token: `${world.tokens.consumer}x` });
    await refused;
    if (await peer.closed !== CLOSE.invalidConsumerToken.code) {
      world.tally.problem(`A consumer without a token was closed with ${peer.closeCode}`);
    }
    return;
  }
  let lists = 0;
  peer.onMessage = ({ type, servers = [] }) => {
    if (type !== "server-list") return;
    if (lists++ > 0) world.tally.counts.pushes++;
    if (!bystandersOf(room).every((id) => servers.includes(id))) {
      world.tally.problem(`${peer.id} was sent a list without the bystanders`);
    }
  };
  const list = peer.expect("server-list");
  peer.send({ type: "register", role: "consumer", token: world.tokens.consumer });
  const { servers = [] } = await list;
  world.tally.counts.consumers++;
  peer.send({ type: "offer", to: servers[0] ?? "nobody", sdp: {} });
  if (random.chance(0.5)) await seeServer(world, room, peer);
  await world.rest(random.between(0, 2000));
  await peer.leave();
}

/** Watches a server come and go: the consumer has to be told of both. */
async function seeServer(world: World, room: string, consumer: Peer): Promise<void> {
  const id = world.name("server");
  const told = (isThere: boolean) =>
    consumer.expect("server-list", ({ servers = [] }) => servers.includes(id) === isThere);
  const here = told(true);
  here.catch(() => {}); // It is waited for below, if it comes to that.
  const { peer: server } = await Peer.join(world, room, id);
  await here;
  const gone = told(false);
  await server.leave();
  await gone;
}
