/** Users of Redis with the rights that `docs/redis.md` names, and no others. */

import type { TestRedis } from "./redis.ts";

/** Of an instance. */
export const RIGHTS = "~client-db-sync:* &client-db-sync:* +@all -@dangerous";

/** Of an instance that asks a Sentinel. */
export const SENTINEL_RIGHTS = "+@connection +sentinel|get-master-addr-by-name";

/** Makes a user on every server, whose password is `hush-` and its name. */
export async function allow(
  servers: readonly TestRedis[],
  name: string,
  rights: string,
): Promise<void> {
  for (const server of servers) {
    await server.cli("acl", "setuser", name, "reset", "on", `>hush-${name}`, ...rights.split(" "));
  }
}
