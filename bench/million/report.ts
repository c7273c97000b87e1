/**
 * The tables of the simulation. Each figure is the median over draws of all costs and assumptions from
 * their ranges, with the range in which nine of ten draws lie; the draws follow from one seed.
 */

import { STALLED_MS } from "../../src/cluster/redis/client.ts";
import { Random } from "../../tests/helpers/random.ts";
import {
  BEHAVIOUR,
  type Behaviour,
  PEERS_PER_INSTANCE,
  PLANNED_SHARE,
  type Range,
} from "./assumptions.ts";
import { type Calibration, COST_NAMES, type Costs, forEachCost, rangeOf } from "./costs.ts";
import { type Events, eventsOf, GIVE_UP_MS, losesRedis, revocationsMs } from "./events.ts";
import { deploymentFor, type DeploymentUse, steadyUse } from "./model.ts";
import { MAX_REVOCATIONS } from "../../src/access/revocations.ts";

const SEED = 1;
const SIZES = [10_000, 100_000, 1_000_000] as const;
const SHARDS = [1, 2, 4, 8] as const;
const MOST_PEERS = 100_000_000;

/** One choice of every cost and assumption. */
export interface Draw {
  readonly costs: Costs;
  readonly behaviour: Behaviour;
}

/** So many draws; the first has the medians. */
export function drawsOf({ samples }: Pick<Calibration, "samples">, count: number): Draw[] {
  const random = new Random(SEED);
  const from = ({ low, mid, high }: Range, share: number) =>
    share < 0.5 ? low + (mid - low) * 2 * share : mid + (high - mid) * (2 * share - 1);
  return Array.from({ length: count }, (_, n) => {
    const share = () => n === 0 ? 0.5 : random.int(1_000_000) / 1_000_000;
    const behaviour = Object.fromEntries(
      Object.entries(BEHAVIOUR).map(([name, range]) => [name, from(range, share())]),
    ) as Record<keyof typeof BEHAVIOUR, number>;
    return { behaviour, costs: forEachCost((name) => from(rangeOf(samples[name]), share())) };
  });
}

/** The value of the first draw, and where nine of ten lie. */
function spreadOf(values: readonly number[]): Range {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)] ?? NaN;
  return { low: at(0.05), mid: values[0] ?? NaN, high: at(0.95) };
}

/** What a table shows of one deployment. */
interface Simulated {
  readonly use: DeploymentUse;
  readonly events: Events;
}

/** All that is printed, as Markdown, by name. */
export interface Report {
  readonly steady: string;
  readonly events: string;
  readonly limits: string;
  readonly instance: string;
  readonly costs: string;
}

/** Simulates everything, with so many draws. */
export function reportOf(calibration: Calibration, count: number): Report {
  const draws = drawsOf(calibration, count);
  const deployments = [
    ...SIZES.map((peers) => [peers, 1] as const),
    ...SHARDS.slice(1).map((shards) => [1_000_000, shards] as const),
  ];
  const simulated = deployments.map(([peers, shards]) => ({
    peers,
    shards,
    all: draws.map(({ costs, behaviour }): Simulated => {
      const deployment = deploymentFor(peers, shards);
      return {
        use: steadyUse(deployment, behaviour, costs),
        events: eventsOf(deployment, behaviour, costs),
      };
    }),
  }));
  const cellOf = (all: readonly Simulated[], read: (one: Simulated) => number, unit: Unit) =>
    format(spreadOf(all.map(read)), unit);
  const rowsOf = (columns: readonly [string, (one: Simulated) => number, Unit][]) =>
    table([
      ["Peers", "Instances", "Redis", ...columns.map(([title]) => title)],
      ...simulated.map(({ peers, shards, all }) => [
        thousands(peers),
        String(deploymentFor(peers).instances),
        String(shards),
        ...columns.map(([, read, unit]) => cellOf(all, read, unit)),
      ]),
    ]);
  return {
    steady: rowsOf([
      ["CPU of an instance", ({ use }) => use.instance.cpu, "%"],
      ["its memory", ({ use }) => use.instance.memoryMb, "MB"],
      ["its Mbit/s", ({ use }) => use.instance.megabits, ""],
      ["CPU of each Redis", ({ use }) => use.redis.cpu, "%"],
      ["of what it can do at most", ({ use }) => use.redis.atMost, "%"],
      ["its commands a second", ({ use }) => use.redis.commands, ""],
      ["its memory", ({ use }) => use.redis.memoryMb, "MB"],
      ["its Mbit/s", ({ use }) => use.redis.megabits, ""],
    ]),
    events: rowsOf([
      ["an instance killed: all back", ({ events }) => events.kill.allBackMs, "ms"],
      ["and rooms whole", ({ events }) => events.kill.wholeMs, "ms"],
      ["Redis late by", ({ events }) => events.kill.heartbeatMs, "ms"],
      ["all clients at once: all back", ({ events }) => events.all.allBackMs, "ms"],
      ["Redis late by", ({ events }) => events.all.heartbeatMs, "ms"],
      ["without limit: all back", ({ events }) => events.allUnlimited.allBackMs, "ms"],
      ["Redis late by", ({ events }) => events.allUnlimited.heartbeatMs, "ms"],
      ["Redis started empty: all claimed", ({ events }) => events.reclaimMs, "ms"],
    ]),
    limits: table([
      ["Redis servers", ...LIMITS.map(({ title }) => title)],
      ...SHARDS.map((shards) => [
        String(shards),
        ...LIMITS.map(({ isExceeded }) =>
          format(
            spreadOf(
              draws.slice(0, LIMIT_DRAWS).map((draw) =>
                peersUntil((peers) => isExceeded(draw, peers, shards))
              ),
            ),
            "peers",
          )
        ),
      ]),
    ]),
    instance: table([
      [
        "Peers on an instance",
        "CPU",
        "memory",
        "after a kill of 1 of 40, its CPU",
        `start with ${thousands(MAX_REVOCATIONS)} revocations`,
      ],
      ...[PEERS_PER_INSTANCE, 2 * PEERS_PER_INSTANCE, 4 * PEERS_PER_INSTANCE].map((own) => {
        const instances = 40;
        const all = draws.map(({ costs, behaviour }) => {
          const deployment = { ...deploymentFor(own * instances, 8), instances };
          const { instance } = steadyUse(deployment, behaviour, costs);
          const { kill } = eventsOf(deployment, behaviour, costs);
          return { instance, kill, revocations: revocationsMs(MAX_REVOCATIONS, costs) };
        });
        const cell = (read: (one: typeof all[number]) => number, unit: Unit) =>
          format(spreadOf(all.map(read)), unit);
        return [
          thousands(own),
          cell(({ instance }) => instance.cpu, "%"),
          cell(({ instance }) => instance.memoryMb, "MB"),
          cell(({ kill }) => kill.instanceMs, "ms"),
          cell(({ revocations }) => revocations, "ms"),
        ];
      }),
    ]),
    costs: costTable(calibration),
  };
}

