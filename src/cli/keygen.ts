/**
 * The `keygen` command: prints a new Ed25519 key pair and admin secret as `.env` lines, or writes
 * them into `.env`. It reads no other setting than those.
 */

import { type DecodedText, decodeText, encodeText, parseEnvFile } from "../config/env_file.ts";
import { generateKeyPairJwk } from "../access/keys.ts";
import { type Command, type Given, runCommand } from "./command.ts";
import { EXIT } from "./failure.ts";
import { print, printError } from "./terminal.ts";

/** The file that `--write` appends to, in the current folder. */
const ENV_FILE = ".env";

/** Random bytes in a generated admin secret. */
const SECRET_BYTES = 32;

export const KEYGEN: Command = {
  name: "keygen",
  usage: "keygen [--write]",
  summary: "Print new keys and an admin secret as .env lines, or write them into .env",
  help: `  keygen >> .env     append PRIVATE_KEY_JWK, PUBLIC_KEY_JWK and ADMIN_SECRET to .env
  keygen --write     the same, but refuse if .env has keys already
                     (needs --allow-read=.env --allow-write=.env)`,
  flags: ["--write"],
  run: generate,
};

/**
 * Runs the command. Nothing but the lines goes to standard output; advice goes to standard error.
 *
 * @param args `--write` appends the lines to `.env` and refuses if keys are there; `--help` explains.
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
    const file = await readEnvFile();
    if (file === undefined) {
      printError(
        `${ENV_FILE} is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8`,
      );
      return 1;
    }
    const { text, encoding } = file;
    const { values, problems } = parseEnvFile(text, new Set(Object.keys(secrets)));
    const isPresent = (name: string) => problems.has(name) || Boolean(values.get(name));
    const taken = ["PRIVATE_KEY_JWK", "PUBLIC_KEY_JWK"].filter(isPresent);
    if (taken.length > 0) {
      printError(
        `${ENV_FILE} has ${taken.join(" and ")} already: remove ${
          taken.length > 1 ? "them" : "it"
        } first`,
      );
      return 1;
    }
    const missing = Object.entries(secrets).filter(([name]) => !isPresent(name));
    const lineBreak = text === "" || text.endsWith("\n") ? "" : "\n";
    const lines = missing.map(([name, value]) => `${name}=${value}\n`).join("");
    const bytes = encodeText(lineBreak + lines, encoding);
    await Deno.writeFile(ENV_FILE, bytes, { append: true, mode: 0o600 });
    printError(`Wrote ${missing.map(([name]) => name).join(", ")} to ${ENV_FILE}.`);
  } catch (error) {
    printError(
      error instanceof Deno.errors.NotCapable
        ? `Writing ${ENV_FILE} is not permitted. ` +
          `Run with: --allow-read=${ENV_FILE} --allow-write=${ENV_FILE}, or use: keygen >> .env`
        : `${ENV_FILE} cannot be written: ${error instanceof Error ? error.message : error}`,
    );
    return 1;
  }
  advise();
  return 0;
}

/** What is in `.env`; `undefined` if its encoding is not known. */
async function readEnvFile(): Promise<DecodedText | undefined> {
  try {
    return decodeText(await Deno.readFile(ENV_FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { text: "", encoding: "utf-8" };
    throw error;
  }
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
