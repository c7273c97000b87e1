/** A primary, replicas and three Sentinels for a test: processes on loopback, ended by `await using`. */

import type { Certificate } from "./certificate.ts";
import { temporaryFolder } from "./command.ts";
import { until } from "./patience.ts";
import { startRedis, type TestRedis } from "./redis.ts";

const SENTINELS = 3;

export interface TestSentinels extends AsyncDisposable {
  /** With every Sentinel. */
  readonly url: string;
  readonly sentinels: readonly TestRedis[];
  /** The primary at first, and the replica. */
  readonly servers: readonly [TestRedis, TestRedis];
  /** The port of the primary by the word of a Sentinel. */
  primaryPort(sentinel?: number): Promise<string>;
}

/** Starts all of them. A primary that does not answer for half a second is replaced. */
export async function startSentinels(
  options: readonly string[] = [],
  settings: readonly string[] = [],
  tls?: Certificate,
): Promise<TestSentinels> {
  const resources = new AsyncDisposableStack();
  try {
    const quick = ["--repl-diskless-sync-delay", "0", ...options];
    const primary = resources.use(await startRedis(quick, { tls }));
    const replica = resources.use(
      await startRedis(["--replicaof", "127.0.0.1", String(primary.port), ...quick], { tls }),
    );
    const folder = resources.use(await temporaryFolder());
    const sentinels: TestRedis[] = [];
    for (let n = 0; n < SENTINELS; n++) {
      const file = `${folder.path}/${n}.conf`;
      const lines = [
        `sentinel monitor mymaster 127.0.0.1 ${primary.port} 2`,
        "sentinel down-after-milliseconds mymaster 500",
        "sentinel failover-timeout mymaster 2000",
        ...settings,
      ];
      await Deno.writeTextFile(file, lines.join("\n"));
      sentinels.push(resources.use(await startRedis([], { sentinelFile: file, tls })));
    }
    await until("the Sentinels to know each other and the replica", async () => {
      const replies = await Promise.all(
        sentinels.map((sentinel) => sentinel.cli("sentinel", "master", "mymaster")),
      );
      return replies.every((lines) => {
        const value = (name: string) => Number(lines[lines.indexOf(name) + 1]);
        return value("num-other-sentinels") === SENTINELS - 1 && value("num-slaves") === 1;
      });
    }, 30_000);
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`);
    return {
      url: `${tls === undefined ? "redis" : "rediss"}-sentinel://${
        hosts.join(",")
      }/0?name=mymaster`,
      sentinels,
      servers: [primary, replica],
      async primaryPort(sentinel = 0) {
        const command = ["sentinel", "get-master-addr-by-name", "mymaster"];
        return (await sentinels[sentinel]?.cli(...command))?.[1] ?? "";
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (cause) {
    await resources.disposeAsync();
    throw cause;
  }
}
