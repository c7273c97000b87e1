/** One phase of a soak: bystanders, and around them everything at once until it is told to end. */

import { Pair } from "./bystanders.ts";
import { churn, consume, reload, storm } from "./crowd.ts";
import { junk } from "./junk.ts";
import type { Random } from "../../tests/helpers/random.ts";
import { ignoreClose, stall } from "./stalls.ts";
import { ROOMS, sleep, type World } from "./world.ts";

/** Something that goes on over and over. */
interface Lane {
  readonly act: (world: World, random: Random) => Promise<void>;
  /** How many at once. */
  readonly count: number;
  /** Milliseconds between two, at most. */
  readonly pauseMs: number;
}

const LANES: readonly Lane[] = [
  { act: churn, count: 16, pauseMs: 100 },
  { act: storm, count: 1, pauseMs: 2000 },
  { act: reload, count: 4, pauseMs: 500 },
  { act: consume, count: 8, pauseMs: 500 },
  { act: stall, count: 12, pauseMs: 1000 },
  { act: ignoreClose, count: 6, pauseMs: 500 },
  { act: junk, count: 6, pauseMs: 100 },
];

/** What a soak does before its first storm, so that a short one has seen some of everything. */
const LEAD_MS = 100;

/** A phase that is under way. */
export class Phase {
  readonly #world: World;
  readonly #pairs: readonly Pair[];
  readonly #lanes: Promise<unknown>;

  private constructor(world: World, pairs: readonly Pair[], random: Random) {
    this.#world = world;
    this.#pairs = pairs;
    const runs = LANES.flatMap((lane) =>
      Array.from({ length: lane.count }, () => run(lane, world, random.fork()))
    );
    this.#lanes = Promise.all(runs);
  }

  /** Lets the bystanders in, then everybody else. */
  static async start(world: World, random: Random): Promise<Phase> {
    const pairs = await Promise.all(ROOMS.map((room) => Pair.start(world, room, random.fork())));
    return new Phase(world, pairs, random);
  }

  /** Lets everybody come to an end but the bystanders, and those that have stopped. */
  async endCrowd(): Promise<void> {
    this.#world.end();
    await this.#lanes;
  }

  /** Lets the bystanders leave, and ends whatever is left. */
  async endAll(): Promise<void> {
    await Promise.all(this.#pairs.map((pair) => pair.stop()));
    this.#world.dropAll();
  }
}

/** How many peers the bystanders are. */
export const BYSTANDERS = ROOMS.length * 2;

async function run({ act, pauseMs }: Lane, world: World, random: Random): Promise<void> {
  await sleep(random.int(LEAD_MS));
  while (!world.isEnding) {
    try {
      await act(world, random);
    } catch (error) {
      world.tally.problem(`${act.name}: ${error instanceof Error ? error.message : error}`);
    }
    await world.rest(random.int(pauseMs));
  }
}
