/** The two clients of an instance fail together, also while one of them still connects. */

import { makeCertificate } from "../../helpers/certificate.ts";
import { temporaryFolder } from "../../helpers/command.ts";
import { OPEN, serve } from "../../helpers/main.ts";
import { until } from "../../helpers/patience.ts";
import { hasPrograms } from "../../helpers/program.ts";
import { startRedis } from "../../helpers/redis.ts";
import { startTcpProxy } from "../../helpers/tcp_proxy.ts";

/** Longer than the other client needs to fail, in milliseconds. */
const SLOW_MS = 200;

Deno.test({
  name: "redis: a client whose handshake is slow is ended when the other one cannot connect",
  ignore: !await hasPrograms("redis-server", "openssl"),
  fn: async () => {
    await using folder = await temporaryFolder();
    const tls = await makeCertificate(folder.path);
    await using redis = await startRedis([], { tls });
    // Of two connections the first is closed.
    using proxy = startTcpProxy({ ports: [0, redis.port], delayMs: SLOW_MS });
    await using server = serve({
      env: {
        ...OPEN,
        REDIS_URL: `rediss://127.0.0.1:${proxy.port}`,
        DENO_CERT: tls.certificateFile,
      },
    });
    await server.line(/Backplane down/);
    const clients = async () => (await redis.cli("client", "list")).length - 1;
    await until("the slow one to connect", async () => await clients() > 0);
    proxy.forwardTo([0]);
    await until("it to be ended", async () => await clients() === 0);
  },
});
