/** The loads: what the clients do, and what is measured meanwhile. */

import { note } from "./client.ts";
import type { Crowds } from "./crowd.ts";
import type { Load, Report } from "./jobs.ts";
import { makePairs } from "./pairs.ts";
import { measure, residentKb, type Usage } from "./process.ts";

type LoadOf<Kind extends Load["kind"]> = Extract<Load, { kind: Kind }>;
type Outcome = Omit<Report, "problems">;

/** Clients that connect at the same time. */
const CONCURRENCY = 64;
const CONCURRENCY_IN_ONE_ROOM = 32;

/** How long messages may still be under way at the end, in milliseconds. */
const LAST_MESSAGES_MS = 3000;

/** From this share of its core on the generator may be what limits. */
const BUSY = 0.9;

/** How late the generator may send, in milliseconds, one message in a hundred excepted. */
const MAX_LAG_MS = 1;

/** Windows shorter than this, in milliseconds, are too few ticks to tell who was busy. */
const MIN_WINDOW_MS = 400;

/** Says so when the generator was busy and the server was not. */
function limitOf(...usages: readonly Usage[]): Pick<Report, "limit"> {
  const { wallMs, serverMs, generatorMs } = sumOf(usages);
  const [server, generator] = [serverMs / wallMs, generatorMs / wallMs];
  if (wallMs < MIN_WINDOW_MS || generator <= BUSY || server >= BUSY) return {};
  return {
    limit: `the generator's core was ${percent(generator)} busy, the server's ${percent(server)}`,
  };
}

