/** What a soak has done and seen, and what went wrong. */

/** Problems that are kept word for word; more are only counted. */
const MAX_PROBLEMS = 20;

/** The counts of a soak, in the order of the report. */
export interface Counts {
  connects: number;
  churn: number;
  storms: number;
  takeovers: number;
  reloads: number;
  consumers: number;
  pushes: number;
  relayed: number;
  junk: number;
  stalls: number;
  unanswered: number;
  bystanders: number;
}

/** What each count is called in the report. */
export const LABELS: Readonly<Record<keyof Counts, string>> = {
  connects: "connects",
  churn: "churn visits",
  storms: "storms",
  takeovers: "takeovers",
  reloads: "reloads",
  consumers: "consumers",
  pushes: "list pushes",
  relayed: "messages relayed",
  junk: "junk frames and requests",
  stalls: "stalls",
  unanswered: "unanswered closes",
  bystanders: "bystander messages",
};

/** The counts and problems of one phase. */
export class Tally {
  readonly counts: Counts = {
    connects: 0,
    churn: 0,
    storms: 0,
    takeovers: 0,
    reloads: 0,
    consumers: 0,
    pushes: 0,
    relayed: 0,
    junk: 0,
    stalls: 0,
    unanswered: 0,
    bystanders: 0,
  };
  readonly problems: string[] = [];
  #problemCount = 0;

  /** How many problems there were, kept or not. */
  get problemCount(): number {
    return this.#problemCount;
  }

  /** Takes note of something that must not happen. */
  problem(text: string): void {
    this.#problemCount++;
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(text);
  }
}
