// deno-lint-ignore-file no-console
/**
 * The `cluster` command: shows many instances as one server. It starts a Redis, three instances and
 * a proxy in front of them, lets simulated peers meet across them, prints a live table, and tells at
 * the end whether everybody has met. Whatever it has started ends with it.
 */

import { readOptions } from "./_options.ts";
import { until } from "../tests/helpers/patience.ts";
import { Crowd } from "./cluster/peers.ts";
import { Instance, Redis, RESTART_MS } from "./cluster/processes.ts";
import { FrontProxy } from "./cluster/proxy.ts";
import { describe, Screen } from "./cluster/screen.ts";

const HELP =
  `Starts a Redis, three instances and a proxy, and lets simulated peers meet across them.
  --seconds N    how long they talk once all have joined (default: until Ctrl-C)
  --peers N      how many, in rooms of six (default 12)
Needs redis-server or valkey-server. Columns: within and across are messages that peers of an
instance got from the same and from other instances; p50 is their way through proxy, instance,
Redis, instance and proxy. Exits with 0 if all peers of a room that are on different instances had
an offer and its answer, with 1 if not.`;

const INSTANCES = 3;
const MAX_SECONDS = 1e6;
const MAX_PEERS = 1000;
const FRAME_MS = { terminal: 500, elsewhere: 2000 };

/** How long all peers may take to join, and at the end to have met, in milliseconds. */
const JOIN_MS = 30_000;
const MEET_MS = 5000;

/** A peer that joined less than this many milliseconds ago need not have met the others. */
const JUST_MS = 1000;

/** Ctrl-C under `deno task` sends two signals, by the terminal and by the task: they count as one. */
const SAME_SIGNAL_MS = 500;

const EXIT_INTERRUPTED = 130;

interface Options {
  readonly seconds: number;
  readonly peers: number;
}

/** Reads the arguments, or returns a sentence that says what is wrong with them. */
function parse(args: readonly string[]): Options | string {
  let seconds = Infinity;
  let peers = 12;
  for (let n = 0; n < args.length; n += 2) {
    const value = Number(args[n + 1] || NaN);
    const isCount = Number.isInteger(value) && value >= 2 && value <= MAX_PEERS;
    if (args[n] === "--seconds" && value > 0 && value <= MAX_SECONDS) seconds = value;
    else if (args[n] === "--peers" && isCount) peers = value;
    else return `cluster: ${args.slice(n, n + 2).join(" ")} is not understood. Try: --help`;
  }
  return { seconds, peers };
}

/** What ends a run early: a signal, or something that cannot go on. */
interface Ending {
  readonly interrupted: Promise<void>;
  readonly failed: Promise<never>;
  readonly fail: (cause: unknown) => void;
  /** The programs to kill when a second signal comes. */
  readonly killable: Set<{ kill(): void }>;
}

function watchForEnding(): Ending {
  const interrupted = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // The code that waits for it gets the rejection.
  const killable = new Set<{ kill(): void }>();
  let since: number | undefined;
  const onSignal = () => {
    since ??= performance.now();
    interrupted.resolve();
    if (performance.now() - since <= SAME_SIGNAL_MS) return;
    for (const program of killable) program.kill();
    Deno.exit(EXIT_INTERRUPTED);
  };
  const isWindows = Deno.build.os === "windows";
  const signals = isWindows ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals as Deno.Signal[]) Deno.addSignalListener(signal, onSignal);
  return {
    interrupted: interrupted.promise,
    failed: failed.promise,
    fail: failed.reject,
    killable,
  };
}

