/** Rooms of two whose peers signal each other, once it is certain that what they send arrives. */

import { type Client, note } from "./client.ts";
import type { Crowds } from "./crowd.ts";
import { frameOf } from "./frames.ts";
import { payloadOf } from "./payloads.ts";
import type { Kind } from "./protocols.ts";

/** How long the first messages may take, in milliseconds. */
const DEADLINE_MS = 10_000;

/** One peer of a pair. */
export interface Half {
  readonly client: Client;
  /** What it sends the other. */
  readonly frame: Uint8Array<ArrayBuffer>;
  /** How long a message of the other's is when it arrives. */
  arrivingLength: number;
}

const decoder = new TextDecoder();

/** Joins so many rooms and lets each peer send one message, whose arrival is checked in full. */
export async function makePairs(
  crowds: Crowds,
  rooms: number,
  kind: Kind,
  size: number,
): Promise<[Half, Half][]> {
  const { world } = crowds;
  const clients = await crowds.make(rooms * 2, 2);
  const joined = crowds.join(clients, 64);
  if (joined < clients.length) throw new Error(`${joined} of ${clients.length} clients joined`);
  const longer = world.protocol.echoes ? 1 : 0; // An echo is told by its length.
  const payloads = [payloadOf(kind, size), payloadOf(kind, size + longer)];
  let arrived = 0;
  const halves = clients.map((client, index): Half => {
    const other = clients[index ^ 1] as Client;
    const text = world.protocol.signal(kind, client, other.id, payloads[index % 2]);
    const half = { client, frame: frameOf(text), arrivingLength: -1 };
    const expected = JSON.stringify(payloads[(index + 1) % 2]);
    client.onText = (bytes) => {
      const message = world.protocol.relayed(JSON.parse(decoder.decode(bytes)));
      if (message?.from !== other.id) return;
      if (JSON.stringify(message.payload) !== expected) note(world, "a payload was changed");
      half.arrivingLength = bytes.length;
      arrived++;
    };
    return half;
  });
  for (const { client, frame } of halves) client.send(frame);
  if (!crowds.serve(() => arrived === halves.length, DEADLINE_MS)) {
    throw new Error(`${arrived} of ${halves.length} first messages arrived`);
  }
  return halves.flatMap((half, index): [Half, Half][] =>
    index % 2 === 0 ? [[half, halves[index + 1] as Half]] : []
  );
}
