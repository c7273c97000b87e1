/** The room and the name that a client asks for in the query of its URL. Whether it gets them is decided elsewhere. */

import { isLongerThan, MAX_NODE_ID_LENGTH, MAX_ROOM_LENGTH } from "../protocol/messages.ts";

/** What a client asks for; an empty value counts as absent. */
export interface RequestedNames {
  readonly room?: string;
  readonly nodeId?: string;
}

/** Clients append their own to whatever the app's URL contains: the last one counts. */
export function requestedNames(query: URLSearchParams): RequestedNames {
  const room = query.getAll("room").at(-1);
  const nodeId = query.getAll("nodeId").at(-1);
  return { ...(room ? { room } : {}), ...(nodeId ? { nodeId } : {}) };
}

/** The same as a log line shows it: without one that is longer than any that is accepted. */
export function shownNames(query: URLSearchParams): RequestedNames {
  const { room = "", nodeId = "" } = requestedNames(query);
  return {
    ...(room === "" || isLongerThan(room, MAX_ROOM_LENGTH) ? {} : { room }),
    ...(nodeId === "" || isLongerThan(nodeId, MAX_NODE_ID_LENGTH) ? {} : { nodeId }),
  };
}
