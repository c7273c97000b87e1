import { assert, assertEquals } from "@std/assert";
import { EXPIRED_CLOSE_MS, Expiries } from "../../src/sessions/expiries.ts";
import { FakeClock } from "../helpers/clock.ts";
import { Random } from "../helpers/random.ts";

const YEAR_MS = 365 * 86_400_000;

function createExpiries() {
  const clock = new FakeClock();
  const over: string[] = [];
  const expiries = new Expiries<string>({ clock, onOver: (session) => over.push(session) });
  return { clock, over, expiries };
}

Deno.test("Expiries closes a session 25 s after its expiry, by one timer for all", () => {
  const { clock, over, expiries } = createExpiries();
  expiries.set("b", clock.now() + 2000);
  expiries.set("a", clock.now() + 1000);
  expiries.set("never", clock.now() + 1500);
  expiries.delete("never");
  assertEquals([expiries.size, clock.pending], [2, 1]);
  clock.tick(1000 + EXPIRED_CLOSE_MS - 1);
  assertEquals(over, []);
  clock.tick(1);
  assertEquals(over, ["a"]);
  clock.tick(1000);
  assertEquals(over, ["a", "b"]);
  assertEquals([expiries.size, clock.pending], [0, 0]);
});

Deno.test("Expiries waits longer than a timer can", () => {
  const { clock, over, expiries } = createExpiries();
  expiries.set("a", clock.now() + YEAR_MS);
  clock.tick(YEAR_MS + EXPIRED_CLOSE_MS - 1);
  assertEquals(over, []);
  clock.tick(1);
  assertEquals(over, ["a"]);
});

Deno.test("Expiries follows the wall clock when that is set, within a minute", () => {
  const { clock, over, expiries } = createExpiries();
  expiries.set("a", clock.now() + YEAR_MS);
  clock.setWall(YEAR_MS + EXPIRED_CLOSE_MS);
  clock.tick(60_000);
  assertEquals(over, ["a"]);
  expiries.set("b", clock.now());
  clock.setWall(-YEAR_MS);
  clock.tick(60_000);
  assertEquals([over, expiries.size], [["a"], 1]);
  clock.setWall(YEAR_MS);
  clock.tick(60_000);
  assertEquals(over, ["a", "b"]);
});

Deno.test("Expiries spreads the closes of sessions that expire at once, in their order", () => {
  const { clock, over, expiries } = createExpiries();
  const sessions = Array.from({ length: 2000 }, (_, n) => `session ${n}`);
  for (const session of sessions) expiries.set(session, clock.now());
  clock.tick(EXPIRED_CLOSE_MS);
  assertEquals(over.length, 1);
  clock.tick(1000);
  assertEquals(over.length, 501);
  const [refreshed = "", left = ""] = sessions.filter((session) => !over.includes(session));
  expiries.set(refreshed, clock.now() + 60_000);
  expiries.delete(left);
  clock.tick(3000);
  assertEquals(over.length, 1998);
  assert(!over.includes(refreshed) && !over.includes(left));
  assertEquals(expiries.size, 1);
});

Deno.test("Expiries closes whom a model closes, whatever is set, deleted and set again", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const { clock, over, expiries } = createExpiries();
    const model = new Map<string, number>();
    for (let step = 0; step < 100; step++) {
      const session = String(random.int(10));
      if (random.chance(0.2)) {
        expiries.delete(session);
        model.delete(session);
      } else if (random.chance(0.6)) {
        // Each at a moment of its own, so that no close has to wait for another.
        const expiresAt = clock.now() + random.between(-30, 30) * 1000 + Number(session) * 10;
        expiries.set(session, expiresAt);
        model.set(session, expiresAt + EXPIRED_CLOSE_MS);
      } else {
        over.length = 0;
        const before = clock.now();
        clock.tick(random.int(40_000));
        const due = [...model].filter(([, at]) => at <= clock.now())
          .sort(([, one], [, other]) => Math.max(one, before) - Math.max(other, before))
          .map(([due]) => due);
        // Those that were over before they were set are closed together, 2 ms apart.
        clock.tick(20);
        const late = [...model].filter(([one, at]) => at <= clock.now() && !due.includes(one))
          .map(([one]) => one);
        for (const one of [...due, ...late]) model.delete(one);
        assertEquals([...over].sort(), [...due, ...late].sort(), `seed ${seed}, step ${step}`);
      }
      assertEquals(expiries.size, model.size);
      assert(clock.pending <= 2 && (clock.pending > 0) === (model.size > 0));
    }
  }
});
