/** The script by which an instance says that it lives, and learns how the others do. */

import type { RedisKeys } from "../keys.ts";
import { MESSAGE_KIND } from "../messages.ts";
import { INSTANCE_REMOVED } from "./join.ts";
import { LIFETIME_SECONDS, type ScriptCall } from "./shared.ts";

/** Rooms of the instance that one heartbeat replies: all within a minute where it has 25,000. */
const LISTED_ROOMS = "250";

/**
 * Counts a heartbeat of the instance and publishes it to the instance itself. Replies with the cursor
 * for the next call, some rooms in which the instance has members, and each instance with its number of
 * heartbeats; or with `INSTANCE_REMOVED`. No clock is read: that of Redis may be set.
 */
export const HEARTBEAT = `
local instances = KEYS[1]
local prefix, instance, isFirst, sentAt = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4]
local cursor, lifetime, roomCount = ARGV[5], ARGV[6], ARGV[7]

if not isFirst and (redis.call('ZSCORE', instances, instance) or '0') == '0' then
  return '${INSTANCE_REMOVED}'
end
redis.call('ZINCRBY', instances, 1, instance)
redis.call('EXPIRE', instances, lifetime)
redis.call('PUBLISH', prefix .. 'to:' .. instance, '["${MESSAGE_KIND.heartbeat}",' .. sentAt .. ']')

local rooms = prefix .. 'rooms:' .. instance
redis.call('EXPIRE', rooms, lifetime)
local page = redis.call('SSCAN', rooms, cursor, 'COUNT', roomCount)
return { page[1], page[2], redis.call('ZRANGE', instances, 0, -1, 'WITHSCORES') }
`;

/** What a heartbeat tells Redis. */
export interface HeartbeatOptions {
  readonly instance: string;
  /** Whether it is the first, which adds the instance. */
  readonly isFirst: boolean;
  /** When it is sent, in whole milliseconds by the instance's own `Clock.elapsed`. */
  readonly sentAt: number;
  /** Where the list of rooms continues. */
  readonly cursor: string;
}

/** A call of {@linkcode HEARTBEAT}. */
export function heartbeatCall(
  keys: RedisKeys,
  { instance, isFirst, sentAt, cursor }: HeartbeatOptions,
): ScriptCall {
  return {
    script: HEARTBEAT,
    keys: [keys.instances],
    args: [
      keys.root,
      instance,
      isFirst ? "1" : "0",
      String(sentAt),
      cursor,
      LIFETIME_SECONDS,
      LISTED_ROOMS,
    ],
  };
}

/** The reply of {@linkcode HEARTBEAT} while the instance is not removed. */
export interface HeartbeatReply {
  /** Where the list of rooms continues. */
  readonly cursor: string;
  /** Some of the rooms in which the instance has members. */
  readonly rooms: readonly string[];
  /** The heartbeats of every instance; 0 for one that is being removed. */
  readonly heartbeats: ReadonlyMap<string, number>;
}

/** The reply of {@linkcode HEARTBEAT}; `undefined` when the instance has been removed. */
export function decodeHeartbeatReply(reply: unknown): HeartbeatReply | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [cursor, rooms, scores] = reply;
  if (!Array.isArray(rooms) || !Array.isArray(scores)) return undefined;
  const heartbeats = new Map<string, number>();
  for (let n = 0; n < scores.length; n += 2) {
    heartbeats.set(String(scores[n]), Number(scores[n + 1]));
  }
  return { cursor: String(cursor), rooms: rooms.map(String), heartbeats };
}
