// deno-lint-ignore-file no-console
/**
 * The `bench:million` command: what a server for ten thousand to a million peers uses, where it breaks
 * first, and how sure that is. `docs/scaling.md` has its tables. The model is in `million/model.ts`
 * (steady state) and `million/events.ts` (what goes wrong).
 */

import { parseArgs } from "node:util";
import { setting } from "./load/table.ts";
import { FULL, measureCosts, QUICK } from "./million/calibrate.ts";
import {
  ALL_COSTS,
  type Calibration,
  forEachCost,
  medianCosts,
  rangeOf,
  storeCalibration,
  storedCalibration,
} from "./million/costs.ts";
import { type Report, reportOf, table } from "./million/report.ts";
import {
  FIGURES,
  type Figures,
  FULL_RUN,
  measureRun,
  predict,
  QUICK_RUN,
} from "./million/verify.ts";

const HELP = `Simulates a server for up to a million peers with the stored costs.
  --calibrate   measures the costs here and stores them in bench/million/costs.json
  --verify      measures them, lets the model predict a real run, and compares (two cores, Redis)
  --rounds N    rounds of both, which may be together (default 3, with --quick 1)
  --quick       seconds instead of minutes: shows that it works; stores nothing
  --docs        writes the tables into docs/scaling.md`;

/** Draws of costs and assumptions. */
export const DRAWS = 30;

/** Where a table stands in a text, and what it is called there. */
const MARK = (name: string) =>
  new RegExp(`(<!-- bench:million ${name} -->\n\n)[^]*?(\n\n<!-- end -->)`);

/** Puts the tables in their places. */
export function withTables(text: string, report: Report): string {
  return Object.entries(report).reduce(
    (before, [name, tableText]) =>
      before.replace(MARK(name), (_, start, end) => `${start}${tableText}${end}`),
    text,
  );
}

/** Measures the costs in some rounds, and after each what a real run uses. */
async function measure(
  { rounds, isQuick, isVerified }: { rounds: number; isQuick: boolean; isVerified: boolean },
): Promise<{ calibration: Calibration; runs: Figures[] }> {
  const { date, machine, versions } = await setting();
  const samples = forEachCost((): number[] => []);
  const runs: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    const costs = await measureCosts(isQuick ? QUICK : FULL);
    for (const name of ALL_COSTS) samples[name].push(Number(costs[name].toPrecision(4)));
    if (isVerified) runs.push(await measureRun(isQuick ? QUICK_RUN : FULL_RUN));
  }
  return { calibration: { date, machine, versions, samples }, runs };
}

/** What the medians of the costs predict of a run beside what runs have used. */
function comparisonTable(predicted: Figures, runs: readonly Figures[]): string {
  return table([
    ["What", "Predicted", "Measured", "Ratio", "Measured in each round"],
    ...(Object.keys(FIGURES) as (keyof Figures)[]).map((name) => {
      const measured = runs.map((run) => run[name]);
      const { mid } = rangeOf(measured);
      return [
        FIGURES[name],
        predicted[name].toFixed(1),
        mid.toFixed(1),
        (predicted[name] / mid).toFixed(2),
        measured.map((one) => one.toFixed(1)).join(", "),
      ];
    }),
  ]);
}

function print(calibration: Calibration, report: Report): void {
  const { date, machine, versions } = calibration;
  console.log(`Costs of ${date}; ${machine}; ${versions}.`);
  console.log("In parentheses: where nine of ten draws of costs and assumptions lie.");
  for (const [name, text] of Object.entries(report)) console.log(`\n${name}:\n\n${text}`);
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean" },
      calibrate: { type: "boolean" },
      verify: { type: "boolean" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      docs: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const isVerified = values.verify ?? false;
  if (isVerified || values.calibrate) {
    const isQuick = values.quick;
    const { calibration, runs } = await measure({ rounds, isQuick, isVerified });
    const predicted = predict(isQuick ? QUICK_RUN : FULL_RUN, medianCosts(calibration));
    if (isVerified) console.log(comparisonTable(predicted, runs));
    if (values.calibrate && !isQuick) await storeCalibration(calibration);
    return 0;
  }
  const calibration = await storedCalibration();
  const report = reportOf(calibration, values.quick ? 20 : DRAWS);
  print(calibration, report);
  if (values.docs) {
    const file = new URL("../docs/scaling.md", import.meta.url);
    await Deno.writeTextFile(file, withTables(await Deno.readTextFile(file), report));
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args)); // Sockets that are open do not keep it.
