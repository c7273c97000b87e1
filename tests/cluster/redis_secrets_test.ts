/** Nothing that the program prints shows a password of `REDIS_URL`, whatever is wrong with it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { OPEN, serve } from "../helpers/main.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { freePort } from "../helpers/port.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";

/** Starts the program with a URL, waits for what it logs, and reads all that it has printed. */
async function assertSilent(REDIS_URL: string, ...expected: RegExp[]): Promise<void> {
  await using server = serve({ env: { ...OPEN, REDIS_URL, LOG_LEVEL: "debug" } });
  for (const pattern of expected) await server.line(pattern);
  server.kill("SIGTERM");
  assertEquals(await server.exited, 0);
  const printed = server.stdout() + server.stderr();
  assertMatch(printed, /Backplane/);
  assert(!/hush/.test(printed), printed);
}

Deno.test({
  name: "redis: nothing that the program prints shows a password, in any form of the URL",
  ignore: !hasRedis,
  fn: async () => {
    await using folder = await temporaryFolder();
    await using redis = await startRedis(["--requirepass", "hush"]);
    const sentinelFile = `${folder.path}/sentinel.conf`;
    const lines = [`sentinel monitor main 127.0.0.1 ${redis.port} 1`, 'requirepass "hush/s"'];
    await Deno.writeTextFile(sentinelFile, lines.join("\n"));
    await using sentinel = await startRedis([], { sentinelFile });
    const [open, dead] = [`127.0.0.1:${redis.port}`, `127.0.0.1:${freePort()}`];
    const watched = (password: string, database: number, query: string, port = sentinel.port) =>
      `redis-sentinel://:${password}@127.0.0.1:${port}/${database}?${query}`;
    const own = "name=main&sentinel-password=hush%2Fs";
    const wrong = [
      `redis://:hush-2@${open}/1`,
      `redis://me:hush%2F3@${dead}`,
      `redis://me:hush@127.0.0.1:${sentinel.port}`,
      watched("hush-2", 0, own),
      watched("hush", 1, "name=main&sentinel-password=hush-2"),
      watched("hush", 2, "name=main"),
      watched("hush", 3, own.replace("main", "other")),
      watched("hush", 4, own, redis.port),
      watched("hush", 5, own, freePort()),
    ];
    const down = new RegExp(`(Backplane down[^]*){${wrong.length}}`);
    await assertSilent(wrong.join(), down, /WRONGPASS/, /NOAUTH/, /ECONNREFUSED/, /check \?name=/);
    await assertSilent(`redis-cluster://:hush@${dead},${open}`, /write redis:\/\/ instead/);
    await assertSilent(`redis-cluster://:hush-2@${open}`, /WRONGPASS/);
    await assertSilent(`redis://:hush@${open}`, /Backplane up/);
    await assertSilent(watched("hush", 0, own), /Backplane up/);
  },
});
