/** What was measured: every sample, what failed, and the medians. */

import type { Report } from "./jobs.ts";
import type { ServerName } from "./servers.ts";

/** Where a failure happened and what it was. */
export interface Failure {
  readonly test: string;
  readonly server: ServerName;
  readonly problem: string;
}

/** The results of a benchmark. */
export class Results {
  /** By test, server and figure. */
  readonly samples: Record<string, Partial<Record<ServerName, Record<string, number[]>>>> = {};
  readonly failures: Failure[] = [];
  /** Runs in which the generator was what limited, and which count all the same. */
  readonly limited: Failure[] = [];
  /** Runs in which it was, and which were repeated. */
  readonly rejected: Failure[] = [];
  /** Servers that could not be started, and why. */
  readonly leftOut: Partial<Record<ServerName, string>> = {};
  lost = 0;

  /** Takes a report in. */
  add(test: string, server: ServerName, { figures, lost, problems, limit }: Report): void {
    const ofServer = (this.samples[test] ??= {})[server] ??= {};
    for (const [name, value] of Object.entries(figures)) (ofServer[name] ??= []).push(value);
    this.lost += lost;
    if (lost > 0) this.fail(test, server, `${lost} messages were lost`);
    for (const problem of problems) this.fail(test, server, problem);
    if (limit !== undefined) this.limited.push({ test, server, problem: limit });
  }

  /** Notes a run whose figures count for nothing, since the generator was what limited. */
  reject(test: string, server: ServerName, problem: string): void {
    this.rejected.push({ test, server, problem });
  }

  /** Whether the figures are those of the servers: no run failed, and no run that counts was limited. */
  get isValid(): boolean {
    return this.failures.length === 0 && this.limited.length === 0;
  }

  /** Why the figures are not valid, in words. */
  get problems(): string[] {
    return [...this.failures, ...this.limited].map(({ test, server, problem }) =>
      `${test}, ${server}: ${problem}`
    );
  }

  /** Notes a failure. */
  fail(test: string, server: ServerName, problem: string): void {
    this.failures.push({ test, server, problem });
  }

  /** Whether the generator limited a server in a test, in any round. */
  wasLimited(test: string, server: ServerName): boolean {
    return this.limited.some((limit) => limit.test === test && limit.server === server);
  }

  /** The median of a figure, if there is one. */
  median(test: string, server: ServerName, figure: string): number | undefined {
    return median(this.samples[test]?.[server]?.[figure] ?? []);
  }
}

/** The middle one, or what is between the two in the middle. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}
