/**
 * What happens in Redis in one step each, in Lua. `docs/redis.md` has the data model. A member is
 * stored as `instance number role serves joinedAt seat`; names of rooms and peers come as they are for
 * keys and fields, and as JSON for messages.
 */

/** Shared by the scripts that change rooms: publishes to every instance that is in a room. */
const PUBLISH = `
local function publish(meta, prefix, payload, except)
  local fields = redis.call('HGETALL', meta)
  for n = 1, #fields, 2 do
    if string.sub(fields[n], 1, 2) == 'i:' then
      local instance = string.sub(fields[n], 3)
      if instance ~= except then redis.call('PUBLISH', prefix .. 'to:' .. instance, payload) end
    end
  end
end
local function count(meta, prefix, instance, room, by)
  if redis.call('HINCRBY', meta, 'i:' .. instance, by) <= 0 then
    redis.call('HDEL', meta, 'i:' .. instance)
    redis.call('SREM', prefix .. 'rooms:' .. instance, room)
  end
end
local function split(value)
  return string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
end
`;

/**
 * KEYS members, meta, instances
 * ARGV prefix, room, room as JSON, id, id as JSON, instance, number, role, serves, joinedAt,
 *      isReturning, maxPeers, seconds to live
 */
export const JOIN = PUBLISH + `
local prefix, room, roomJson, id, idJson = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local instance, number, role, serves = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local joinedAt, isReturning = ARGV[10], ARGV[11] == '1'
local function tellRoom(turn)
  local members = cjson.encode(redis.call('HGETALL', KEYS[1]))
  redis.call('PUBLISH', prefix .. 'to:' .. instance,
    '["r",' .. roomJson .. ',' .. members .. ',' .. turn .. ',' .. ARGV[11] .. ']')
end
if (redis.call('ZSCORE', KEYS[3], instance) or '0') == '0' then return 'gone' end
local isFirst = redis.call('HEXISTS', KEYS[2], 'i:' .. instance) == 0
local old = redis.call('HGET', KEYS[1], id)
local seat
if old then
  local oldInstance, oldNumber, oldRole, _, oldJoinedAt, oldSeat = split(old)
  local isSame = oldInstance == instance and oldNumber == number
  local isTaken = oldRole ~= role
  if not isSame and (isTaken or isReturning and tonumber(oldJoinedAt) > tonumber(joinedAt)) then
    if isReturning and not isFirst then tellRoom(0) end
    return isTaken and 'idInUse' or 'outdated'
  end
  seat = oldSeat
else
  if not isReturning and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[12]) then return 'full' end
  seat = redis.call('HINCRBY', KEYS[2], 'seat', 1)
end
local value = table.concat({ instance, number, role, serves, joinedAt, seat }, ' ')
redis.call('HSET', KEYS[1], id, value)
redis.call('HINCRBY', KEYS[2], 'i:' .. instance, 1)
redis.call('SADD', prefix .. 'rooms:' .. instance, room)
redis.call('EXPIRE', KEYS[1], ARGV[13])
redis.call('EXPIRE', KEYS[2], ARGV[13])
redis.call('EXPIRE', prefix .. 'rooms:' .. instance, ARGV[13])
local turn = role == 'c' and redis.call('HINCRBY', KEYS[2], 'turn', 1) or 0
publish(KEYS[2], prefix, '["j",' .. roomJson .. ',' .. idJson .. ',"' .. value .. '",' .. turn ..
  ',' .. ARGV[11] .. ']', isFirst and instance or nil)
if old then count(KEYS[2], prefix, (split(old)), room, -1) end
if isFirst then tellRoom(turn) end
return 'joined'
`;

/** KEYS members, meta; ARGV prefix, room as JSON, id, id as JSON, instance, number, role, serves */
export const UPDATE = PUBLISH + `
local old = redis.call('HGET', KEYS[1], ARGV[3])
if not old then return 0 end
local instance, number, _, _, joinedAt, seat = split(old)
if instance ~= ARGV[5] or number ~= ARGV[6] then return 0 end
local value = table.concat({ instance, number, ARGV[7], ARGV[8], joinedAt, seat }, ' ')
redis.call('HSET', KEYS[1], ARGV[3], value)
publish(KEYS[2], ARGV[1], '["u",' .. ARGV[2] .. ',' .. ARGV[4] .. ',"' .. value .. '"]', instance)
return 1
`;

/** KEYS members, meta; ARGV prefix, room, room as JSON, id, id as JSON, instance, number */
export const LEAVE = PUBLISH + `
local old = redis.call('HGET', KEYS[1], ARGV[4])
if not old then return 0 end
local instance, number = split(old)
if instance ~= ARGV[6] or number ~= ARGV[7] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[4])
count(KEYS[2], ARGV[1], instance, ARGV[2], -1)
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
else
  publish(KEYS[2], ARGV[1], '["l",' .. ARGV[3] .. ',' .. ARGV[5] .. ',"' .. instance .. '",' ..
    number .. ']', instance)
end
return 1
`;

/**
 * Says that an instance lives, lets some of its rooms live on, and finds instances that are dead.
 * KEYS instances
 * ARGV prefix, instance, isFirst, milliseconds until one is dead, the same if nobody listens for it,
 *      cursor of the rooms, seconds to live
 */
export const HEARTBEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] ~= '1' and (redis.call('ZSCORE', KEYS[1], ARGV[2]) or '0') == '0' then
  return { 'gone' }
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[7])
local mine = ARGV[1] .. 'rooms:' .. ARGV[2]
local page = redis.call('SSCAN', mine, ARGV[6], 'COUNT', 100)
redis.call('EXPIRE', mine, ARGV[7])
for _, room in ipairs(page[2]) do
  redis.call('EXPIRE', ARGV[1] .. 'room:' .. room, ARGV[7])
  redis.call('EXPIRE', ARGV[1] .. 'meta:' .. room, ARGV[7])
end
local result = { string.format('%.0f', now), page[1] }
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for n = 1, #all, 2 do
  local age = now - all[n + 1]
  if all[n] ~= ARGV[2] and age > tonumber(ARGV[5]) then
    local listeners = redis.call('PUBSUB', 'NUMSUB', ARGV[1] .. 'to:' .. all[n])[2]
    if age > tonumber(ARGV[4]) or listeners == 0 then result[#result + 1] = all[n] end
  end
end
redis.call('PUBLISH', ARGV[1] .. 'to:' .. ARGV[2], '["t"]')
return result
`;

/**
 * Takes a dead instance out of some of its rooms; it is on the list, with 0 for its last beat, until it
 * is out of all. KEYS instances; ARGV prefix, instance, how many
 */
export const REAP = PUBLISH + `
local prefix, instance = ARGV[1], ARGV[2]
redis.call('ZADD', KEYS[1], 'XX', 0, instance)
local rooms = redis.call('SPOP', prefix .. 'rooms:' .. instance, ARGV[3])
if redis.call('EXISTS', prefix .. 'rooms:' .. instance) == 0 then
  redis.call('ZREM', KEYS[1], instance)
end
for _, room in ipairs(rooms) do
  local members, meta = prefix .. 'room:' .. room, prefix .. 'meta:' .. room
  local fields = redis.call('HGETALL', members)
  for n = 1, #fields, 2 do
    if split(fields[n + 1]) == instance then redis.call('HDEL', members, fields[n]) end
  end
  redis.call('HDEL', meta, 'i:' .. instance)
  if redis.call('EXISTS', members) == 0 then
    redis.call('DEL', meta)
  else
    publish(meta, prefix, '["g",' .. cjson.encode(room) .. ',"' .. instance .. '"]')
  end
end
return #rooms
`;
