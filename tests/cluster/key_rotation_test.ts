/**
 * The rounds in which `docs/authentication.md` replaces the signing key, run as they stand there: three
 * server processes over one Redis that restart one after the other, while clients stay connected and
 * others connect, with tokens of either key.
 */

import { assert, assertEquals } from "@std/assert";
import { SignJWT } from "jose";
import {
  generateKeyPairJwk,
  issueToken,
  type KeyPair,
  loadKeyPair,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
} from "../../mod.ts";
import { Client, until, within } from "../helpers/client.ts";
import { ROOT, type Running } from "../helpers/command.ts";
import { listening, serve } from "../helpers/main.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { ADMIN_SECRET, requestToken, signalUrl } from "../helpers/server.ts";

const ROOM = "room";
const INSTANCES = 3;

/** One row of the table in the docs. */
interface Round {
  readonly name: string;
  readonly privateKey: string;
  readonly verifyKeys: string;
}

async function documentedRounds(): Promise<Round[]> {
  const lines = (await Deno.readTextFile(`${ROOT}docs/authentication.md`)).split("\n");
  return lines.filter((line) => /^\| \d\. /.test(line)).map((line) => {
    const [, name = "", privateKey = "", verifyKeys = ""] = line.split("|").map((it) => it.trim());
    return { name, privateKey, verifyKeys };
  });
}

/** What the cells of the table mean. */
function settingsOf({ privateKey, verifyKeys }: Round, old: KeyPair, next: KeyPair) {
  const values = new Map([
    ["old private key", old.privateKeyJwk],
    ["new private key", next.privateKeyJwk],
    ["old public key", old.publicKeyJwk],
    ["new public key", next.publicKeyJwk],
    ["not set", ""],
  ]);
  const [PRIVATE_KEY_JWK, VERIFY_KEYS_JWK] = [values.get(privateKey), values.get(verifyKeys)];
  assert(PRIVATE_KEY_JWK !== undefined && VERIFY_KEYS_JWK !== undefined);
  return { PRIVATE_KEY_JWK, VERIFY_KEYS_JWK };
}

interface Instance extends AsyncDisposable {
  readonly url: string;
  readonly process: Running;
}

