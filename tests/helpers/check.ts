/** What `check --connect` prints. */

import { assert } from "@std/assert";
import { runMain } from "./main.ts";

export interface Checked {
  readonly code: number;
  /** The lines about servers. */
  readonly answers: string;
}

/** Runs it with these settings. Fails if it prints a secret: each of a test contains `hush`. */
export async function checkConnect(env: Record<string, string>): Promise<Checked> {
  const { code, stdout, stderr } = await runMain(["check", "--connect"], { env });
  assert(!/hush/.test(stdout + stderr), stdout + stderr);
  return { code, answers: stdout.split("\n\n")[1] ?? "" };
}
