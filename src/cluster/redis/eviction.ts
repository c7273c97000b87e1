/** Whether Redis may throw away the members of rooms when its memory is full. */

/**
 * What to say of a Redis with this policy.
 *
 * @param policy Its `maxmemory-policy`, if it is known.
 * @returns A sentence for the operator; `undefined` if the policy is right or not known.
 */
export function evictionWarning(policy: string | undefined): string | undefined {
  if (policy === undefined || policy === "noeviction") return undefined;
  return "Redis may evict the members of rooms: set its maxmemory-policy to noeviction";
}

/** The policy in the answer to `INFO memory`, if it is there. */
export function evictionPolicyOf(info: unknown): string | undefined {
  return /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1];
}
