/** The rooms of several instances as one list, page by page. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { compare, mergeRooms } from "../../src/admin/merge_rooms.ts";
import { checkRoomsRequest } from "../../src/admin/requests.ts";
import type { InstanceRooms, RoomCount } from "../../src/rooms/report.ts";

/** One instance, which puts so many rooms on a page at most, as one does whose names are long. */
interface Instance {
  readonly rooms: readonly RoomCount[];
  readonly perPage: number;
}

/** A page of one instance, found in the plainest way. */
function pageOf({ rooms, perPage }: Instance, after: string, limit: number): InstanceRooms {
  const matching = rooms.filter(({ room }) => room > after).sort((a, b) => compare(a.room, b.room));
  const found = matching.slice(0, Math.min(limit, perPage));
  return { rooms: found, hasMore: found.length < matching.length };
}

function readAll(instances: readonly Instance[], limit: number): RoomCount[] {
  const all: RoomCount[] = [];
  let after = "";
  for (let n = 0; n < 1000; n++) {
    const pages = instances.map((instance) => pageOf(instance, after, limit));
    const { rooms, cursor } = mergeRooms(pages, limit);
    assert(rooms.length <= limit);
    all.push(...rooms);
    if (cursor === null) return all;
    after = checkRoomsRequest({ cursor }).after ?? "";
  }
  throw new Error("There is no end");
}

Deno.test("merged rooms: each room is on one page, sorted, with its peers of all instances, however they are paged", () => {
  const room = fc.record({
    room: fc.string({ unit: "binary", minLength: 1, maxLength: 2 }),
    normals: fc.nat(3),
    consumers: fc.nat(3),
  });
  const rooms = fc.uniqueArray(room, { selector: (one) => one.room, maxLength: 30 });
  const instance = fc.record({ rooms, perPage: fc.integer({ min: 1, max: 7 }) });
  fc.assert(fc.property(
    fc.array(instance, { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 9 }),
    (all, limit) => {
      const sums = new Map<string, RoomCount>();
      for (const { room, normals, consumers } of all.flatMap(({ rooms }) => rooms)) {
        const sum = sums.get(room);
        sums.set(room, {
          room,
          normals: normals + (sum?.normals ?? 0),
          consumers: consumers + (sum?.consumers ?? 0),
        });
      }
      const expected = [...sums.keys()].sort().map((name) => sums.get(name));
      assertEquals<unknown>(readAll(all, limit), expected);
    },
  ));
});
