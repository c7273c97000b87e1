/** How peers of one instance join, whatever the backplane answers, and when. */

import { assertEquals, assertRejects } from "@std/assert";
import { AUDIT_MS } from "../../src/cluster/auditor.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";
import { FakePeer } from "../helpers/peer.ts";

function startUp(): ClusterFixture {
  const fixture = new ClusterFixture();
  fixture.listener.up("x");
  return fixture;
}

Deno.test("claims: a peer joins once its name is claimed", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  const answer = Promise.resolve(fixture.cluster.join("r", peer));
  await settle();
  assertEquals(fixture.ids("r"), []);
  fixture.grant();
  assertEquals((await answer).outcome.kind, "joined");
  assertEquals(fixture.ids("r"), ["a"]);
});

Deno.test("claims: each refusal of the backplane is the outcome of the join", async () => {
  const replies = ["idInUse", "full", "identityFull", "outdated"] as const;
  for (const reply of replies) {
    const fixture = startUp();
    const answer = Promise.resolve(fixture.cluster.join("r", new FakePeer("a")));
    fixture.backplane.claims[0]?.answer.resolve(reply);
    const { outcome } = await answer;
    assertEquals(outcome.kind, reply === "outdated" ? "idInUse" : reply);
    assertEquals(fixture.ids("r"), []);
  }
});

Deno.test("claims: a second join of one peer is the first one, and never replaces it", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  const first = fixture.cluster.join("r", peer);
  const second = fixture.cluster.join("r", peer);
  assertEquals(fixture.backplane.claims.length, 1);
  fixture.grant();
  assertEquals((await first).outcome, (await second).outcome);
  const third = await fixture.cluster.join("r", peer);
  assertEquals([third.outcome.kind, fixture.backplane.claims.length], ["joined", 1]);
  assertEquals([peer.closedWith, fixture.ids("r"), fixture.backplane.left], [
    undefined,
    ["a"],
    [],
  ]);
});

Deno.test("claims: a peer that is cancelled while its claim is in flight leaves no member", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  fixture.cluster.join("r", peer);
  fixture.cluster.cancelJoin(peer);
  assertEquals(fixture.backplane.left, ["a from r"]);
  fixture.grant();
  await settle();
  assertEquals([fixture.ids("r"), fixture.backplane.left], [[], ["a from r", "a from r"]]);
});

Deno.test("claims: a peer whose claim was granted before it closed leaves no member either", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  fixture.cluster.join("r", peer);
  fixture.grant();
  fixture.cluster.cancelJoin(peer);
  await settle();
  assertEquals([fixture.ids("r"), fixture.backplane.left], [[], ["a from r"]]);
});

Deno.test("claims: a rejection refuses the peer, and its name is free", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  const answer = Promise.resolve(fixture.cluster.join("r", peer));
  fixture.backplane.claims[0]?.answer.reject(new Error("told to"));
  await assertRejects(() => answer, Error, "told to");
  const again = Promise.resolve(fixture.cluster.join("r", new FakePeer("a")));
  fixture.grant();
  assertEquals([(await again).outcome.kind, fixture.ids("r")], ["joined", ["a"]]);
});

Deno.test("claims: a peer that waits when the backplane fails joins here", async () => {
  const fixture = startUp();
  const answer = Promise.resolve(fixture.cluster.join("r", new FakePeer("a")));
  fixture.listener.down("told to");
  fixture.backplane.claims[0]?.answer.reject(new Error("told to"));
  assertEquals([(await answer).outcome.kind, fixture.ids("r")], ["joined", ["a"]]);
});

Deno.test("claims: an answer from before the backplane failed changes nothing", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  const answer = fixture.cluster.join("r", peer);
  fixture.listener.down("told to");
  fixture.listener.up("x2");
  fixture.backplane.claims[0]?.answer.resolve("outdated");
  await answer;
  await settle();
  assertEquals([fixture.ids("r"), peer.closedWith], [["a"], undefined]);
  assertEquals(fixture.backplane.claims.at(-1)?.options.mode, "reclaim");
});

Deno.test("claims: a peer whose name another has when the backplane is back is closed", async () => {
  const replies = [["outdated", CLOSE.replaced], ["idInUse", CLOSE.nodeIdInUse]] as const;
  for (const [reply, reason] of replies) {
    const fixture = new ClusterFixture();
    const peer = new FakePeer("a");
    fixture.cluster.join("r", peer);
    fixture.listener.up("x");
    fixture.addRemote("r", "a");
    fixture.backplane.claims[0]?.answer.resolve(reply);
    await settle();
    assertEquals(peer.closedWith, reason);
  }
});

Deno.test("claims: a rejection of a reclaim is logged, and the peer stays", async () => {
  const fixture = new ClusterFixture();
  const peer = new FakePeer("a");
  fixture.cluster.join("r", peer);
  fixture.listener.up("x");
  fixture.backplane.claims[0]?.answer.reject(new Error("told to"));
  await settle();
  assertEquals([fixture.ids("r"), peer.closedWith], [["a"], undefined]);
  assertEquals(fixture.logged("error"), ["Claiming a name again failed"]);
});

Deno.test("claims: all names are claimed again a bounded number at a time, and missed only then", async () => {
  const fixture = new ClusterFixture();
  const peers = Array.from({ length: 500 }, (_, n) => new FakePeer(`p${n}`));
  for (const peer of peers) fixture.cluster.join("r", peer);
  fixture.listener.up("x");
  assertEquals(fixture.backplane.claims.length, 200);
  const [first, last] = [peers[0], peers[499]];
  for (const peer of [first, last]) {
    const room = fixture.registry.get("r");
    if (room !== undefined && peer !== undefined) fixture.registry.leave(room, peer);
  }
  for (let n = 0; n < 499; n++) {
    fixture.clock.tick(AUDIT_MS);
    assertEquals(fixture.backplane.audits, []);
    fixture.grant(fixture.backplane.claims[n]);
    await settle();
  }
  assertEquals(fixture.backplane.claims.length, 499);
  assertEquals(fixture.ids("r").length, 498);
  fixture.clock.tick(AUDIT_MS);
  assertEquals(fixture.backplane.audits.length, 1);
});
