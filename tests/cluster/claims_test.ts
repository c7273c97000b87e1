/** How peers of one instance join, whatever the backplane answers, and when. */

import { assertEquals, assertRejects } from "@std/assert";
import { AUDIT_MS } from "../../src/cluster/auditor.ts";
import type { PostReply } from "../../src/cluster/backplane.ts";
import { MAX_PENDING } from "../../src/cluster/questioner.ts";
import { MAX_PINGS } from "../../src/cluster/pings.ts";
import { encodeAnswer, type PingAnswer } from "../../src/cluster/question.ts";
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

Deno.test("claims: a name that is kept from now on is logged by the instance that is told so", async () => {
  const fixture = startUp();
  const answer = Promise.resolve(fixture.cluster.join("r", new FakePeer("a")));
  fixture.grant(undefined, 1, "joined and kept");
  assertEquals((await answer).outcome.kind, "joined");
  await settle();
  const warnings = fixture.logs.filter(({ level }) => level === "warn");
  assertEquals(warnings.map(({ fields }) => fields), [{ room: "r", nodeId: "a" }]);
});

const HOLDER = { instance: "y", number: 7 };

/** A peer that comes for a name that a member of another instance keeps, if that is alive. */
async function contest(
  fixture: ClusterFixture,
  postReply = (): Promise<PostReply> => Promise.resolve({ reached: ["y"], isPartial: false }),
  peer = new FakePeer("a"),
) {
  const { backplane, cluster } = fixture;
  backplane.postReply = postReply;
  const contested: { outcome?: string } = {};
  const answer = Promise.resolve(cluster.join("r", peer));
  answer.then(({ outcome }) => contested.outcome = outcome.kind);
  const claim = backplane.claims.at(-1);
  assertEquals(claim?.options.mode, "join");
  claim?.answer.resolve({ keptBy: HOLDER });
  await settle();
  return contested;
}

/** Answers the last question of the instance. */
async function reply({ backplane, listener }: ClusterFixture, value?: PingAnswer): Promise<void> {
  const [, id] = JSON.parse(backplane.posts.at(-1)?.text ?? "[]");
  listener.posted(encodeAnswer(id, value), "y");
  await settle();
}

Deno.test("claims: the holder of a kept name is pinged by its own instance", async () => {
  const fixture = startUp();
  const contested = await contest(fixture);
  const { posts } = fixture.backplane;
  assertEquals(posts.map(({ to }) => to), ["y"]);
  assertEquals(JSON.parse(posts[0]?.text ?? "")[2], { kind: "ping", number: 7 });
  assertEquals(contested.outcome, undefined);
  await reply(fixture, "alive");
  assertEquals([contested.outcome, fixture.ids("r")], ["idInUse", []]);
  assertEquals([fixture.backplane.claims.length, fixture.backplane.left], [1, []]);
});

Deno.test("claims: a holder that cannot be pinged keeps its name, one that is dead does not", async () => {
  const nobody = { reached: [], isPartial: true };
  const alive: ((fixture: ClusterFixture) => Promise<void>)[] = [
    (fixture) => reply(fixture, "unknown"),
    (fixture) => reply(fixture), // As an instance does that is asked too much.
  ];
  for (const answer of alive) {
    const fixture = startUp();
    const contested = await contest(fixture);
    await answer(fixture);
    assertEquals([contested.outcome, fixture.backplane.claims.length], ["idInUse", 1]);
  }
  const failing = startUp();
  assertEquals(
    (await contest(failing, () => Promise.reject(new Error("told to")))).outcome,
    "idInUse",
  );
  const busy = startUp();
  for (let n = 0; n < MAX_PENDING; n++) {
    busy.cluster.ask({ kind: "ping", number: n }, { to: "z", timeoutMs: 60_000 });
  }
  assertEquals((await contest(busy)).outcome, "idInUse");
  busy.listener.down("told to");

  const dead: [(fixture: ClusterFixture) => Promise<void>, PostReply?][] = [
    [(fixture) => reply(fixture, "dead")],
    [(fixture) => {
      fixture.clock.tick(2500);
      return settle();
    }],
    [settle, nobody],
  ];
  for (const [answer, posted] of dead) {
    const fixture = startUp();
    const contested = await contest(fixture, posted && (() => Promise.resolve(posted)));
    await answer(fixture);
    const [, again] = fixture.backplane.claims;
    assertEquals([again?.options.mode, again?.options.dead], ["join", HOLDER]);
    assertEquals(contested.outcome, undefined);
    fixture.grant();
    await settle();
    assertEquals([contested.outcome, fixture.ids("r")], ["joined", ["a"]]);
  }
});

