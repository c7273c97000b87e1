/** The tests: which servers take part, what load they get, and which measures come of it. */

import type { Load } from "./jobs.ts";
import { FEATURES } from "./features.ts";
import type { ServerName } from "./servers.ts";

/** One row of the table. */
export interface Measure {
  /** The name of the figure in the report. */
  readonly figure: string;
  readonly title: string;
  readonly digits: number;
  /** Whose figure ratios are taken against. */
  readonly yardstick?: ServerName;
  /** What the ratio of this server is to be at most; for a measure without yardstick, the figure. */
  readonly atMost?: number;
}

/** One test. */
export interface Test {
  readonly servers: readonly ServerName[];
  readonly measures: readonly Measure[];
  /** `start` has no load: the server is started. */
  readonly load: (isQuick: boolean) => Load | "start";
}

const RELAYS = ["auth", "open", "peerjs", "y-webrtc", "rxdb", "ws", "json", "scan"] as const;
const JOINED = ["auth", "open", "ws", "json", "scan", "verify"] as const;

function relay(message: "offer" | "candidate", size: number, title: string, atMost?: number): Test {
  return {
    servers: RELAYS,
    measures: [
      {
        figure: "cpu",
        title: `CPU µs, ${title}`,
        digits: 1,
        yardstick: "json",
        ...atMost === undefined ? {} : { atMost },
      },
    ],
    load: (isQuick) => ({
      kind: "relay",
      message,
      size,
      rooms: isQuick ? 20 : 100,
      warmUpMs: isQuick ? 100 : 2000,
      ms: isQuick ? 250 : 6000,
    }),
  };
}

function join(servers: readonly ServerName[], title: string, yardstick: ServerName): Test {
  return {
    servers,
    measures: [
      {
        figure: "cpu",
        title: `CPU µs, connect and join ${title}`,
        digits: 0,
        yardstick,
        atMost: yardstick === "verify" ? 1.25 : 1.15,
      },
      {
        figure: "again",
        title: `CPU µs, the same clients again ${title}`,
        digits: 0,
        yardstick,
      },
    ],
    load: (isQuick) => ({ kind: "join", clients: isQuick ? 100 : 5000, perRoom: 10 }),
  };
}

const idlePeers = (isQuick: boolean) => isQuick ? 1000 : 10_000;

/** The sizes of the big rooms. */
export function roomSizes(isQuick: boolean): readonly [number, number, number] {
  return isQuick ? [50, 100, 200] : [500, 1000, 2000];
}

/** Every test, by the name by which `--tests` knows it. */
export function tests(isQuick: boolean): Readonly<Record<string, Test>> {
  const [small, middle, big] = roomSizes(isQuick);
  return {
    relay3k: relay("offer", 3000, "relay of a 3 kB offer", 1),
    relay600: relay("offer", 600, "relay of a 600 B offer", 0.85),
    relay150: relay("candidate", 150, "relay of a 150 B candidate", 0.88),
    join: join(
      ["open", "peerjs", "y-webrtc", "rxdb", "ws", "json", "scan"],
      "without auth",
      "json",
    ),
    "join-auth": join(["auth", "verify"], "with a token", "verify"),
    latency: {
      servers: RELAYS,
      measures: [
        { figure: "p50", title: "ms, latency p50 at 5,000 a second", digits: 2, yardstick: "json" },
        { figure: "p99", title: "ms, p99", digits: 2, yardstick: "json", atMost: 1.2 },
        { figure: "p999", title: "ms, p99.9", digits: 2, yardstick: "json" },
        { figure: "cpu", title: "CPU µs a message at that rate", digits: 1, yardstick: "json" },
      ],
      load: () => ({
        kind: "latency",
        size: 600,
        rooms: isQuick ? 20 : 100,
        rate: 5000,
        warmUpMs: isQuick ? 100 : 2000,
        ms: isQuick ? 250 : 8000,
      }),
    },
    room: {
      servers: JOINED,
      measures: [
        ...[small, middle, big].map((size, index): Measure => ({
          figure: `join${index}`,
          title: `CPU µs, join of a room of ${size}`,
          digits: 0,
          yardstick: "json",
        })),
        {
          figure: "listed",
          title: `CPU ns per id listed, from ${small} to ${big} peers`,
          digits: 0,
        },
        { figure: "double1", title: `a join of ${middle} ÷ of ${small}`, digits: 2, atMost: 2 },
        { figure: "double2", title: `a join of ${big} ÷ of ${middle}`, digits: 2, atMost: 2 },
      ],
      load: () => ({ kind: "rooms", sizes: [small, middle, big], joins: isQuick ? 200 : 4000 }),
    },
    idle: {
      servers: [...RELAYS, "verify", "idle"],
      measures: [
        {
          figure: "present",
          title: `KB resident per idle peer of ${idlePeers(isQuick).toLocaleString("en")}`,
          digits: 1,
          yardstick: "verify",
          atMost: 1,
        },
        { figure: "kept", title: "KB of it kept after all left", digits: 1, yardstick: "verify" },
        { figure: "presentAgain", title: "KB in a second round", digits: 1, yardstick: "verify" },
        { figure: "keptAgain", title: "KB kept after that", digits: 1, yardstick: "verify" },
        { figure: "growth", title: "kept after the second ÷ first round", digits: 2, atMost: 1.05 },
      ],
      load: () => ({
        kind: "idle",
        comeAgain: true,
        clients: idlePeers(isQuick),
        perRoom: 4,
        settleMs: isQuick ? 200 : 3000,
      }),
    },
    start: {
      servers: [...RELAYS, "verify"],
      measures: [
        {
          figure: "ms",
          title: "ms, start to first /health",
          digits: 0,
          yardstick: "verify",
          atMost: 1.3,
        },
      ],
      load: () => "start",
    },
  };
}

/** The servers of the table of features, each once. */
export const FEATURE_TABLE_SERVERS: readonly ServerName[] = [
  ...new Set(FEATURES.flatMap(({ off, on }) => [off, on])),
];

/** The tests of the table of features: a column each, shorter than the others. */
export function featureTests(isQuick: boolean): Readonly<Record<string, Test>> {
  const test = (measure: Measure, load: Load | "start"): Test => ({
    servers: FEATURE_TABLE_SERVERS,
    measures: [measure],
    load: () => load,
  });
  return {
    "features-relay": test(
      { figure: "cpu", title: "CPU µs, relay of a 600 B offer", digits: 1 },
      {
        kind: "relay",
        message: "offer",
        size: 600,
        rooms: isQuick ? 20 : 100,
        warmUpMs: isQuick ? 100 : 500,
        ms: isQuick ? 250 : 2000,
      },
    ),
    "features-join": test(
      { figure: "cpu", title: "CPU µs, connect and join", digits: 0 },
      { kind: "join", clients: isQuick ? 100 : 2500, perRoom: 10 },
    ),
    "features-idle": test(
      { figure: "present", title: "KB resident per idle peer", digits: 1 },
      {
        kind: "idle",
        comeAgain: false,
        clients: isQuick ? 200 : 3000,
        perRoom: 4,
        settleMs: isQuick ? 100 : 1000,
      },
    ),
    "features-start": test(
      { figure: "ms", title: "ms, start to first /health", digits: 0 },
      "start",
    ),
  };
}
