/**
 * What `REDIS_URL` may be: one Redis, several of them, a Redis Cluster, or Sentinels. The settings and
 * the Redis backplane both read it here, before a client could read it in another way, such as a part
 * of the password as the host. A message never shows a URL.
 */

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Logical shards of a Redis Cluster, unless its URL says otherwise, and at most. */
export const CLUSTER_SHARDS = 16;
export const MAX_CLUSTER_SHARDS = 128;

const EXAMPLES = {
  server: "rediss://user:password@host:6379/0",
  cluster: "rediss-cluster://user:password@host:6379,host:6379",
  sentinel: "redis-sentinel://user:password@host:26379,host:26379/0?name=mymaster",
} as const;

const BEGINNINGS = "begins with redis:// or rediss:// (TLS), redis-cluster:// or redis-sentinel://";

const ENCODE =
  "in the user name and the password write % as %25, / as %2F, # as %23, ? as %3F and @ as %40";

/** Scheme, kind, user and password, hosts, database, query. */
const URL_PARTS =
  /^(rediss?)(?:-(cluster|sentinel))?:\/\/(?:([^/?#]*)@)?([^@/?#]*)(?:\/(\d{0,9}))?(?:\?([^#]*))?$/i;

/** What stands between two URLs: only where another one begins, since a password may have a comma. */
const BETWEEN_URLS = /(?<![\s,])[\s,]+(?=rediss?(?:-cluster|-sentinel)?:\/\/)/i;

const HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i;

/** Where a server listens. */
export interface RedisAddress {
  /** A name or an address, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** How to log in. */
export interface RedisLogin {
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

/** One Redis. */
export interface RedisServer extends RedisAddress, RedisLogin {
  /** The number of its database. */
  readonly database: number;
}

/** One Redis by its address, or the one that Sentinels name. */
export type RedisShard =
  | { readonly kind: "server"; readonly server: RedisServer }
  | {
    readonly kind: "sentinel";
    readonly sentinels: readonly RedisServer[];
    /** The name under which the Sentinels know the primary. */
    readonly name: string;
    /** How to log in to the primary. */
    readonly login: RedisLogin;
    readonly database: number;
  };

/** A Redis Cluster. */
export interface RedisClusterUrl {
  readonly kind: "cluster";
  /** Nodes that are asked first. */
  readonly seeds: readonly RedisServer[];
  /** How many logical shards the rooms are distributed over. */
  readonly shards: number;
}

/** Everything that `REDIS_URL` may stand for. */
export type RedisUrl =
  | { readonly kind: "shards"; readonly shards: readonly RedisShard[] }
  | RedisClusterUrl;

/**
 * Reads one or several Redis URLs.
 *
 * @param text `redis://` or `rediss://` (TLS) with a user, a password, a port and the number of a
 * database if they are needed; several of them or of `redis-sentinel://`, separated by commas or white
 * space; or one `redis-cluster://`.
 * @throws {TypeError} One is none, has a character that must be encoded, or is there twice; the message
 * says which and how.
 */
export function readRedisUrl(text: unknown): RedisUrl {
  if (typeof text !== "string") throw new TypeError(`A Redis URL ${BEGINNINGS}`);
  const texts = text.trim().split(BETWEEN_URLS);
  const urls = texts.map((one, index) => {
    if (texts.length === 1) return readOne(one);
    try {
      return readOne(one);
    } catch (error) {
      const message = error instanceof Error ? error.message : "";
      throw new TypeError(`URL ${index + 1} of ${texts.length}: ${message}`);
    }
  });
  if (urls.length > MAX_CLUSTER_SHARDS) {
    throw new TypeError(`There may be ${MAX_CLUSTER_SHARDS} URLs at most`);
  }
  const [first] = urls;
  if (first?.kind === "cluster" && urls.length === 1) return first;
  const shards: RedisShard[] = [];
  for (const [index, url] of urls.entries()) {
    if (url.kind === "cluster") {
      throw new TypeError("A Redis Cluster cannot be one of several URLs");
    }
    const same = shards.findIndex((other) => isSame(other, url));
    if (same !== -1) {
      throw new TypeError(`URLs ${same + 1} and ${index + 1} name the same Redis and database`);
    }
    shards.push(url);
  }
  return { kind: "shards", shards };
}

/** The servers that the URLs name. */
export function serversOf(url: RedisUrl): readonly RedisServer[] {
  if (url.kind === "cluster") return url.seeds;
  return url.shards.flatMap((shard) => shard.kind === "server" ? [shard.server] : shard.sentinels);
}

/** What may be shown of Redis URLs: no user, no password, no parameter. */
export function shownRedisUrl(text: string): string {
  try {
    readRedisUrl(text);
  } catch {
    return "set";
  }
  const urls = text.trim().split(BETWEEN_URLS);
  return urls.map((url) => url.replace(/^(.*?:\/\/)[^/?#]*@/, "$1***@").replace(/\?.*$/, "?***"))
    .join(" ");
}

function readOne(text: string): RedisShard | RedisClusterUrl {
  if (!/^rediss?(-cluster|-sentinel)?:\/\//i.test(text)) {
    throw new TypeError(`A Redis URL ${BEGINNINGS}`);
  }
  const [, scheme = "", type = "server", user = "", hosts = "", path = "", query] =
    URL_PARTS.exec(text) ?? [];
  const kind = type.toLowerCase() as keyof typeof EXAMPLES;
  const port = kind === "sentinel" ? SENTINEL_PORT : REDIS_PORT;
  const addresses = hosts.split(",").map((host) => readAddress(host, port));
  const login = readLogin(user);
  const parameters = readQuery(query);
  if (kind !== "server" && user.includes(",")) {
    throw new TypeError(
      "A user and a password stand once, before the first host; in them write , as %2C",
    );
  }
  const isReadable = addresses.every((address) => address !== undefined) &&
    login !== undefined && parameters !== undefined &&
    (kind !== "server" || parameters.size === 0);
  if (!isReadable) throw new TypeError(`A Redis URL looks like ${EXAMPLES[kind]}; ${ENCODE}`);
  const database = Number(path);
  const all = { tls: scheme.toLowerCase() === "rediss", ...login };
  switch (kind) {
    case "server": {
      const [address] = addresses;
      if (address === undefined || addresses.length > 1) {
        throw new TypeError("A redis:// URL has one host: write one URL for each Redis");
      }
      return { kind, server: { ...address, ...all, database } };
    }
    case "cluster": {
      checkNames(parameters, kind, ["shards"]);
      if (database !== 0) throw new TypeError("A Redis Cluster has no database but 0");
      const shards = readShards(parameters.get("shards"));
      return { kind, shards, seeds: addresses.map((seed) => ({ ...seed, ...all, database })) };
    }
    case "sentinel": {
      checkNames(parameters, kind, ["name", "sentinel-user", "sentinel-password"]);
      const name = parameters.get("name");
      if (name === undefined) {
        throw new TypeError("A redis-sentinel:// URL ends with ?name= and the name of the primary");
      }
      const own = loginOf(parameters.get("sentinel-user"), parameters.get("sentinel-password"));
      const sentinels = addresses.map((address) => ({
        ...address,
        ...own,
        tls: all.tls,
        database: 0,
      }));
      return { kind, sentinels, name, login: all, database };
    }
  }
}

function readAddress(text: string, defaultPort: number): RedisAddress | undefined {
  const [, host = "", port] = HOST.exec(text) ?? [];
  const number = Number(port ?? defaultPort);
  if (number < 1 || number > 65_535 || !URL.canParse(`redis://${host}`)) return undefined;
  return host === "" ? undefined : { host: host.replace(/^\[(.*)\]$/, "$1"), port: number };
}

function readLogin(text: string): Omit<RedisLogin, "tls"> | undefined {
  const colon = text.indexOf(":");
  const [name, secret] = colon === -1 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
  const [username, password] = [decoded(name), decoded(secret)];
  if (username === undefined || password === undefined) return undefined;
  return loginOf(username, password);
}

function loginOf(username = "", password = ""): Omit<RedisLogin, "tls"> {
  return { ...(username !== "" && { username }), ...(password !== "" && { password }) };
}

/** Names and values; `undefined` where one is empty, there twice, or cannot be decoded. */
function readQuery(text = ""): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (const part of text === "" ? [] : text.split("&")) {
    const [, name = "", encoded = ""] = /^([^=]+)=(.+)$/.exec(part) ?? [];
    const value = decoded(encoded);
    if (!value || parameters.has(name)) return undefined;
    parameters.set(name, value);
  }
  return parameters;
}

function checkNames(
  parameters: ReadonlyMap<string, string>,
  kind: keyof typeof EXAMPLES,
  names: readonly string[],
): void {
  if ([...parameters.keys()].every((name) => names.includes(name))) return;
  const known = names.join(", ");
  throw new TypeError(`After the ? of a URL such as ${EXAMPLES[kind]} may be ${known}`);
}

function readShards(text = String(CLUSTER_SHARDS)): number {
  const shards = Number(text);
  if (/^\d+$/.test(text) && shards >= 1 && shards <= MAX_CLUSTER_SHARDS) return shards;
  throw new TypeError(`shards must be a whole number from 1 to ${MAX_CLUSTER_SHARDS}`);
}

/** Whether two shards would store the same rooms in one place. */
function isSame(a: RedisShard, b: RedisShard): boolean {
  if (a.kind === "server" && b.kind === "server") {
    return nameOf(a.server) === nameOf(b.server) && a.server.database === b.server.database;
  }
  if (a.kind !== "sentinel" || b.kind !== "sentinel") return false;
  const names = new Set(a.sentinels.map(nameOf));
  return a.name === b.name && a.database === b.database &&
    b.sentinels.some((sentinel) => names.has(nameOf(sentinel)));
}

function nameOf({ host, port }: RedisAddress): string {
  return `${host.toLowerCase()} ${port}`;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Checks what keys and channels begin with.
 *
 * @throws {TypeError} It is empty, or has a brace or a control character such as a line break.
 */
export function checkRedisPrefix(prefix: unknown): string {
  if (typeof prefix === "string" && /^[^\p{Cc}{}]+$/u.test(prefix)) return prefix;
  throw new TypeError("The prefix must be a non-empty text without braces and control characters");
}
