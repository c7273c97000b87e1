/** Makes one page of rooms of the pages of several instances. */

import type { InstanceRooms, RoomCount } from "../rooms/report.ts";
import { cursorAfter, type RoomsPage } from "./requests.ts";

/**
 * Merges the rooms of several instances behind the same name. Where one has more than fit into its answer, nothing behind its
 * last room can be told yet: its own next page may have a room that comes before.
 */
export function mergeRooms(pages: readonly InstanceRooms[], limit: number): RoomsPage {
  const ends = pages.filter(({ hasMore }) => hasMore).flatMap(({ rooms }) => rooms.at(-1) ?? []);
  const [end] = ends.map(({ room }) => room).sort();
  const merged = new Map<string, RoomCount>();
  for (const { room, normals, consumers } of pages.flatMap(({ rooms }) => rooms)) {
    if (end !== undefined && room > end) continue;
    const before = merged.get(room) ?? { normals: 0, consumers: 0 };
    const sum = {
      normals: before.normals + normals,
      consumers: before.consumers + consumers,
    };
    merged.set(room, { room, ...sum });
  }
  const sorted = [...merged.values()].sort((a, b) => compare(a.room, b.room));
  const rooms = sorted.slice(0, limit);
  const last = rooms.at(-1);
  const hasMore = end !== undefined || sorted.length > limit;
  return { rooms, cursor: hasMore && last !== undefined ? cursorAfter(last.room) : null };
}

/** The order of two texts by UTF-16 code units. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
