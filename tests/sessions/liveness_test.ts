import { assertEquals } from "@std/assert";
import { Liveness } from "../../src/sessions/liveness.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakeSocket } from "../helpers/socket.ts";

/** A client whose socket has just opened; `restarts` are the seconds at which Deno's timer was. */
function connect(idleTimeoutSeconds: number) {
  const clock = new FakeClock();
  const start = clock.elapsed();
  const restarts: number[] = [];
  let floods = 0;
  const liveness = new Liveness({
    socket: new FakeSocket(),
    clock,
    idleTimeoutSeconds,
    owner: { onFlood: () => floods++ },
    restart: () => restarts.push((clock.elapsed() - start) / 1000),
  });
  liveness.onFrame(); // As Deno does when the socket opens.
  /** Lets time pass as the watchdog would. */
  const pass = (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 5) {
      clock.tick(5000);
      liveness.extend();
    }
  };
  return { clock, liveness, restarts, floods: () => floods, pass };
}

Deno.test("Liveness leaves a silent client to Deno where the timeout is no longer than Deno's", () => {
  const { pass, restarts } = connect(30);
  pass(300);
  assertEquals(restarts, [0]);
});

Deno.test("Liveness keeps Deno, which pings every 15 s, from closing a client before its timeout", () => {
  const { pass, restarts } = connect(120);
  pass(300);
  assertEquals(restarts, [0, 20, 40, 60, 80, 100]); // Deno closes it 30 s after the last.
});

Deno.test("Liveness never lets Deno close a silent client where there is no timeout", () => {
  const { pass, restarts } = connect(0);
  pass(600);
  assertEquals(restarts.length, 31);
});

Deno.test("Liveness restarts Deno's timer not for every frame of a busy client, but in time", () => {
  const { clock, liveness, restarts } = connect(32);
  for (let n = 0; n < 100; n++) {
    liveness.onFrame();
    liveness.onMessage();
    clock.tick(100);
  }
  assertEquals(restarts, [0, 1.9, 3.8, 5.7, 7.6, 9.5]);
});

Deno.test("Liveness tells control frames from messages, and counts them for ten seconds", () => {
  const { clock, liveness, floods } = connect(30);
  for (let n = 0; n < 2000; n++) {
    liveness.onFrame();
    liveness.onMessage();
  }
  for (let n = 0; n < 99; n++) liveness.onFrame();
  assertEquals(floods(), 0);
  liveness.onFrame();
  assertEquals(floods(), 1);
  clock.tick(10_000);
  for (let n = 0; n < 100; n++) liveness.onFrame();
  assertEquals(floods(), 1);
});

Deno.test("Liveness gives more time to a client of a busy server, but not for ever", () => {
  const { clock, liveness, restarts } = connect(30);
  for (let seconds = 10; seconds <= 200; seconds += 10) {
    clock.tick(10_000);
    liveness.forgive();
  }
  assertEquals(restarts, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]);
});
