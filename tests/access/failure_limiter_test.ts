import { assertEquals } from "@std/assert";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { FakeClock } from "../helpers/clock.ts";

Deno.test("FailureLimiter remembers a bounded number of addresses, the latest", () => {
  const clock = new FakeClock();
  const failures = new FailureLimiter(clock, 1);
  for (let n = 0; n < 10_001; n++) failures.add(`address ${n}`);
  assertEquals([failures.retryAfter("address 0"), failures.retryAfter("address 1")], [0, 60]);
  clock.tick(60_000);
  failures.add("another");
  assertEquals([failures.retryAfter("address 1"), failures.retryAfter("another")], [0, 60]);
});
