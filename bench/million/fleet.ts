/** Instances of `main.ts` and Redis servers, each a process of its own on loopback. */

import { generateKeyPairJwk, loadKeyPairFromEnv } from "../../src/access/keys.ts";
import { issueToken } from "../../src/access/room_tokens.ts";
import { startDeno } from "../../tests/helpers/command.ts";

/** One instance. */
export interface Instance extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  kill(): Promise<void>;
}

const { privateKeyJwk } = await generateKeyPairJwk();
const { privateKey } = await loadKeyPairFromEnv(privateKeyJwk);

/** A token that no instance has seen before. */
export async function newToken(room: string): Promise<string> {
  return (await issueToken(privateKey, { ttl: "12h", subject: room })).token;
}

/** Starts an instance and waits until it is ready, with Redis if it has one. */
export async function startInstance(
  redisUrl: string,
  env: Record<string, string> = {},
): Promise<Instance> {
  const process = startDeno(["run", "--allow-all", "main.ts"], {
    env: {
      PRIVATE_KEY_JWK: privateKeyJwk,
      ADMIN_SECRET: crypto.randomUUID(),
      HOST: "127.0.0.1",
      PORT: "0",
      REDIS_URL: redisUrl,
      LOG_FORMAT: "json",
      MAX_PENDING_CONNECTIONS_PER_IP: "0",
      MAX_BYTES_PER_SECOND: "0",
      MAX_MESSAGES_PER_SECOND: "0",
      ...env,
    },
  });
  const [, port] = await process.line(/Listening on http:[^ "]*:(\d+)/);
  if (redisUrl !== "") await process.line(/Backplane up/);
  return {
    pid: process.pid,
    port: Number(port),
    async kill() {
      process.kill("SIGKILL");
      await process.exited;
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
