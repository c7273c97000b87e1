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

Deno.test("FailureLimiter.counterFor() counts apart, with the same limit, and tells the other instances", () => {
  const clock = new FakeClock();
  const [here, there] = [new FailureLimiter(clock, 1), new FailureLimiter(clock, 1)];
  here.subscribe((address) => there.count(address));
  here.counterFor("secret").add("192.0.2.1");
  for (const failures of [here, there]) {
    assertEquals(failures.counterFor("secret").retryAfter("192.0.2.1"), 60);
    assertEquals(failures.counterFor("secret").retryAfter(undefined), 0);
    assertEquals(failures.counterFor("other").retryAfter("192.0.2.1"), 0);
    assertEquals(failures.retryAfter("192.0.2.1"), 0);
  }
});
