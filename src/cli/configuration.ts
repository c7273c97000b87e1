/**
 * The configuration of a command: what the environment and `.env` say, checked by itself and against
 * where the program runs. Every problem is found before anything starts.
 */

import { type Config, ConfigError, parseConfig } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { Failure } from "./failure.ts";
import { deployWarnings, findRefusedHosts, keygenCommand } from "./surroundings.ts";

/**
 * Reads the configuration.
 *
 * @throws {Failure} There is a line for each setting to change.
 */
export function configure(environment: Environment): Config {
  const { get, problems, fileProblem, warnings, advice } = environment;
  const unreadable = [...problems.values()];
  let config: Config;
  try {
    config = parseConfig(get, keygenCommand());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isMissing = (line: string) => line.includes(" is not set.");
    // A setting that could not be read is not missing.
    const isKnown = (line: string) =>
      !isMissing(line) || (fileProblem === undefined && !problems.has(line.split(" ", 1)[0] ?? ""));
    const lines = error.problems.filter(isKnown);
    const file = fileProblem === undefined ? [] : [fileProblem];
    const hint = advice !== "" && lines.some(isMissing) ? [advice] : [];
    throw new Failure({ lines: [...unreadable, ...file, ...lines, ...hint] });
  }
  const refused = [...unreadable, ...findRefusedHosts(config)];
  if (refused.length > 0) throw new Failure({ lines: refused });
  const file = fileProblem === undefined ? [] : [`${fileProblem}. No setting is missing`];
  return {
    ...config,
    warnings: [...file, ...warnings, ...config.warnings, ...deployWarnings(config)],
  };
}
