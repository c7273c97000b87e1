/** The peers of other instances in the rooms of this one. */

import { assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import type { Member, OrderedMember } from "../../src/cluster/backplane.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";
import { FakePeer } from "../helpers/peer.ts";

/** An instance with a peer in room `r`. */
async function startWith(id: string): Promise<{ fixture: ClusterFixture; peer: FakePeer }> {
  const fixture = new ClusterFixture();
  fixture.listener.up("x");
  const peer = new FakePeer(id);
  const answer = fixture.cluster.join("r", peer);
  fixture.grant();
  await answer;
  return { fixture, peer };
}

function snapshot(
  fixture: ClusterFixture,
  members: readonly OrderedMember[],
  isReclaim = false,
): void {
  const event = { kind: "snapshot", room: "r", members, rotation: 0, isReclaim } as const;
  fixture.listener.roomChanged(event);
}

function own(fixture: ClusterFixture): Member {
  const member = fixture.backplane.claims[0]?.member;
  if (member === undefined) throw new Error("Nothing was claimed");
  return member;
}

Deno.test("remote members: they come, change and leave as the backplane reports them", async () => {
  const { fixture } = await startWith("a");
  const b = fixture.addRemote("r", "b", { joinOrder: 2 });
  assertEquals(fixture.ids("r"), ["a", "b"]);
  const changed = { ...b, role: "consumer", acceptsConsumers: false } as const;
  fixture.listener.roomChanged({ kind: "updated", room: "r", member: changed });
  const remote = fixture.registry.get("r")?.find("b");
  assertEquals([remote?.role, remote?.servingState.serveConsumers], ["consumer", false]);
  fixture.listener.roomChanged({ kind: "left", room: "r", id: "b", memberId: b });
  assertEquals(fixture.ids("r"), ["a"]);
});

Deno.test("remote members: a late report about an earlier membership changes nothing", async () => {
  const { fixture } = await startWith("a");
  const late = fixture.addRemote("r", "b", { number: 1 });
  fixture.addRemote("r", "b", { number: 2 });
  fixture.listener.roomChanged({ kind: "left", room: "r", id: "b", memberId: late });
  const member = { ...late, role: "consumer" } as const;
  fixture.listener.roomChanged({ kind: "updated", room: "r", member });
  assertEquals([fixture.ids("r"), fixture.registry.get("r")?.find("b")?.role], [
    ["a", "b"],
    "normal",
  ]);
});

Deno.test("remote members: a room in which no peer is from here is not kept", async () => {
  const { fixture, peer } = await startWith("a");
  fixture.addRemote("r", "b");
  fixture.addRemote("elsewhere", "c");
  assertEquals(fixture.ids("elsewhere"), []);
  const room = fixture.registry.get("r");
  if (room !== undefined) fixture.registry.leave(room, peer);
  assertEquals([fixture.registry.rooms, fixture.backplane.left], [0, ["a from r"]]);
});

Deno.test("remote members: one that takes a name over closes the local peer, by its role", async () => {
  for (
    const [role, taken, reason] of [
      ["normal", "normal", CLOSE.replaced],
      ["normal", "consumer", CLOSE.nodeIdInUse],
    ] as const
  ) {
    const { fixture, peer } = await startWith("a");
    peer.role = taken;
    fixture.addRemote("r", "a", { role });
    assertEquals([peer.closedWith, fixture.backplane.left], [reason, []]);
  }
});

Deno.test("remote members: while a name is being claimed again its answer decides who has it", async () => {
  const fixture = new ClusterFixture();
  const peer = new FakePeer("a");
  fixture.cluster.join("r", peer);
  fixture.listener.up("x");
  fixture.addRemote("r", "a");
  assertEquals([peer.closedWith, fixture.registry.get("r")?.find("a")], [undefined, peer]);
  fixture.grant();
  await settle();
  assertEquals(fixture.registry.get("r")?.find("a"), peer);
});

Deno.test("remote members: a snapshot is the whole room", async () => {
  const { fixture } = await startWith("c");
  fixture.addRemote("r", "gone", { joinOrder: 2 });
  const kept = fixture.addRemote("r", "kept", { joinOrder: 3, number: 2 });
  const before = fixture.registry.get("r")?.find("kept");
  const member = { ...own(fixture), joinOrder: 2 };
  const { instance: _, ...rest } = kept;
  snapshot(fixture, [
    { ...rest, instance: "other", id: "a", number: 9, joinOrder: 1 },
    member,
    kept,
  ]);
  assertEquals(fixture.ids("r"), ["a", "c", "kept"]);
  assertEquals(fixture.registry.get("r")?.find("kept"), before);
});

Deno.test("remote members: peers that could not meet are introduced after a reclaim, others are not", async () => {
  const { fixture, peer } = await startWith("a");
  const met = fixture.addRemote("r", "met", { joinOrder: 2, joinedAt: 5 });
  fixture.clock.tick(10);
  fixture.listener.down("told to");
  assertEquals(fixture.ids("r"), ["a"]);
  fixture.listener.up("x2");
  const reclaimed = (member: OrderedMember) =>
    fixture.listener.roomChanged({
      kind: "joined",
      room: "r",
      member,
      rotation: 0,
      isReclaim: true,
    });
  reclaimed({ ...met, instance: "other2" });
  assertEquals(peer.frames, []);
  reclaimed({ ...met, instance: "other2", id: "new", number: 2 });
  assertEquals(peer.frames, [{ type: "peer-list", peers: ["new"] }]);
});

Deno.test("remote members: an event that cannot be handled is logged, and ends nothing", async () => {
  const { fixture } = await startWith("a");
  // deno-lint-ignore no-explicit-any -- a backplane of somebody else may report anything
  fixture.listener.roomChanged({ kind: "joined", room: "r" } as any);
  assertEquals(fixture.logged("error"), ["Handling a backplane event failed"]);
  assertEquals(typeof fixture.logs.at(-1)?.fields?.["stack"], "string");
});

Deno.test("remote members: a local member joins no room and under no name but its own", async () => {
  const { fixture, peer } = await startWith("a");
  const event = { kind: "joined", rotation: 0, isReclaim: false } as const;
  const member = { ...own(fixture), joinOrder: 7 };
  fixture.listener.roomChanged({ ...event, room: "s", member });
  fixture.listener.roomChanged({ ...event, room: "r", member: { ...member, id: "b" } });
  assertEquals([fixture.ids("r"), fixture.ids("s"), fixture.registry.rooms], [["a"], [], 1]);
  assertEquals([peer.joinOrder, peer.closedWith], [1, undefined]);
});

Deno.test("remote members: a peer is closed if the one that took its name over has disconnected since", async () => {
  const { fixture, peer } = await startWith("a");
  const newcomer = new FakePeer("a");
  fixture.cluster.join("r", newcomer);
  fixture.cluster.cancelJoin(newcomer);
  assertEquals(peer.closedWith, undefined);
  fixture.grant();
  await settle();
  assertEquals([peer.closedWith, fixture.ids("r")], [CLOSE.replaced, []]);
  // The backplane has the newcomer until it has executed its leave, and nobody afterwards.
  assertEquals(fixture.backplane.left, ["a from r", "a from r"]);
});
