/** A client on a fake socket beside the model of it, and how the two are compared. */

import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../src/sessions/connection.ts";
import type { CloseReason } from "../../src/protocol/messages.ts";
import type { Model, ModelClient } from "./model.ts";
import { FakeSocket } from "./socket.ts";

/** A consumer gets one list in so many milliseconds at most. */
export const PUSH_MS = 250;
/** How long a socket that was upgraded may take to open, and how long until that shows. */
const OPEN_MS = [2000, 4000] as const;

/** A socket that notices what is sent once it has ended. */
export class StrictSocket extends FakeSocket {
  isStalled = false;
  readonly late: string[] = [];
  /** When each frame was sent. */
  readonly times: number[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    super();
    this.#now = now;
  }

  override send(text: string): void {
    if (this.closedWith !== undefined || this.readyState !== 1) this.late.push(text);
    if (this.isStalled) this.bufferedAmount += text.length;
    this.times.push(this.#now());
    super.send(text);
  }
}

/** One client on a fake socket, beside the model of it. */
export interface Actor {
  readonly client: ModelClient;
  readonly socket: StrictSocket;
  readonly session: Connection;
  readonly connectedAt: number;
  hasStalled: boolean;
  /** Gives the verdict on its token, if that is awaited. */
  admit: (() => void) | undefined;
  /** Gives the verdict on its consumer token, if that is awaited. */
  judge: ((refusal: CloseReason | null) => void) | undefined;
  /** When its last list of servers came, and what it said. */
  listedAt: number;
  servers: readonly string[];
  /** How many lists named itself. */
  toldOfItself: number;
  /** The mark of the last message from each other actor. */
  readonly heard: Map<ModelClient, number>;
}

/** Compares what has become of an actor. */
export function checkState({ client, session, socket, connectedAt }: Actor, model: Model): void {
  assertEquals(socket.closedWith, client.closedWith);
  assertEquals(socket.late, [], "who has ended gets nothing");
  const age = model.now - connectedAt;
  if (session.phase === "neverOpened") assert(age >= OPEN_MS[0] && client.state === "opening");
  else {
    assertEquals(session.phase === "refused" ? "closing" : session.phase, client.state);
    assert(client.state !== "opening" || age <= OPEN_MS[1]);
  }
}

/** Compares what an actor got in this step; `senders` says who sent the message of each mark. */
export function checkFrames(actor: Actor, model: Model, senders: readonly ModelClient[]): void {
  const { client, socket, heard } = actor;
  const { seen, now, changedAt } = model;
  const expected = [...client.expected];
  const seenHere = seen.get(client.room) ?? [[]];
  const times = socket.times.splice(0);
  for (const [index, frame] of socket.sent.splice(0).entries()) {
    const sentAt = times[index] ?? now;
    if (frame.mark !== undefined) {
      const sender = senders[frame.mark];
      assert(sender !== undefined && frame.mark > (heard.get(sender) ?? -1), "order is kept");
      heard.set(sender, frame.mark);
      assertEquals([frame.from, frame.to], [sender.name, client.name]);
      assertEquals(sender.room, client.room);
    }
    const isExpected = expected[0]?.["type"] === frame.type;
    const isReintroduction = !isExpected && frame.type === "peer-list";
    if (isReintroduction) {
      const { peers }: { peers: string[] } = frame;
      assert(peers.length > 0 && new Set(peers).size === peers.length);
      if (peers.includes(client.name)) actor.toldOfItself++;
      assert(peers.every((name) => name > client.name), "the smaller id is told");
      assert(
        seenHere.some((normals) => peers.every((name) => normals.includes(name))),
        "no ghosts",
      );
    } else if (frame.type === "server-list") {
      assert(seenHere.some((normals) => isRotation(frame.servers, normals)), "lists are true");
      if (!isExpected) assert(sentAt - actor.listedAt >= PUSH_MS, "lists are coalesced");
      actor.listedAt = sentAt;
      actor.servers = frame.servers;
    } else {
      const { message: _, ...told } = frame;
      assertEquals(told, expected[0]);
    }
    if (isExpected) expected.shift();
  }
  assertEquals(expected, [], "what is owed is sent");
  const hasBeenQuiet = now - (changedAt.get(client.room) ?? 0) >= PUSH_MS;
  const isGuided = client.state === "joined" && client.role === "consumer" && !client.hasVanished;
  if (isGuided && hasBeenQuiet) {
    assert(isRotation(actor.servers, model.normals(client.room)), "lists are fresh");
  }
}

/** Whether a list begins somewhere else and is the same otherwise. */
function isRotation(list: readonly string[], of: readonly string[]): boolean {
  return list.length === of.length &&
    list.every((name, index) => name === of[(of.indexOf(list[0] ?? "") + index) % of.length]);
}
