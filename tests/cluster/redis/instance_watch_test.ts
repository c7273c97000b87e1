/** Which instances are found dead. */

import { assertEquals } from "@std/assert";
import { InstanceWatch } from "../../../src/cluster/redis/instance_watch.ts";

/** How many of its own heartbeats an instance counts until another is silent, and timed out. */
function silence(watch: InstanceWatch, heartbeats: number): [number, number] {
  let silentAt = 0;
  for (let n = 1;; n++) {
    const [silent] = watch.observe(new Map([["own", n], ["other", heartbeats]]), "own");
    if (silent !== undefined && silentAt === 0) silentAt = n;
    if (silent?.isTimedOut) return [silentAt, n];
  }
}

Deno.test("instance watch: an instance is silent after 3 s without a heartbeat, and dead after 10 s", () => {
  const [silentAt, deadAt] = silence(new InstanceWatch(), 7);
  assertEquals([silentAt - 1, deadAt - 1], [6, 20]); // At half a second each, after the first.
});

Deno.test("instance watch: an instance that goes on is not silent, nor is this one", () => {
  const watch = new InstanceWatch();
  for (let n = 0; n < 50; n++) {
    const all = new Map([["own", 1], ["steady", n], ["slow", Math.floor(n / 5)]]);
    assertEquals(watch.observe(all, "own"), []);
  }
});

Deno.test("instance watch: a suspended machine finds nobody dead who goes on with it", () => {
  const watch = new InstanceWatch();
  watch.observe(new Map([["own", 1], ["other", 7]]), "own"); // Then an hour passes.
  assertEquals(watch.observe(new Map([["own", 2], ["other", 7]]), "own"), []);
  assertEquals(watch.observe(new Map([["own", 3], ["other", 8]]), "own"), []);
});

Deno.test("instance watch: an instance that is removed and comes back is a new one", () => {
  const watch = new InstanceWatch();
  silence(watch, 7);
  watch.observe(new Map([["own", 1]]), "own");
  assertEquals(watch.heartbeatsOf("other"), undefined);
  assertEquals(silence(watch, 7)[0] - 1, 6);
});
