import { assertEquals, assertRejects } from "@std/assert";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { InvalidTokenError } from "../../src/access/invalid_token.ts";
import {
  type Verdict,
  verdictOf,
  VerificationLimiter,
} from "../../src/access/verification_limiter.ts";
import { FakeClock } from "../helpers/clock.ts";

const HERE = "192.0.2.1";

function limiterOf(
  max: number,
): { clock: FakeClock; failures: FailureLimiter; limiter: VerificationLimiter } {
  const clock = new FakeClock();
  const failures = new FailureLimiter(clock, max);
  return { clock, failures, limiter: new VerificationLimiter(failures) };
}

function good(): Promise<Verdict<string>> {
  return Promise.resolve({ kind: "valid", value: "good" });
}

function bad(): Promise<{ kind: "invalid" }> {
  return Promise.resolve({ kind: "invalid" });
}

Deno.test("VerificationLimiter.attempt() tries nothing more for an address that failed too often, for a minute", async () => {
  const { clock, failures, limiter } = limiterOf(2);
  for (let n = 0; n < 2; n++) assertEquals(await limiter.attempt(HERE, bad), { kind: "invalid" });
  clock.tick(10_500);
  assertEquals([failures.retryAfter(HERE), failures.retryAfter("192.0.2.2")], [50, 0]);
  let tried = false;
  const attempt = () =>
    limiter.attempt(HERE, () => {
      tried = true;
      return good();
    });
  assertEquals(await attempt(), { kind: "throttled", seconds: 50 });
  assertEquals(tried, false);
  clock.tick(49_500);
  assertEquals(failures.retryAfter(HERE), 0);
  assertEquals(await attempt(), { kind: "valid", value: "good" });
  assertEquals(tried, true);
});

Deno.test("VerificationLimiter.attempt() counts the failures of all that share a counter, and no success", async () => {
  const { failures, limiter } = limiterOf(2);
  const other = new VerificationLimiter(failures);
  for (let n = 0; n < 9; n++) await limiter.attempt(HERE, good);
  assertEquals(failures.retryAfter(HERE), 0);
  await limiter.attempt(HERE, bad);
  await other.attempt(HERE, bad);
  assertEquals(failures.retryAfter(HERE), 60);
});

Deno.test("VerificationLimiter.attempt() counts no token that has expired", async () => {
  const { failures, limiter } = limiterOf(1);
  const error = new InvalidTokenError("The token has expired", { reason: "expired" });
  for (let n = 0; n < 3; n++) {
    const attempt = await limiter.attempt(
      HERE,
      () => Promise.resolve({ kind: "expired" as const, error }),
    );
    assertEquals(attempt, { kind: "expired", error });
  }
  assertEquals(failures.retryAfter(HERE), 0);
});

Deno.test("VerificationLimiter.attempt() counts nobody whose address is unknown", async () => {
  const { failures, limiter } = limiterOf(1);
  for (let n = 0; n < 3; n++) {
    assertEquals(await limiter.attempt(undefined, bad), { kind: "invalid" });
  }
  assertEquals(failures.retryAfter(undefined), 0);
});

Deno.test("VerificationLimiter.attempt() passes on what a verification throws, counts it for nobody and goes on", async () => {
  const { failures, limiter } = limiterOf(1);
  for (let n = 0; n < 20; n++) {
    const broken = () => Promise.reject(new Error("out of order"));
    await assertRejects(() => limiter.attempt(HERE, broken), Error, "out of order");
  }
  assertEquals(failures.retryAfter(HERE), 0);
  assertEquals((await limiter.attempt(HERE, good)).kind, "valid");
});

Deno.test("VerificationLimiter.attempt() runs a few at once and the others in order", async () => {
  const { limiter } = limiterOf(60);
  const started: number[] = [];
  const finish: (() => void)[] = [];
  const attempts = Array.from({ length: 10 }, (_, n) =>
    limiter.attempt(HERE, () => {
      started.push(n);
      return new Promise<Verdict<void>>((resolve) =>
        finish.push(() => resolve({ kind: "valid", value: undefined }))
      );
    }));
  await Promise.resolve();
  assertEquals(started, [0, 1, 2, 3]);
  for (let n = 0; n < 10; n++) {
    finish[n]?.();
    await attempts[n];
    await Promise.resolve(); // until the next one has its permit
    assertEquals(started.length, Math.min(n + 5, 10));
  }
  assertEquals(started, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("VerificationLimiter.attempt() refuses those that waited while others of the address failed", async () => {
  const { limiter } = limiterOf(3);
  const results = await Promise.all(
    Array.from({ length: 20 }, () => limiter.attempt(HERE, bad)),
  );
  assertEquals(results.filter(({ kind }) => kind === "invalid").length <= 6, true);
});

Deno.test("verdictOf() takes an InvalidTokenError for a verdict, and nothing else", async () => {
  assertEquals(await verdictOf(Promise.resolve(5)), { kind: "valid", value: 5 });
  const expired = new InvalidTokenError("The token has expired", { reason: "expired" });
  assertEquals(await verdictOf(Promise.reject(expired)), { kind: "expired", error: expired });
  const forged = new InvalidTokenError("Forged", { reason: "signature" });
  assertEquals(await verdictOf(Promise.reject(forged)), { kind: "invalid", error: forged });
  const unfit = new InvalidTokenError("For another audience", { reason: "claims", claim: "aud" });
  assertEquals(await verdictOf(Promise.reject(unfit)), { kind: "unfit", error: unfit });
  await assertRejects(() => verdictOf(Promise.reject(new TypeError("a bug"))), TypeError, "a bug");
});
