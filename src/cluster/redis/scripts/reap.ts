/** The script that removes the members of an instance that is dead or stops. */

import type { RedisKeys } from "../keys.ts";
import { MESSAGE_KIND } from "../messages.ts";
import { ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";

/** Rooms that one call clears. */
export const REAPED_ROOMS = 50;

/**
 * Removes an instance from some of its rooms and replies with their number, unless it has sent a
 * heartbeat since it was found dead. Until it is removed from all of them, it stays among the instances
 * with 0 heartbeats. A room stays in its list until it is clear, so that a call that fails is repeated.
 */
export const REAP = `${ROOM_FUNCTIONS}
local instances = KEYS[1]
local prefix, instance, roomCount, heartbeats = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local score = redis.call('ZSCORE', instances, instance)
if heartbeats ~= '' and score and score ~= '0' and score ~= heartbeats then return 0 end
redis.call('ZADD', instances, 'XX', 0, instance)
local listed = prefix .. 'rooms:' .. instance
local rooms = redis.call('SRANDMEMBER', listed, roomCount)
for _, room in ipairs(rooms) do
  local members, meta = prefix .. 'room:' .. room, prefix .. 'meta:' .. room
  local fields = redis.call('HGETALL', members)
  for n = 1, #fields, 2 do
    if decode(fields[n + 1]) == instance then redis.call('HDEL', members, fields[n]) end
  end
  redis.call('HDEL', meta, 'i:' .. instance)
  if redis.call('EXISTS', members) == 0 then
    redis.call('DEL', meta)
  else
    publish(prefix, meta, { '${MESSAGE_KIND.instanceLeft}', room, instance })
  end
  redis.call('SREM', listed, room)
end
if redis.call('EXISTS', listed) == 0 then redis.call('ZREM', instances, instance) end
return #rooms
`;

/** A call of {@linkcode REAP}. Without `heartbeats` the instance is removed whether it lives or not. */
export function reapCall(keys: RedisKeys, instance: string, heartbeats?: number): ScriptCall {
  return {
    script: REAP,
    keys: [keys.instances],
    args: [keys.root, instance, String(REAPED_ROOMS), String(heartbeats ?? "")],
  };
}

/** Removes an instance from all of its rooms, as {@linkcode reapCall} does from some. */
export async function reap(
  clients: { run(call: ScriptCall): Promise<unknown> },
  keys: RedisKeys,
  instance: string,
  heartbeats?: number,
): Promise<void> {
  const call = reapCall(keys, instance, heartbeats);
  while (await clients.run(call) === REAPED_ROOMS);
}
