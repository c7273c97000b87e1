/**
 * What a client is sent once it has joined or registered again: its list. When it is sent, and who is
 * in it, is decided by the session and the room.
 */

import { CLOSE } from "../protocol/messages.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Room } from "../rooms/room.ts";
import type { Connection } from "./connection.ts";
import type { SessionContext } from "./context.ts";

/** A session that has joined. */
export interface JoinedSession extends Peer {
  readonly connection: Connection;
}

/**
 * Answers a `register`; a client that has not read so much that there is no room for the answer is
 * closed.
 *
 * @param rotation How many consumers have joined the room on all instances, where that is counted.
 */
export function answerRegister(
  { director }: Pick<SessionContext, "director">,
  session: JoinedSession,
  room: Room,
  rotation?: number,
): void {
  const isSent = session.connection.answer(
    session.role === "normal"
      ? { type: "peer-list", peers: room.otherNormalIds(session) }
      : { type: "server-list", servers: director.register(room, session, rotation) },
  );
  if (!isSent) session.connection.close(CLOSE.readsTooSlowly);
}