const LIMIT_DRAWS = 20;

/** What ends the growth of a deployment, the instances of which grow with it. */
const LIMITS: readonly {
  readonly title: string;
  readonly isExceeded: (draw: Draw, peers: number, shards: number) => boolean;
}[] = [
  {
    title: `a Redis core is ${PLANNED_SHARE * 100} % busy`,
    isExceeded: ({ costs, behaviour }, peers, shards) =>
      steadyUse(deploymentFor(peers, shards), behaviour, costs).redis.cpu > PLANNED_SHARE,
  },
  {
    title: `and does ${PLANNED_SHARE * 100} % of what it can`,
    isExceeded: ({ costs, behaviour }, peers, shards) =>
      steadyUse(deploymentFor(peers, shards), behaviour, costs).redis.atMost > PLANNED_SHARE,
  },
  {
    title: `all clients at once: Redis ${STALLED_MS / 1000} s late`,
    isExceeded: ({ costs, behaviour }, peers, shards) =>
      losesRedis(eventsOf(deploymentFor(peers, shards), behaviour, costs).all),
  },
];

/** The number of peers from which on something is exceeded. */
export function peersUntil(isExceeded: (peers: number) => boolean): number {
  let [low, high] = [Math.log(2 * PEERS_PER_INSTANCE), Math.log(MOST_PEERS)];
  if (!isExceeded(MOST_PEERS)) return MOST_PEERS;
  for (let n = 0; n < 10; n++) {
    const middle = (low + high) / 2;
    if (isExceeded(Math.exp(middle))) high = middle;
    else low = middle;
  }
  return Math.exp(high);
}

function costTable({ samples }: Calibration): string {
  const titles: readonly [string, string][] = Object.entries(COST_NAMES);
  const costs = new Map(Object.entries(samples));
  return table([
    ["What", "µs or KB", "while asleep, in addition"],
    ...titles.filter(([name]) => !name.endsWith("Wake") || name === "redisWake").map((
      [name, title],
    ) => {
      const wake = costs.get(`${name}Wake`);
      return [
        title,
        format(rangeOf(costs.get(name) ?? []), ""),
        wake === undefined ? "" : format(rangeOf(wake), ""),
      ];
    }),
  ]);
}

type Unit = "%" | "MB" | "ms" | "peers" | "";

function format({ low, mid, high }: Range, unit: Unit): string {
  const [scale, name] = unit === "%"
    ? [100, " %"]
    : unit === "ms"
    ? [0.001, " s"]
    : [1, unit === "MB" ? " MB" : ""];
  const [a, b, c] = [low, mid, high].map((value) => digits(value * scale, unit === "peers"));
  const most = unit === "peers" ? MOST_PEERS : unit === "ms" ? GIVE_UP_MS : Infinity;
  const plus = mid >= most ? "more than " : "";
  return a === c ? `${plus}${b}${name}` : `${plus}${b}${name} (${a} to ${c})`;
}

/** Two digits, which is more than is known. */
function digits(value: number, isMillions: boolean): string {
  if (isMillions) return `${Number((value / 1e6).toPrecision(2))} M`;
  if (Math.abs(value) < 0.005) return "0";
  const rounded = Number(value.toPrecision(2));
  return rounded >= 1000 ? thousands(rounded) : String(rounded);
}

function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A table in Markdown, with columns of equal width as `deno fmt` makes them. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (row: readonly string[], fill = " ") =>
    `| ${widths.map((width, n) => (row[n] ?? "").padEnd(width, fill)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line([], "-"), ...body.map((row) => line(row))].join("\n");
}
