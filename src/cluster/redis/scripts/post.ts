/** The script that sends a text to one instance or to all others. */

import type { PostReply } from "../../backplane.ts";
import type { RedisKeys } from "../keys.ts";
import { encodePost } from "../messages.ts";
import type { ScriptCall } from "./shared.ts";

/**
 * Publishes a text to an instance, or to every other one. Replies with the number of instances to
 * whose channel nobody subscribes, then the names of those that receive it.
 */
export const POST = `
local instances = KEYS[1]
local prefix, sender, target, text = unpack(ARGV, 1, 4)

local names = target ~= '' and { target } or redis.call('ZRANGE', instances, 0, -1)
local reply, missed = { 0 }, 0
for _, name in ipairs(names) do
  if name ~= sender or name == target then
    if redis.call('PUBLISH', prefix .. 'to:' .. name, text) > 0 then
      reply[#reply + 1] = name
    else
      missed = missed + 1
    end
  end
end
reply[1] = missed
return reply
`;

/** A call of {@linkcode POST}; without `to` all other instances receive the text. */
export function postCall(keys: RedisKeys, from: string, text: string, to = ""): ScriptCall {
  return {
    script: POST,
    keys: [keys.instances],
    args: [keys.root, from, to, encodePost(text, from)],
  };
}

/** The reply of {@linkcode POST}. */
export function decodePostReply(reply: unknown): PostReply {
  if (!Array.isArray(reply)) throw new TypeError("Not a reply to a post");
  const [missed, ...reached] = reply;
  return { reached: reached.map(String), isPartial: Number(missed) > 0 };
}
