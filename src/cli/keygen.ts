/**
 * The `keygen` command: prints a new Ed25519 key pair and admin secret as `.env` lines, writes them
 * into `.env`, or replaces the key there by the steps of `rotation.ts`. It reads no other setting.
 */

import { type DecodedText, editEnvFile, encodeText, parseEnvFile } from "../config/env_file.ts";
import { SETTINGS } from "../config/settings.ts";
import { generateKeyPairJwk } from "../access/keys.ts";
import { type Command, type Given, runCommand } from "./command.ts";
import { decodeEnvFile, ENV_FILE, updateEnvFile, writeFailure } from "./env_file_update.ts";
import { EXIT, Failure, wrongUsage } from "./failure.ts";
import {
  dropPrevious,
  type KeyEntries,
  prepareNext,
  rotate,
  ROTATED_NAMES,
  type Step,
} from "./rotation.ts";
import { keygenCommand } from "./surroundings.ts";
import { print, printError } from "./terminal.ts";

/** Random bytes in a generated admin secret. */
const SECRET_BYTES = 32;

/** The steps of replacing a key, by their options. */
const STEPS: Readonly<Record<string, (entries: KeyEntries) => Step | Promise<Step>>> = {
  "--next": prepareNext,
  "--rotate": (entries) => rotate(entries, Date.now()),
  "--drop-previous": dropPrevious,
};

export const KEYGEN: Command = {
  name: "keygen",
  usage: "keygen [--write | --next | --rotate | --drop-previous]",
  summary:
    "Print new keys and an admin secret as .env lines, write them into .env, or replace a key",
  help: `  keygen >> .env          append PRIVATE_KEY_JWK, PUBLIC_KEY_JWK and ADMIN_SECRET to .env
  keygen --write          the same, but refuse if .env has keys already

To replace the signing key, so that no token is refused on any of several instances:
  keygen --next           prepare the next key, and add its public half to VERIFY_KEYS_JWK;
                          then restart every instance
  keygen --rotate         let the prepared key sign (or a new one, if none is), and keep the public
                          half of the previous one in VERIFY_KEYS_JWK; then restart every instance
  keygen --drop-previous  when its last token has expired: remove the previous key; then restart

They change .env in the current folder, which needs --allow-read=.env --allow-write=.env.`,
  flags: ["--write", ...Object.keys(STEPS)],
  run: generate,
};

/**
 * Runs the command. Nothing but the lines goes to standard output; advice goes to standard error.
 *
 * @param args `--write` appends the lines to `.env` and refuses if keys are there; `--next`, `--rotate`
 * and `--drop-previous` replace a key there; `--help` explains.
 * @returns The exit code: 0, 1 when `.env` could not or must not be written, 2 for a wrong argument.
 *
 * @example
 * ```ts
 * import { keygen } from "@aikofy/client-db-sync/keygen";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await keygen(["--unknown"]), 2);
 * ```
 */
export async function keygen(args: readonly string[]): Promise<number> {
  return await runCommand(KEYGEN, args) ?? EXIT.ok;
}

async function generate(given: Given): Promise<number> {
  const [option, ...more] = given.keys();
  if (more.length > 0) throw wrongUsage(`keygen: one option at a time. Try: ${KEYGEN.usage}`);
  const step = STEPS[option ?? ""];
  if (step !== undefined) return await changeKeys(step);
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const secrets = {
    PRIVATE_KEY_JWK: privateKeyJwk,
    PUBLIC_KEY_JWK: publicKeyJwk,
    ADMIN_SECRET: generateSecret(),
  };
  if (given.has("--write")) return await writeEnvFile(secrets);
  for (const [name, value] of Object.entries(secrets)) print(`${name}=${value}`);
  advise();
  return 0;
}

async function writeEnvFile(secrets: Record<string, string>): Promise<number> {
  try {
    const { text, encoding } = await readEnvFile();
    const { values, problems } = parseEnvFile(text, new Set(Object.keys(secrets)));
    const isPresent = (name: string) => problems.has(name) || Boolean(values.get(name));
    const taken = ["PRIVATE_KEY_JWK", "PUBLIC_KEY_JWK"].filter(isPresent);
    if (taken.length > 0) {
      const them = taken.length > 1 ? "them" : "it";
      const line = `${ENV_FILE} has ${taken.join(" and ")} already: remove ${them} first, or ` +
        `replace the key: ${keygenCommand("--rotate")}`;
      throw new Failure({ lines: [line] });
    }
    const missing = Object.entries(secrets).filter(([name]) => !isPresent(name));
    const lineBreak = text === "" || text.endsWith("\n") ? "" : "\n";
    const lines = missing.map(([name, value]) => `${name}=${value}\n`).join("");
    const bytes = encodeText(lineBreak + lines, encoding);
    await Deno.writeFile(ENV_FILE, bytes, { append: true, mode: 0o600 });
    printError(`Wrote ${missing.map(([name]) => name).join(", ")} to ${ENV_FILE}.`);
  } catch (error) {
    throw writeFailure(error);
  }
  advise();
  return EXIT.ok;
}

/** What is in `.env`. */
async function readEnvFile(): Promise<DecodedText> {
  try {
    return decodeEnvFile(await Deno.readFile(ENV_FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { text: "", encoding: "utf-8" };
    throw error;
  }
}

/** Changes the entries of `.env` by one step of replacing a key. */
async function changeKeys(step: (entries: KeyEntries) => Step | Promise<Step>): Promise<number> {
  const names = new Set([...SETTINGS.map(({ name }) => name), ...ROTATED_NAMES]);
  let advice: readonly string[] = [];
  await updateEnvFile(async (text) => {
    const { values, problems, repeated } = parseEnvFile(text, names);
    const lines = ROTATED_NAMES.flatMap((name) => {
      if (repeated.has(name)) return [`${name} has several entries in ${ENV_FILE}. Leave one`];
      return problems.get(name) ?? [];
    });
    if (lines.length > 0) throw new Failure({ lines });
    const entries = ROTATED_NAMES.flatMap((name) => {
      const value = values.get(name);
      return value ? [[name, value] as const] : [];
    });
    const { changes, advice: said } = await step(new Map(entries));
    advice = said;
    return editEnvFile(text, { names, changes });
  });
  for (const line of advice) printError(line);
  return EXIT.ok;
}

function generateSecret(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(SECRET_BYTES)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

function advise(): void {
  printError(
    "Keep PRIVATE_KEY_JWK and ADMIN_SECRET to your servers. PUBLIC_KEY_JWK may be shared.",
  );
}
