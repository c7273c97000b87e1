/** The scripts that store the revocations of tokens, and read them. */

import { readRevocation, type Revocation } from "../../../access/revocations.ts";
import type { RedisKeys } from "../keys.ts";
import type { ScriptCall } from "./shared.ts";

/** How long an entry outlives its end, since the clocks of instances differ, in milliseconds. */
const GRACE_MS = "3600000";

/** Entries that one call removes, or reads. */
const PAGE = "1000";

/**
 * Adds revocations, of two for the same the later times, and removes some that have expired. By the
 * clock of the instance: that of Redis may be set.
 */
export const STORE_REVOCATIONS = `
local entries, ends = KEYS[1], KEYS[2]
local now, grace, page = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local expired = redis.call('ZRANGEBYSCORE', ends, '-inf', now - grace, 'LIMIT', 0, page)
for _, field in ipairs(expired) do
  redis.call('HDEL', entries, field)
  redis.call('ZREM', ends, field)
end

local latest = now
for n = 4, #ARGV, 3 do
  local field, issuedBefore, expiresAt = ARGV[n], tonumber(ARGV[n + 1]), tonumber(ARGV[n + 2])
  local oldIssuedBefore, oldExpiresAt =
    string.match(redis.call('HGET', entries, field) or '', '^(%S+) (%S+)$')
  if oldExpiresAt and tonumber(oldExpiresAt) > now then
    issuedBefore = math.max(issuedBefore, tonumber(oldIssuedBefore))
    expiresAt = math.max(expiresAt, tonumber(oldExpiresAt))
  end
  redis.call('HSET', entries, field, string.format('%.0f %.0f', issuedBefore, expiresAt))
  redis.call('ZADD', ends, string.format('%.0f', expiresAt), field)
  latest = math.max(latest, expiresAt)
end
local lifetime = latest - now + grace
if redis.call('PTTL', entries) < lifetime then
  redis.call('PEXPIRE', entries, string.format('%.0f', lifetime))
  redis.call('PEXPIRE', ends, string.format('%.0f', lifetime))
end
return 1
`;

/** Replies with the cursor of the next page, "0" after the last, and fields and values in turn. */
export const LOAD_REVOCATIONS = `return redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])`;

/** A call of {@linkcode STORE_REVOCATIONS}. */
export function storeRevocationsCall(
  keys: RedisKeys,
  revocations: readonly Revocation[],
  now: number,
): ScriptCall {
  const entries = revocations.flatMap((revocation) => {
    const { kind, expiresAt } = revocation;
    return kind === "token"
      ? [`j${revocation.jti}`, "0", String(expiresAt)]
      : [`s${revocation.subject}`, String(revocation.issuedBefore), String(expiresAt)];
  });
  return {
    script: STORE_REVOCATIONS,
    keys: [keys.revocations, keys.revocationEnds],
    args: [String(now), GRACE_MS, PAGE, ...entries],
  };
}

/** A call of {@linkcode LOAD_REVOCATIONS}; the first cursor is "0". */
export function loadRevocationsCall(keys: RedisKeys, cursor: string): ScriptCall {
  return { script: LOAD_REVOCATIONS, keys: [keys.revocations], args: [cursor, PAGE] };
}

/** The reply of {@linkcode LOAD_REVOCATIONS}. */
export function decodeRevocations(reply: unknown): { cursor: string; revocations: Revocation[] } {
  if (!Array.isArray(reply) || !Array.isArray(reply[1])) throw new TypeError("Not revocations");
  const [cursor, pairs] = reply;
  const revocations: Revocation[] = [];
  for (let n = 0; n < pairs.length; n += 2) {
    const [field, value] = [String(pairs[n]), String(pairs[n + 1])];
    const [issuedBefore = NaN, expiresAt = NaN] = value.split(" ").map(Number);
    const name = field.slice(1);
    const revocation = readRevocation(
      field.startsWith("j")
        ? { kind: "token", jti: name, expiresAt }
        : { kind: "subject", subject: name, issuedBefore, expiresAt },
    );
    if (revocation !== undefined) revocations.push(revocation);
  }
  return { cursor: String(cursor), revocations };
}
