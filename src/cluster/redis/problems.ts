/** Why a Redis cannot be used, and what its operator can change. No sentence shows a URL or a name. */

import type { Endpoint } from "./endpoint.ts";

/** What a server answers that is of another kind than its URL says. */
const WRONG_KIND: Readonly<Record<Endpoint["kind"], readonly (readonly [RegExp, string])[]>> = {
  server: [
    [
      /\b(MOVED|ASK|CLUSTERDOWN|CROSSSLOT)\b|in cluster mode/,
      "It is a node of a Redis Cluster: write redis-cluster:// instead of redis://",
    ],
    [
      /unknown command.*\bSCRIPT\b/i,
      "It runs no scripts. If it is a Sentinel, write redis-sentinel:// instead of redis://",
    ],
  ],
  sentinel: [
    [
      /unknown command.*\bSENTINEL\b/i,
      "It is no Sentinel: write the hosts and the port of the Sentinels, or redis:// for one Redis",
    ],
    [/knows no primary/, "The Sentinels know no primary of that name: check ?name="],
  ],
  cluster: [
    [
      /cluster support disabled|unknown command.*\bCLUSTER\b/i,
      "It is no node of a Redis Cluster: write redis:// instead of redis-cluster://",
    ],
  ],
};

/** What to change where the kind of a server is another one than its URL says. */
export function kindProblem(kind: Endpoint["kind"], reason: string): string | undefined {
  return WRONG_KIND[kind].find(([pattern]) => pattern.test(reason))?.[1];
}

/** The reason of a failure, with what to change where that is known. */
export function explained(kind: Endpoint["kind"], reason: string): string {
  const problem = kindProblem(kind, reason);
  return problem === undefined ? reason : `${reason}. ${problem}`;
}
