/** The script that claims a name in a room. */

import type { JoinOptions, JoinReply, Member } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { encodeMember, MESSAGE_KIND } from "../messages.ts";
import { LIFETIME_SECONDS, ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";
import { TAKEOVER_FUNCTIONS } from "./takeovers.ts";

/** The reply of {@linkcode JOIN} when the other instances have removed the one that claims. */
export const INSTANCE_REMOVED = "instance removed";

/**
 * Adds or replaces a member and publishes that, or refuses. An instance that had no member in the room
 * receives the whole room instead of the new member. Replies with a `JoinReply` or `INSTANCE_REMOVED`,
 * where a member keeps the name with its instance and its number.
 */
export const JOIN = `${ROOM_FUNCTIONS}${TAKEOVER_FUNCTIONS}
local members, meta, instances, takeovers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, room, id = ARGV[1], ARGV[2], ARGV[3]
local instance, number, role, acceptsConsumers, joinedAt, identity = unpack(ARGV, 4, 9)
local mode, oldJoinOrder, lifetime = ARGV[10], ARGV[11], ARGV[12]
local maxPeers, maxOfIdentity = tonumber(ARGV[13]), tonumber(ARGV[14])
local deadInstance, deadNumber = ARGV[15], ARGV[16]
local isReclaim = mode == 'reclaim' or mode == 'restore'

local function publishSnapshot(rotation)
  local pairs = redis.call('HGETALL', members)
  redis.call('PUBLISH', prefix .. 'to:' .. instance,
    cjson.encode({ '${MESSAGE_KIND.snapshot}', room, pairs, rotation, isReclaim }))
end

-- Returns the limit that the room would exceed with the member in the place of the old one.
local function exceededLimit(old)
  local size = redis.call('HLEN', members)
  local countsIdentity = role == 'consumer' and identity ~= ''
  if size < maxPeers and not (countsIdentity and size >= maxOfIdentity) then return nil end
  local peers, ofIdentity = 0, 0
  local function count(value, by)
    local otherRole, otherIdentity =
      string.match(value, '^%S+ %S+ (%S+) %S+ %S+ %S+ (.*)$')
    if otherRole ~= role then return end
    peers = peers + by
    if otherIdentity == identity then ofIdentity = ofIdentity + by end
  end
  for _, value in ipairs(redis.call('HVALS', members)) do count(value, 1) end
  if old then count(old, -1) end
  if peers >= maxPeers then return 'full' end
  return countsIdentity and ofIdentity >= maxOfIdentity and 'identityFull' or nil
end

if (redis.call('ZSCORE', instances, instance) or '0') == '0' then
  return '${INSTANCE_REMOVED}'
end

-- Decide who gets the name.
local isFirstHere = redis.call('HEXISTS', meta, 'i:' .. instance) == 0
local needsSnapshot = isFirstHere and mode ~= 'restore'
local old = redis.call('HGET', members, id)
local oldInstance, joinOrder, isTakeover
if old then
  local oldNumber, oldRole, oldJoinedAt, oldIdentity, _
  oldInstance, oldNumber, oldRole, _, oldJoinedAt, joinOrder, oldIdentity = decode(old)
  local isSame = oldInstance == instance and oldNumber == number
  -- As mayTakeOver says: a normal always may, a consumer only from one of the same identity.
  local isTaken = role == 'consumer' and (oldRole ~= 'consumer' or oldIdentity ~= identity)
  local isLater = isReclaim and tonumber(oldJoinedAt) > tonumber(joinedAt)
  local isOutdated = oldRole == role and (mode == 'restore' or isLater)
  if not isSame and (isTaken or isOutdated) then
    if isReclaim and not needsSnapshot then publishSnapshot(0) end
    return isTaken and 'idInUse' or 'outdated'
  end
  local isDead = oldInstance == deadInstance and oldNumber == deadNumber
  isTakeover = not isSame and mode == 'join' and oldRole == role and not isDead
  if isTakeover and isKept(takeovers) then return { oldInstance, oldNumber } end
end
local limit = not isReclaim and exceededLimit(old)
if limit then return limit end
joinOrder = joinOrder or placeOf(meta, tonumber(oldJoinOrder))

-- Store the member.
local value = table.concat(
  { instance, number, role, acceptsConsumers, joinedAt, joinOrder, identity }, ' ')
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
return isTakeover and recordTakeover(takeovers) and 'joined and kept' or 'joined'
`;

/** A call of {@linkcode JOIN}. */
export function joinCall(
  keys: RedisKeys,
  room: string,
  member: Member,
  { mode, limits, joinOrder = 0, dead }: JoinOptions,
): ScriptCall {
  const { maxPeersPerRoom, maxConsumersPerRoom, maxConsumersPerIdentity } = limits;
  const maxPeers = member.role === "normal" ? maxPeersPerRoom : maxConsumersPerRoom;
  return {
    script: JOIN,
    keys: [
      keys.members(room),
      keys.meta(room),
      keys.instances,
      keys.takeovers(room, member.id),
    ],
    args: [
      keys.root,
      room,
      member.id,
      ...encodeMember(member),
      mode,
      String(joinOrder),
      LIFETIME_SECONDS,
      encodeLimit(maxPeers),
      encodeLimit(maxConsumersPerIdentity),
      dead?.instance ?? "",
      String(dead?.number ?? ""),
    ],
  };
}

function encodeLimit(limit: number): string {
  return String(limit === Infinity ? Number.MAX_SAFE_INTEGER : limit);
}

/** The reply of {@linkcode JOIN}. */
export function decodeJoinReply(reply: unknown): JoinReply {
  if (Array.isArray(reply)) {
    const [instance, number] = reply;
    return { keptBy: { instance: String(instance), number: Number(number) } };
  }
  switch (reply) {
    case "joined":
    case "joined and kept":
    case "idInUse":
    case "full":
    case "identityFull":
    case "outdated":
      return reply;
    default:
      throw new TypeError(`Not a reply to a join: ${reply}`);
  }
}
