/**
 * Random schedules of connects, verdicts, messages, takeovers, losses, stalls and passing time, on
 * fake sockets and a clock that stands still: after every step the server is as its model says. A
 * schedule that fails is shrunk to the shortest one that does.
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ScheduleRunner } from "../helpers/schedule_runner.ts";
import { schedule, type Step } from "../helpers/schedules.ts";

const SCHEDULES = 3000;
const SEED = 20260101;

/** Runs a schedule to its end and then looks at what is left. */
async function play(steps: readonly Step[], hold: (run: ScheduleRunner) => void): Promise<void> {
  const run = new ScheduleRunner();
  await run.run(steps);
  await run.end();
  hold(run);
}

async function check(hold: (run: ScheduleRunner) => void): Promise<void> {
  const property = fc.asyncProperty(schedule, (steps) => play(steps, hold));
  await fc.assert(property, { seed: SEED, numRuns: SCHEDULES });
}

function leavesNoTimer({ world: { clock } }: ScheduleRunner): void {
  assertEquals(clock.pending, 0);
}

Deno.test(`model: ${SCHEDULES} schedules leave the server as the model says after every step`, async () => {
  await check((run) => {
    run.world.clock.tick(250);
    leavesNoTimer(run);
  });
});

Deno.test(`model: ${SCHEDULES} schedules leave no timer once the last client has gone`, async () => {
  await check(leavesNoTimer);
});

Deno.test(`model: in ${SCHEDULES} schedules no list names the client that gets it`, async () => {
  await check(({ toldOfItself }) => assertEquals(toldOfItself, 0));
});

const client = {
  op: "connect",
  room: "hall",
  who: "normal",
  isLate: false,
  isSlow: false,
  namesRoom: false,
  isOpen: true,
} as const;
const register = { op: "register", token: "good", isFull: false } as const;

Deno.test("model: a consumer hears of a newcomer though another left before it heard of one", async () => {
  const steps: Step[] = [
    { ...client, name: "a" },
    { ...register, pick: 0, role: "normal" },
    { ...client, name: "c" },
    { ...register, pick: 1, role: "consumer" },
    { ...client, name: "b" },
    { ...register, pick: 2, role: "normal" },
    { op: "close", pick: 1 },
    { op: "time", ms: 1000 },
    { ...client, name: "d" },
    { ...register, pick: 2, role: "consumer" },
    { ...client, name: "e" },
    { ...register, pick: 3, role: "normal" },
    { op: "time", ms: 250 },
    { op: "time", ms: 1000 },
  ];
  await play(steps, leavesNoTimer);
});
