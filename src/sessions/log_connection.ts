/**
 * What the log says about one connection: the fields that every line about it has, and the line about
 * its end. Clients that were refused, and connections that ended because something is wrong, are an
 * operator's concern; that others come and go is not.
 */

import type { Address } from "../access/address.ts";
import type { Identity, RefusalDetail } from "../access/admission.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { LogFields, Logger } from "../runtime/logger.ts";

/** Which connection a line is about; the names are absent until the client is admitted. */
export interface ConnectionFields extends LogFields {
  readonly connection: string;
  readonly room?: string;
  readonly nodeId?: string;
  readonly address: Address;
}

/** Codes with which connections end that nothing is wrong with. */
const ORDINARY: readonly number[] = [CLOSE.replaced.code, CLOSE.shuttingDown.code];

/** Describes a connection. */
export function fieldsOf({ id, identity: { room, nodeId }, address }: {
  readonly id: string;
  readonly identity: Identity;
  readonly address: Address;
}): ConnectionFields {
  return nodeId === "" ? { connection: id, address } : { connection: id, room, nodeId, address };
}

/** How a connection ends. */
export interface ConnectionEnd {
  readonly reason: CloseReason;
  /** Whether it was that of a peer. */
  readonly hadJoined: boolean;
  /** Further fields: what it had asked for, and why it is closed. */
  readonly detail: RefusalDetail | undefined;
}

/** Logs that the server closes a connection, and remembers whom it refuses. */
export function logClose(
  { refusals, logger }: { refusals: Pick<RefusalLog, "refused" | "closed">; logger: Logger },
  connection: ConnectionFields,
  { reason: { code, reason }, hadJoined, detail = {} }: ConnectionEnd,
): void {
  const fields = { ...connection, code, reason, ...detail };
  const message = hadJoined ? "Connection closed" : "Connection refused";
  if (ORDINARY.includes(code)) logger.debug(message, fields);
  else if (hadJoined) refusals.closed(message, fields);
  else refusals.refused(message, fields);
}
