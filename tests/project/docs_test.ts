/**
 * What the README and its neighbours promise: their tables are those of the code, and their commands
 * run. The TypeScript blocks that can run anywhere are run by `deno test --doc`.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { SETTINGS } from "../../src/config/settings.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { until } from "../helpers/client.ts";
import { filesIn, ROOT, startDeno, temporaryFolder } from "../helpers/command.ts";
import { freePort } from "../helpers/port.ts";

const README = await Deno.readTextFile(`${ROOT}README.md`);

/** The cells of the README's table whose first column has this heading. */
function table(heading: string): string[][] {
  const lines = README.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  );
}

/** The README's code blocks in this language. */
function blocks(language: string): string[] {
  const pattern = new RegExp(`^ *\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\``, "gm");
  return [...README.matchAll(pattern)].map(([, code = ""]) => code);
}

Deno.test("README: the tables of settings and limits are those of the code", () => {
  const rows = table("Setting").map(([name, value, summary]) => ({
    name,
    default: value,
    summary,
  }));
  const limits = table("Limit").map(([name, value, summary, whenExceeded]) => ({
    name,
    default: value,
    summary,
    whenExceeded,
  }));
  assertEquals<unknown>([...rows, ...limits], SETTINGS);
});

Deno.test("README: the table of close codes is that of the code", () => {
  const codes = new Set(Object.values(CLOSE).map(({ code }) => String(code)));
  const rows = table("Close code");
  assertEquals(new Set(rows.map(([code]) => code)), codes);
});

Deno.test("README: every task that it names exists", () => {
  const names = [...README.matchAll(/deno task (\w+)/g)].map(([, name = ""]) => name);
  assert(names.length > 5);
  for (const name of names) assert(name in metadata.tasks, name);
});

Deno.test("README: every file that it names exists", async () => {
  const names = [...README.matchAll(/`((?:[\w-]+\/)*[\w.-]+\.(?:html|ts|example))`/g)];
  assert(names.length > 2);
  for (const [, name = ""] of names) await Deno.stat(ROOT + name);
});

Deno.test("README: the commands for JSR grant no more than they need, by the package's real name", () => {
  const commands = blocks("sh").join("\n").split("\n").filter((line) => line.includes("jsr:"));
  assert(commands.length >= 3);
  for (const command of commands) {
    assertStringIncludes(command, `jsr:${metadata.name}`);
    assert(!/-A\b|--allow-all/.test(command), command);
  }
});

Deno.test("README: the npm package's example runs with only its import changed, auth on", async () => {
  const example = blocks("ts ignore").find((code) => code.includes("createServer"));
  const port = freePort();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/example.ts`;
  await Deno.writeTextFile(
    path,
    (example ?? "").replaceAll("8080", String(port))
      .replace(`"${metadata.name}"`, JSON.stringify(`file://${ROOT}mod.ts`)),
  );
  await using _server = startDeno(
    ["run", "--config", `${ROOT}deno.json`, "--check", `--allow-net=0.0.0.0:${port}`, path],
  );
  await until("the example to answer", async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).then((r) => r.json(), () => ({}));
    return answer.auth === "enabled";
  }, 60_000); // Its types are checked first.
  const response = await fetch(`http://127.0.0.1:${port}/token`, {
    method: "POST",
    headers: { authorization: "Bearer my-secret", "content-type": "application/json" },
    body: '{"ttl":"24h","subject":"my-app"}',
  });
  assertEquals([response.status, (await response.json()).subject], [201, "my-app"]);
});

Deno.test(".env.example names every setting and sets none", async () => {
  const lines = (await Deno.readTextFile(`${ROOT}.env.example`)).split("\n");
  const names = lines.map((line) => /^# ([A-Z_]+)=/.exec(line)?.[1]).filter((name) => name);
  assertEquals(names, SETTINGS.map(({ name }) => name));
  for (const line of lines) assert(line === "" || line.startsWith("#"), line);
});

Deno.test("SECURITY.md: every test that it names exists", async () => {
  const text = await Deno.readTextFile(`${ROOT}SECURITY.md`);
  const requirements = text.slice(text.indexOf("| Requirement"));
  const names = [...requirements.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)
    .filter((name) => name.split(" ").length > 3);
  assert(names.length > 40);
  let tests = "";
  for await (const { path } of filesIn("tests")) {
    if (path.endsWith("_test.ts")) tests += await Deno.readTextFile(ROOT + path);
  }
  for (const name of names) assert(tests.includes(`Deno.test("${name}"`), name);
});