Deno.test("claims: another newcomer that was faster keeps the name, if it is alive", async () => {
  const fixture = startUp();
  const contested = await contest(fixture);
  await reply(fixture, "dead");
  fixture.backplane.claims.at(-1)?.answer.resolve({ keptBy: { instance: "y", number: 8 } });
  await settle();
  assertEquals(JSON.parse(fixture.backplane.posts.at(-1)?.text ?? "")[2].number, 8);
  await reply(fixture, "alive");
  assertEquals([contested.outcome, fixture.backplane.claims.length], ["idInUse", 2]);
});

Deno.test("claims: a newcomer that leaves while the holder is asked claims nothing more", async () => {
  const fixture = startUp();
  const peer = new FakePeer("a");
  const contested = await contest(fixture, undefined, peer);
  fixture.cluster.cancelJoin(peer);
  await reply(fixture, "dead");
  assertEquals([contested.outcome, fixture.backplane.claims.length], [undefined, 1]);
});

Deno.test("claims: a newcomer joins here if the backplane fails while the holder is asked", async () => {
  const fixture = startUp();
  const contested = await contest(fixture);
  fixture.listener.down("told to");
  await settle();
  assertEquals([contested.outcome, fixture.ids("r")], ["joined", ["a"]]);
  fixture.listener.up("x2");
  await settle();
  const modes = fixture.backplane.claims.map(({ options }) => options.mode);
  assertEquals(modes, ["join", "reclaim"]);
});

Deno.test("claims: many who come for one name ask once, and for many names a bounded number is asked", async () => {
  const fixture = startUp();
  const contested = [await contest(fixture), await contest(fixture), await contest(fixture)];
  assertEquals(fixture.backplane.posts.length, 1);
  await reply(fixture, "alive");
  assertEquals(contested.map(({ outcome }) => outcome), Array(3).fill("idInUse"));
  const answers = Array.from({ length: MAX_PINGS + 1 }, (_, number) => {
    const answer = Promise.resolve(fixture.cluster.join("r", new FakePeer(`p${number}`)));
    fixture.backplane.claims.at(-1)?.answer.resolve({ keptBy: { instance: "y", number } });
    return answer;
  });
  await settle();
  assertEquals(fixture.backplane.posts.length, 1 + MAX_PINGS);
  assertEquals((await answers.at(-1))?.outcome.kind, "idInUse");
  fixture.listener.down("told to");
  await Promise.all(answers);
});

Deno.test("claims: a holder of this instance that is known to be dead loses its name without a ping", async () => {
  const fixture = startUp();
  const holder = new FakePeer("a");
  const first = fixture.cluster.join("r", holder);
  fixture.grant();
  await first;
  const second = fixture.cluster.join("r", new FakePeer("a"), holder);
  const [before, claim] = fixture.backplane.claims;
  assertEquals(claim?.options.dead, { instance: "x", number: before?.member.number ?? 0 });
  fixture.grant();
  assertEquals((await second).outcome.kind, "joined");
  assertEquals(holder.closedWith, CLOSE.replaced);
});

Deno.test("claims: a holder of this instance is pinged without a question", async () => {
  const fixture = startUp();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const holder = Object.assign(new FakePeer("a"), { answersWithin: () => promise });
  const first = fixture.cluster.join("r", holder);
  fixture.grant();
  await first;
  const second = fixture.cluster.join("r", new FakePeer("a"));
  const { number } = fixture.backplane.claims[0]?.member ?? { number: 0 };
  fixture.backplane.claims[1]?.answer.resolve({ keptBy: { instance: "x", number } });
  await settle();
  resolve(true);
  assertEquals((await second).outcome.kind, "idInUse");
  assertEquals(fixture.backplane.posts, []);
});
