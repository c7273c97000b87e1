import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULT_LIMITS, resolveLimits } from "../../src/access/limits.ts";

Deno.test("resolveLimits() completes what is given and takes 0 for no limit", () => {
  const limits = resolveLimits({ messageBurst: 5, maxPeersPerRoom: 0 });
  assertEquals([limits.messageBurst, limits.maxPeersPerRoom], [5, Infinity]);
  assertEquals(limits.maxMessageBytes, DEFAULT_LIMITS.maxMessageBytes);
  assertEquals(resolveLimits().maxConnectionsPerIp, Infinity);
});

Deno.test("resolveLimits() takes numbers alone", () => {
  for (const value of [-1, NaN, "5", {}]) {
    assertThrows(() => resolveLimits({ messageBurst: value as number }), TypeError, "messageBurst");
  }
});
