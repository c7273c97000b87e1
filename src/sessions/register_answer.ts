/**
 * What a client is sent once it has joined or registered again: ICE servers if it has asked for them,
 * its list, then when its token expires if it has asked for that. When they are sent, and what is in
 * them, is decided by the session, the room and what found the ICE servers.
 */

import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Room } from "../rooms/room.ts";
import type { SessionContext } from "./context.ts";
import type { IceSession } from "./ice_pushes.ts";
import type { ExpiringSession } from "./refreshes.ts";

/** A session that has joined. */
export type JoinedSession = Peer & ExpiringSession & IceSession;

/**
 * Answers a `register`; a client that has not read so much that there is no room for the answer is
 * closed.
 *
 * @param rotation How many consumers have joined the room on all instances, where that is counted.
 */
export function answerRegister(
  { director, refreshes, icePushes }: Pick<
    SessionContext,
    "director" | "refreshes" | "icePushes"
  >,
  session: JoinedSession,
  room: Room,
  rotation?: number,
): void {
  icePushes.registered(session);
  const isSent = session.connection.answer(
    session.role === "normal"
      ? { type: "peer-list", peers: room.otherNormalIds(session) }
      : { type: "server-list", servers: director.register(room, session, rotation) },
  );
  if (!isSent) session.close(CLOSE.readsTooSlowly);
  else refreshes.registered(session);
}

/** Tells a consumer that its token is not accepted, and closes its connection. */
export function refuseConsumer(
  { logger }: Pick<SessionContext, "logger">,
  session: JoinedSession,
  close: CloseReason,
): void {
  const { reason } = close;
  session.connection.sendMessage({ type: "auth-err", status: "UNAUTHENTICATED", message: reason });
  logger.debug("Consumer refused", { reason });
  session.close(close);
}
