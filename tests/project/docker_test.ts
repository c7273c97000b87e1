/** The Dockerfile, step by step in a folder instead of an image: there may be no Docker. */

import { assert, assertEquals } from "@std/assert";
import { until } from "../helpers/client.ts";
import { ROOT, start, startDeno, temporaryFolder } from "../helpers/command.ts";

const DOCKERFILE = await Deno.readTextFile(`${ROOT}Dockerfile`);

/** What every instruction of that name says, with continued lines joined. */
function instructions(name: string): string[] {
  const text = DOCKERFILE.replaceAll("\\\n", "");
  return [...text.matchAll(new RegExp(`^${name} (.*)`, "gm"))].map(([, rest = ""]) => rest);
}

async function run(program: string, args: string[], cwd: string, env = {}): Promise<void> {
  await using command = start(program, args, { cwd, env });
  assertEquals(await command.exited, 0, command.stdout() + command.stderr());
}

/** The bytes of all files in a folder. */
async function sizeOf(path: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const child = `${path}/${name}`;
    bytes += isDirectory ? await sizeOf(child) : (await Deno.stat(child)).size;
  }
  return bytes;
}

Deno.test("Dockerfile: its steps make a small server that runs from the cache alone", async () => {
  await using app = await temporaryFolder();
  await using cache = await temporaryFolder();
  for (const copy of instructions("COPY")) {
    const words = copy.split(" ");
    const target = words.pop() ?? "";
    for (const source of words) {
      const path = target.startsWith(".") ? `${app.path}/${source}` : `${app.path}/${target}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await run("cp", ["-r", ROOT + source, path], ROOT);
    }
  }
  const env = { DENO_DIR: cache.path };
  for (const step of instructions("RUN").filter((command) => command.startsWith("deno "))) {
    const command = step.replace(/^deno /, '"$0" ');
    await run("sh", ["-c", command, Deno.execPath()], app.path, env);
  }
  assert(await sizeOf(cache.path) < 20e6, "the tests' dependencies are not in the image");

  const [command = ""] = instructions("CMD").filter((text) => text.startsWith("["));
  await using server = startDeno(JSON.parse(command), {
    cwd: app.path,
    env: { ...env, AUTH_DISABLED: "true", PORT: "0" },
  });
  const [, url] = await server.line(/Listening on (http:[^ "]*)/);
  await until("it to be healthy", async () => (await (await fetch(`${url}/health`)).json()).status);
});

Deno.test("Dockerfile: the image is pinned, without privileges, and checks its health", () => {
  assert(/^denoland\/deno:[\w-]*\d+\.\d+\.\d+$/.test(instructions("FROM")[0] ?? ""));
  assertEquals(instructions("USER"), ["deno"]);
  assert(instructions("HEALTHCHECK")[0]?.includes("/health"));
});
