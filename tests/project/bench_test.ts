/** The benchmarks run: nothing is asserted about how fast anything is. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { tests } from "../../bench/load/plan.ts";
import { ROOT, runDeno } from "../helpers/command.ts";
import { hasRedis } from "../helpers/redis.ts";

function benchLoad(...args: string[]): ReturnType<typeof runDeno> {
  return runDeno(["task", "--quiet", "bench:load", ...args], { cwd: ROOT });
}

function benchCluster(...args: string[]): ReturnType<typeof runDeno> {
  return runDeno(["task", "--quiet", "bench:cluster", ...args], { cwd: ROOT });
}

const IS_LINUX = Deno.build.os === "linux" && navigator.hardwareConcurrency > 1;

Deno.test({
  name: "bench:load --quick: every test runs, and no message is lost",
  ignore: !IS_LINUX,
  async fn() {
    const { code, stdout, stderr } = await benchLoad("--quick", "--servers", "auth,json");
    assertEquals(code, 0, stdout + stderr);
    const [head = "", , ...rows] = stdout.split("\n").filter((line) => line.startsWith("|"));
    assertMatch(head, /\| this server +\| Deno json +\| against +\| at most +\|/);
    const measures = Object.values(tests(true)).flatMap(({ servers, measures }) =>
      measures.map(({ title }) => ({
        title,
        isIn: [servers.includes("auth"), servers.includes("json")],
      }))
    );
    assertEquals(rows.map((row) => row.split("|")[1]?.trim()), measures.map(({ title }) => title));
    for (const [index, { title, isIn }] of measures.entries()) {
      const cells = rows[index]?.split("|").slice(2, 4).map((cell) => /^ -?\d/.test(cell));
      assertEquals(cells, isIn, title);
    }
    assertStringIncludes(stdout, "No message was lost.");
  },
});

Deno.test({
  name: "bench:load --json: has every sample",
  ignore: !IS_LINUX,
  async fn() {
    const { code, stdout, stderr } = await benchLoad(
      ...["--quick", "--json", "--tests", "relay150", "--servers", "scan", "--rounds", "2"],
    );
    assertEquals(code, 0, stdout + stderr);
    const { samples, failures, lost, command } = JSON.parse(stdout);
    assertEquals(samples.relay150.scan.cpu.length, 2);
    assertEquals({ failures, lost }, { failures: [], lost: 0 });
    assertStringIncludes(command, "deno task bench:load --quick --json");
  },
});

Deno.test("bench:load: what it does not know is an error", async () => {
  const { code, stderr } = await benchLoad("--tests", "nothing");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "there is no nothing");
});

Deno.test({
  name: "bench:cluster --quick: both tables are whole, the second one for 1, 2 and 4 Redis",
  ignore: !IS_LINUX || !hasRedis,
  async fn() {
    const { code, stdout, stderr } = await benchCluster("--quick");
    assertEquals(code, 0, stdout + stderr);
    const [first = "", second = ""] = stdout.split("\n\n");
    assertMatch(first, /^\| storm of 100 joins over three \| 100 joined in \d+ ms \|/m);
    assertMatch(first, /^\| rooms left in Redis \| 0 \|/m);
    assert(!/NaN|Infinity/.test(stdout), stdout);
    for (const count of [1, 2, 4]) {
      const ofEach = Array(count).fill("[\\d.]+ µs").join(" \\+ ");
      for (const what of ["join", "relay"]) {
        const row = `^\\| ${what}\\b.* ${count} Redis \\| [1-9]\\d* .* \\| ${ofEach} \\|`;
        assertMatch(second, new RegExp(row, "m"));
      }
    }
  },
});

Deno.test("bench:cluster: what it does not know is an error", async () => {
  const { code, stderr } = await benchCluster("--nothing");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "bench:cluster --help");
});

Deno.test("bench: every micro benchmark type-checks", async () => {
  const { code, stderr } = await runDeno(["bench", "--no-run", "--lock=tests/deno.lock", "bench"], {
    cwd: ROOT,
  });
  assertEquals(code, 0, stderr);
});
