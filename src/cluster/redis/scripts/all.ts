/** Every script, for a connection that loads them. */

import { AUDIT } from "./audit.ts";
import { HEARTBEAT } from "./heartbeat.ts";
import { JOIN } from "./join.ts";
import { LEAVE } from "./leave.ts";
import { POST } from "./post.ts";
import { REAP } from "./reap.ts";
import { LOAD_REVOCATIONS, STORE_REVOCATIONS } from "./revocations.ts";
import { UPDATE } from "./update.ts";

/** The text of every script. */
export const SCRIPTS: readonly string[] = [
  AUDIT,
  HEARTBEAT,
  JOIN,
  LEAVE,
  POST,
  REAP,
  LOAD_REVOCATIONS,
  STORE_REVOCATIONS,
  UPDATE,
];
