// deno-lint-ignore-file no-console
/**
 * The `bench:load` command: starts this server, its peers and bare baselines one after the other, each
 * fresh for each test, lets the load generator loose on it and prints the medians.
 */

import { generate, leaveServerCore, startServer, stopAll } from "./load/children.ts";
import type { Report } from "./load/jobs.ts";
import { HELP, type Options, readOptions } from "./load/options.ts";
import { nodeVersion } from "./load/packages.ts";
import type { Test } from "./load/plan.ts";
import { median, Results } from "./load/results.ts";
import { KEYS } from "./load/commands.ts";
import { type ServerName, serverOf } from "./load/servers.ts";
import { pageOf, type Run, setting, tablesOf } from "./load/table.ts";

const USAGE_ERROR = 2;

/** How often a run is repeated in which the load generator was late or busy. */
const MAX_REPEATS = 2;

async function main(args: string[]): Promise<number> {
  const options = read(args);
  if (options === undefined) return USAGE_ERROR;
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      stopAll();
      Deno.exit(130);
    });
  }
  const results = new Results();
  try {
    await leaveServerCore();
    const { tests, servers, featureTests, featureServers } = options;
    await leaveOut([...new Set([...servers, ...featureServers])], results);
    await runAll(options, tests, servers, results);
    await runAll(options, featureTests, featureServers, results);
  } finally {
    stopAll();
  }
  await show(options, results, ["deno task bench:load", ...args].join(" "));
  const isGood = options.isQuick ? results.failures.length === 0 : results.isValid;
  return isGood ? 0 : 1;
}

function read(args: string[]): Options | "help" | undefined {
  try {
    return readOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return undefined;
  }
}

/** Tries every server, so that what cannot run here is known before hours have gone. */
async function leaveOut(servers: readonly ServerName[], results: Results): Promise<void> {
  const hasNode = await nodeVersion() !== undefined;
  for (const name of servers) {
    const server = serverOf(name);
    try {
      if (server.needsNode && !hasNode) throw new Error("there is no Node on this machine");
      await using _running = await startServer(server);
    } catch (error) {
      results.leftOut[name] = error instanceof Error ? error.message : String(error);
    }
  }
}

async function runAll(
  options: Options,
  tests: Options["tests"],
  chosen: readonly ServerName[],
  results: Results,
): Promise<void> {
  for (const [name, test] of Object.entries(tests)) {
    const servers = test.servers.filter((server) =>
      chosen.includes(server) && results.leftOut[server] === undefined
    );
    for (let round = 1; round <= options.rounds; round++) {
      for (const server of round % 2 === 1 ? servers : servers.toReversed()) {
        console.error(`${name}, round ${round} of ${options.rounds}: ${serverOf(server).title}`);
        try {
          results.add(name, server, await runValid(name, test, server, options.isQuick, results));
        } catch (error) {
          results.fail(name, server, error instanceof Error ? error.message : String(error));
        }
      }
    }
  }
}

/** Repeats a run in which the generator was what limited, unless that does not matter; the last counts. */
async function runValid(
  name: string,
  test: Test,
  server: ServerName,
  isQuick: boolean,
  results: Results,
): Promise<Report> {
  for (let repeats = 0;; repeats++) {
    const report = await runOne(test, server, isQuick);
    if (isQuick || report.limit === undefined || repeats === MAX_REPEATS) return report;
    results.reject(name, server, report.limit);
    console.error(`${name}, ${serverOf(server).title}: ${report.limit}; once more`);
  }
}

async function runOne(test: Test, name: ServerName, isQuick: boolean): Promise<Report> {
  const load = test.load(isQuick);
  const server = serverOf(name);
  if (load === "start") return await start(name, isQuick ? 1 : 3);
  await using running = await startServer(server);
  const end = server.meanwhile?.(running.port) ?? (() => {});
  return await generate({
    load,
    port: running.port,
    pid: running.pid,
    protocol: server.protocol,
    ...server.hasTokens ? { privateKeyJwk: KEYS.privateKeyJwk } : {},
  }).finally(end);
}

async function start(name: ServerName, times: number): Promise<Report> {
  const samples: number[] = [];
  for (let time = 0; time < times; time++) {
    await using running = await startServer(serverOf(name));
    samples.push(running.startMs);
  }
  return { figures: { ms: median(samples) ?? NaN }, lost: 0, problems: [] };
}

async function show(options: Options, results: Results, command: string): Promise<void> {
  const { rounds, isQuick, tests, servers, featureTests } = options;
  const run: Run = { command, rounds, isQuick, tests, servers, featureTests };
  const where = await setting();
  if (options.isJson) console.log(JSON.stringify({ command, rounds, ...where, ...results }));
  else console.log(tablesOf(run, results));
  if (options.out === undefined) return;
  const before = await Deno.readTextFile(options.out).catch(() => "");
  const file = results.isValid ? options.out : `${options.out}.not-valid.md`;
  await Deno.writeTextFile(file, pageOf(before, run, results, where));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", file] }).output();
  if (file === options.out) return;
  console.error(`NOT VALID, so written to ${file} instead: ${results.problems.join("; ")}`);
}

Deno.exit(await main(Deno.args));
