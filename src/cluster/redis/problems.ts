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

/** What is tried: as the URL says, or the primary that Sentinels name, or the node that has a shard. */
export type Tried = Endpoint["kind"] | "primary" | "node";

/** What kind of server one was found by. */
const KINDS: Readonly<Record<Tried, Endpoint["kind"]>> = {
  server: "server",
  sentinel: "sentinel",
  primary: "sentinel",
  cluster: "cluster",
  node: "cluster",
};

/** What is added where the address is not that of the URL. */
const ANNOUNCED: Readonly<Partial<Record<Tried, string>>> = {
  primary: ". The Sentinels name its address",
  node: ". The nodes announce its address",
};

const LOGINS: Readonly<Record<Tried, string>> = {
  server: "both in REDIS_URL",
  cluster: "both in REDIS_URL",
  node: "both in REDIS_URL",
  primary: "those before the @ in REDIS_URL; the Sentinels have others",
  sentinel:
    "sentinel-user and sentinel-password in REDIS_URL; those before the @ are the primary's",
};

/** The rights that a user needs, after `ACL SETUSER` and its name. */
function rightsFor(tried: Tried, prefix: string): string {
  if (tried === "sentinel") return "+@connection +sentinel|get-master-addr-by-name";
  const more = KINDS[tried] === "cluster" ? " +cluster|slots" : "";
  return `~${prefix}* &${prefix}* +@all -@dangerous${more}`;
}

/** What is said where this process has no permission to reach a host. */
const FORBIDDEN = /Requires net access|EPERM/;

/** Whether this process has no permission to reach a host. */
export function isForbidden(text: string): boolean {
  return FORBIDDEN.test(text);
}

/** The host that Deno may not reach, as it says. */
function hostIn(text: string): string {
  const [, address, name] = /net access to "([^"]+)"|EPERM (\S+)/.exec(text) ?? [];
  return address ?? name ?? "its host";
}

/** Why what was tried cannot be used. The text of an error may show the name of a user. */
export function triedProblem(tried: Tried, text: string, prefix: string): string {
  const wrongKind = kindProblem(KINDS[tried], text);
  if (wrongKind !== undefined) return wrongKind;
  const rights = rightsFor(tried, prefix);
  const where = ANNOUNCED[tried] ?? "";
  const causes: readonly (readonly [RegExp, string])[] = [
    [/WRONGPASS|NOAUTH|AUTH /, `It refuses the user or the password: check ${LOGINS[tried]}`],
    [/NOPERM|user executing/, `Its user may do too little. It needs: ACL SETUSER … ${rights}`],
    [FORBIDDEN, `Deno may not reach ${hostIn(text)}: add it to --allow-net${where}`],
    [/ECONNREFUSED/, `Nothing listens there: check the port, and whether it runs${where}`],
    [/ENOTFOUND|EAI_AGAIN|getaddrinfo/, `Its name is not known to DNS: check the spelling${where}`],
    [
      /not answer|time-?out|ETIMEDOUT/i,
      `It does not answer in time: check the host, the port, and whether it speaks TLS (rediss://)${where}`,
    ],
    [
      /certificate|TLS|SSL/i,
      `TLS failed: check its certificate, and redis:// or rediss:// (TLS)${where}`,
    ],
    [/READONLY/, "It is a replica, which cannot be written to: name the primary"],
    [/OOM|MISCONF/, "It accepts no writes: look at its memory, its disk and its log"],
    [/LOADING/, "It is still loading its data: try again"],
    [/DB index|SELECT/, "It has no database of that number: check the end of REDIS_URL"],
    [/unknown command/i, "It lacks what an instance needs: use Redis 6 or newer, or Valkey"],
  ];
  const known = causes.find(([pattern]) => pattern.test(text))?.[1];
  return known ?? "The connection failed: check host, port and redis:// or rediss:// (TLS)";
}
