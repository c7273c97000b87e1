/**
 * The room and the name that a client asks for in the query of its URL. Whether it gets them is decided
 * elsewhere.
 */

import { isLongerThan, MAX_NODE_ID_LENGTH, MAX_ROOM_LENGTH } from "../protocol/messages.ts";

/** What a client asks for; an empty value counts as absent. */
export interface RequestedNames {
  readonly room: string | undefined;
  readonly nodeId: string | undefined;
}

/** What a client asks for. */
export function requestedNames(query: URLSearchParams): RequestedNames {
  return { room: requestedRoom(query), nodeId: lastOf(query, "nodeId") };
}

/** The room that a client asks for. */
export function requestedRoom(query: URLSearchParams): string | undefined {
  return lastOf(query, "room");
}

/** Clients append their own to whatever the app's URL contains: the last one counts. */
function lastOf(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).at(-1) || undefined;
}

/** The same as a log line shows it: without one that is longer than any that is accepted. */
export function shownNames(query: URLSearchParams): Partial<Record<"room" | "nodeId", string>> {
  const { room = "", nodeId = "" } = requestedNames(query);
  return {
    ...(room === "" || isLongerThan(room, MAX_ROOM_LENGTH) ? {} : { room }),
    ...(nodeId === "" || isLongerThan(nodeId, MAX_NODE_ID_LENGTH) ? {} : { nodeId }),
  };
}
