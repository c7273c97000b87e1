/**
 * Clients that stop: reading, answering pings, registering, or answering a close. The server has to
 * be rid of each by itself. Once a soak ends they stay as they are, so that its last look finds a
 * server that is rid of clients which are still connected.
 */

import { CLOSE } from "../../mod.ts";
import { frame } from "../../tests/helpers/raw.ts";
import { Peer } from "./peer.ts";
import type { Random } from "../../tests/helpers/random.ts";
import { RawPeer } from "./raw_peer.ts";
import { ROOMS, sleep, type World } from "./world.ts";

/** Seconds that the server waits for a sign of life. */
export const IDLE_TIMEOUT_SECONDS = 4;

/** Milliseconds that the server waits for a client without a room token to register. */
export const REGISTER_TIMEOUT_MS = 2000;

/** Milliseconds after which the server must have closed a client that stopped reading, on a busy machine too. */
export const ENDED_WITHIN_MS = IDLE_TIMEOUT_SECONDS * 1500;

/** Bytes that a sender has waiting at most: it is not the one to be slow. */
const MAX_WAITING = 262_144;

/** More than a client may send at once. */
const FLOOD = 2600;

/** Stops reading, answering pings, or before registering. */
export async function stall(world: World, random: Random): Promise<void> {
  world.tally.counts.stalls++;
  await random.pick([readNothing, answerNoPing, registerNever])(world, random);
}

/** Reads nothing while another sends, be it a little or more than the server keeps. */
async function readNothing(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const deaf = world.name("deaf");
  const raw = await RawPeer.join(world, room, deaf);
  const { peer } = await Peer.join(world, room, world.name("sender"));
  const candidate = "x".repeat(random.between(30_000, 60_000));
  let isGone = false;
  peer.onMessage = ({ type, to }) => isGone ||= type === "error" && to === deaf;
  for (let count = random.between(20, 250); count > 0 && !isGone; count--) {
    peer.send({ type: "ice-candidate", to: deaf, candidate });
    while (peer.socket.bufferedAmount > MAX_WAITING) await sleep(5);
    await sleep(1);
  }
  await peer.leave();
  await world.rest(random.between(1000, ENDED_WITHIN_MS));
  if (!world.isEnding) raw.drop();
}

async function answerNoPing(world: World, random: Random): Promise<void> {
  const raw = await RawPeer.join(world, random.pick(ROOMS), world.name("mute"));
  await world.rest(ENDED_WITHIN_MS);
  if (world.isEnding) return;
  await raw.readsEnd();
  raw.drop();
}

async function registerNever(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const raw = await RawPeer.open(world, `/signal?room=${room}&nodeId=${world.name("silent")}`);
  await world.rest(REGISTER_TIMEOUT_MS);
  if (world.isEnding) return;
  await raw.reads(new RegExp(CLOSE.registrationTimeout.reason));
  await goOrStay(raw, world, random);
}

/** Is closed for one reason or another, and does not answer. */
export async function ignoreClose(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const id = world.name("stubborn");
  const [raw, { reason }] = await random.pick([wrongRoom, invalidToken, tooBig, tooMany])(
    world,
    room,
    id,
  );
  await raw.reads(new RegExp(reason));
  world.tally.counts.unanswered++;
  await world.rest(random.between(100, 2500));
  await goOrStay(raw, world, random);
}

async function goOrStay(raw: RawPeer, world: World, random: Random): Promise<void> {
  if (world.isEnding) return;
  await random.pick([() => raw.finish(), () => raw.reset(), () => raw.drop()])();
}

type Closed = [raw: RawPeer, why: { readonly reason: string }];

async function wrongRoom(world: World, room: string, id: string): Promise<Closed> {
  const path = world.path(room, id).replace(`room=${room}`, "room=another");
  return [await RawPeer.open(world, path), CLOSE.wrongRoom];
}

async function invalidToken(world: World, room: string, id: string): Promise<Closed> {
  const path = world.path(room, id).replace("&room=", "AAAA&room=");
  return [await RawPeer.open(world, path), CLOSE.invalidToken];
}

async function tooBig(world: World, room: string, id: string): Promise<Closed> {
  const raw = await RawPeer.join(world, room, id);
  await raw.write(frame(1, "x".repeat(60_000), false));
  await raw.write(frame(0, "x".repeat(60_000)));
  return [raw, CLOSE.messageTooBig];
}

async function tooMany(world: World, room: string, id: string): Promise<Closed> {
  const raw = await RawPeer.join(world, room, id);
  const one = frame(1, '{"type":"x"}');
  const flood = new Uint8Array(one.length * FLOOD);
  for (let n = 0; n < FLOOD; n++) flood.set(one, n * one.length);
  await raw.write(flood);
  world.tally.counts.junk += FLOOD;
  return [raw, CLOSE.tooManyMessages];
}
