/**
 * The two lock files: `deno.lock` is the server's, and Deno fetches all of it before any task;
 * `tests/deno.lock` has besides what tests and examples import.
 */

import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import http from "../../vendor/std_http/deno.json" with { type: "json" };
import { ROOT } from "../helpers/command.ts";

interface Lock {
  /** The version that each range stands for. */
  readonly specifiers: Record<string, string>;
  readonly npm: Record<string, unknown>;
  /** What deno.json imports: `--frozen`, and a folder that cannot be written, need all of it. */
  readonly workspace: { readonly dependencies: readonly string[] };
}

async function readLock(path: string): Promise<Lock> {
  return JSON.parse(await Deno.readTextFile(ROOT + path));
}

/** `npm:/name@1.0.0/` or `npm:name@^1` as `name`. */
function packageOf(specifier: string): string {
  return /^npm:\/?((?:@[^/]+\/)?[^@/]+)@/.exec(specifier)?.[1] ?? "";
}

Deno.test("deno.lock: it has what the server imports, and nothing of tests and examples", async () => {
  const { npm } = await readLock("deno.lock");
  const imports = [...Object.values(config.imports), ...Object.values(http.imports)];
  const expected = imports.filter((target) => target.startsWith("npm:")).map(packageOf);
  const help = "After `deno test` without `--lock=tests/deno.lock`: git checkout deno.lock";
  const locked = Object.keys(npm).map((name) => packageOf(`npm:${name}`));
  assertEquals(locked.sort(), expected.sort(), help);
});

Deno.test("deno.lock: it names every import of deno.json, so that the image builds", async () => {
  const { workspace } = await readLock("deno.lock");
  const imports = [config.imports, ...Object.values(config.scopes)].flatMap(Object.values);
  const nameOf = (specifier: string) => /^\w+:\/?((?:@[^/]+\/)?[^@/]+)@/.exec(specifier)?.[1] ?? "";
  assertEquals(new Set(workspace.dependencies.map(nameOf)), new Set(imports.map(nameOf)));
});

Deno.test("tests/deno.lock: it has the versions of deno.lock, so that the tests test them", async () => {
  const { specifiers } = await readLock("deno.lock");
  const all = await readLock("tests/deno.lock");
  for (const [range, version] of Object.entries(specifiers)) {
    assertEquals(all.specifiers[range], version, range);
  }
  assert(Object.keys(all.npm).length > 50);
});
