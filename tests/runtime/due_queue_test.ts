import { assertEquals } from "@std/assert";
import { DueQueue } from "../../src/runtime/due_queue.ts";
import { MAX_INTEGER } from "../../src/runtime/integer.ts";
import { FakeClock } from "../helpers/clock.ts";

function createQueue() {
  const clock = new FakeClock();
  const due: string[] = [];
  const queue = new DueQueue<string>({ clock, onDue: (item) => due.push(item) });
  return { clock, due, queue };
}

Deno.test("DueQueue calls for each item once, in the order in which they are due", () => {
  const { clock, due, queue } = createQueue();
  // 7919 is prime: the numbers from 0 to 99, in a mixed order.
  for (let number = 0; number < 100; number++) {
    const delay = (number * 7919) % 100;
    queue.set(String(delay), delay);
  }
  for (let number = 0; number < 100; number += 3) queue.delete(String(number));
  clock.tick(49);
  assertEquals(due, [...Array(50).keys()].filter((one) => one % 3 !== 0).map(String));
  clock.tick(50);
  assertEquals(due, [...Array(100).keys()].filter((one) => one % 3 !== 0).map(String));
  assertEquals([queue.size, clock.pending], [0, 0]);
});

Deno.test("DueQueue calls for items that are due together in the order in which they were set", () => {
  const { clock, due, queue } = createQueue();
  for (let number = 0; number < 10; number++) queue.set(String(number), 10);
  for (const number of [0, 4, 7]) queue.delete(String(number));
  clock.tick(10);
  assertEquals(due, ["1", "2", "3", "5", "6", "8", "9"]);
});

Deno.test("DueQueue has one timer, and none once it is empty", () => {
  const { clock, due, queue } = createQueue();
  queue.set("late", 100);
  queue.set("early", 10);
  assertEquals([queue.size, clock.pending], [2, 1]);
  assertEquals([queue.delete("early"), queue.delete("early")], [true, false]);
  assertEquals(clock.pending, 1);
  queue.clear();
  assertEquals([queue.size, clock.pending], [0, 0]);
  clock.tick(1000);
  assertEquals(due, []);
});

Deno.test("DueQueue replaces the time of an item that is set again", () => {
  const { clock, due, queue } = createQueue();
  queue.set("item", 10);
  queue.set("item", 30);
  clock.tick(29);
  assertEquals([due, queue.size], [[], 1]);
  clock.tick(1);
  assertEquals(due, ["item"]);
});

Deno.test("DueQueue lets an item be set or deleted while another is due", () => {
  const clock = new FakeClock();
  const due: string[] = [];
  const queue = new DueQueue<string>({
    clock,
    onDue(item) {
      due.push(item);
      if (due.length < 3) queue.set(item, 10);
    },
  });
  queue.set("item", 10);
  clock.tick(100);
  assertEquals([due, clock.pending], [["item", "item", "item"], 0]);
});

Deno.test("DueQueue waits longer than a timer can", () => {
  const { clock, due, queue } = createQueue();
  queue.set("item", MAX_INTEGER * 2 + 10);
  clock.tick(MAX_INTEGER * 2);
  assertEquals(due, []);
  clock.tick(10);
  assertEquals(due, ["item"]);
});

Deno.test("DueQueue does not call for an item that another one deletes when both are due", () => {
  const clock = new FakeClock();
  const due: string[] = [];
  const queue = new DueQueue<string>({
    clock,
    onDue(item) {
      due.push(item);
      queue.delete("second");
    },
  });
  queue.set("first", 10);
  queue.set("second", 10);
  clock.tick(10);
  assertEquals([due, queue.size, clock.pending], [["first"], 0, 0]);
});
