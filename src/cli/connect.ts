/**
 * Asks the servers that a configuration names, all at once and within a bounded time, and says what
 * each answered and what to change. It prints nothing.
 */

import { CONSUMER_ALGORITHMS, readAlgorithms } from "../access/key_set.ts";
import { fetchKeySet } from "../access/fetched_keys.ts";
import { findKeyProblem } from "../access/public_jwk.ts";
import { parseDuration } from "../access/duration.ts";
import type { Config } from "../config/config.ts";
import { TurnSecret } from "../ice/credentials.ts";
import type { IceServer } from "../ice/ice_url.ts";
import { probeIceServers } from "../ice/probe.ts";

/** What one server answered. */
export interface Answer {
  /** The setting, or the URL of an ICE server, which contains no secret. */
  readonly what: string;
  /** Whether it can be used. */
  readonly isGood: boolean;
  /** What it answered and how long that took, or what is wrong and what to change. */
  readonly message: string;
  /** `false` if the permissions of this process do not let it be asked. */
  readonly isPermitted?: boolean;
}

/** Milliseconds for each server. */
const TIMEOUT_MS = 5000;

/** Asks every server, and returns the answers in the order of the settings. */
export async function askServers(config: Config): Promise<readonly Answer[]> {
  const answers = await Promise.all([askJwksUrl(config), askIceServers(config), askRedis(config)]);
  return answers.flat();
}

/** Connects as the backplane does, with keys of its own. */
async function askRedis({ redis }: Config): Promise<Answer[]> {
  if (redis === undefined) return [];
  const { checkRedis } = await import("../cluster/redis/check.ts");
  const results = await checkRedis(redis);
  return results.map(({ kind, which, message }) => {
    const what = which === "" ? "REDIS_URL" : `REDIS_URL, ${which}`;
    return { what, isGood: kind === "works", message, isPermitted: kind !== "no-permission" };
  });
}

async function askJwksUrl({ consumerAuth }: Config): Promise<Answer[]> {
  const { jwksUrl, algorithms = CONSUMER_ALGORITHMS } = consumerAuth ?? {};
  if (jwksUrl === undefined) return [];
  const answer = (isGood: boolean, message: string) => [
    { what: "CONSUMER_JWKS_URL", isGood, message },
  ];
  const start = performance.now();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { keys } = await fetchKeySet(String(jwksUrl), { signal, redirect: "manual" });
    const time = `${Math.round(performance.now() - start)} ms`;
    const accepted = readAlgorithms(algorithms);
    const problems = keys.map((jwk) => findKeyProblem({ ...jwk }, accepted));
    const usable = problems.filter((problem) => problem === undefined).length;
    if (usable > 0) return answer(true, `${usable} of ${keys.length} keys are usable, in ${time}`);
    if (keys.length === 0) return answer(false, "It has no key: every consumer token is refused");
    const help = `its first key ${problems[0]}. Is CONSUMER_ALGORITHMS right?`;
    return answer(false, `None of its ${keys.length} keys can verify a token: ${help}`);
  } catch (error) {
    return answer(false, fetchProblem(error));
  }
}

/** Why a key set cannot be fetched. The message of an error may show the URL. */
function fetchProblem(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `It did not answer within ${TIMEOUT_MS / 1000} s: check the host and the network`;
  }
  if (/^Status 3\d\d$/.test(message)) {
    return `It answers with a redirect (${message.slice(7)}): set the URL that it leads to`;
  }
  if (/^Status \d+$/.test(message)) return `It answers with ${message.slice(7)}: check its path`;
  if (error instanceof TypeError) {
    return "It cannot be reached: check the spelling of its host, its port, its certificate and the network";
  }
  return "Its answer is no key set (RFC 7517): check its path";
}

async function askIceServers({ ice }: Config): Promise<Answer[]> {
  const { iceServers, turn, iceTtl } = ice;
  const minted: IceServer[] = [];
  if (turn !== undefined) {
    const secret = await TurnSecret.load(turn.secret);
    const expires = Math.floor(Date.now() / 1000) + parseDuration(iceTtl);
    const user = secret.mint({ room: "check", nodeId: "check" }, expires);
    minted.push({ urls: turn.urls, ...user });
  }
  const results = await probeIceServers([...iceServers, ...minted], { timeoutMs: TIMEOUT_MS });
  return results.map(({ url, result }) => {
    const isGood = result.kind === "stun" || result.kind === "turn";
    const time = "roundTripMs" in result ? `, in ${Math.round(result.roundTripMs)} ms` : "";
    const message = result.message + time;
    return { what: url, isGood, message, isPermitted: result.kind !== "no-permission" };
  });
}
