/**
 * The Lua functions that count how often a name is taken over, by the rule of `rooms/takeovers.ts`. The
 * script that joins decides what counts.
 */

import {
  KEPT_MS,
  MAX_TAKEOVERS,
  TAKEOVER_LOG_MS,
  TAKEOVER_WINDOW_MS,
} from "../../../rooms/takeovers.ts";

/**
 * A hash for each name: `times` of its last takeovers, `keptAt`, since when its holder keeps it, and
 * `isLogged`. Times are milliseconds by the clock of Redis; one that is in the future, because that
 * clock was set, is as good as none.
 */
export const TAKEOVER_FUNCTIONS = `
local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function isWithin(time, now, duration)
  local passed = now - time
  return passed >= 0 and passed <= duration
end

-- Whether the holder of a name keeps it.
local function isKept(takeovers)
  local keptAt = redis.call('HGET', takeovers, 'keptAt')
  return keptAt and isWithin(keptAt, milliseconds(), ${KEPT_MS - 1})
end

-- Records a takeover. Whether the new holder keeps the name from now on, and that is to be logged.
local function recordTakeover(takeovers)
  local now = milliseconds()
  local times = {}
  for time in string.gmatch(redis.call('HGET', takeovers, 'times') or '', '%d+') do
    if isWithin(time, now, ${TAKEOVER_WINDOW_MS}) then times[#times + 1] = time end
  end
  times[#times + 1] = string.format('%.0f', now)
  local isNew = false
  if #times >= ${MAX_TAKEOVERS} then
    redis.call('HSET', takeovers, 'keptAt', times[#times])
    times = {}
    isNew = redis.call('HSETNX', takeovers, 'isLogged', 1) == 1
  end
  redis.call('HSET', takeovers, 'times', table.concat(times, ' '))
  local isLogged = redis.call('HEXISTS', takeovers, 'isLogged') == 1
  redis.call('PEXPIRE', takeovers, isLogged and ${TAKEOVER_LOG_MS} or ${TAKEOVER_WINDOW_MS})
  return isNew
end
`;
