/** A Redis Cluster of its own for a test: every node a process on loopback, ended by `await using`. */

import type { Certificate } from "./certificate.ts";
import { temporaryFolder } from "./command.ts";
import { until } from "./patience.ts";
import { freePort } from "./port.ts";
import { startRedis, type TestRedis } from "./redis.ts";

const SLOTS = 16_384;

export interface TestCluster extends AsyncDisposable {
  /** With every node as a seed. */
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** The node that owns a slot by the word of a majority. */
  ownerOf(slot: number): Promise<TestRedis>;
  /** Moves a slot with its keys, as `redis-cli --cluster reshard` does. */
  moveSlot(slot: number, to: TestRedis): Promise<void>;
  /** Lets a replica take over from the primary of a slot, which stays. */
  failover(slot: number): Promise<void>;
}

/** Starts primaries with equal parts of the slots, and so many replicas for each. */
export async function startRedisCluster(
  primaries = 3,
  replicas = 1,
  tls?: Certificate,
): Promise<TestCluster> {
  const resources = new AsyncDisposableStack();
  try {
    const count = primaries * (1 + replicas);
    const nodes = await Promise.all(Array.from({ length: count }, async () => {
      const folder = resources.use(await temporaryFolder());
      return resources.use(await startRedis(nodeOptions(folder.path), { tls }));
    }));
    await connect(nodes, primaries);
    return cluster(nodes, tls === undefined ? "redis-cluster" : "rediss-cluster", resources);
  } catch (cause) {
    await resources.disposeAsync();
    throw cause;
  }
}

function nodeOptions(folder: string): string[] {
  return [
    ...["--cluster-enabled", "yes", "--cluster-config-file", `${folder}/nodes.conf`],
    ...["--cluster-port", String(freePort()), "--cluster-node-timeout", "1000"],
    ...["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"],
    ...["--cluster-require-full-coverage", "no"],
    ...["--dir", folder],
  ];
}

/** Makes one cluster of the nodes. */
async function connect(nodes: readonly TestRedis[], primaries: number): Promise<void> {
  const [first] = nodes;
  if (first === undefined) throw new Error("A cluster needs a node");
  const width = Math.ceil(SLOTS / primaries);
  const ids = await Promise.all(nodes.map(idOf));
  await Promise.all(nodes.map(async (node, index) => {
    await ok(node, "cluster", "set-config-epoch", String(index + 1));
    if (index >= primaries) return;
    const last = Math.min(width * (index + 1), SLOTS) - 1;
    await ok(node, "cluster", "addslotsrange", String(width * index), String(last));
  }));
  for (const node of nodes.slice(1)) {
    const [, busPort = ""] = await node.cli("config", "get", "cluster-port");
    await ok(first, "cluster", "meet", "127.0.0.1", String(node.port), busPort);
  }
  const all = (text: string) => async () => {
    const infos = await Promise.all(nodes.map((node) => node.cli("cluster", "info")));
    return infos.every((info) => info.some((line) => line.trim() === text));
  };
  await until("the nodes to meet", all(`cluster_known_nodes:${nodes.length}`), 20_000);
  await Promise.all(
    nodes.slice(primaries).map(async (node, index) => {
      const primary = ids[index % primaries] ?? "";
      // A node learns a moment later than others who is a primary.
      const replicates = async () =>
        (await node.cli("cluster", "replicate", primary)).join() === "OK";
      await until("a replica", replicates, 20_000);
    }),
  );
  await until("the cluster to be ok", all("cluster_state:ok"), 20_000);
  const hasReplicas = async () => {
    const replies = await Promise.all(nodes.map((node) => node.cli("role")));
    return replies.every(([role, , , state]) => role === "master" || state === "connected");
  };
  await until("the replicas to be connected", hasReplicas, 20_000);
}

function cluster(
  nodes: readonly TestRedis[],
  scheme: string,
  resources: AsyncDisposableStack,
): TestCluster {
  const byPort = (port: string) => nodes.find((node) => String(node.port) === port);
  const map = async (node: TestRedis) => {
    const lines = await node.cli("cluster", "nodes");
    return lines.map((line) => line.split(" "));
  };
  const hasSlot = (ranges: readonly string[], slot: number) =>
    ranges.some((range) => {
      const [first, last = first] = range.split("-").map(Number);
      return first !== undefined && last !== undefined && first <= slot && slot <= last;
    });
  const ownerOf = async (slot: number): Promise<TestRedis> => {
    const votes = new Map<string, number>();
    for (const node of nodes) {
      for (const [, address = "", flags = "", , , , , , ...ranges] of await map(node)) {
        if (!flags.includes("master") || !hasSlot(ranges, slot)) continue;
        const port = /:(\d+)@/.exec(address)?.[1] ?? "";
        votes.set(port, (votes.get(port) ?? 0) + 1);
      }
    }
    const [port = ""] = [...votes].sort(([, a], [, b]) => b - a)[0] ?? [];
    const owner = byPort(port);
    if (owner === undefined) throw new Error(`No node has slot ${slot}`);
    return owner;
  };
  return {
    url: `${scheme}://${nodes.map((node) => `127.0.0.1:${node.port}`).join(",")}`,
    nodes,
    ownerOf,
    async moveSlot(slot, to) {
      const from = await ownerOf(slot);
      const [source, target] = [await idOf(from), await idOf(to)];
      const set = ["cluster", "setslot", String(slot)];
      await ok(to, ...set, "importing", source);
      await ok(from, ...set, "migrating", target);
      await until("every key to be moved", async () => {
        const keys = await from.cli("cluster", "getkeysinslot", String(slot), "1000");
        const address = ["127.0.0.1", String(to.port), "", "0", "5000"];
        if (keys.length > 0) await from.cli("migrate", ...address, "keys", ...keys);
        await ok(to, ...set, "node", target);
        return (await from.cli(...set, "node", target)).join() === "OK";
      });
    },
    async failover(slot) {
      const owner = await ownerOf(slot);
      const id = await idOf(owner);
      const line = (await map(owner)).find(([, , , primary]) => primary === id);
      const replica = byPort(/:(\d+)@/.exec(line?.[1] ?? "")?.[1] ?? "");
      if (replica === undefined) throw new Error("The node has no replica");
      await ok(replica, "cluster", "failover");
      await until("the replica to have taken over", async () => await ownerOf(slot) === replica);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function idOf(node: TestRedis): Promise<string> {
  return (await node.cli("cluster", "myid")).join();
}

async function ok(node: TestRedis, ...command: string[]): Promise<void> {
  const reply = (await node.cli(...command)).join(" ");
  if (reply !== "OK") throw new Error(`${command.join(" ")}: ${reply}`);
}
