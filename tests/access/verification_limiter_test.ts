import { assertEquals, assertRejects } from "@std/assert";
import {
  FailureLimiter,
  TooManyFailuresError,
  VerificationLimiter,
} from "../../src/access/verification_limiter.ts";
import { FakeClock } from "../helpers/clock.ts";

const HERE = "192.0.2.1";

function guardOf(
  max: number,
): { clock: FakeClock; failures: FailureLimiter; guard: VerificationLimiter } {
  const clock = new FakeClock();
  const failures = new FailureLimiter(clock, max);
  return { clock, failures, guard: new VerificationLimiter(failures) };
}

function bad(): Promise<never> {
  return Promise.reject(new Error("bad"));
}

Deno.test("AuthGuard.attempt() tries nothing more for an address that failed too often, for a minute", async () => {
  const { clock, failures, guard } = guardOf(2);
  for (let n = 0; n < 2; n++) await assertRejects(() => guard.attempt(HERE, bad), Error, "bad");
  clock.tick(10_500);
  assertEquals([failures.retryAfter(HERE), failures.retryAfter("192.0.2.2")], [50, 0]);
  let tried = false;
  const attempt = () => guard.attempt(HERE, () => Promise.resolve(tried = true));
  await assertRejects(attempt, TooManyFailuresError);
  assertEquals(tried, false);
  clock.tick(49_500);
  assertEquals(failures.retryAfter(HERE), 0);
  await attempt();
  assertEquals(tried, true);
});

Deno.test("AuthGuard.attempt() counts the failures of all guards together, and no success", async () => {
  const { failures, guard } = guardOf(2);
  const other = new VerificationLimiter(failures);
  for (let n = 0; n < 9; n++) await guard.attempt(HERE, () => Promise.resolve());
  assertEquals(failures.retryAfter(HERE), 0);
  await assertRejects(() => guard.attempt(HERE, bad));
  await assertRejects(() => other.attempt(HERE, bad));
  assertEquals(failures.retryAfter(HERE), 60);
});

Deno.test("AuthGuard.attempt() counts nobody whose address is unknown", async () => {
  const { failures, guard } = guardOf(1);
  for (let n = 0; n < 3; n++) {
    await assertRejects(() => guard.attempt(undefined, bad), Error, "bad");
  }
  assertEquals(failures.retryAfter(undefined), 0);
});

Deno.test("AuthGuard.attempt() runs a few at once and the others in order", async () => {
  const { guard } = guardOf(60);
  const started: number[] = [];
  const finish: (() => void)[] = [];
  const attempts = Array.from({ length: 10 }, (_, n) =>
    guard.attempt(HERE, () => {
      started.push(n);
      return new Promise<void>((resolve) => finish.push(resolve));
    }));
  await Promise.resolve();
  assertEquals(started, [0, 1, 2, 3]);
  for (let n = 0; n < 10; n++) {
    finish[n]?.();
    await attempts[n];
    assertEquals(started.length, Math.min(n + 5, 10));
  }
  assertEquals(started, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("AuthGuard.attempt() refuses those that waited while others of the address failed", async () => {
  const { guard } = guardOf(3);
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => guard.attempt(HERE, bad)),
  );
  const reasons = results.map((result) => result.status === "rejected" && result.reason.message);
  assertEquals(reasons.filter((reason) => reason === "bad").length <= 6, true);
});

Deno.test("FailureCount remembers a bounded number of addresses, the latest", () => {
  const clock = new FakeClock();
  const failures = new FailureLimiter(clock, 1);
  for (let n = 0; n < 10_001; n++) failures.add(`address ${n}`);
  assertEquals([failures.retryAfter("address 0"), failures.retryAfter("address 1")], [0, 60]);
  clock.tick(60_000);
  failures.add("another");
  assertEquals([failures.retryAfter("address 1"), failures.retryAfter("another")], [0, 60]);
});
