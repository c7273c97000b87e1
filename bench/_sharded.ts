// deno-lint-ignore-file no-console
/** A server over some Redis servers, in a process of its own: prints its URL once it has reached all. */

import { createServer } from "../mod.ts";
import { createRedisBackplane } from "../src/cluster/redis/backplane.ts";

const server = await createServer({
  authEnabled: false,
  backplane: Deno.args.map((url) => createRedisBackplane({ url })),
  limits: {
    maxPendingConnections: 0,
    maxPendingConnectionsPerIp: 0,
    maxBytesPerSecond: 0,
    maxMessagesPerSecond: 0,
  },
});
const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
const isUp = async () => (await (await fetch(`${url}/health`)).json()).backplane === "up";
while (!await isUp()) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(`Listening on ${url} over ${Deno.args.length} Redis`);
