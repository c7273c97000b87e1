/** The command line of the load benchmark. */

import { parseArgs } from "node:util";
import { FEATURE_TABLE_SERVERS, featureTests, type Test, tests } from "./plan.ts";
import { type ServerName, SERVERS } from "./servers.ts";

/** What `--help` prints. */
export const HELP = `Compares this server with its peers and with bare baselines under load.
  --tests A,B     of ${Object.keys(tests(false)).join(", ")} (default: all)
  --servers A,B   of ${Object.keys(SERVERS).join(", ")} (default: all)
  --features      measures, too, what each feature costs: a second table
  --rounds N      rounds of which the medians are taken (default 3, with --quick 1)
  --quick         seconds instead of an hour: shows that it works, not how fast it is
  --json          prints every sample as JSON instead of the table
  --out FILE      writes the tables to FILE, too, with date, machine, versions and command: between
                  its two lines "measured", the rest of FILE stays as it is
Runs in which the generator was late or busy are repeated, twice at most, but for --quick. Exits with 0
if every run is valid then and no message was lost; else with 1, and FILE.not-valid.md is written
instead of FILE.`;

const MAX_ROUNDS = 99;

/** What to do. */
export interface Options {
  readonly tests: Readonly<Record<string, Test>>;
  readonly servers: readonly ServerName[];
  /** The tests of the table of features; none without it. */
  readonly featureTests: Readonly<Record<string, Test>>;
  readonly featureServers: readonly ServerName[];
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly isJson: boolean;
  readonly out: string | undefined;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} It is wrong; the message says how.
 */
export function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean" },
      tests: { type: "string" },
      servers: { type: "string" },
      features: { type: "boolean" },
      rounds: { type: "string" },
      quick: { type: "boolean" },
      json: { type: "boolean" },
      out: { type: "string" },
    },
  });
  if (values.help) return "help";
  const isQuick = values.quick ?? false;
  const rounds = Number(values.rounds ?? (isQuick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS) {
    throw new TypeError(`--rounds must be a number from 1 to ${MAX_ROUNDS}`);
  }
  const all = tests(isQuick);
  const names = chosen("--tests", values.tests, Object.keys(all));
  const servers = chosen("--servers", values.servers, Object.keys(SERVERS)) as ServerName[];
  return {
    tests: Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name))),
    servers,
    featureTests: values.features ? featureTests(isQuick) : {},
    featureServers: values.features ? FEATURE_TABLE_SERVERS : [],
    rounds,
    isQuick,
    isJson: values.json ?? false,
    out: values.out,
  };
}

function chosen(option: string, given: string | undefined, all: string[]): string[] {
  const names = given?.split(",") ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown === undefined) return all.filter((name) => names.includes(name));
  throw new TypeError(`${option}: there is no ${unknown}; there are ${all.join(", ")}`);
}
