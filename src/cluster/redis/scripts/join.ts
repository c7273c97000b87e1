/** The script that claims a name in a room. */

import type { JoinOptions, JoinReply, Member } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { encodeMember, MESSAGE_KIND } from "../messages.ts";
import { LIFETIME_SECONDS, ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";

/** The reply of {@linkcode JOIN} when the other instances have removed the one that claims. */
export const INSTANCE_REMOVED = "instance removed";

/**
 * Adds or replaces a member and publishes that, or refuses. An instance that had no member in the room
 * receives the whole room instead of the new member. Replies with a `JoinReply` or `INSTANCE_REMOVED`.
 */
export const JOIN = `${ROOM_FUNCTIONS}
local members, meta, instances = KEYS[1], KEYS[2], KEYS[3]
local prefix, room, id = ARGV[1], ARGV[2], ARGV[3]
local instance, number, role, acceptsConsumers, joinedAt = unpack(ARGV, 4, 8)
local mode, maxPeers, oldJoinOrder, lifetime = ARGV[9], tonumber(ARGV[10]), ARGV[11], ARGV[12]
local isReclaim = mode ~= 'join'

local function publishSnapshot(rotation)
  local pairs = redis.call('HGETALL', members)
  redis.call('PUBLISH', prefix .. 'to:' .. instance,
    cjson.encode({ '${MESSAGE_KIND.snapshot}', room, pairs, rotation, isReclaim }))
end

if (redis.call('ZSCORE', instances, instance) or '0') == '0' then
  return '${INSTANCE_REMOVED}'
end

-- Decide who gets the name.
local isFirstHere = redis.call('HEXISTS', meta, 'i:' .. instance) == 0
local needsSnapshot = isFirstHere and mode ~= 'restore'
local old = redis.call('HGET', members, id)
local oldInstance, joinOrder
if old then
  local oldNumber, oldRole, oldJoinedAt, _
  oldInstance, oldNumber, oldRole, _, oldJoinedAt, joinOrder = decode(old)
  local isSame = oldInstance == instance and oldNumber == number
  local isTaken = oldRole ~= role
  local isLater = tonumber(oldJoinedAt) > tonumber(joinedAt)
  local isOutdated = mode == 'restore' or isReclaim and isLater
  if not isSame and (isTaken or isOutdated) then
    if isReclaim and not needsSnapshot then publishSnapshot(0) end
    return isTaken and 'idInUse' or 'outdated'
  end
else
  if not isReclaim and redis.call('HLEN', members) >= maxPeers then return 'full' end
  joinOrder = placeOf(meta, tonumber(oldJoinOrder))
end

-- Store the member.
local value = table.concat({ instance, number, role, acceptsConsumers, joinedAt, joinOrder }, ' ')
redis.call('HSET', members, id, value)
count(prefix, meta, room, instance, 1)
redis.call('SADD', prefix .. 'rooms:' .. instance, room)
redis.call('EXPIRE', members, lifetime)
redis.call('EXPIRE', meta, lifetime)
redis.call('EXPIRE', prefix .. 'rooms:' .. instance, lifetime)

-- Tell every instance of the room, that of a replaced member included.
local rotation = role == 'consumer' and redis.call('HINCRBY', meta, 'rotation', 1) or 0
publish(prefix, meta, { '${MESSAGE_KIND.joined}', room, id, value, rotation, isReclaim },
  needsSnapshot and instance or nil)
if oldInstance then count(prefix, meta, room, oldInstance, -1) end
if needsSnapshot then publishSnapshot(rotation) end
return 'joined'
`;

/** A call of {@linkcode JOIN}. */
export function joinCall(
  keys: RedisKeys,
  room: string,
  member: Member,
  { mode, maxPeers, joinOrder = 0 }: JoinOptions,
): ScriptCall {
  return {
    script: JOIN,
    keys: [keys.members(room), keys.meta(room), keys.instances],
    args: [
      keys.prefix,
      room,
      member.id,
      ...encodeMember(member),
      mode,
      String(maxPeers === Infinity ? Number.MAX_SAFE_INTEGER : maxPeers),
      String(joinOrder),
      LIFETIME_SECONDS,
    ],
  };
}

/** The reply of {@linkcode JOIN}. */
export function decodeJoinReply(reply: unknown): JoinReply {
  switch (reply) {
    case "joined":
    case "idInUse":
    case "full":
    case "outdated":
      return reply;
    default:
      throw new TypeError(`Not a reply to a join: ${reply}`);
  }
}
