/** The in-memory backplane, beside what every backplane does. */

import { assertEquals, assertThrows } from "@std/assert";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { FakeClock } from "../helpers/clock.ts";
import { ConnectedInstance, NO_LIMITS } from "../helpers/backplane_conformance.ts";

Deno.test("memory backplane: it has a room as long as that has a member", async () => {
  const memory = createMemoryBackplane();
  const x = new ConnectedInstance(memory.connect());
  const a = await x.join("r", "a");
  await x.join("s", "b");
  assertEquals(memory.rooms, 2);
  x.backplane.leave("r", "a", a);
  assertEquals(memory.rooms, 1);
  await x.backplane.close();
  assertEquals(memory.rooms, 0);
});

Deno.test("memory backplane: it serves one server, once", async () => {
  const { backplane } = new ConnectedInstance(createMemoryBackplane().connect());
  assertThrows(() => new ConnectedInstance(backplane), Error, "in use, or closed");
  await backplane.close();
  assertThrows(() => new ConnectedInstance(backplane), Error, "in use, or closed");
});

Deno.test("memory backplane: a kept name is kept for 30 s, and logged once in ten minutes", async () => {
  const clock = new FakeClock();
  const memory = createMemoryBackplane({ clock });
  const instances = Array.from({ length: 8 }, () => new ConnectedInstance(memory.connect()));
  let turn = 0;
  /** What each of several newcomers is told, with so many milliseconds before each. */
  const joinAll = async (count: number, ms: number) => {
    const replies = [];
    for (let n = 0; n < count; n++) {
      clock.tick(ms);
      const on = instances[turn++ % instances.length];
      const options = { mode: "join", limits: NO_LIMITS } as const;
      const reply = await on?.backplane.join("r", on.member("a"), options);
      replies.push(typeof reply === "object" ? "kept" : reply);
    }
    return replies;
  };
  assertEquals(await joinAll(9, 7501), Array(9).fill("joined"));
  clock.tick(15_001);
  assertEquals(await joinAll(4, 7500), ["joined", "joined", "joined and kept", "kept"]);
  assertEquals(await joinAll(2, 11_249), ["kept", "kept"]);
  assertEquals(await joinAll(4, 1000), ["joined", "joined", "joined", "kept"]);
  clock.tick(600_000);
  assertEquals(await joinAll(3, 0), ["joined", "joined", "joined and kept"]);
});

Deno.test("memory backplane: nothing is received within the call that causes it, nor after a close", async () => {
  const memory = createMemoryBackplane();
  const x = new ConnectedInstance(memory.connect());
  const y = new ConnectedInstance(memory.connect());
  x.backplane.authFailed("192.0.2.1");
  assertEquals(y.failedAddresses, []);
  await null;
  assertEquals(y.failedAddresses, ["192.0.2.1"]);
  x.backplane.authFailed("192.0.2.2");
  await y.backplane.close();
  await null;
  assertEquals(y.failedAddresses, ["192.0.2.1"]);
});

Deno.test("memory backplane: many rooms that empty cost no more than their members", async () => {
  const memory = createMemoryBackplane();
  const [x, y] = [new ConnectedInstance(memory.connect()), new ConnectedInstance(memory.connect())];
  for (let n = 0; n < 2000; n++) await x.join(`r${n}`, "a");
  const member = await y.join("r0", "b");
  await y.backplane.close();
  assertEquals([memory.rooms, member.instance], [2000, y.instance]);
  await x.backplane.close();
  assertEquals(memory.rooms, 0);
});
