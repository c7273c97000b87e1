/**
 * What a client is sent once it has joined or registered again: its list, then when its token expires
 * if it has asked for that. When it is sent, and who is in the list, is decided by the session and the
 * room.
 */

import { CLOSE } from "../protocol/messages.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Room } from "../rooms/room.ts";
import type { SessionContext } from "./context.ts";
import type { ExpiringSession } from "./refreshes.ts";

/** A session that has joined. */
export type JoinedSession = Peer & ExpiringSession;

/**
 * Answers a `register`; a client that has not read so much that there is no room for the answer is
 * closed.
 *
 * @param rotation How many consumers have joined the room on all instances, where that is counted.
 */
export function answerRegister(
  { director, refreshes }: Pick<SessionContext, "director" | "refreshes">,
  session: JoinedSession,
  room: Room,
  rotation?: number,
): void {
  const isSent = session.connection.answer(
    session.role === "normal"
      ? { type: "peer-list", peers: room.otherNormalIds(session) }
      : { type: "server-list", servers: director.register(room, session, rotation) },
  );
  if (!isSent) session.close(CLOSE.readsTooSlowly);
  else refreshes.registered(session);
}