function sumOf(usages: readonly Usage[]): Usage {
  return usages.reduce((sum, { wallMs, serverMs, generatorMs }) => ({
    wallMs: sum.wallMs + wallMs,
    serverMs: sum.serverMs + serverMs,
    generatorMs: sum.generatorMs + generatorMs,
  }));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Microseconds of the server's CPU per piece of work. */
function cpuUs({ serverMs }: Usage, work: number): number {
  return serverMs * 1000 / work;
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
}

/** Runs one load. */
export function run(crowds: Crowds, pid: number, load: Load): Promise<Outcome> {
  switch (load.kind) {
    case "relay":
      return relay(crowds, pid, load);
    case "latency":
      return latency(crowds, pid, load);
    case "join":
      return join(crowds, pid, load);
    case "idle":
      return idle(crowds, pid, load);
    case "rooms":
      return rooms(crowds, pid, load);
  }
}

async function relay(crowds: Crowds, pid: number, load: LoadOf<"relay">): Promise<Outcome> {
  const pairs = await makePairs(crowds, load.rooms, load.message, load.size);
  let sent = 0;
  let arrived = 0;
  let isOver = false;
  const halves = pairs.flat();
  for (const { client, frame, arrivingLength } of halves) {
    client.onText = ({ length }) => {
      if (length !== arrivingLength) return;
      arrived++;
      if (isOver) return;
      sent++;
      client.send(frame);
    };
  }
  for (const { client, frame } of halves) {
    sent++;
    client.send(frame);
  }
  crowds.wait(load.warmUpMs);
  const before = arrived;
  const end = measure(pid);
  crowds.wait(load.ms);
  const relayed = arrived - before;
  const usage = end();
  isOver = true;
  crowds.serve(() => arrived === sent, LAST_MESSAGES_MS);
  return {
    figures: { cpu: cpuUs(usage, relayed), rate: relayed / usage.wallMs * 1000 },
    lost: sent - arrived,
    ...limitOf(usage),
  };
}

async function latency(crowds: Crowds, pid: number, load: LoadOf<"latency">): Promise<Outcome> {
  const halves = (await makePairs(crowds, load.rooms, "offer", load.size)).flatMap(
    ([first, second]) => [{ from: first, to: second }, { from: second, to: first }],
  );
  const gap = 1000 / load.rate;
  const skipped = Math.floor(load.warmUpMs / gap);
  const total = skipped + Math.floor(load.ms / gap);
  const latencies = new Float64Array(total - skipped);
  const lags = new Float64Array(total - skipped);
  let sent = 0;
  let arrived = 0;
  let counted = 0;
  const start = performance.now() + 20;
  halves.forEach(({ to: { client, arrivingLength } }, index) => {
    let next = index; // What is sent to one peer arrives in order.
    client.onText = ({ length }) => {
      if (length !== arrivingLength) return;
      arrived++;
      if (next >= skipped) latencies[counted++] = performance.now() - (start + next * gap);
      next += halves.length;
    };
  });
  let end: () => Usage = measure(pid);
  while (sent < total) {
    for (let due = start + sent * gap; due <= performance.now() && sent < total; due += gap) {
      if (sent === skipped) end = measure(pid);
      const half = halves[sent % halves.length];
      half?.from.client.send(half.from.frame);
      if (sent >= skipped) lags[sent - skipped] = performance.now() - due;
      sent++;
    }
    crowds.world.sockets.poll(0);
  }
  const usage = end();
  crowds.serve(() => arrived === sent, LAST_MESSAGES_MS);
  const sorted = latencies.subarray(0, counted).sort();
  const lag = quantile(lags.sort(), 0.99);
  return {
    figures: {
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      p999: quantile(sorted, 0.999),
      cpu: cpuUs(usage, total - skipped),
    },
    lost: sent - arrived,
    ...(lag > MAX_LAG_MS ? { limit: `the generator sent ${lag.toFixed(1)} ms late (p99)` } : {}),
  };
}

async function join(crowds: Crowds, pid: number, load: LoadOf<"join">): Promise<Outcome> {
  const first = await crowds.make(load.clients, load.perRoom);
  const figures: Record<string, number> = {};
  const usages: Usage[] = [];
  for (const [name, clients] of [["cpu", first], ["again", crowds.again(first)]] as const) {
    const end = measure(pid);
    const joined = crowds.join(clients, CONCURRENCY);
    const usage = end();
    figures[name] = cpuUs(usage, joined);
    usages.push(usage);
    crowds.leave(clients);
    crowds.wait(200);
  }
  return { figures, lost: 0, ...limitOf(...usages) };
}

async function idle(crowds: Crowds, pid: number, load: LoadOf<"idle">): Promise<Outcome> {
  const first = await crowds.make(load.clients, load.perRoom);
  crowds.wait(500);
  const before = residentKb(pid);
  const perPeer = () => (residentKb(pid) - before) / load.clients;
  const round = (clients: typeof first) => {
    crowds.join(clients, CONCURRENCY);
    crowds.wait(load.settleMs);
    const present = perPeer();
    crowds.leave(clients);
    crowds.wait(load.settleMs);
    return { present, kept: perPeer() };
  };
  const one = round(first);
  if (!load.comeAgain) return { figures: { ...one }, lost: 0 };
  const two = round(crowds.again(first));
  return {
    figures: {
      present: one.present,
      kept: one.kept,
      presentAgain: two.present,
      keptAgain: two.kept,
      growth: two.kept / one.kept,
    },
    lost: 0,
  };
}

async function rooms(crowds: Crowds, pid: number, load: LoadOf<"rooms">): Promise<Outcome> {
  const warmUp = await crowds.make(Math.min(load.joins, 2000), 10);
  crowds.join(warmUp, CONCURRENCY);
  crowds.leave(warmUp);
  const perJoin: number[] = [];
  const usages: Usage[] = [];
  for (const size of load.sizes) {
    const clients = await crowds.make(load.joins, size);
    const before = usages.length;
    for (let at = 0; at < clients.length; at += size) {
      const room = clients.slice(at, at + size);
      const end = measure(pid);
      crowds.join(room, CONCURRENCY_IN_ONE_ROOM);
      usages.push(end());
      const longest = room.map(({ list }) => list).reduce((a, b) => b.length > a.length ? b : a);
      const listed = new Set(crowds.world.protocol.listed?.(longest)).size;
      if (listed !== size - 1) note(crowds.world, `a list names ${listed} of ${size - 1} peers`);
      crowds.leave(room);
    }
    perJoin.push(cpuUs(sumOf(usages.slice(before)), load.joins));
  }
  const figures: Record<string, number> = {};
  load.sizes.forEach((_, index) => figures[`join${index}`] = perJoin[index] ?? NaN);
  const [first = NaN, second = NaN, third = NaN] = perJoin;
  const [smallest = NaN, , biggest = NaN] = load.sizes;
  // A join of a room of n lists n / 2 ids on average.
  figures["listed"] = (third - first) * 1000 / ((biggest - smallest) / 2);
  figures["double1"] = second / first;
  figures["double2"] = third / second;
  return { figures, lost: 0, ...limitOf(...usages) };
}
