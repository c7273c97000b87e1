/**
 * The configuration of a command: what the environment and `.env` say, checked by itself and against
 * where the program runs. Every problem is found before anything starts.
 */

import { InvalidKeyError } from "../access/keys.ts";
import { type Config, ConfigError, parseConfig } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import type { Lookup } from "../config/setting_reader.ts";
import { Failure } from "./failure.ts";
import { deployWarnings, findRefusedHosts, keygenCommand } from "./surroundings.ts";

/**
 * Reads the configuration of the server.
 *
 * @param hasArguments Whether the server is started with options, which a message mentions.
 * @throws {Failure} There is a line for each setting to change.
 */
export function readConfig(environment: Environment, hasArguments = false): Config {
  const { fileProblem, warnings } = environment;
  const config = parseSettings(environment, parseConfig);
  const refused = findRefusedHosts(config, hasArguments);
  if (refused.length > 0) throw new Failure({ lines: refused });
  const file = fileProblem === undefined ? [] : [`${fileProblem}. No setting is missing`];
  return {
    ...config,
    warnings: [...file, ...warnings, ...config.warnings, ...deployWarnings(config)],
  };
}

/**
 * Reads the settings that a function asks for.
 *
 * @param parse Looks settings up; gets the command that makes new keys as well.
 * @throws {Failure} There is a line for each of them to change.
 */
export function parseSettings<T>(
  { get, problems, fileProblem, warnings, advice }: Environment,
  parse: (get: Lookup, keygen: string) => T,
): T {
  const asked = new Set<string>();
  const lookup = (name: string) => {
    asked.add(name);
    return get(name);
  };
  let result: { readonly value: T } | undefined;
  let found: readonly string[] = [];
  try {
    result = { value: parse(lookup, keygenCommand()) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    found = error.problems;
  }
  const unreadable = [...problems].filter(([name]) => asked.has(name)).map(([, line]) => line);
  if (result !== undefined && unreadable.length === 0) return result.value;
  const isMissing = (line: string) => line.includes(" is not set.");
  // A setting that could not be read is not missing.
  const isKnown = (line: string) =>
    !isMissing(line) || (fileProblem === undefined && !problems.has(line.split(" ", 1)[0] ?? ""));
  const file = fileProblem === undefined || result !== undefined ? [] : [fileProblem];
  const lines = found.filter(isKnown);
  // A setting that is missing may be there under another name.
  const meant = warnings.filter((warning) => [...asked].some((name) => warning.includes(name)));
  const hint = advice === "" ? meant : [...meant, advice];
  const hints = lines.some(isMissing) ? hint : [];
  throw new Failure({ lines: [...unreadable, ...file, ...lines, ...hints] });
}

/** Why the private key cannot be used, if that is what failed. */
export function keyFailure(error: unknown): Failure | undefined {
  if (!(error instanceof InvalidKeyError)) return undefined;
  const line = `PRIVATE_KEY_JWK is not usable: ${error.message}. Run: ${keygenCommand()}`;
  return new Failure({ lines: [line] });
}

/** Why the server cannot be created. */
export function startFailure(error: unknown): Failure {
  const line = `The server cannot start: ${error instanceof Error ? error.message : error}`;
  return keyFailure(error) ?? new Failure({ lines: [line] });
}
