import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  readRedisUrl,
  type RedisUrl,
  serversOf,
  shownRedisUrl,
} from "../../src/runtime/redis_url.ts";

function problem(text: string): string {
  const { message } = assertThrows(() => readRedisUrl(text), TypeError);
  assert(!/hush|redis\.example/.test(message), message);
  return message;
}

/** Host, port, TLS, login and database of each server. */
function brief(url: RedisUrl): string[] {
  return serversOf(url).map(({ host, port, tls, username, password, database }) =>
    [host, port, tls ? "TLS" : "plain", username, password, database].join(" ")
  );
}

Deno.test("readRedisUrl() reads one Redis", () => {
  const expected: Record<string, string> = {
    "redis://127.0.0.1": "127.0.0.1 6379 plain   0",
    "redis://127.0.0.1:6380/": "127.0.0.1 6380 plain   0",
    "redis://[::1]:6379/0": "::1 6379 plain   0",
    "rediss://user:p%40ss%2Fword@redis.example:6380/15": "redis.example 6380 TLS user p@ss/word 15",
    "REDIS://:password@host/": "host 6379 plain  password 0",
    "redis://:a,b:c@d@my_redis/007": "my_redis 6379 plain  a,b:c@d 7",
    "  redis://user@h\n": "h 6379 plain user  0",
  };
  for (const [text, server] of Object.entries(expected)) {
    const url = readRedisUrl(text);
    assertEquals([url.kind, url.shards], ["shards", url.kind === "shards" && url.shards]);
    assertEquals(brief(url), [server]);
  }
});

Deno.test("readRedisUrl() reads several, split only where another URL begins", () => {
  const text = "redis://:a,b@h, rediss://h:6380/1,redis://h/1\n" +
    "redis-sentinel://h:1/1?name=a ,, redis-sentinel://h:1/1?name=b";
  const url = readRedisUrl(text);
  assertEquals(brief(url), [
    "h 6379 plain  a,b 0",
    "h 6380 TLS   1",
    "h 6379 plain   1",
    "h 1 plain   0",
    "h 1 plain   0",
  ]);
  assertEquals(url.kind === "shards" && url.shards.length, 5);
});

Deno.test("readRedisUrl() reads a Redis Cluster and Sentinels", () => {
  const cluster = readRedisUrl("rediss-cluster://me:hush@a,b:7000,[::1]?shards=4");
  assertEquals(cluster.kind === "cluster" && cluster.shards, 4);
  assertEquals(brief(cluster), [
    "a 6379 TLS me hush 0",
    "b 7000 TLS me hush 0",
    "::1 6379 TLS me hush 0",
  ]);
  const plain = readRedisUrl("redis-cluster://a/0");
  assertEquals(plain.kind === "cluster" && plain.shards, 16);
  const parameters = "?name=my%20master&sentinel-user=s&sentinel-password=a%2Bb+c";
  const sentinel = readRedisUrl(`redis-sentinel://me:hush@a,b:1/2${parameters}`);
  assertEquals(brief(sentinel), ["a 26379 plain s a+b+c 0", "b 1 plain s a+b+c 0"]);
  const [shard] = sentinel.kind === "shards" ? sentinel.shards : [];
  assert(shard?.kind === "sentinel");
  assertEquals([shard.name, shard.database], ["my master", 2]);
  assertEquals(shard.login, { tls: false, username: "me", password: "hush" });
});

Deno.test("readRedisUrl() says what to encode, and shows nothing of the URL", () => {
  for (const character of "/#?%") {
    const message = problem(`redis://:hush${character}hush@redis.example:6379`);
    assert(message.includes(`${character} as %`), message);
  }
});

Deno.test("readRedisUrl() refuses everything else", () => {
  const expected: Record<string, RegExp> = {
    "": /begins with redis:\/\//,
    "h:6379": /begins with/,
    "redis:h:6379": /begins with/,
    "http://hush": /begins with/,
    "redis:/h": /begins with/,
    "redis+cluster://h": /begins with/,
    "redis://": /looks like/,
    "redis://:6379": /looks like/,
    "redis://h/x": /looks like/,
    "redis://h/1/2": /looks like/,
    "redis://h?db=1": /looks like/,
    "redis://h#1": /looks like/,
    "redis://h:0": /looks like/,
    "redis://h:65536": /looks like/,
    "redis://h:6379,": /looks like/,
    "redis://[:::]": /looks like/,
    "redis://hüsh": /looks like/,
    "redis://a:6379,b:6379": /one URL for each Redis/,
    "redis-cluster://": /looks like/,
    "redis-cluster://a,,b": /looks like/,
    "redis-cluster://a/1": /no database but 0/,
    "redis-cluster://a?shards=0": /from 1 to 128/,
    "redis-cluster://a?shards=1e1": /from 1 to 128/,
    "redis-cluster://a?shards=129": /from 1 to 128/,
    "redis-cluster://a?shard=1": /may be shards$/,
    "redis-cluster://a?shards=1&shards=1": /looks like/,
    "redis-cluster://me:hush@a,me:hush@redis.example": /once, before the first host/,
    "redis-cluster://a,me:hush@redis.example": /once, before the first host/,
    "redis-sentinel://me:hush,hush@a?name=x": /write , as %2C/,
    "redis://h/9999999999": /looks like/,
    [Array.from({ length: 129 }, (_, n) => `redis://h/${n}`).join()]: /128 URLs at most/,
    "redis-sentinel://a": /\?name=/,
    "redis-sentinel://a?name=": /looks like/,
    "redis-sentinel://a?name=%": /looks like/,
    "redis-sentinel://a?name=x&sentinel-pasword=hush": /sentinel-password/,
    "redis://a redis-cluster://b": /cannot be one of several/,
    "redis://a redis://h/hush": /^URL 2 of 2: .*looks like/,
    "redis://redis.example redis://u:hush@REDIS.example:6379/0": /^URLs 1 and 2 name the same/,
    "redis-sentinel://a,b?name=x redis-sentinel://b,c?name=x": /^URLs 1 and 2 name the same/,
  };
  for (const [text, pattern] of Object.entries(expected)) {
    const message = problem(text);
    assert(pattern.test(message), `${text}: ${message}`);
  }
  assertThrows(() => readRedisUrl(undefined), TypeError, "begins with");
});

Deno.test("shownRedisUrl() shows hosts, and nothing that is secret", () => {
  const expected: Record<string, string> = {
    "redis://u:hush@h:1/2": "redis://***@h:1/2",
    "redis://a,redis://:hu@sh@b": "redis://a redis://***@b",
    "redis-sentinel://hush@a,b?name=x&sentinel-password=hush": "redis-sentinel://***@a,b?***",
    "redis://u:hu/sh@h": "set",
  };
  for (const [text, shown] of Object.entries(expected)) assertEquals(shownRedisUrl(text), shown);
});
