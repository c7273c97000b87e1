/**
 * The environment of the command line: the settings where reading them is permitted, completed from
 * `.env` in the current folder where reading that is. Only `main.ts` imports this file.
 */

import { MEGABYTE } from "../runtime/memory_watch.ts";
import { SETTINGS } from "./settings.ts";

const ENV_FILE_READ = { name: "read", path: ".env" } as const;

/** The settings as the environment has them. */
export interface Environment {
  /** Looks a setting up by name. */
  readonly get: (name: string) => string | undefined;
  /** The settings that `.env` decides. */
  readonly fromFile: ReadonlySet<string>;
  /** What could not be read, a sentence each. */
  readonly problems: readonly string[];
  /** What may not be read, as an advice, or nothing. */
  readonly advice: string;
}

/** The environment where reading it is permitted, completed from `.env`; empty is not set. */
export async function readEnvironment(): Promise<Environment> {
  const values = new Map<string, string>();
  const fromFile = new Set<string>();
  const problems: string[] = [];
  const hidden: string[] = [];
  for (const { name } of SETTINGS) {
    const { state } = Deno.permissions.querySync({ name: "env", variable: name });
    if (state !== "granted") {
      hidden.push(name);
      continue;
    }
    try {
      const value = Deno.env.get(name);
      if (value) values.set(name, value);
    } catch {
      problems.push(`${name} is not valid UTF-8. Set it again`);
    }
  }
  const file = await readEnvFile();
  if (typeof file === "string") problems.push(file);
  for (const [name, value] of Object.entries(typeof file === "string" ? {} : file)) {
    if (values.has(name)) continue;
    values.set(name, value);
    fromFile.add(name);
  }
  const mayReadFile = (await Deno.permissions.query(ENV_FILE_READ)).state === "granted";
  const flags = [hidden.length > 0 && "--allow-env", !mayReadFile && "--allow-read=.env"];
  const missing = flags.filter((flag) => flag).join(" and ");
  const advice = missing && `If they are set, let them be read: run with ${missing}`;
  return { get: (name) => values.get(name), fromFile, problems, advice };
}

/** What `.env` says, or a sentence about why that is not known. */
async function readEnvFile(): Promise<Record<string, string> | string> {
  if ((await Deno.permissions.query(ENV_FILE_READ)).state !== "granted") return {};
  let text: string;
  try {
    text = await Deno.readTextFile(".env");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    const name = error instanceof Error ? error.name : "Error";
    return `.env cannot be read (${name}). Make it a file that this user may read`;
  }
  try {
    const { parse } = await import("@std/dotenv/parse");
    return parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return ".env cannot be understood. Put values that hold a $ in single quotes";
  }
}

/**
 * The memory of the machine in megabytes (2^20 bytes), or `undefined` where the permission to know
 * it is missing. What a container may have stands in a file that Deno lets nobody read.
 */
export function machineMemory(): number | undefined {
  const permission = { name: "sys", kind: "systemMemoryInfo" } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return undefined;
  return Math.floor(Deno.systemMemoryInfo().total / MEGABYTE);
}

/** Whether this is Deno Deploy, which runs several instances at any time. */
export function isOnDeploy(): boolean {
  const name = "DENO_DEPLOYMENT_ID";
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" && Deno.env.get(name) !== undefined;
}
