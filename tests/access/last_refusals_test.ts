/** Which refusals are remembered. */

import { assertEquals } from "@std/assert";
import { LastRefusals } from "../../src/access/last_refusals.ts";

const REFUSAL = {
  room: "todos",
  nodeId: "ada",
  address: "192.0.2.1",
  code: 4003,
  reason: "invalid or expired token",
  at: 0,
};

Deno.test("last refusals: the last one of each name is remembered, of the room that is asked for", () => {
  const refusals = new LastRefusals();
  refusals.add(REFUSAL);
  refusals.add({ ...REFUSAL, nodeId: "grace", at: 1 });
  refusals.add({ ...REFUSAL, room: "other", at: 2 });
  refusals.add({ ...REFUSAL, code: 4001, at: 3 });
  assertEquals(refusals.of("todos"), [
    { ...REFUSAL, code: 4001, at: 3 },
    { ...REFUSAL, nodeId: "grace", at: 1 },
  ]);
  assertEquals(refusals.of("nobody's"), []);
});

Deno.test("last refusals: one address cannot push out the names of others", () => {
  const refusals = new LastRefusals();
  refusals.add(REFUSAL);
  for (let n = 0; n < 5000; n++) {
    refusals.add({ ...REFUSAL, nodeId: `name-${n}`, address: "198.51.100.1", at: n });
  }
  const names = refusals.of("todos").map(({ nodeId }) => nodeId);
  assertEquals([names.length, names[0], names.at(-1)], [101, "name-4999", "ada"]);
});

Deno.test("last refusals: their number is bounded, whatever the addresses are", () => {
  const refusals = new LastRefusals();
  for (let n = 0; n < 3000; n++) {
    refusals.add({ ...REFUSAL, nodeId: `name-${n}`, address: `2001:db8:0:${n}::/64`, at: n });
  }
  const names = refusals.of("todos").map(({ nodeId }) => nodeId);
  assertEquals([names.length, names.at(-1)], [1000, "name-2000"]);
});
