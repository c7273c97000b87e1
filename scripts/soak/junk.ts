/** Clients that send what nobody should: as HTTP, as handshakes, as frames, and as messages. */

import { exchange, frame, handshake } from "../../tests/helpers/raw.ts";
import type { Random } from "../../tests/helpers/random.ts";
import { RawPeer } from "./raw_peer.ts";
import { ROOMS, sleep, type World } from "./world.ts";

const TEXT = 1;
const BINARY = 2;
const CLOSING = 8;
const PING = 9;

/** What a message that cannot be read is answered with. */
const INVALID = /INVALID_MESSAGE/;

/** Sends junk of one kind. */
export async function junk(world: World, random: Random): Promise<void> {
  const kinds = [badRequest, badRequest, badHandshake, badMessages, badMessages, badFrame];
  await random.pick([...kinds, endlessMessage, strangerTalks])(world, random);
}

/** A request from its first line on; the server is to end the connection behind its answer. */
function request(line: string, headers: readonly string[] = [], body = ""): string {
  const head = [line, "Host: localhost", "Connection: close", ...headers];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

async function badRequest(world: World, random: Random): Promise<void> {
  const json = "Content-Type: application/json";
  const requests = [
    request("GET /nothing HTTP/1.1"),
    request("GET /signal HTTP/1.1"),
    request("DELETE /token HTTP/1.1"),
    request("POST /token HTTP/1.1", [json, "Content-Length: 2", "x-admin-secret: wrong"], "{}"),
    request("POST /token HTTP/1.1", [json, "Content-Length: 90000"], "x".repeat(90_000)),
    request("GET /health HTTP/1.1", [`x-long: ${"x".repeat(100_000)}`]),
    request("GET http://[ HTTP/1.1"),
    "\0\x01\x02 HTTP/9\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    handshake("/signal?token=a&token=b"),
    handshake("/signal?room=soak-0").replace("Version: 13", "Version: 8"),
  ];
  world.tally.counts.junk++;
  if (random.chance(0.8)) {
    // An answer that keeps the connection is read, and the connection left.
    await exchange(world.port, random.pick(requests), /\r\n\r\n/);
    return;
  }
  const raw = await RawPeer.connect(world, "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-");
  await world.rest(random.between(0, 500));
  raw.drop();
}

/** Tokens that do not hold, or none. */
async function badHandshake(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const id = world.name("forger");
  const good = world.path(room, id);
  const raw = await RawPeer.open(
    world,
    random.pick([
      "/signal",
      `/signal?token=${"x".repeat(10_000)}`,
      "/signal?token=a.b.c",
      good.replace("token=e", "token=x"),
      good.replace(`room=${room}`, "room=another"),
      `${good}&room=${"x".repeat(300)}`,
      `${good}&nodeId=${"x".repeat(300)}`,
    ]),
  );
  world.tally.counts.junk++;
  await raw.reads(/token|room|nodeId/);
  if (random.chance(0.5)) await raw.write(frame(CLOSING, ""));
  await raw.finish();
}

async function badMessages(world: World, random: Random): Promise<void> {
  const raw = await RawPeer.join(world, random.pick(ROOMS), world.name("babbler"));
  const messages = [
    frame(TEXT, "not JSON"),
    frame(TEXT, "[]"),
    frame(TEXT, '{"type":'),
    frame(TEXT, '{"type":5}'),
    frame(TEXT, '{"type":"offer"}'),
    frame(TEXT, `{"type":"offer","to":"${"x".repeat(200)}"}`),
    frame(TEXT, '{"type":"register","role":"king"}'),
    frame(TEXT, '{"type":"heartbeat","load":7}'),
    frame(TEXT, '{"type":"register","capacity":-1}'),
    frame(TEXT, "[".repeat(60_000)),
    frame(TEXT, ""),
    frame(BINARY, "{}"),
    frame(PING, "ping"),
  ];
  const count = random.between(1, 30);
  for (let n = 0; n < count; n++) await raw.write(random.pick(messages));
  await raw.write(frame(TEXT, "null"));
  world.tally.counts.junk += count + 1;
  await raw.reads(INVALID);
  await (random.chance(0.5) ? raw.finish() : raw.reset());
}

/** Frames that break the protocol of WebSocket itself. */
async function badFrame(world: World, random: Random): Promise<void> {
  const raw = await RawPeer.join(world, random.pick(ROOMS), world.name("breaker"));
  const fine = frame(TEXT, '{"type":"x"}');
  await raw.write(random.pick([
    fine.map((byte, index) => index === 0 ? byte | 0x40 : byte), // a reserved bit
    frame(3, "reserved opcode"),
    new Uint8Array([0x81, 2, 123, 125]), // not masked
    frame(0, "goes on with nothing"),
    frame(PING, "x".repeat(200)),
    frame(PING, "in pieces", false),
    frame(TEXT, new Uint8Array([0xff, 0xfe, 0xc0])), // not UTF-8
    frame(CLOSING, new Uint8Array([0, 1])),
    new Uint8Array([0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]),
    new Uint8Array([0x81, 0xff, 0, 0, 0, 0, 3, 0x80, 0, 0, 1, 2, 3, 4]), // 56 MiB, announced
  ]));
  world.tally.counts.junk++;
  await sleep(random.between(0, 100));
  await (random.chance(0.5) ? raw.reset() : raw.finish());
}

/** A message in pieces that never ends. */
async function endlessMessage(world: World, random: Random): Promise<void> {
  const raw = await RawPeer.join(world, random.pick(ROOMS), world.name("endless"));
  const count = random.between(1, 30);
  await raw.write(frame(TEXT, '{"type":"offer"', false));
  for (let n = 0; n < count; n++) await raw.write(frame(0, "x".repeat(30_000), false));
  world.tally.counts.junk += count + 1;
  await world.rest(random.between(0, 3000));
  await (random.chance(0.5) ? raw.reset() : raw.finish());
}

/** Nobody yet, and talks. */
async function strangerTalks(world: World, random: Random): Promise<void> {
  const room = random.pick(ROOMS);
  const raw = await RawPeer.open(
    world,
    `/signal?room=${room}&nodeId=${world.name("unauthenticated")}`,
  );
  await raw.send({ type: "offer", to: "anybody", sdp: {} });
  await raw.reads(INVALID);
  await raw.write(random.pick([
    frame(TEXT, "x".repeat(20_000)),
    frame(TEXT, '{"type":"register"}'),
    frame(TEXT, '{"type":"register","role":"consumer"}'),
    frame(TEXT, '{"type":"register","role":"consumer","token":"a.b.c"}'),
  ]));
  world.tally.counts.junk += 2;
  await raw.reads(/message too big|missing token|consumer token/);
  await raw.finish();
}
