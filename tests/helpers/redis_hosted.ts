/** A hosted Redis for a test: a primary and a replica behind one address that is switched between them. */

import { until } from "./patience.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { startTcpProxy } from "./tcp_proxy.ts";

export interface HostedRedis extends AsyncDisposable {
  /** Stays the same. */
  readonly url: string;
  /** The primary at first. */
  readonly old: TestRedis;
  /** Its replica, until it is promoted. */
  readonly next: TestRedis;
  /** Makes the replica a primary. The other one stays one, too. */
  promote(): Promise<void>;
  /** Makes the first primary a replica of the other one. Its connections stay open. */
  demote(): Promise<void>;
  /** Lets the address lead to the second one. Connections that are open stay where they are. */
  switch(): void;
}

/** Starts both, with the replica up to date. */
export async function startHostedRedis(): Promise<HostedRedis> {
  await using resources = new AsyncDisposableStack();
  const quick = ["--repl-diskless-sync-delay", "0"];
  const old = resources.use(await startRedis(quick));
  const next = resources.use(await startRedis([...quick, ...replicaOf(old)]));
  const isConnected = async () => (await next.cli("role"))[3] === "connected";
  await until("the replica to be up to date", isConnected);
  const address = resources.use(startTcpProxy({ ports: [old.port] }));
  const all = resources.move();
  return {
    url: `redis://127.0.0.1:${address.port}`,
    old,
    next,
    promote: async () => void await next.cli("replicaof", "no", "one"),
    demote: async () => void await old.cli("replicaof", "127.0.0.1", String(next.port)),
    switch: () => address.forwardTo([next.port]),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function replicaOf({ port }: TestRedis): string[] {
  return ["--replicaof", "127.0.0.1", String(port)];
}
