// deno-lint-ignore-file no-console
/**
 * The `soak` command: lets clients of every kind, most of them bad, loose on a server for some
 * minutes, and tells whether anything of them is left in it and whether those who did nothing wrong
 * got every message once and in order.
 */

import { readOptions } from "./_options.ts";
import { until } from "../tests/helpers/patience.ts";
import { BYSTANDERS, Phase } from "./soak/phase.ts";
import { Random } from "../tests/helpers/random.ts";
import { ServerProcess } from "./soak/server_process.ts";
import { startScraping } from "./soak/scraper.ts";
import { ENDED_WITHIN_MS, IDLE_TIMEOUT_SECONDS, REGISTER_TIMEOUT_MS } from "./soak/stalls.ts";
import { type Counts, LABELS, Tally } from "./soak/tally.ts";
import { type Check, check, isBack, measure, megabytes, settle } from "./soak/verdict.ts";
import { createProvider, requestTokens, ROOM_CLAIM, sleep, World } from "./soak/world.ts";

const HELP = `Lets clients of every kind loose on a server and tells what is left of them.
  --minutes N    how long, after a warm-up; fractions are allowed (default 1)
  --seed N       repeats the choices of another run (default: a new one, which is printed)
Exits with 0 if everything held, with 1 if not.`;

const MAX_MINUTES = 10_080;
const PROGRESS_MS = 10_000;

/** The warm-up lasts this share of the soak, within bounds: every kind of client has to come by. */
const WARM_UP = { share: 1 / 3, leastMs: 3000, mostMs: 20_000 };

interface Options {
  readonly minutes: number;
  readonly seed: number;
}

/** Reads the arguments; a sentence is what is wrong with them. */
function parse(args: readonly string[]): Options | string {
  let minutes = 1;
  let seed = Date.now() % 2 ** 32;
  for (let n = 0; n < args.length; n += 2) {
    const value = Number(args[n + 1] || NaN);
    if (args[n] === "--minutes" && value > 0 && value <= MAX_MINUTES) minutes = value;
    else if (args[n] === "--seed" && Number.isInteger(value)) seed = value;
    else return `soak: ${args.slice(n, n + 2).join(" ")} is not understood. Try: --help`;
  }
  return { minutes, seed };
}

async function soak({ minutes, seed }: Options): Promise<boolean> {
  console.log(`Soaking for ${minutes} min, seed ${seed}`);
  const random = new Random(seed);
  const provider = await createProvider();
  const adminSecret = crypto.randomUUID();
  await using server = await ServerProcess.start({
    adminSecret,
    consumerJwks: provider.jwks,
    roomClaim: ROOM_CLAIM,
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    registerTimeoutMs: REGISTER_TIMEOUT_MS,
  });
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    Deno.addSignalListener(signal, () => {
      server.kill();
      Deno.exit(code);
    });
  }
  const tokens = await requestTokens(server.url, adminSecret, provider.token);
  const durationMs = minutes * 60_000;
  const scraper = startScraping(server.url, adminSecret);

  const warmUp = new World(server.url, tokens, new Tally());
  const warming = await Phase.start(warmUp, random);
  const { share, leastMs, mostMs } = WARM_UP;
  const isWarm = durationMs * share >= mostMs;
  await sleep(isWarm ? mostMs : Math.max(durationMs * share, leastMs));
  await warming.endCrowd();
  await warming.endAll();
  await settle(server);
  const before = await measure(server);
  console.log(`Warmed up: heap ${megabytes(before.heap)}, rss ${megabytes(before.rss)}`);

  const tally = new Tally();
  for (const problem of warmUp.tally.problems) tally.problem(`While warming up: ${problem}`);
  const world = new World(server.url, tokens, tally);
  const phase = await Phase.start(world, random);
  await progress(server, tally, durationMs);
  await phase.endCrowd();
  const alone = `the ${BYSTANDERS} bystanders to be alone`;
  await until(alone, async () => {
    await sleep(100);
    const { stats } = await server.sample(false);
    return stats.peers === BYSTANDERS && stats.pending === 0;
  }, ENDED_WITHIN_MS).catch((error) => tally.problem(error.message));
  await phase.endAll();
  await settle(server);
  const after = await measure(server, (figures) => isBack(before, figures, isWarm));
  const checks = check(before, after, isWarm, await server.sample(true));
  await scraper.stop();
  for (const problem of scraper.problems()) tally.problem(problem);
  const scrapes = scraper.answered();
  checks.push({ what: `the metrics were read ${scrapes} times`, isOk: scrapes > 0 });
  const code = await server.stop();
  checks.push({ what: `the server's exit code is ${code}`, isOk: code === 0 });
  return report(tally, checks);
}

/** Lets time pass, with a line now and then. */
async function progress(server: ServerProcess, tally: Tally, durationMs: number): Promise<void> {
  const start = performance.now();
  while (true) {
    const passed = performance.now() - start;
    await sleep(Math.min(PROGRESS_MS, Math.max(durationMs - passed, 0)));
    if (passed + PROGRESS_MS >= durationMs) return;
    const { memory, stats, fds } = await server.sample(false);
    const { connects, relayed, junk, bystanders } = tally.counts;
    console.log(
      `${Math.round((performance.now() - start) / 1000)} s: ${connects} connects, ` +
        `${relayed} relayed, ${junk} junk, ${bystanders} bystander messages; ` +
        `${stats.peers} peers, ${stats.pending} pending, ${stats.closing} closing, ${fds} fds, ` +
        `heap ${megabytes(memory.heapUsed)}, rss ${megabytes(memory.rss)}, ` +
        `${tally.problemCount} problems`,
    );
  }
}

function report({ counts, problems, problemCount }: Tally, checks: readonly Check[]): boolean {
  for (const [name, label] of Object.entries(LABELS)) {
    console.log(`${label.padEnd(26)}${String(counts[name as keyof Counts]).padStart(9)}`);
  }
  for (const { what, isOk } of checks) console.log(`${isOk ? "ok  " : "FAIL"} ${what}`);
  const lost = "every bystander message came once and in order, and nobody was owed anything";
  console.log(problemCount === 0 ? `ok   ${lost}` : `FAIL ${problemCount} problems`);
  for (const problem of problems) console.log(`  ${problem}`);
  const isOk = problemCount === 0 && checks.every((check) => check.isOk);
  console.log(isOk ? "ok" : "failed");
  return isOk;
}

if (import.meta.main) {
  const options = readOptions(HELP, parse);
  Deno.exit(await soak(options) ? 0 : 1);
}
