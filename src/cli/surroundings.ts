/**
 * Checks a configuration against where the program runs: the permissions it has, how it was started,
 * and Deno Deploy. The configuration by itself is checked in `config`.
 */

import metadata from "../../deno.json" with { type: "json" };
import type { Config } from "../config/config.ts";
import { isOnDeploy } from "../config/environment.ts";
import { readRedisUrl, serversOf } from "../runtime/redis_url.ts";

/** What is left of the time that Deploy gives a process to stop, in seconds. */
const MAX_DEPLOY_DRAIN_SECONDS = 3;

/**
 * The hosts that settings name and that the permissions do not let the server reach, a line each.
 *
 * @param hasArguments Whether the server is started with options.
 */
export function findRefusedHosts(
  { redis, consumerAuth }: Config,
  hasArguments: boolean,
): string[] {
  const refused: { readonly setting: string; readonly host: string }[] = [];
  const check = (setting: string, host: string) => {
    if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
    refused.push({ setting, host });
  };
  for (const { host, port } of redis === undefined ? [] : serversOf(readRedisUrl(redis.url))) {
    // The Redis client looks a name up without its port, and Deno asks for the permission to do so.
    const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    check("REDIS_URL", /^[\d.]+$|:/.test(host) ? address : host);
  }
  const keys = URL.parse(consumerAuth?.jwksUrl ?? "");
  if (keys !== null) {
    check(
      "CONSUMER_JWKS_URL",
      `${keys.hostname}:${keys.port || (keys.protocol === "https:" ? 443 : 80)}`,
    );
  }
  const help = commandThatReaches(refused.map(({ host }) => host), hasArguments);
  const settings = new Set(refused.map(({ setting }) => setting));
  return [...settings].map((name) => `${name} names a host that may not be reached. ${help}`);
}

/** The command that lets the server reach these hosts, run the way this program was started. */
function commandThatReaches(hosts: readonly string[], hasArguments: boolean): string {
  // Not with their values, which may be secret.
  const sameArguments = hasArguments ? " with the same arguments" : "";
  // In quotes, because a shell may read the brackets of an IPv6 address as a pattern.
  const flag = `"--allow-net=${[...metadata.permissions.server.net, ...hosts].join(",")}"`;
  if (Deno.build.standalone) {
    return `Compile again: deno task compile:to ${flag} --output client-db-sync main.ts`;
  }
  return isClone()
    ? `Run: deno run --quiet -P=server ${flag} main.ts${sameArguments}`
    : `Run: deno run -N -E --allow-read=.env jsr:${metadata.name}${sameArguments}`;
}

/**
 * How to run a command with permission to reach any host and to see all of the environment.
 *
 * @param command The command, with its options.
 */
export function commandForAllHosts(command: string): string {
  const program = isClone() && !Deno.build.standalone ? "main.ts" : `jsr:${metadata.name}`;
  return `deno run -N -E --allow-read=.env ${program} ${command}`;
}

/**
 * The command that changes keys in `.env`, run the way this program was started.
 *
 * @param option What it does; new keys when absent.
 */
export function keygenCommand(option = "--write"): string {
  // A binary may not write: its permissions are those of the server.
  if (Deno.build.standalone && option === "--write") return "client-db-sync keygen >> .env";
  if (isClone() && !Deno.build.standalone) return `deno task keygen ${option}`;
  return `deno run --allow-read=.env --allow-write=.env jsr:${metadata.name}/keygen ${option}`;
}

/** Whether the program runs from a clone, and not from a registry. */
function isClone(): boolean {
  return import.meta.url.startsWith("file:");
}

/** What Deno Deploy does otherwise than a machine of one's own. */
export function deployWarnings({ redis, drainSeconds }: Config): string[] {
  if (!isOnDeploy()) return [];
  const warnings: string[] = [];
  if (redis === undefined) {
    warnings.push("REDIS_URL is not set: peers on different instances of Deploy do not meet");
  }
  if (drainSeconds > MAX_DEPLOY_DRAIN_SECONDS) {
    warnings.push(
      `DRAIN_SECONDS is ${drainSeconds}: Deploy ends a process 5 seconds after its signal, so that ` +
        `${MAX_DEPLOY_DRAIN_SECONDS} is the most that it has time for`,
    );
  }
  return warnings;
}
