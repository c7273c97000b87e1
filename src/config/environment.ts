/**
 * The environment of the command line: the settings where reading them is permitted, completed from
 * `.env` in the current folder where reading that is. Only `src/cli/` imports this file.
 */

import { MEGABYTE } from "../runtime/memory_watch.ts";
import { decodeText, type EnvFile, parseEnvFile } from "./env_file.ts";
import { SETTINGS } from "./settings.ts";
import { findSimilar } from "../runtime/similar_names.ts";

const ENV_FILE_READ = { name: "read", path: ".env" } as const;

const NAMES: ReadonlySet<string> = new Set(SETTINGS.map(({ name }) => name));

/** The settings as the environment has them. */
export interface Environment {
  /** Looks a setting up by name. */
  readonly get: (name: string) => string | undefined;
  /** The settings that `.env` decides. */
  readonly fromFile: ReadonlySet<string>;
  /** What is wrong with a setting that could not be read, by its name: a sentence each. */
  readonly problems: ReadonlyMap<string, string>;
  /** Why `.env` could not be read, as a sentence: an error if a setting is missing. */
  readonly fileProblem: string | undefined;
  /** What an operator should look at, a sentence each. */
  readonly warnings: readonly string[];
  /** Whether names in the environment that are probably misspelt settings can be seen. */
  readonly canSeeOthers: boolean;
  /** The permissions that are missing to read settings, as an advice, or nothing. */
  readonly advice: string;
}

/** The environment where reading it is permitted, completed from `.env`; empty is not set. */
export async function readEnvironment(): Promise<Environment> {
  const values = new Map<string, string>();
  const problems = new Map<string, string>();
  const hidden = NAMES.values().filter((name) => !readVariable(name, values, problems)).toArray();
  const read = await readEnvFile();
  const file = typeof read === "string" ? NO_FILE : read;
  const fromFile = new Set<string>();
  for (const [name, value] of file.values) {
    if (values.has(name) || problems.has(name) || value === "") continue;
    values.set(name, value);
    fromFile.add(name);
  }
  for (const [name, problem] of file.problems) {
    if (!values.has(name) && !problems.has(name)) problems.set(name, problem);
  }
  const mayReadFile = (await Deno.permissions.query(ENV_FILE_READ)).state === "granted";
  const flags = [hidden.length > 0 && "--allow-env", !mayReadFile && "--allow-read=.env"];
  const missing = flags.filter((flag) => flag).join(" and ");
  return {
    get: (name) => values.get(name),
    fromFile,
    problems,
    fileProblem: typeof read === "string" ? read : undefined,
    warnings: warningsOf(file, values),
    canSeeOthers: mayList(),
    advice: missing && `If they are set, let them be read: run with ${missing}`,
  };
}

/** Reads a variable of the environment; `false` if that is not permitted. */
function readVariable(
  name: string,
  values: Map<string, string>,
  problems: Map<string, string>,
): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  if (state !== "granted") return false;
  try {
    const value = Deno.env.get(name);
    if (value) values.set(name, value);
  } catch {
    problems.set(name, `${name} is not valid UTF-8. Set it again`);
  }
  return true;
}

/**
 * Reads any variable of the environment, or a setting of `.env`.
 *
 * @returns Its value; `undefined` if it is not set, is not valid UTF-8 or may not be read.
 */
export async function readNamed(name: string): Promise<string | undefined> {
  if (NAMES.has(name)) return (await readEnvironment()).get(name);
  const values = new Map<string, string>();
  readVariable(name, values, new Map());
  return values.get(name);
}

const NO_FILE: EnvFile = parseEnvFile("", NAMES);

/** What `.env` says, or a sentence about why that is not known. */
async function readEnvFile(): Promise<EnvFile | string> {
  if ((await Deno.permissions.query(ENV_FILE_READ)).state !== "granted") return NO_FILE;
  try {
    const decoded = decodeText(await Deno.readFile(".env"));
    return decoded === undefined
      ? ".env is neither UTF-8 nor UTF-16 with a byte order mark. Save it as UTF-8"
      : parseEnvFile(decoded.text, NAMES);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NO_FILE;
    const name = error instanceof Error ? error.name : "Error";
    return `.env cannot be read (${name}). Make it a file that this user may read`;
  }
}

/** Warns of entries that hide each other, and of names that are probably misspelt. */
function warningsOf(file: EnvFile, values: ReadonlyMap<string, string>): string[] {
  const repeated = [...file.repeated].filter((name) => values.has(name)).map((name) =>
    `${name} has several entries in .env: the last one applies. Remove the others`
  );
  const unset = [...NAMES].filter((name) => !values.has(name));
  const misspelt = [...new Set([...file.otherNames, ...otherVariables()])].flatMap((name) => {
    const setting = findSimilar(name, unset);
    return setting === undefined ? [] : [`${name} is no setting: is ${setting} meant?`];
  });
  return [...repeated, ...misspelt];
}

/** The names of the environment that are no settings, where listing it is permitted. */
function otherVariables(): string[] {
  if (!mayList()) return [];
  try {
    return Object.keys(Deno.env.toObject()).filter((name) => !NAMES.has(name));
  } catch {
    return []; // A value of another program is not valid UTF-8.
  }
}

function mayList(): boolean {
  return Deno.permissions.querySync({ name: "env" }).state === "granted";
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

/** Whether no other machine reaches a server that listens on this address. */
export function isLoopback(host: string): boolean {
  return /^(127\.|::1$|localhost$)/.test(host);
}

/** Addresses of this machine that are shown at most. */
const MAX_ADDRESSES = 3;

/**
 * The addresses at which other machines of the network may reach a server that listens on `host`: none
 * where it listens on one address alone, and `undefined` where the permission to know them is missing.
 */
export function otherAddresses(host: string): readonly string[] | undefined {
  const permission = { name: "sys", kind: "networkInterfaces" } as const;
  if (host !== "0.0.0.0" && host !== "::") return [];
  if (Deno.permissions.querySync(permission).state !== "granted") return undefined;
  return Deno.networkInterfaces()
    .filter(({ family, address }) => family === "IPv4" && !/^(127|169\.254)\./.test(address))
    .map(({ address }) => address)
    .slice(0, MAX_ADDRESSES);
}

/** Whether this is Deno Deploy, which runs several instances at any time. */
export function isOnDeploy(): boolean {
  const name = "DENO_DEPLOYMENT_ID";
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" && Deno.env.get(name) !== undefined;
}
