/** The script that removes a member from its room. */

import type { MemberId } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { MESSAGE_KIND } from "../messages.ts";
import { ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";

/** Removes a member and publishes that, unless another one has the name by now. */
export const LEAVE = `${ROOM_FUNCTIONS}
local members, meta = KEYS[1], KEYS[2]
local prefix, room, id, instance, number = unpack(ARGV, 1, 5)

local old = redis.call('HGET', members, id)
if not old then return 0 end
local oldInstance, oldNumber = decode(old)
if oldInstance ~= instance or oldNumber ~= number then return 0 end
redis.call('HDEL', members, id)
count(prefix, meta, room, instance, -1)
if redis.call('EXISTS', members) == 0 then
  redis.call('DEL', meta)
else
  publish(prefix, meta, { '${MESSAGE_KIND.left}', room, id, instance, tonumber(number) }, instance)
end
return 1
`;

/** A call of {@linkcode LEAVE}. */
export function leaveCall(
  keys: RedisKeys,
  room: string,
  id: string,
  { instance, number }: MemberId,
): ScriptCall {
  return {
    script: LEAVE,
    keys: [keys.members(room), keys.meta(room)],
    args: [keys.root, room, id, instance, String(number)],
  };
}
