/** What the Lua scripts share: the form of a call, and functions that change rooms in Redis. */

/** A script with the keys and arguments of one call. */
export interface ScriptCall {
  /** The text of the script. */
  readonly script: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** How long keys outlive the last instance, in seconds. */
export const LIFETIME_SECONDS = "3600";

/**
 * Lua functions for scripts that change rooms. A member is stored as
 * `instance number role acceptsConsumers joinedAt joinOrder consumerIdentity`, of which the last may
 * contain anything.
 */
export const ROOM_FUNCTIONS = `
-- Publishes a message to every instance that has a member in the room, except one.
local function publish(prefix, meta, message, except)
  local text = cjson.encode(message)
  local fields = redis.call('HKEYS', meta)
  for _, field in ipairs(fields) do
    if string.sub(field, 1, 2) == 'i:' then
      local instance = string.sub(field, 3)
      if instance ~= except then redis.call('PUBLISH', prefix .. 'to:' .. instance, text) end
    end
  end
end

-- Changes the number of members that an instance has in a room.
local function count(prefix, meta, room, instance, by)
  local members = redis.call('HINCRBY', meta, 'i:' .. instance, by)
  if members <= 0 then
    redis.call('HDEL', meta, 'i:' .. instance)
    redis.call('SREM', prefix .. 'rooms:' .. instance, room)
  end
end

-- Returns the next place in the order of joining, or the place that a member had, which is above 0.
local function placeOf(meta, oldPlace)
  if oldPlace <= 0 then return redis.call('HINCRBY', meta, 'joinOrder', 1) end
  local last = tonumber(redis.call('HGET', meta, 'joinOrder') or 0)
  if oldPlace > last then redis.call('HSET', meta, 'joinOrder', oldPlace) end
  return oldPlace
end

-- Returns the parts of a stored member in the order of their names above.
local function decode(value)
  return string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
end
`;
