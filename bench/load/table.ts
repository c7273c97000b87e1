/** The table of medians with ratios, as Markdown, and what has to be said below it. */

import { nodeVersion } from "./packages.ts";
import type { Measure, Test } from "./plan.ts";
import type { Failure, Results } from "./results.ts";
import { RAISED_LIMITS } from "./commands.ts";
import { FEATURES } from "./features.ts";
import { type ServerName, serverOf } from "./servers.ts";

/** What was run. */
export interface Run {
  readonly command: string;
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly tests: Readonly<Record<string, Test>>;
  readonly servers: readonly ServerName[];
  /** The columns of the table of features; none without it. */
  readonly featureTests: Readonly<Record<string, Test>>;
}

/** Where and when a benchmark was run. */
export interface Setting {
  readonly date: string;
  readonly machine: string;
  readonly versions: string;
}

/** Looks at the machine. */
export async function setting(): Promise<Setting> {
  const [, model = "unknown CPU"] = /^model name\s*: (.*)$/m.exec(
    Deno.readTextFileSync("/proc/cpuinfo"),
  ) ?? [];
  const gigabytes = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const { deno, v8 } = Deno.version;
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    machine: `${navigator.hardwareConcurrency} × ${model}, ${gigabytes} GB, Linux ${
      Deno.osRelease().split("-")[0]
    }`,
    versions: `Deno ${deno}, V8 ${v8}, Node ${await nodeVersion() ?? "none"}`,
  };
}

/** The table. */
function tableOf(run: Run, results: Results): string {
  const servers = run.servers.filter((name) =>
    Object.values(results.samples).some((test) => test[name] !== undefined)
  );
  const rows = [[
    "",
    ...servers.map((name) => serverOf(name).title),
    "against",
    "at most",
  ]];
  for (const [name, test] of Object.entries(run.tests)) {
    for (const measure of test.measures) {
      rows.push([
        measure.title,
        ...servers.map((server) => cell(results, name, server, measure)),
        measure.yardstick === undefined ? "" : serverOf(measure.yardstick).title,
        measure.atMost?.toString() ?? "",
      ]);
    }
  }
  return markdown(rows);
}

function cell(results: Results, test: string, server: ServerName, measure: Measure): string {
  const { figure, digits, yardstick } = measure;
  const value = results.median(test, server, figure);
  if (value === undefined) return "";
  const baseline = yardstick && results.median(test, yardstick, figure);
  const ratio = baseline === undefined || baseline <= 0
    ? ""
    : ` (${(value / baseline).toFixed(2)})`;
  const mark = results.wasLimited(test, server) ? " \\*" : "";
  return `${value.toFixed(digits)}${ratio}${mark}`;
}

function markdown(rows: readonly string[][]): string {
  const widths =
    rows[0]?.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = rows;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

/** What each feature costs: a row each, in each cell the figure without it and with it. */
function featureTableOf({ featureTests }: Run, results: Results): string {
  const columns = Object.entries(featureTests).flatMap(([name, { measures }]) =>
    measures.map((measure) => ({ name, measure }))
  );
  return markdown([
    ["without → with", ...columns.map(({ measure }) => measure.title)],
    ...FEATURES.map(({ title, off, on }) => [
      title,
      ...columns.map(({ name, measure: { figure, digits } }) => {
        const [without, having] = [off, on].map((server) => results.median(name, server, figure));
        if (without === undefined || having === undefined) return "";
        const ratio = (having / without).toFixed(2);
        return `${without.toFixed(digits)} → ${having.toFixed(digits)} (${ratio})`;
      }),
    ]),
  ]);
}

/** All that was measured, as Markdown. */
export function tablesOf(run: Run, results: Results): string {
  const main = Object.keys(run.tests).length === 0 ? [] : [tableOf(run, results)];
  const features = Object.keys(run.featureTests).length === 0 ? [] : [
    "What each feature costs:",
    featureTableOf(run, results),
  ];
  return [...main, ...features, notesOf(run, results)].join("\n\n");
}

/** What has to be said of a table, a list item each. */
function notesOf(run: Run, results: Results): string {
  const left = Object.entries(results.leftOut);
  const raised = Object.entries(RAISED_LIMITS).map(([name, value]) => `${name}=${value}`);
  return [
    `Medians of ${run.rounds} ${run.rounds === 1 ? "round" : "rounds"}, the order of the servers ` +
    "alternating, in parentheses the ratio to the server named under _against_; _at most_ is what " +
    "that ratio of this server is to be. Each server alone on one core, started again for each " +
    "test, the load on another core. CPU is user and system time of the server's process.",
    ...run.isQuick ? ["Quick: this shows that the benchmark works and no more than that."] : [],
    "Ratios hold within a row; figures of another hour or machine do not compare.",
    `This server runs as shipped, but for ${raised.join(", ")}.`,
    ...run.servers.filter((name) => results.leftOut[name] === undefined).map((name) =>
      `${serverOf(name).title}: ${serverOf(name).about}`
    ),
    ...left.map(([name, reason]) => `Left out: ${serverOf(name as ServerName).title} (${reason})`),
    results.lost === 0 ? "No message was lost." : `LOST: ${results.lost} messages.`,
    ...results.failures.map((failure) => `FAILED: ${sentence(failure)}`),
    ...results.limited.map((limit) => `\\* ${sentence(limit)}`),
    ...Object.keys(run.featureTests).length === 0 ? [] : [
      "\\*\\* `createSignalingHandler` in a program of its own, without and with the feature; what is " +
      "revoked is revoked before it listens.",
    ],
    ...results.rejected.length === 0 ? [] : [
      `${results.rejected.length} runs were repeated because the load generator was late or busy.`,
    ],
  ].map((note) => `- ${note}`).join("\n");
}

function sentence({ test, server, problem }: Failure): string {
  return `${test}, ${serverOf(server).title}: ${problem}`;
}

const BEGIN = "<!-- measured: begin -->";
const END = "<!-- measured: end -->";

/**
 * The page that keeps the results of a run: what stands between two comments on the page as it was is
 * replaced; a page without them is written as a whole.
 */
export function pageOf(
  before: string,
  run: Run,
  results: Results,
  { date, machine, versions }: Setting,
): string {
  const measured = [
    BEGIN,
    `${date}; ${machine}; ${versions}.`,
    `\`\`\`sh\n${run.command}\n\`\`\``,
    tablesOf(run, results),
    END,
  ].join("\n\n");
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin === -1 || end < begin) return `# Results of the load benchmark\n\n${measured}\n`;
  return before.slice(0, begin) + measured + before.slice(end + END.length);
}
