/** The table of local members. */

import { assertEquals } from "@std/assert";
import { LocalMembers } from "../../src/cluster/local_members.ts";
import { FakePeer } from "../helpers/peer.ts";

function add(members: LocalMembers, room: string, id: string) {
  const peer = new FakePeer(id);
  return members.add({ room, peer, joinedAt: 7, acceptsConsumers: true });
}

Deno.test("local members: a member is found by its peer, its number and its room", () => {
  const members = new LocalMembers();
  const local = add(members, "r", "a");
  members.instance = "x";
  assertEquals(members.ofPeer(local.peer), local);
  assertEquals(members.find({ instance: "x", number: local.number }), local);
  assertEquals([...members.inRoom("r")], [local]);
  assertEquals([members.size, members.hasMembersIn("r"), members.hasMembersIn("s")], [
    1,
    true,
    false,
  ]);
});

Deno.test("local members: nobody is found by the number of another instance, or while there is none", () => {
  const members = new LocalMembers();
  const { number } = add(members, "r", "a");
  assertEquals(members.find({ instance: "x", number }), undefined);
  members.instance = "x";
  assertEquals(members.find({ instance: "y", number }), undefined);
});

Deno.test("local members: a member that is removed is found nowhere, and may be removed twice", () => {
  const members = new LocalMembers();
  members.instance = "x";
  const [a, b] = [add(members, "r", "a"), add(members, "r", "b")];
  members.delete(a);
  members.delete(a);
  assertEquals([members.ofPeer(a.peer), members.find({ instance: "x", number: a.number })], [
    undefined,
    undefined,
  ]);
  assertEquals([[...members.inRoom("r")], members.size], [[b], 1]);
  members.delete(b);
  assertEquals([members.hasMembersIn("r"), [...members.inRoom("r")]], [false, []]);
});

Deno.test("local members: no number is used twice", () => {
  const members = new LocalMembers();
  const a = add(members, "r", "a");
  members.delete(a);
  assertEquals(add(members, "r", "a").number === a.number, false);
});

Deno.test("local members: the other instances know what was announced", () => {
  const members = new LocalMembers();
  members.instance = "x";
  const local = add(members, "r", "a");
  Object.assign(local, { role: "consumer", acceptsConsumers: false, consumerIdentity: "me" });
  assertEquals(members.toMember(local), {
    id: "a",
    instance: "x",
    number: local.number,
    role: "consumer",
    acceptsConsumers: false,
    consumerIdentity: "me",
    joinedAt: 7,
  });
});

Deno.test("local members: the rooms can be gone through while they change", () => {
  const members = new LocalMembers();
  const [first] = ["r", "s", "t"].map((room) => add(members, room, "a"));
  const rooms = members.rooms();
  assertEquals(rooms.next().value, "r");
  if (first !== undefined) members.delete(first);
  add(members, "u", "a");
  assertEquals([...{ [Symbol.iterator]: () => rooms }], ["s", "t", "u"]);
});
