/** Examines deployments in tests. */

import { type DoctorOptions, type Examination, examine } from "../../src/doctor/doctor.ts";
import type { StepName, StepReport } from "../../src/doctor/report.ts";
import { parseTarget } from "../../src/doctor/target.ts";

export interface Examined extends Examination {
  /** The report of a step, or of one of several. */
  step(name: StepName, about?: string): StepReport;
  /** `step: seen. change` of each that failed. */
  readonly failures: readonly string[];
}

/** Examines what is at a URL, without waiting for idle sockets unless told to. */
export async function examineUrl(
  url: string,
  options: Partial<DoctorOptions> = {},
): Promise<Examined> {
  const examination = await examine({
    target: parseTarget(url),
    idleSeconds: [],
    signal: new AbortController().signal,
    onStep() {},
    ...options,
  });
  const { steps } = examination;
  return {
    ...examination,
    step(name, about) {
      const found = steps.find((one) => one.step === name && one.about === about);
      if (found === undefined) throw new Error(`No step ${name}: ${JSON.stringify(steps)}`);
      return found;
    },
    failures: steps.filter(({ status }) => status === "fail")
      .map(({ step, seen, change }) => `${step}: ${seen}. ${change}`),
  };
}
