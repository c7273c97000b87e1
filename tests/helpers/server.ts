/**
 * Starts servers for tests: on loopback, on a free port, closed by `await using`. Every answer of
 * theirs is checked against `docs/protocol/openapi.yaml`.
 */

import {
  createServer,
  generateKeyPairJwk,
  type ServerOptions,
  type SignalingServer,
  type SignalingStats,
} from "../../mod.ts";
import { checked } from "./checked.ts";
import { requestToken, signalUrl } from "./requests.ts";

export { requestToken, signalUrl };

export const ADMIN_SECRET = "a-secret-of-thirty-two-bytes-or-so";

export interface TestServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly publicKeyJwk: string;
  readonly privateKeyJwk: string;
  /** The URL of `/signal` with this query. */
  signal(query?: Record<string, string>): string;
  /** Asks the server for a room token over HTTP. */
  token(subject: string, ttl?: string): Promise<string>;
  /** What `/health` answers. */
  health(): Promise<Record<string, unknown>>;
  /** Distributes the rooms over other backplanes. */
  setBackplane: SignalingServer["setBackplane"];
  /** What the server has to do at the moment. */
  stats(): SignalingStats;
  /** The value of each of its metrics, by name and labels as in the text. */
  metrics(): Record<string, number>;
  /** They as a text of Prometheus. */
  metricsText(): string;
  /** Closes all clients at once unless told otherwise. */
  close(options?: { drainMs: number }): Promise<void>;
}

export async function startServer(config: ServerOptions = {}, onPort = 0): Promise<TestServer> {
  const keys = await generateKeyPairJwk();
  const server = checked(await createServer({ adminSecret: ADMIN_SECRET, ...keys, ...config }));
  const { url, port } = await server.listen({ port: onPort, host: "127.0.0.1" });
  const close = (options = { drainMs: 0 }) => server.close(options);
  return {
    url,
    port,
    publicKeyJwk: config.publicKeyJwk ?? keys.publicKeyJwk,
    privateKeyJwk: config.privateKeyJwk ?? keys.privateKeyJwk,
    signal: (query = {}) => signalUrl(url, query),
    token: (subject, ttl) => requestToken(url, ADMIN_SECRET, subject, ttl),
    health: async () => await (await fetch(`${url}/health`)).json(),
    setBackplane: (backplane) => server.setBackplane(backplane),
    stats: () => server.stats(),
    metrics: () => readMetrics(server.metrics()),
    metricsText: () => server.metrics(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** The values in a text of Prometheus, by name and labels; names of the project without their prefix. */
export function readMetrics(text: string): Record<string, number> {
  const lines = text.trimEnd().split("\n").filter((line) => !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => {
    const [, name = "", value] = /^(?:client_db_sync_)?(.*) (\S+)$/.exec(line) ?? [];
    return [name, Number(value)];
  }));
}

/** A server that anyone may join. */
export function startOpenServer(config: ServerOptions = {}, onPort = 0): Promise<TestServer> {
  return startServer({ authEnabled: false, ...config }, onPort);
}
