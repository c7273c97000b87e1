import { assertEquals, assertThrows } from "@std/assert";
import { readRevocation, type Revocation, Revocations } from "../../src/access/revocations.ts";
import {
  readRevokeRequest,
  type RevokeRequest,
  RevokeRequestError,
} from "../../src/access/revoke_request.ts";
import { FakeClock } from "../helpers/clock.ts";
import { Random } from "../helpers/random.ts";

const token = (jti: string, expiresAt: number): Revocation => ({ kind: "token", jti, expiresAt });
const subject = (name: string, issuedBefore: number, expiresAt: number): Revocation => ({
  kind: "subject",
  subject: name,
  issuedBefore,
  expiresAt,
});

Deno.test("Revocations knows a token by its id, and those of a subject by when they were issued", () => {
  const clock = new FakeClock();
  const revocations = new Revocations(clock);
  const end = clock.now() + 1000;
  assertEquals(revocations.has({ jti: "a", sub: "r" }), false);
  assertEquals(revocations.add(token("a", end)), "added");
  assertEquals(revocations.add(subject("r", 100, end)), "added");
  assertEquals(revocations.has({ jti: "a", sub: "s", iat: 1e9 }), true);
  assertEquals(revocations.has({ jti: "b", sub: "s", iat: 0 }), false);
  assertEquals(revocations.has({ sub: "r", iat: 100.9 }), true);
  assertEquals(revocations.has({ sub: "r", iat: 101 }), false);
  assertEquals(revocations.has({ sub: "r" }), true, "it cannot show that it is newer");
  assertEquals(revocations.has({ jti: "r", sub: "a", iat: 1e9 }), false, "ids are no subjects");
  clock.tick(1000);
  assertEquals(revocations.has({ jti: "a", sub: "r", iat: 0 }), false);
  assertEquals([revocations.all(), revocations.size], [[], 0]);
});

Deno.test("Revocations keeps the later of two times, says what is new, and never forgets for want of room", () => {
  const clock = new FakeClock();
  const revocations = new Revocations(clock, 2);
  const end = clock.now() + 1000;
  assertEquals(revocations.add(subject("r", 100, end)), "added");
  assertEquals(revocations.add(subject("r", 90, end)), "known");
  assertEquals(revocations.add(subject("r", 90, end + 500)), "added");
  assertEquals(revocations.all(), [subject("r", 100, end + 500)]);
  assertEquals(revocations.add(token("a", end)), "added");
  assertEquals(revocations.add(token("a", end - 1)), "known");
  assertEquals(revocations.add(token("b", end)), "full");
  assertEquals(revocations.add(token("a", end + 1)), "added");
  assertEquals(revocations.add(token("c", clock.now())), "known", "it has expired");
  clock.tick(1100);
  assertEquals(revocations.add(token("b", end + 5000)), "added");
  assertEquals(revocations.size, 2);
});

Deno.test("Revocations says of each token what a list of all revocations says", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed);
    const clock = new FakeClock();
    const revocations = new Revocations(clock);
    let model: Revocation[] = [];
    for (let step = 0; step < 60; step++) {
      const second = Math.floor(clock.now() / 1000);
      const expiresAt = clock.now() + random.between(1, 100) * 1000;
      const revocation = random.chance(0.5)
        ? token(String(random.int(5)), expiresAt)
        : subject(String(random.int(3)), second - random.int(50), expiresAt);
      if (random.chance(0.4)) {
        revocations.add(revocation);
        // Of two for one subject that are both valid, the later times count.
        const same = model.find((one) =>
          one.kind === "subject" && revocation.kind === "subject" &&
          one.subject === revocation.subject && one.expiresAt > clock.now()
        );
        if (same?.kind === "subject" && revocation.kind === "subject") {
          model = model.filter((one) => one !== same);
          model.push(subject(
            same.subject,
            Math.max(same.issuedBefore, revocation.issuedBefore),
            Math.max(same.expiresAt, revocation.expiresAt),
          ));
        } else model.push(revocation);
      }
      if (random.chance(0.3)) clock.tick(random.int(40_000));
      const claims = {
        jti: String(random.int(5)),
        sub: String(random.int(3)),
        iat: second - random.int(60),
      };
      const expected = model.some((one) =>
        one.expiresAt > clock.now() &&
        (one.kind === "token"
          ? one.jti === claims.jti
          : one.subject === claims.sub && claims.iat <= one.issuedBefore)
      );
      assertEquals(revocations.has(claims), expected, `seed ${seed}, step ${step}`);
    }
  }
});

