/** The script that changes a member's role, or whether it accepts consumers. */

import type { Member } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { encodeMember, MESSAGE_KIND } from "../messages.ts";
import { ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";

/** Changes a member and publishes that, unless another one has the name by now. */
export const UPDATE = `${ROOM_FUNCTIONS}
local members, meta = KEYS[1], KEYS[2]
local prefix, room, id = ARGV[1], ARGV[2], ARGV[3]
local instance, number, role, acceptsConsumers, _, identity = unpack(ARGV, 4, 9)

local old = redis.call('HGET', members, id)
if not old then return 0 end
local oldInstance, oldNumber, _, _, joinedAt, joinOrder, _ = decode(old)
if oldInstance ~= instance or oldNumber ~= number then return 0 end
local value = table.concat(
  { instance, number, role, acceptsConsumers, joinedAt, joinOrder, identity }, ' ')
redis.call('HSET', members, id, value)
publish(prefix, meta, { '${MESSAGE_KIND.updated}', room, id, value }, instance)
return 1
`;

/** A call of {@linkcode UPDATE}. */
export function updateCall(keys: RedisKeys, room: string, member: Member): ScriptCall {
  return {
    script: UPDATE,
    keys: [keys.members(room), keys.meta(room)],
    args: [keys.root, room, member.id, ...encodeMember(member)],
  };
}
