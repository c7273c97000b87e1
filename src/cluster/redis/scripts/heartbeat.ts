/** The script by which an instance says that it lives, and finds instances that do not. */

import type { RedisKeys } from "../keys.ts";
import { MESSAGE_KIND } from "../messages.ts";
import { INSTANCE_REMOVED } from "./join.ts";
import { LIFETIME_SECONDS, type ScriptCall } from "./shared.ts";

/** How long an instance may be silent before the others remove its peers, in milliseconds. */
const INSTANCE_TIMEOUT_MS = "10000";

/** The same when nobody subscribes to its channel, as after a kill. */
const NO_SUBSCRIBER_TIMEOUT_MS = "3000";

/** Rooms whose keys one heartbeat prolongs. */
const PROLONGED_ROOMS = "100";

/**
 * Records that an instance lives and prolongs the keys of some of its rooms. Replies with the time in
 * milliseconds, the cursor for the next call and the instances that are dead, or with
 * `INSTANCE_REMOVED`.
 */
export const HEARTBEAT = `
local instances = KEYS[1]
local prefix, instance, isFirst, cursor, lifetime = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5]
local timeout, noSubscriberTimeout, roomCount = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not isFirst and (redis.call('ZSCORE', instances, instance) or '0') == '0' then
  return '${INSTANCE_REMOVED}'
end
redis.call('ZADD', instances, now, instance)
redis.call('EXPIRE', instances, lifetime)

-- Prolong the next rooms of the instance.
local rooms = prefix .. 'rooms:' .. instance
local page = redis.call('SSCAN', rooms, cursor, 'COUNT', roomCount)
redis.call('EXPIRE', rooms, lifetime)
for _, room in ipairs(page[2]) do
  redis.call('EXPIRE', prefix .. 'room:' .. room, lifetime)
  redis.call('EXPIRE', prefix .. 'meta:' .. room, lifetime)
end

-- Find the instances that are dead.
local result = { string.format('%.0f', now), page[1] }
local scores = redis.call('ZRANGE', instances, 0, -1, 'WITHSCORES')
for n = 1, #scores, 2 do
  local other, age = scores[n], now - scores[n + 1]
  if other ~= instance and age > noSubscriberTimeout then
    local subscribers = redis.call('PUBSUB', 'NUMSUB', prefix .. 'to:' .. other)[2]
    if age > timeout or subscribers == 0 then result[#result + 1] = other end
  end
end
redis.call('PUBLISH', prefix .. 'to:' .. instance, '["${MESSAGE_KIND.heartbeat}"]')
return result
`;

/** A call of {@linkcode HEARTBEAT}. */
export function heartbeatCall(
  keys: RedisKeys,
  { instance, isFirst, cursor }: { instance: string; isFirst: boolean; cursor: string },
): ScriptCall {
  return {
    script: HEARTBEAT,
    keys: [keys.instances],
    args: [
      keys.prefix,
      instance,
      isFirst ? "1" : "0",
      cursor,
      LIFETIME_SECONDS,
      INSTANCE_TIMEOUT_MS,
      NO_SUBSCRIBER_TIMEOUT_MS,
      PROLONGED_ROOMS,
    ],
  };
}

/** The reply of {@linkcode HEARTBEAT} while the instance is not removed. */
export interface HeartbeatReply {
  /** Milliseconds by the clock of Redis. */
  readonly now: number;
  /** Where the next heartbeat continues. */
  readonly cursor: string;
  /** Instances that are dead. */
  readonly dead: readonly string[];
}

/** The reply of {@linkcode HEARTBEAT}; `undefined` when the instance has been removed. */
export function decodeHeartbeatReply(reply: unknown): HeartbeatReply | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [now, cursor, ...dead] = reply.map(String);
  return { now: Number(now), cursor: cursor ?? "0", dead };
}