const NOW = Date.parse("2026-01-31T12:00:00.750Z");
const DAY_MS = 86_400_000;

Deno.test("readRevokeRequest() reads ids and subjects, with the longest lifetime or 30 days as the end", () => {
  assertEquals(readRevokeRequest({ jti: "a" }, NOW), token("a", NOW + 30 * DAY_MS));
  assertEquals(readRevokeRequest({ jti: "a" }, NOW, 60), token("a", NOW + 60_000));
  const second = Math.floor(NOW / 1000);
  for (
    const [issuedBefore, expected] of [
      ["now", second],
      ["2026-01-31T12:00:00Z", second],
      ["2026-01-31T13:30:00.9+01:30", second],
      ["2026-01-31T13:00+0100", second],
      ["2026-01-31", second - 12 * 3600], // The day begins in UTC.
      ["2026-01-31T12:00Z", second],
      ["2026-01-31T12:01:00Z", second + 60], // The clock of the caller may be ahead.
    ] as const
  ) {
    const request = { subject: "r", issuedBefore, expiresAt: "2027-01-01T00:00:00Z" };
    const end = Date.parse(request.expiresAt);
    assertEquals(readRevokeRequest(request, NOW), subject("r", expected, end));
  }
});

Deno.test("readRevokeRequest() says what is wrong with a request", () => {
  const before = { issuedBefore: "now" };
  const cases: [Record<string, unknown>, string][] = [
    [{}, "`jti`"],
    [{ jti: "a", subject: "r", ...before }, "not both"],
    [{ jti: "a", ...before }, "goes with `subject`"],
    [{ subject: "r" }, "needs `issuedBefore`"],
    [{ jti: "" }, "`jti` must be"],
    [{ jti: 5 }, "`jti` must be"],
    [{ jti: null }, "`jti` must be"],
    [{ jti: "\ud800" }, "`jti` must be"],
    [{ jti: "a".repeat(257) }, "256 characters"],
    [{ subject: "", ...before }, "`subject` must be"],
    [{ subject: ["r"], ...before }, "`subject` must be"],
    [{ subject: "r".repeat(257), ...before }, "256 characters"],
    [{ subject: "r", issuedBefore: "2026-01-31T12:02:00Z" }, "must not be in the future"],
    [{ subject: "r", issuedBefore: "9999-12-31T23:59:59Z" }, "must not be in the future"],
    [{ jti: "a", expiresAt: "2026-01-31T12:00:00Z" }, "`expiresAt` must be in the future"],
  ];
  const malformed = [
    "soon",
    "",
    5,
    null,
    "2026-01-31T12:00:00",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31 12:00:00Z",
    "+012026-01-31T12:00:00Z",
  ];
  for (const time of malformed) {
    cases.push([{ subject: "r", issuedBefore: time }, "`issuedBefore` must be a time"]);
    cases.push([{ jti: "a", expiresAt: time }, "`expiresAt` must be a time"]);
  }
  for (const [request, message] of cases) {
    assertThrows(
      () => readRevokeRequest(request as RevokeRequest, NOW),
      RevokeRequestError,
      message,
    );
  }
});

Deno.test("readRevocation() reads what another instance writes, and nothing else", () => {
  for (const revocation of [token("a", 5), subject("r", 4, 5)]) {
    assertEquals(readRevocation(JSON.parse(JSON.stringify(revocation))), revocation);
  }
  for (
    const value of [
      null,
      "a",
      [],
      { kind: "token", jti: "", expiresAt: 5 },
      { kind: "token", jti: "a" },
      { kind: "token", jti: "a", expiresAt: "5" },
      { kind: "token", jti: "a", expiresAt: NaN },
      { kind: "subject", subject: "r", expiresAt: 5 },
      { kind: "subject", subject: "r".repeat(300), issuedBefore: 4, expiresAt: 5 },
      { kind: "all", expiresAt: 5 },
    ]
  ) assertEquals(readRevocation(value), undefined);
});
