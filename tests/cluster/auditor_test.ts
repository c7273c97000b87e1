/** How an instance compares its rooms with the backplane. */

import { assert, assertEquals } from "@std/assert";
import { AUDIT_MS } from "../../src/cluster/auditor.ts";
import { summarize } from "../../src/cluster/backplane.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";
import { FakePeer } from "../helpers/peer.ts";

/** An instance with peers in rooms, each of which was granted. */
async function startWith(...rooms: string[]): Promise<ClusterFixture> {
  const fixture = new ClusterFixture();
  fixture.listener.up("x");
  for (const [n, room] of rooms.entries()) {
    const answer = fixture.cluster.join(room, new FakePeer(`p${n}`));
    fixture.grant(undefined, n + 1);
    await answer;
  }
  return fixture;
}

async function audit(fixture: ClusterFixture): Promise<string[]> {
  fixture.backplane.audits.length = 0;
  fixture.clock.tick(AUDIT_MS);
  await settle();
  return fixture.backplane.audits.flat().map(({ room }) => room);
}

Deno.test("auditor: an audit lists the members of this instance, and describes the others", async () => {
  const fixture = await startWith("r");
  const remote = fixture.addRemote("r", "b", { joinOrder: 2 });
  fixture.cluster.join("s", new FakePeer("pending"));
  await audit(fixture);
  const [claim, pending] = fixture.backplane.claims;
  assertEquals(fixture.backplane.audits, [[
    {
      room: "r",
      members: [{ id: "p0", number: claim?.member.number ?? 0, isRequired: true }],
      others: summarize([remote]),
    },
    {
      room: "s",
      members: [{ id: "pending", number: pending?.member.number ?? 0, isRequired: false }],
      others: undefined,
    },
  ]]);
});

Deno.test("auditor: what the backplane has lost is claimed again in its old place, counted and logged", async () => {
  const fixture = await startWith("r", "s");
  const { number } = fixture.backplane.claims[1]?.member ?? { number: 0 };
  const missing = [{ room: "s", number }, { room: "s", number: 99 }];
  fixture.backplane.auditReply = () => Promise.resolve({ missing, removed: 2 });
  await audit(fixture);
  const { member, options } = fixture.backplane.claims[2] ?? {};
  assertEquals([member?.id, options?.mode, options?.joinOrder], ["p1", "restore", 2]);
  assertEquals(fixture.cluster.corrections, 3);
  const [line] = fixture.logs.filter(({ level }) => level === "warn");
  assertEquals(line?.fields, { restored: 1, removed: 2 });
});

Deno.test("auditor: rooms of a loss come first, and their other members are not compared for a while", async () => {
  const fixture = await startWith("r", "s");
  fixture.listener.membersLost("s");
  fixture.listener.membersLost("nobody of ours");
  assertEquals(await audit(fixture), ["s", "r"]);
  const others = () => fixture.backplane.audits.flat().map(({ others }) => others);
  assertEquals(others(), [undefined, summarize([])]);
  fixture.clock.tick(1000);
  await settle();
  await audit(fixture);
  assertEquals(others(), [summarize([]), summarize([])]);
});

Deno.test("auditor: rooms in which only the backplane has members of this instance are compared, too", async () => {
  const fixture = await startWith("r");
  fixture.listener.roomsListed(["r", "ghost"]);
  assertEquals(await audit(fixture), ["ghost", "r"]);
  assertEquals(fixture.backplane.audits[0]?.[0], {
    room: "ghost",
    members: [],
    others: undefined,
  });
});

Deno.test("auditor: a member that a snapshot lacks is audited at once", async () => {
  const rooms = Array.from({ length: 120 }, (_, n) => `r${n}`);
  const fixture = await startWith(...rooms);
  const snapshot = { kind: "snapshot", members: [], rotation: 0, isReclaim: false } as const;
  fixture.listener.roomChanged({ ...snapshot, room: "r110" });
  assertEquals((await audit(fixture))[0], "r110");
});

Deno.test("auditor: everything is compared within a minute, in bounded parts", async () => {
  const count = 25_000;
  const fixture = await startWith();
  for (let n = 0; n < count; n++) {
    const answer = fixture.cluster.join(`r${n >> 1}`, new FakePeer(`p${n}`));
    fixture.grant();
    await answer;
  }
  const seen = new Set<string>();
  const sizes: number[] = [];
  for (let ms = 0; ms < 60_000; ms += AUDIT_MS) {
    const part = await audit(fixture);
    sizes.push(part.length);
    for (const room of part) seen.add(room);
  }
  assertEquals(seen.size, count / 2);
  assert(Math.max(...sizes) <= 125, `${Math.max(...sizes)} rooms at once`);
});

Deno.test("auditor: one audit is in flight at a time, and one that rejects is not the last", async () => {
  const fixture = await startWith("r");
  const answer = Promise.withResolvers<never>();
  fixture.backplane.auditReply = () => answer.promise;
  assertEquals((await audit(fixture)).length, 1);
  assertEquals((await audit(fixture)).length, 0);
  answer.reject(new Error("told to"));
  await settle();
  fixture.backplane.auditReply = () => {
    throw new Error("told to");
  };
  assertEquals((await audit(fixture)).length, 1);
  assertEquals((await audit(fixture)).length, 1);
});

Deno.test("auditor: nothing is compared while the backplane is down", async () => {
  const fixture = await startWith("r");
  fixture.listener.down("told to");
  assertEquals(await audit(fixture), []);
});
