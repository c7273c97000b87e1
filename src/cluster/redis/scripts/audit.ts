/** The script that compares rooms in Redis with what an instance has in them. */

import { type AuditReply, type RoomView, SUMMARY_MODULI } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { MESSAGE_KIND } from "../messages.ts";
import { LIFETIME_SECONDS, ROOM_FUNCTIONS, type ScriptCall } from "./shared.ts";

/**
 * Removes members of the instance that its view does not list, corrects the counters of each room,
 * prolongs its keys, publishes a snapshot where the members of other instances differ, and tells the
 * other instances which rooms have lost members. Replies with the number of removed members, then the
 * index of the view and the number of each missing member.
 */
export const AUDIT = `${ROOM_FUNCTIONS}
local prefix, instance, lifetime, views = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local reply, removed = { 0 }, 0

-- Makes the counters of a room what its members say, and returns whether it has any.
local function correctCounters(room, members, meta, counts, lastPlace)
  local isEmpty = next(counts) == nil
  if isEmpty then
    redis.call('DEL', meta)
  else
    local fields = redis.call('HGETALL', meta)
    local known = {}
    for n = 1, #fields, 2 do
      local other = string.match(fields[n], '^i:(.*)$')
      if other then known[other] = tonumber(fields[n + 1]) end
    end
    for other in pairs(known) do
      if not counts[other] then redis.call('HDEL', meta, 'i:' .. other) end
    end
    for other, count in pairs(counts) do
      if known[other] ~= count then redis.call('HSET', meta, 'i:' .. other, count) end
    end
    placeOf(meta, lastPlace)
    redis.call('EXPIRE', members, lifetime)
    redis.call('EXPIRE', meta, lifetime)
  end
  redis.call(counts[instance] and 'SADD' or 'SREM', prefix .. 'rooms:' .. instance, room)
end

for index, view in ipairs(views) do
  local room, own, others = view[1], view[2], view[3]
  local members, meta = prefix .. 'room:' .. room, prefix .. 'meta:' .. room
  local isListed = {}
  for _, member in ipairs(own) do isListed[member[2]] = true end

  -- Go through the stored members.
  local stored = redis.call('HGETALL', members)
  local hasName, counts, lastPlace, gone = {}, {}, 0, {}
  local otherCount, otherSum = 0, 0
  for n = 1, #stored, 2 do
    local id, owner, number, role, acceptsConsumers, joinedAt, joinOrder =
      stored[n], decode(stored[n + 1])
    if owner == instance and not isListed[tonumber(number)] then
      redis.call('HDEL', members, id)
      gone[#gone + 1] = { '${MESSAGE_KIND.left}', room, id, instance, tonumber(number) }
    elseif owner then
      hasName[id] = true
      counts[owner] = (counts[owner] or 0) + 1
      lastPlace = math.max(lastPlace, tonumber(joinOrder))
      if owner ~= instance then
        otherCount = otherCount + 1
        local flags = (role == 'consumer' and 2 or 0) + acceptsConsumers
        local part = (number * 4 + flags + joinedAt) % ${SUMMARY_MODULI[0]}
        otherSum = (otherSum + part * part) % ${SUMMARY_MODULI[1]}
      end
    end
  end
  correctCounters(room, members, meta, counts, lastPlace)

  -- Tell the others of members that were removed, and of members that were lost.
  removed = removed + #gone
  for _, message in ipairs(gone) do publish(prefix, meta, message, instance) end
  local isLost = false
  for _, member in ipairs(own) do
    local id, number, isRequired = member[1], member[2], member[3]
    if isRequired and not hasName[id] then
      isLost = true
      reply[#reply + 1] = index
      reply[#reply + 1] = number
    end
  end
  if isLost then
    redis.call('PUBLISH', prefix .. 'all',
      cjson.encode({ '${MESSAGE_KIND.membersLost}', room, instance }))
  end
  if others ~= cjson.null and others ~= string.format('%d:%.0f', otherCount, otherSum) then
    local message = { '${MESSAGE_KIND.snapshot}', room, redis.call('HGETALL', members), 0, true }
    redis.call('PUBLISH', prefix .. 'to:' .. instance, cjson.encode(message))
  end
end
reply[1] = removed
return reply
`;

/** A call of {@linkcode AUDIT}. */
export function auditCall(
  keys: RedisKeys,
  instance: string,
  views: readonly RoomView[],
): ScriptCall {
  const encoded = views.map(({ room, members, others = null }) => [
    room,
    members.map(({ id, number, isRequired }) => [id, number, isRequired]),
    others,
  ]);
  return {
    script: AUDIT,
    keys: [keys.instances],
    args: [keys.root, instance, LIFETIME_SECONDS, JSON.stringify(encoded)],
  };
}

/** The reply of {@linkcode AUDIT}. */
export function decodeAuditReply(reply: unknown, views: readonly RoomView[]): AuditReply {
  if (!Array.isArray(reply)) throw new TypeError("Not a reply to an audit");
  const [removed, ...found] = reply.map(Number);
  const missing = [];
  for (let n = 0; n < found.length; n += 2) {
    const view = views[(found[n] ?? 0) - 1];
    if (view !== undefined) missing.push({ room: view.room, number: found[n + 1] ?? 0 });
  }
  return { missing, removed: removed ?? 0 };
}
