/** What a host is told of joins and leaves. */

import { assertEquals } from "@std/assert";
import { type OnPeer, type PeerEvent, Presence } from "../../src/admin/presence.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

function setUp(onPeer?: OnPeer) {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const events: PeerEvent[] = [];
  const logger = {
    ...silentLogger,
    error: (_: string, fields?: { readonly cause?: unknown }) => void errors.push(fields?.cause),
  };
  const presence = new Presence({
    onPeer: onPeer ?? ((event) => void events.push(event)),
    clock,
    logger,
  });
  const { registry } = createRooms({ clock });
  registry.subscribe(presence.changed);
  const told = () =>
    events.splice(0).map(({ type, room, nodeId, role }) => `${nodeId} ${type} ${room} as ${role}`);
  return { clock, errors, events, presence, registry, told };
}

Deno.test("onPeer is told of joins and leaves in order, after what caused them", () => {
  const { clock, events, registry, told } = setUp();
  const ada = new FakePeer("ada", "normal");
  const { room } = registry.join("todos", ada);
  const at = new Date(clock.now()).toISOString();
  clock.jump(5);
  registry.join("todos", new FakePeer("ann", "consumer"));
  registry.leave(room, ada);
  assertEquals(events, []);
  clock.tick(0);
  assertEquals(events[0], { type: "joined", room: "todos", nodeId: "ada", role: "normal", at });
  assertEquals(told(), [
    "ada joined todos as normal",
    "ann joined todos as consumer",
    "ada left todos as normal",
  ]);
  assertEquals(clock.pending, 0);
});

Deno.test("onPeer is told of a takeover as a leave and a join, and of a changed role likewise", () => {
  const { clock, registry, told } = setUp();
  const [old, ada] = [new FakePeer("ada", "normal"), new FakePeer("ada", "normal")];
  registry.join("todos", old);
  const { room } = registry.join("todos", ada);
  registry.update(room, ada); // Nothing that a host is told of.
  ada.role = "consumer";
  registry.update(room, ada);
  clock.tick(0);
  assertEquals(told(), [
    "ada joined todos as normal",
    "ada left todos as normal",
    "ada joined todos as normal",
    "ada left todos as normal",
    "ada joined todos as consumer",
  ]);
});

Deno.test("onPeer is told of the peers of its own instance alone", () => {
  const { clock, registry, told } = setUp();
  registry.join("todos", new FakePeer("ada", "normal"));
  registry.join("todos", Object.assign(new FakePeer("far", "normal"), { isLocal: false }));
  registry.join("todos", Object.assign(new FakePeer("ada", "normal"), { isLocal: false }));
  clock.tick(0);
  assertEquals(told(), ["ada joined todos as normal", "ada left todos as normal"]);
});

Deno.test("onPeer may throw or reject: it is logged, and the next event is passed on", async () => {
  let calls = 0;
  const { clock, errors, registry } = setUp(() => {
    if (++calls === 1) throw new Error("thrown");
    return calls === 2 ? Promise.reject(new Error("rejected")) : Promise.resolve();
  });
  for (const name of ["a", "b", "c"]) registry.join("todos", new FakePeer(name, "normal"));
  clock.tick(0);
  await Promise.resolve();
  await Promise.resolve();
  assertEquals([calls, errors], [3, ["Error: thrown", "Error: rejected"]]);
});

Deno.test("onPeer is told what waits when the handler ends", () => {
  const { clock, presence, registry, told } = setUp();
  registry.join("todos", new FakePeer("ada", "normal"));
  presence.flush();
  assertEquals([told(), clock.pending], [["ada joined todos as normal"], 0]);
});
