/** What rooms cost that are distributed over several Redis servers. */

import { startRedis, type TestRedis } from "../../tests/helpers/redis.ts";
import { fill, head, leaveAll, row, type Sizes, spent, startInstance, us } from "./common.ts";
import { pingPong } from "./relaying.ts";

const COUNTS = [1, 2, 4];

/** Measures each number of Redis servers, and prints a table. */
export async function measureAllShards(sizes: Sizes): Promise<void> {
  // What they could do is known from the busiest of them, had each a core of its own.
  head("What", "Figure", "Instances' CPU each", "Each Redis' CPU each", "All Redis could do");
  for (const count of COUNTS) await measureShards(count, sizes);
}

/** Joins and messages across two instances, with so many Redis servers. */
async function measureShards(shards: number, sizes: Sizes): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const servers: TestRedis[] = [];
  for (let n = 0; n < shards; n++) servers.push(stack.use(await startRedis()));
  const x = stack.use(await startInstance(servers));
  const y = stack.use(await startInstance(servers));
  const pids = [x, y, ...servers].map(({ pid }) => pid);
  const figures = ([ofX = 0, ofY = 0, ...ofRedis]: number[], count: number) => [
    us(ofX + ofY, count),
    ofRedis.map((ms) => us(ms, count)).join(" + "),
    atMost(ofRedis, count),
  ];
  const { shardedJoins: joins } = sizes;
  let [count, tookMs] = [0, 0];
  let sockets: WebSocket[] = [];
  const joined = await spent(pids, async () => {
    ({ sockets, tookMs } = await fill([x, y], joins, 4, `shards${shards}-`));
  });
  const joinsPerSecond = `${Math.round(joins * 1000 / tookMs)} joins/s`;
  row(`join, rooms of 4 over two, ${shards} Redis`, joinsPerSecond, ...figures(joined, joins));
  await leaveAll(sockets);
  const run = await pingPong(x, y, { ...sizes, name: `relayed${shards}-` });
  const relayed = await spent(pids, async () => {
    count = await run();
  });
  const messagesPerSecond = `${Math.round(count * 1000 / sizes.relayMs)} msg/s`;
  row(`relay 600 B across two, ${shards} Redis`, messagesPerSecond, ...figures(relayed, count));
}

/** How many a second there are when the busiest Redis has used up its core. */
function atMost(ofRedis: readonly number[], count: number): string {
  const busiest = Math.max(...ofRedis);
  return busiest === 0 ? "" : `${Math.round(count * 1000 / busiest)} a second`;
}
