/** The soak runs, holds for a few seconds, and has seen some of everything. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT, runDeno } from "../helpers/command.ts";
import { LABELS } from "../../scripts/soak/tally.ts";

function soak(...args: string[]): ReturnType<typeof runDeno> {
  return runDeno(["task", "--quiet", "soak", ...args], { cwd: ROOT });
}

Deno.test("soak: a few seconds leave nothing behind, and no bystander without a message", async () => {
  const { code, stdout, stderr } = await soak("--minutes", "0.05", "--seed", "1");
  assertEquals(code, 0, stdout + stderr);
  for (const label of Object.values(LABELS)) {
    const [, count] = new RegExp(`^${label} +(\\d+)$`, "m").exec(stdout) ?? [];
    assert(Number(count) > 0, `${label}: ${count}\n${stdout}`);
  }
  assertMatch(stdout, /^ok {3}every bystander message came once and in order/m);
});

Deno.test("soak: it says what it takes, and what it does not", async () => {
  const help = await soak("--help");
  assertEquals(help.code, 0);
  assertMatch(help.stdout, /--minutes N[\s\S]*--seed N/);
  for (const args of [["--minutes", "none"], ["--minutes"], ["--seed", "1.5"], ["--other", "1"]]) {
    const { code, stderr } = await soak(...args);
    assertEquals(code, 2, args.join(" "));
    assertMatch(stderr, /not understood/);
  }
});
