/**
 * Instances of the program meet over a Redis Cluster and behind Sentinels that use TLS, as a user with
 * the rights that `docs/redis.md` names and no others.
 */

import { makeCertificate } from "../helpers/certificate.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { OPEN, serve } from "../helpers/main.ts";
import { bothJoinable, join, untilListed, untilReached } from "../helpers/meeting.ts";
import { hasPrograms } from "../helpers/program.ts";
import { startRedisCluster } from "../helpers/redis_cluster.ts";
import { startSentinels } from "../helpers/redis_sentinels.ts";
import { allow, RIGHTS, SENTINEL_RIGHTS } from "../helpers/redis_users.ts";

const LONG_MS = 30_000;

/** Lets two instances over this URL meet, with a certificate that only these trust. */
async function assertMeeting(REDIS_URL: string, certificateFile: string): Promise<void> {
  const env = { ...OPEN, REDIS_URL, DENO_CERT: certificateFile, DRAIN_SECONDS: "0" };
  await using one = serve({ env });
  await using two = serve({ env });
  const [x, y] = await bothJoinable(one, two);
  await using a = await join(x, "r", "a");
  await using b = await join(y, "r", "b");
  await untilReached(a, b, "b", LONG_MS);
  await untilReached(b, a, "a", LONG_MS);
  for (const server of [x, y]) await untilListed(server, "r", ["a", "b"], LONG_MS);
}

const ignore = !await hasPrograms("redis-server", "openssl");

Deno.test({
  name: "redis: instances meet over a Redis Cluster that uses TLS, with a login",
  ignore,
  fn: async () => {
    await using folder = await temporaryFolder();
    const tls = await makeCertificate(folder.path);
    await using cluster = await startRedisCluster(3, 0, tls);
    await allow(cluster.nodes, "me", RIGHTS);
    const url = `${cluster.url.replace("//", "//me:hush-me@")}?shards=3`;
    await assertMeeting(url, tls.certificateFile);
  },
});

Deno.test({
  name: "redis: instances meet behind Sentinels that use TLS, with a login for each",
  ignore,
  fn: async () => {
    await using folder = await temporaryFolder();
    const tls = await makeCertificate(folder.path);
    await using started = await startSentinels([], [], tls);
    await allow(started.servers, "me", RIGHTS);
    await allow(started.sentinels, "asker", SENTINEL_RIGHTS);
    const url = started.url.replace("//", "//me:hush-me@");
    await assertMeeting(
      `${url}&sentinel-user=asker&sentinel-password=hush-asker`,
      tls.certificateFile,
    );
  },
});
