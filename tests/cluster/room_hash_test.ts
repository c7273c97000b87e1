/** Which backplane a room belongs to. */

import { assert, assertEquals } from "@std/assert";
import { shardOf } from "../../src/cluster/room_hash.ts";

const names = Array.from({ length: 20_000 }, (_, n) => `room-${n}`);

Deno.test("shardOf() never changes: instances of different versions have to agree", () => {
  const expected = { "": [0, 0, 3, 3], todos: [0, 2, 3, 5], a: [1, 2, 3, 4], "ä": [0, 2, 2, 2] };
  for (const [room, shards] of Object.entries(expected)) {
    assertEquals([2, 3, 4, 8].map((count) => shardOf(room, count)), shards, room);
  }
  assertEquals(shardOf("anything", 1), 0);
});

Deno.test("shardOf() gives each shard its share, and one more takes its share from all others alone", () => {
  for (const count of [1, 2, 3, 8, 16]) {
    const sizes = new Array<number>(count).fill(0);
    let moved = 0;
    for (const name of names) {
      const before = shardOf(name, count);
      const after = shardOf(name, count + 1);
      sizes[before] = (sizes[before] ?? 0) + 1;
      if (before === after) continue;
      assertEquals(after, count, name);
      moved++;
    }
    const isNear = (size: number, shards: number) =>
      Math.abs(size * shards / names.length - 1) < 0.15;
    assert(sizes.every((size) => isNear(size, count)), `${sizes}`);
    assert(isNear(moved, count + 1), `${moved} of ${count}`);
  }
});
