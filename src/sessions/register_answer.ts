/**
 * What a client is sent once it has joined or registered again: ICE servers if it has asked for them,
 * its list, then when its token expires if it has asked for that. When they are sent, and what is in
 * them, is decided by the session, the room and what found the ICE servers.
 */

import type { Rejection } from "../access/admission.ts";
import type { FoundIceServers } from "../ice/ice_servers.ts";
import { CLOSE } from "../protocol/messages.ts";
import { JOIN_REFUSALS } from "../rooms/names.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Room } from "../rooms/room.ts";
import type { Connection } from "./connection.ts";
import type { SessionContext } from "./context.ts";
import type { IceSession } from "./ice_pushes.ts";
import type { ExpiringSession } from "./refreshes.ts";

/** The connection of a consumer that is refused. */
type RefusedConnection = Pick<Connection, "sendMessage" | "close">;

/** A session that has joined. */
export type JoinedSession = Peer & ExpiringSession & IceSession & {
  /** Whether the last `register` has asked for ICE servers. */
  readonly wantsIceServers: boolean;
};

/** What an answer is made with. */
type AnswerContext = Pick<SessionContext, "director" | "refreshes" | "icePushes">;

/** What a `register` has come to. */
export interface Registered {
  readonly room: Room;
  /** The ICE servers to send, for who has asked. */
  readonly found?: FoundIceServers | undefined;
  /** How many consumers have joined the room on all instances, where that is counted. */
  readonly rotation?: number | undefined;
}

/**
 * Answers a `register`; a client that has not read so much that there is no room for the answer is
 * closed.
 */
export function answerRegister(
  context: AnswerContext,
  session: JoinedSession,
  { room, found, rotation }: Registered,
): void {
  context.icePushes.registered(session, found);
  sendList(context, session, room, rotation);
}

/**
 * Answers a `register` of a peer that has joined before, perhaps in another role, unless the room has
 * no place for it in that role: then it is closed.
 */
export function answerAgain(
  context: AnswerContext & Pick<SessionContext, "registry">,
  session: JoinedSession,
  room: Room,
): void {
  const limit = room.exceededLimit(session);
  if (limit !== undefined) return session.close(JOIN_REFUSALS[limit]);
  context.registry.update(room, session);
  if (session.wantsIceServers) answerLater(context, session, room);
  else answerRegister(context, session, { room });
}

/**
 * Answers once the ICE servers are found; what the peer sends and gets meanwhile goes on. A later
 * `register` may have another answer first: it decides about the ICE servers, and this one is answered
 * with the list alone.
 */
function answerLater(context: AnswerContext, session: JoinedSession, room: Room): void {
  const { role } = session;
  context.icePushes.find(session).then((found) => {
    if (session.isClosed) return;
    const isLatest = session.wantsIceServers && session.role === role;
    if (isLatest) answerRegister(context, session, { room, found });
    else sendList(context, session, room);
  }).catch((cause) => session.connection.fail(cause));
}

function sendList(
  { director, refreshes }: AnswerContext,
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

/** Tells a consumer that its token is not accepted, and closes its connection. */
export function refuseConsumer(
  { connection }: { readonly connection: RefusedConnection },
  { close, detail }: Rejection,
): void {
  connection.sendMessage({ type: "auth-err", status: "UNAUTHENTICATED", message: close.reason });
  connection.close(close, detail);
}
