import { assertEquals } from "@std/assert";
import type { Phase } from "../../src/sessions/phases.ts";
import { Watchdog, type WatchedConnection } from "../../src/sessions/watchdog.ts";
import { FakeClock } from "../helpers/clock.ts";

/** A connection that records when it was looked at. */
class FakeConnection implements WatchedConnection {
  phase: Phase = "joined";
  readonly seen: string[] = [];
  closeIfStalled(): void {
    this.seen.push("stalled?");
  }
  keepAlive(wasBusy: boolean): void {
    this.seen.push(wasBusy ? "busy" : "extend");
  }
}

function watch(checkMs: number, tickMs: number) {
  const clock = new FakeClock();
  const connection = new FakeConnection();
  const watchdog = new Watchdog({ clock, checkMs, tickMs, connections: new Set([connection]) });
  watchdog.start();
  return { clock, connection, watchdog };
}

Deno.test("Watchdog checks for stalled clients and extends idle timeouts, each in its own time", () => {
  const { clock, connection, watchdog } = watch(15_000, 1000);
  clock.tick(4000);
  assertEquals(connection.seen, []);
  clock.tick(11_000);
  assertEquals(connection.seen, ["extend", "extend", "extend", "stalled?"]);
  connection.phase = "closing";
  clock.tick(15_000);
  assertEquals(connection.seen.length, 4);
  watchdog.stop();
  assertEquals(clock.pending, 0);
});

Deno.test("Watchdog gives clients more time when the process was busy, and calls none stalled", () => {
  const { clock, connection } = watch(2000, 1000);
  clock.jump(9000); // Nothing could run meanwhile.
  clock.tick(0);
  assertEquals(connection.seen, ["busy"]);
  clock.tick(2000);
  assertEquals(connection.seen, ["busy", "stalled?"]);
});

Deno.test("Watchdog needs no timer where it has nothing to look for", () => {
  assertEquals(watch(0, 0).clock.pending, 0);
});