async function cluster({ seconds, peers }: Options): Promise<number> {
  const ending = watchForEnding();
  await using redis = new Redis();
  ending.killable.add(redis);
  await using stack = new AsyncDisposableStack();
  const instances = Array.from({ length: INSTANCES }, (_, n) => {
    const instance = new Instance(`Instance ${n + 1}`, redis.url, ending.fail);
    ending.killable.add(instance);
    return stack.use(instance);
  });
  using crowd = new Crowd(peers, INSTANCES);
  using proxy = new FrontProxy({
    ports: () => instances.map(({ port }) => port),
    onRouted: (path, instance) => crowd.routed(path, instance),
  });
  const isStarted = await Promise.race([
    start(redis, instances).then(() => true),
    ending.interrupted.then(() => false),
  ]);
  if (!isStarted) return EXIT_INTERRUPTED;

  const address = `127.0.0.1:${proxy.port}`;
  console.log(`Proxy http://${address}, ${redis.url}`);
  console.log(`In a browser: http://${address}/ in a few tabs`);
  using _keys = listenToKeys(instances);
  console.log("");
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 1000;
  const screen = new Screen();
  const draw = async () => screen.draw(await describe(instances, crowd, elapsed()));
  const over = new AbortController();
  const drawing = redraw(draw, screen, over.signal);
  crowd.start(`ws://${address}`);
  const isInterrupted = await Promise.race([
    talk(crowd, seconds).then(() => false),
    ending.interrupted.then(() => true),
    ending.failed,
  ]);
  over.abort();
  await drawing;
  if (!isInterrupted) await draw();
  return judge(crowd, isInterrupted) ? 0 : 1;
}

async function start(redis: Redis, instances: readonly Instance[]): Promise<void> {
  await redis.ready;
  await Promise.all(instances.map((instance) => instance.start()));
  await until("the instances to find each other", async () => {
    const healths = await Promise.all(instances.map((instance) => instance.health()));
    return healths.every((health) => health?.backplane === "up");
  });
}

/** Waits until all peers have joined, exchanged messages, and met. */
async function talk(crowd: Crowd, seconds: number): Promise<void> {
  await until("everybody to join", () => crowd.absent === 0, JOIN_MS).catch(() => {});
  await new Promise<void>((resolve) => {
    if (seconds !== Infinity) setTimeout(resolve, seconds * 1000);
  });
  crowd.isSettling = true;
  const isComplete = () => crowd.absent === 0 && crowd.pairs().apart.length === 0;
  await until("everybody to meet", isComplete, MEET_MS).catch(() => {});
}

/** Draws the table repeatedly until the run ends. */
async function redraw(
  draw: () => Promise<void>,
  { isTerminal }: Screen,
  over: AbortSignal,
): Promise<void> {
  const frameMs = isTerminal ? FRAME_MS.terminal : FRAME_MS.elsewhere;
  const isOver = new Promise((resolve) => over.addEventListener("abort", resolve));
  while (!over.aborted) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      isOver,
      new Promise((resolve) => timer = setTimeout(resolve, frameMs)),
    ]);
    clearTimeout(timer);
    if (!over.aborted) await draw();
  }
}

/** On a terminal, kills the next instance at each key press. */
function listenToKeys(instances: readonly Instance[]): Disposable {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) return { [Symbol.dispose]: () => {} };
  console.log(`k kills an instance, which is back after ${RESTART_MS / 1000} s; Ctrl-C ends`);
  Deno.stdin.setRaw(true, { cbreak: true });
  let next = 0;
  (async () => {
    for await (const keys of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      if (keys.includes("k")) instances[next++ % instances.length]?.kill();
    }
  })().catch(() => {});
  return { [Symbol.dispose]: () => Deno.stdin.setRaw(false) };
}

/** Whether all peers have met, except those that Ctrl-C disconnected or that had just joined. */
function judge(crowd: Crowd, isInterrupted: boolean): boolean {
  const { total, apart } = crowd.pairs(isInterrupted ? JUST_MS : 0);
  const absent = isInterrupted ? 0 : crowd.absent;
  if (absent === 0 && apart.length === 0 && total > 0) {
    console.log(`ok: all ${total} pairs on different instances had an offer and its answer`);
    return true;
  }
  const some = apart.slice(0, 3).join(", ");
  console.log(
    apart.length > 0
      ? `failed: ${apart.length} of ${total} pairs on different instances did not meet: ${some}`
      : absent > 0
      ? `failed: ${absent} peers are not connected`
      : "failed: there are no two peers of a room on different instances",
  );
  return false;
}

if (import.meta.main) {
  const options = readOptions(HELP, parse);
  const code = await cluster(options).catch((error) => {
    console.error(`cluster: ${error instanceof Error ? error.message : error}`);
    return 1;
  });
  Deno.exit(code);
}
