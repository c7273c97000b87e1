/** Envelopes of one instance, whatever its backplane does. */

import { assertEquals } from "@std/assert";
import type { Envelope, SendOutcome } from "../../src/cluster/backplane.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";
import { FakePeer } from "../helpers/peer.ts";

/** An instance with a peer `a` of its own and `b` of another. */
async function startWithPair(): Promise<{ fixture: ClusterFixture; a: FakePeer }> {
  const fixture = new ClusterFixture();
  fixture.listener.up("x");
  const a = new FakePeer("a");
  const answer = fixture.cluster.join("r", a);
  fixture.grant();
  await answer;
  fixture.addRemote("r", "b", { joinOrder: 2 });
  return { fixture, a };
}

function offer(fixture: ClusterFixture, from: FakePeer): string | undefined {
  const text = '{"type":"offer","to":"b","sdp":1}';
  const message = { type: "offer", to: "b", sdp: 1 } as const;
  return fixture.registry.get("r")?.relay(from, message, text);
}

function fromRemote(fixture: ClusterFixture, more: Partial<Envelope> = {}): Envelope {
  const number = fixture.backplane.claims[0]?.member.number ?? 0;
  return {
    room: "r",
    type: "offer",
    from: "b",
    sender: { instance: "other", number: 1 },
    to: "a",
    target: { instance: "x", number },
    text: '{"type":"offer"}',
    ...more,
  };
}

Deno.test("router: a backplane that fails to send has not reached the target, and nothing ends", async () => {
  const failures: (() => Promise<SendOutcome>)[] = [
    () => Promise.reject(new Error("told to")),
    () => {
      throw new Error("told to");
    },
    () => Promise.resolve("not found"),
  ];
  for (const send of failures) {
    const { fixture, a } = await startWithPair();
    fixture.backplane.send = send;
    assertEquals(offer(fixture, a), "sent");
    await settle();
    assertEquals(a.frames.map(({ code, to }) => [code, to]), [["PEER_NOT_FOUND", "b"]]);
  }
});

Deno.test("router: a sender whose envelopes wait is told that the target is busy", async () => {
  const { fixture, a } = await startWithPair();
  fixture.backplane.send = () => Promise.resolve("busy");
  offer(fixture, a);
  await settle();
  assertEquals(a.frames.map(({ code, to }) => [code, to]), [["PEER_BUSY", "b"]]);
});

Deno.test("router: an envelope is passed to its target", async () => {
  const { fixture, a } = await startWithPair();
  fixture.listener.received(fromRemote(fixture));
  fixture.listener.received(fromRemote(fixture, { type: "list", from: "", text: '{"n":2}' }));
  assertEquals([a.frames, fixture.backplane.reports], [[{ type: "offer" }, { n: 2 }], []]);
});

Deno.test("router: an envelope for another membership, or of one, is reported as not found", async () => {
  const { fixture, a } = await startWithPair();
  const strays = [
    fromRemote(fixture, { target: { instance: "x", number: 99 } }),
    fromRemote(fixture, { target: { instance: "x0", number: 1 } }),
    fromRemote(fixture, { sender: { instance: "other", number: 2 } }),
    fromRemote(fixture, { from: "nobody" }),
    fromRemote(fixture, { from: "a" }),
    fromRemote(fixture, { room: "s" }),
  ];
  for (const envelope of strays) fixture.listener.received(envelope);
  assertEquals(a.frames, []);
  assertEquals(
    fixture.backplane.reports.map(([, reason]) => reason),
    strays.map(() => "not found"),
  );
  assertEquals(Object.hasOwn(fixture.backplane.reports[0]?.[0] ?? {}, "text"), false);
});

Deno.test("router: a target that reads too slowly is reported as busy", async () => {
  const { fixture, a } = await startWithPair();
  a.signal = () => "busy";
  fixture.listener.received(fromRemote(fixture));
  assertEquals(fixture.backplane.reports.map(([{ to }, reason]) => [to, reason]), [["a", "busy"]]);
});

Deno.test("router: what another instance reports is told to the sender", async () => {
  const { fixture, a } = await startWithPair();
  const { sender: target, target: sender } = fromRemote(fixture);
  const header = { room: "r", type: "offer", from: "a", sender, to: "b", target } as const;
  fixture.listener.undeliverable(header, "busy");
  fixture.listener.undeliverable(header, "not found");
  const forged = [{ sender: { ...sender, number: 99 } }, { from: "z" }, { room: "s" }];
  for (const part of forged) fixture.listener.undeliverable({ ...header, ...part }, "busy");
  assertEquals(a.frames.map(({ code }) => code), ["PEER_BUSY", "PEER_NOT_FOUND"]);
});