/** One failed attempt locks this address out: nothing may count as one. */
async function startInstance(env: Record<string, string>): Promise<Instance> {
  const process = serve({
    env: {
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_SECRET,
      DRAIN_SECONDS: "0",
      MAX_FAILED_AUTH_PER_MINUTE: "1",
      LOG_FORMAT: "json",
      ...env,
    },
  });
  const { url } = await listening(process);
  await until("the backplane to be up", async () => {
    return (await (await fetch(`${url}/health`)).json()).backplane === "up";
  }, 20_000);
  return { url, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** A client that stays: when its instance stops, it connects to another one with the token it has. */
class Resident {
  readonly nodeId: string;
  /** The codes of all its closes. */
  readonly codes: number[] = [];
  isJoined = false;
  /** Why it gave up: it was refused. */
  failure: unknown;
  readonly #token: string;
  readonly #urls: () => readonly string[];
  readonly #running: Promise<void>;
  #client: Client | undefined;
  #isStopped = false;

  constructor(nodeId: string, { token, urls }: { token: string; urls: () => readonly string[] }) {
    this.nodeId = nodeId;
    this.#token = token;
    this.#urls = urls;
    this.#running = this.#run();
    this.#running.catch((error) => this.failure = error);
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const urls = this.#urls();
      const url = urls[n % urls.length] ?? "";
      this.#client = await join(url, this.#token, this.nodeId);
      this.isJoined = true;
      const { code } = await this.#client.closed;
      this.isJoined = false;
      if (!this.#isStopped) this.codes.push(code);
    }
  }

  /** Fails if it was ever refused. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#client?.close();
    await this.#running;
  }
}

function join(url: string, token: string, nodeId: string): Promise<Client & { peers: string[] }> {
  return Client.join(signalUrl(url, { token, room: ROOM, nodeId }));
}

/** A token as earlier versions issued them: without `kid`. */
async function tokenWithoutKeyId({ privateKey }: KeyPair): Promise<string> {
  return await new SignJWT({ sub: ROOM, iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE })
    .setProtectedHeader({ alg: "EdDSA" }).setExpirationTime("1h").sign(privateKey);
}

async function newPair(): Promise<KeyPair> {
  return await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
}

Deno.test({
  name: "keys: nobody is refused while three instances replace the key in the rounds of the docs",
  ignore: !hasRedis,
  async fn() {
    const [old, next] = [await newPair(), await newPair()];
    const [first, ...rounds] = await documentedRounds();
    assert(first !== undefined);
    assertEquals(rounds.length, 3);
    await using resources = new AsyncDisposableStack();
    const redis = resources.use(await startRedis());
    const start = async (round: Round) =>
      resources.use(
        await startInstance({ REDIS_URL: redis.url, ...settingsOf(round, old, next) }),
      );
    const instances = await Promise.all(Array.from({ length: INSTANCES }, () => start(first)));
    let stopping: Instance | undefined;
    const running = () => instances.filter((instance) => instance !== stopping);
    const urls = () => running().map(({ url }) => url);

    const bound = { ttl: "1h", subject: ROOM, nodeId: "bound" };
    const oldTokens = [
      await tokenWithoutKeyId(old),
      (await issueToken(old.privateKey, { ttl: "1h", subject: ROOM })).token,
    ];
    const residents = new Set([
      ...oldTokens.map((token, n) => new Resident(`old-${n}`, { token, urls })),
      new Resident("bound", { token: (await issueToken(old.privateKey, bound)).token, urls }),
    ]);
    const areJoined = () =>
      until("every resident to be joined", () =>
        [...residents].every(({ isJoined, failure }) => {
          if (failure !== undefined) throw failure;
          return isJoined;
        }));

    /** Every token that is in use, and a new one of each instance, opens every instance. */
    let visitors = 0;
    const visitAll = async (tokens: readonly string[]) => {
      const fresh = await Promise.all(
        urls().map((url) => requestToken(url, ADMIN_SECRET, ROOM)),
      );
      for (const url of urls()) {
        for (const token of [...tokens, ...fresh]) {
          await using _visitor = await join(url, token, `visitor-${visitors++}`);
        }
      }
      return fresh;
    };

    let tokens = oldTokens;
    for (const [number, round] of rounds.entries()) {
      const isLast = number === rounds.length - 1;
      if (isLast) {
        // Their tokens have expired: the docs say to wait for that.
        tokens = tokens.filter((token) => !oldTokens.includes(token));
        for (const resident of residents) {
          if (!/^(old|bound)/.test(resident.nodeId)) continue;
          residents.delete(resident);
          await resident.stop();
          assertEquals(new Set(resident.codes), new Set([1001]), resident.nodeId);
        }
      }
      for (let n = 0; n < INSTANCES; n++) {
        await areJoined();
        stopping = instances[n];
        assert(stopping !== undefined);
        stopping.process.kill("SIGTERM");
        const restart = (async (instance: Instance) => {
          await within("the end of an instance", instance.process.exited);
          return await start(round);
        })(stopping);
        let isRestarting = true;
        restart.finally(() => isRestarting = false).catch(() => {});
        do {
          await visitAll(tokens);
        } while (isRestarting);
        instances[n] = await restart;
        stopping = undefined;
        await areJoined();
        const fresh = await visitAll(tokens);
        // Every resident is seen from every instance.
        for (const url of urls()) {
          await using visitor = await join(url, fresh[0] ?? "", `visitor-${visitors++}`);
          const missing = [...residents].filter(({ nodeId }) => !visitor.peers.includes(nodeId));
          assertEquals(missing.map(({ nodeId }) => nodeId), []);
        }
        if (round.privateKey === "new private key" && !isLast) {
          const token = fresh[n] ?? "";
          tokens = [...tokens, token];
          residents.add(new Resident(`new-${n}`, { token, urls }));
        }
      }
      for (const { url } of instances) {
        const { keys } = await (await fetch(`${url}/.well-known/jwks.json`)).json();
        const signer = round.privateKey === "new private key" ? next : old;
        assertEquals([keys[0].kid, keys.length], [signer.kid, isLast ? 1 : 2], round.name);
      }
    }
    assertEquals(residents.size, INSTANCES);
    for (const resident of residents) {
      await resident.stop();
      assert(resident.codes.every((code) => code === 1001), resident.nodeId);
    }
    // A token of the key that was replaced is refused now.
    const token = oldTokens[0] ?? "";
    await using client = await Client.connect(signalUrl(urls()[0] ?? "", { token, room: ROOM }));
    assertEquals((await client.closed).code, 4003);
  },
});
