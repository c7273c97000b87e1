/** Random schedules of what happens to a server. */

import fc from "fast-check";

const name = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
const pick = fc.nat(1000);
const isRare = fc.integer({ min: 0, max: 9 }).map((n) => n === 9);
const role = fc.constantFrom("normal" as const, "consumer" as const);
const connect = fc.record({
  op: fc.constant("connect" as const),
  name,
  room: fc.constantFrom<string[]>("hall", "hall", "hall", "den"),
  who: fc.oneof(
    { weight: 6, arbitrary: fc.constant("normal" as const) },
    { weight: 2, arbitrary: fc.constant("unauthenticated" as const) },
    { weight: 1, arbitrary: fc.constant("refused" as const) },
  ),
  isLate: fc.constantFrom(false, false, true),
  isSlow: fc.constantFrom(false, false, true),
  namesRoom: fc.boolean(),
  isOpen: isRare.map((rare) => !rare),
});
const register = fc.record({
  op: fc.constant("register" as const),
  pick,
  role,
  token: fc.constantFrom("good", "good", "slow", "bad"),
  isFull: isRare,
});
const signal = fc.record({
  op: fc.constant("signal" as const),
  pick,
  to: fc.oneof(name, fc.constantFrom("a", "b")),
  isTwice: fc.boolean(),
  type: fc.constantFrom("offer" as const, "answer" as const, "ice-candidate" as const),
  isFull: isRare,
});
const onOne = fc.record({
  op: fc.constantFrom(
    "open" as const,
    "open" as const,
    "close" as const,
    "vanish" as const,
    "stall" as const,
    "recover" as const,
    "garbage" as const,
  ),
  pick,
});
const settle = fc.record({
  op: fc.constantFrom("verdict" as const, "answer" as const),
  pick,
});
/** Frames that a client sends without waiting for anything. */
const pipeline = fc.record({
  op: fc.constant("pipeline" as const),
  pick,
  frames: fc.array(fc.oneof(register, signal), { minLength: 2, maxLength: 6 }),
});
const time = fc.record({
  op: fc.constant("time" as const),
  ms: fc.constantFrom(1, 249, 250, 1000, 2000, 11_000, 45_000),
});
const pressure = fc.constant({ op: "pressure" as const });
const step = fc.oneof(
  { weight: 6, arbitrary: connect },
  { weight: 6, arbitrary: register },
  { weight: 9, arbitrary: signal },
  { weight: 5, arbitrary: onOne },
  { weight: 4, arbitrary: settle },
  { weight: 3, arbitrary: pipeline },
  { weight: 3, arbitrary: time },
  { weight: 1, arbitrary: pressure },
);

export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What happens to a server in one run. */
export const schedule: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 60, size: "max" });
