import { assertEquals, assertRejects } from "@std/assert";
import type { Revocation } from "../../src/access/revocations.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";

const token = (jti: string, expiresAt = 1000): Revocation => ({ kind: "token", jti, expiresAt });

/** An instance that knows some revocations, and closes one client for each that is new. */
function start(own: Revocation[]) {
  const fixture = new ClusterFixture();
  const applied: Revocation[] = [];
  fixture.cluster.revocations.keepIn({
    all: () => own,
    apply(revocations) {
      applied.push(...revocations);
      return [...revocations].length;
    },
  });
  return { ...fixture, fixture, applied, sync: fixture.cluster.revocations };
}

Deno.test("RevocationSync reads what is stored, and writes back and announces what is not", async () => {
  const [known, newer, lost] = [token("known"), token("newer", 2000), token("lost")];
  const { fixture, backplane, applied, sync } = start([known, newer, lost]);
  const stored = [known, token("newer", 1000), token("theirs")];
  backplane.storedBefore = stored;
  assertEquals(sync.isRead, false);
  fixture.listener.up("me");
  assertEquals(sync.isRead, false);
  await settle();
  assertEquals([sync.isRead, applied], [true, stored]);
  assertEquals(backplane.stored, [[newer, lost]]);
  assertEquals(backplane.posts.map(({ text, to }) => [JSON.parse(text).slice(2), to]), [
    [[{ kind: "revoke", revocations: [newer, lost] }], undefined],
  ]);
  fixture.listener.down("told to");
  assertEquals(sync.isRead, false);
  await assertRejects(() => sync.share(lost), Error, "down");
});

Deno.test("RevocationSync writes many back in parts, and stops when the backplane fails", async () => {
  const own = Array.from({ length: 250 }, (_, n) => token(String(n)));
  const { fixture, backplane } = start(own);
  fixture.listener.up("me");
  await settle();
  await settle();
  await settle();
  assertEquals(backplane.stored.map(({ length }) => length), [100, 100, 50]);

  const another = start(own);
  const { promise, resolve } = Promise.withResolvers<void>();
  another.backplane.storeRevocations = (revocations) => {
    another.backplane.stored.push(revocations);
    return promise;
  };
  another.fixture.listener.up("me");
  await settle();
  another.fixture.listener.down("told to");
  resolve();
  await settle();
  assertEquals(another.backplane.stored.length, 1);
  const outage = "Backplane down: peers of other instances cannot be reached";
  assertEquals(another.fixture.logged("error"), [outage]);
});

Deno.test("RevocationSync announces again what was stored when the backplane failed", async () => {
  const one = token("one");
  const { fixture, backplane, sync } = start([one]);
  backplane.storedBefore = [one];
  fixture.listener.up("me");
  await settle();
  assertEquals([backplane.stored, backplane.posts], [[], []]);
  backplane.postReply = () => new Promise(() => {});
  const shared = sync.share(one);
  await settle();
  fixture.listener.down("told to");
  assertEquals(await shared, { disconnected: 0, isPartial: true });
  backplane.postReply = () => Promise.resolve({ reached: [], isPartial: false });
  for (const posts of [2, 2]) { // Not a third time.
    fixture.listener.up("me again");
    await settle();
    assertEquals(backplane.posts.length, posts);
    fixture.listener.down("told to");
  }
});

Deno.test("RevocationSync goes on with a backplane of the host that stores none, and says so", async () => {
  const { fixture, backplane, sync } = start([token("own")]);
  const methods = { storeRevocations: undefined, loadRevocations: undefined };
  Object.assign(backplane, methods);
  fixture.listener.up("me");
  await settle();
  assertEquals(sync.isRead, true);
  assertEquals(fixture.logged("error"), ["Revocations cannot be shared with other instances"]);
  await assertRejects(() => sync.share(token("another")), TypeError);
});

Deno.test("RevocationSync lets nobody wait longer than 4 s, and shares what is stored later", async () => {
  const { fixture, backplane, clock, sync } = start([]);
  fixture.listener.up("me");
  await settle();
  const { promise, resolve } = Promise.withResolvers<void>();
  backplane.storeRevocations = () => promise;
  const shared = sync.share(token("a"));
  await settle();
  clock.tick(4000);
  await assertRejects(() => shared, DOMException, "4000 ms");
  assertEquals(backplane.posts, []);
  resolve();
  await settle();
  assertEquals(backplane.posts.length, 1);
});

Deno.test("RevocationSync lets clients wait while an instance starts, until it has read all", async () => {
  const { fixture, clock, sync } = start([]);
  const waiting = sync.whenKnown;
  fixture.listener.up("me");
  assertEquals(sync.whenKnown, waiting);
  await settle();
  await waiting;
  assertEquals([sync.whenKnown, fixture.logged("warn")], [undefined, []]);
  fixture.listener.down("told to");
  fixture.listener.up("me again");
  assertEquals(sync.whenKnown, undefined);
  clock.tick(10_000);
  assertEquals(fixture.logged("warn"), []);
});

Deno.test("RevocationSync lets no client wait for longer than the bounds, and says so", async () => {
  const never = start([]);
  never.clock.tick(2999);
  assertEquals(never.sync.whenKnown instanceof Promise, true);
  never.clock.tick(1);
  assertEquals(never.sync.whenKnown, undefined);
  assertEquals(never.fixture.logged("warn").length, 1);

  const slow = start([]);
  slow.backplane.loadRevocations = () => new Promise(() => {});
  slow.clock.tick(2999);
  for (const instance of ["one", "two"]) {
    slow.fixture.listener.up(instance);
    slow.clock.tick(2499);
    slow.fixture.listener.down("told to");
  }
  assertEquals(slow.sync.whenKnown instanceof Promise, true);
  slow.clock.tick(2);
  assertEquals([slow.sync.whenKnown, slow.fixture.logged("warn").length], [undefined, 1]);

  const closed = start([]);
  const waiting = closed.sync.whenKnown;
  await closed.fixture.cluster.close();
  await waiting;
  assertEquals([closed.clock.pending, closed.fixture.logged("warn")], [0, []]);
});

Deno.test("RevocationSync writes back what a backplane that works has lost, and reads many rarely", async () => {
  const own = [token("kept", 1e9), token("lost", 1e9)];
  const { fixture, backplane } = start(own);
  let reads = 0;
  backplane.loadRevocations = () => {
    reads++;
    return Promise.resolve(backplane.storedBefore);
  };
  backplane.storedBefore = own;
  fixture.listener.up("me");
  await settle();
  const pass = async () => {
    fixture.clock.tick(5000);
    await settle();
  };
  await pass();
  assertEquals([reads, backplane.stored], [2, []]);
  backplane.storedBefore = own.slice(0, 1);
  await pass();
  assertEquals([reads, backplane.stored], [3, [own.slice(1)]]);
  assertEquals(fixture.logged("warn"), ["The backplane has lost revocations: writing them back"]);

  own.push(...Array.from({ length: 600 }, (_, n) => token(`many ${n}`, 1e9)));
  backplane.storedBefore = own;
  await pass();
  assertEquals(reads, 3);
  await pass();
  assertEquals(reads, 4);
  fixture.listener.down("told to");
  for (let n = 0; n < 3; n++) await pass();
  own.length = 0;
  fixture.listener.up("me again");
  await settle();
  for (let n = 0; n < 3; n++) await pass();
  assertEquals(reads, 5);
});
