import { assertEquals } from "@std/assert";
import { MemoryWatch } from "../../src/runtime/memory_watch.ts";
import { FakeClock } from "../helpers/clock.ts";

Deno.test("MemoryWatch looks every second, and says when it is too much and when it is over", () => {
  const clock = new FakeClock();
  let resident = 50;
  const said: string[] = [];
  const watch = new MemoryWatch({
    clock,
    maxBytes: 100,
    events: {
      exceeded: (bytes, isFirst) => said.push(`${bytes} ${isFirst}`),
      recovered: (bytes) => said.push(`${bytes} back`),
    },
    read: () => resident,
  });
  assertEquals(clock.pending, 0);
  watch.start();
  watch.start();
  clock.tick(1000);
  assertEquals([said, watch.isExceeded], [[], false]);
  resident = 101;
  clock.tick(2000);
  assertEquals([said, watch.isExceeded], [["101 true", "101 false"], true]);
  resident = 100;
  clock.tick(1000);
  assertEquals([said.at(-1), watch.isExceeded], ["100 back", false]);
  watch.close();
  assertEquals(clock.pending, 0);
});

Deno.test("MemoryWatch without a bound watches nothing", () => {
  const clock = new FakeClock();
  const events = { exceeded() {}, recovered() {} };
  new MemoryWatch({ clock, maxBytes: Infinity, events }).start();
  assertEquals(clock.pending, 0);
});

Deno.test("MemoryWatch goes on when the memory cannot be read, and says so once until it can", () => {
  const clock = new FakeClock();
  let resident: number | undefined;
  const said: string[] = [];
  const watch = new MemoryWatch({
    clock,
    maxBytes: 100,
    events: {
      exceeded: (bytes, isFirst) => said.push(`${bytes} ${isFirst}`),
      recovered: (bytes) => said.push(`${bytes} back`),
      failed: (cause) => said.push(String(cause)),
    },
    read() {
      if (resident === undefined) throw new TypeError("Not here");
      return resident;
    },
  });
  watch.start();
  clock.tick(3000);
  assertEquals(said.splice(0), ["TypeError: Not here"]);
  resident = 101;
  clock.tick(1000);
  assertEquals([said.splice(0), watch.isExceeded], [["101 true"], true]);
  resident = undefined;
  clock.tick(2000);
  assertEquals([said.splice(0), watch.isExceeded], [["TypeError: Not here"], true]);
  resident = 100;
  clock.tick(1000);
  assertEquals([said, watch.isExceeded], [["100 back"], false]);
  watch.close();
});
