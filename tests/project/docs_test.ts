/**
 * What the README and the other documents promise: their tables are those of the code, their links
 * lead somewhere, their commands and examples work. `deno test --doc` runs the TypeScript blocks that
 * can run anywhere; those marked `ts ignore` are type-checked here.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { CONSUMER_ALGORITHMS } from "../../src/access/key_set.ts";
import { settingsHelp } from "../../src/cli/help.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { EXPECTED } from "../../src/doctor/report.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { Client, until } from "../helpers/client.ts";
import { filesIn, ROOT, runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { freePort } from "../helpers/port.ts";
import { signalUrl, startOpenServer } from "../helpers/server.ts";

/** The documents outside `docs/`. */
const OTHER_DOCUMENTS = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "bench/RESULTS.md",
  "vendor/README.md",
];

/** Two screens. */
const MAX_README_WORDS = 850;

/** Every document, by its path from the project's folder. */
const documents: ReadonlyMap<string, string> = await readDocuments();

async function readDocuments(): Promise<Map<string, string>> {
  const found = await Array.fromAsync(filesIn("docs"), ({ path }) => path);
  const paths = [...OTHER_DOCUMENTS, ...found.filter((path) => path.endsWith(".md"))];
  return new Map(
    await Promise.all(
      paths.map(async (path) => [path, await Deno.readTextFile(ROOT + path)] as const),
    ),
  );
}

function textOf(path: string): string {
  const text = documents.get(path);
  assert(text !== undefined, path);
  return text;
}

/** The cells of the document's table whose first column has this heading. */
function table(path: string, heading: string): string[][] {
  const lines = textOf(path).split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  );
}

/** The document's code blocks in this language. */
function blocks(path: string, language: string): string[] {
  const pattern = new RegExp(`^ *\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\``, "gm");
  return [...textOf(path).matchAll(pattern)].map(([, code = ""]) => code);
}

/** The document without its code blocks. */
function prose(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```/gm, "");
}

/** The paths of the links in a document, resolved against its own, without links to the web. */
function linksOf(path: string): URL[] {
  const links = [...prose(textOf(path)).matchAll(/\]\(([^)\s]+)\)/g)];
  return links.map(([, link = ""]) => new URL(link, `file:///${path}`))
    .filter(({ protocol }) => protocol === "file:");
}

/** The code with the package's entries imported from this folder. */
function withOwnEntries(code: string): string {
  for (const [entry, path] of Object.entries(metadata.exports)) {
    const specifier = `"${metadata.name}${entry.slice(1)}"`;
    code = code.replaceAll(specifier, JSON.stringify(new URL(path, `file://${ROOT}`).href));
  }
  return code;
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  const headings = [...prose(text).matchAll(/^#+ (.*)$/gm)];
  return new Set(
    headings.map(([, title = ""]) =>
      title.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-")
    ),
  );
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(ROOT + path).then(() => true, () => false);
}

Deno.test("docs: the tables of settings and limits are those of the code", () => {
  const path = "docs/configuration.md";
  const rows = table(path, "Setting").map(([name, value, summary]) => ({
    name,
    default: value,
    summary,
  }));
  const limits = table(path, "Limit").map(([name, value, summary, whenExceeded]) => ({
    name,
    default: value,
    summary,
    whenExceeded,
  }));
  assertEquals<unknown>([...rows, ...limits], SETTINGS);
});

Deno.test("docs: the table of close codes has the codes of the code, with every reason", () => {
  const rows = new Map(
    table("docs/protocol.md", "Close code").map(([code = "", reasons = ""]) => [code, reasons]),
  );
  const codes = new Set(Object.values(CLOSE).map(({ code }) => String(code)));
  assertEquals(new Set(rows.keys()), codes);
  for (const { code, reason } of Object.values(CLOSE)) {
    assertStringIncludes(rows.get(String(code)) ?? "", reason);
  }
});

Deno.test("docs: the tables of HTTP 429 and 503 quote the texts of the code", async () => {
  const files = ["http/upgrade_refusals.ts", "http/admin_guard.ts", "protocol/messages.ts"];
  const sources = await Promise.all(files.map((file) => Deno.readTextFile(`${ROOT}src/${file}`)));
  const path = "docs/troubleshooting.md";
  const rows = [...table(path, "Message"), ...table(path, "Answer")];
  assert(rows.length > 8);
  for (const [text = ""] of rows) assertStringIncludes(sources.join(""), JSON.stringify(text));
});

Deno.test("docs: docs/doctor.md has every step and what it expects, in order", () => {
  const rows = table("docs/doctor.md", "Step").map(([step, expects]) => [step, expects]);
  assertEquals<unknown>(rows, Object.entries(EXPECTED));
});

Deno.test("docs: the server accepts every message of a normal that docs/protocol.md shows", async () => {
  await using server = await startOpenServer();
  const [messages = ""] = blocks("docs/protocol.md", "jsonc");
  const lines = messages.trimEnd().split("\n").filter((line) => !line.includes('"consumer"'));
  assert(lines.length > 4);
  await using b = await Client.join(signalUrl(server.url, { nodeId: "b" }));
  await using a = await Client.join(signalUrl(server.url, { nodeId: "a" }));
  for (const line of lines) a.send(line);
  assertEquals((await a.drain()).filter(({ type }) => type === "error"), []);
  const received = (await b.drain()).map(({ type, from }) => [type, from]);
  assertEquals(received, [["offer", "a"], ["answer", "a"], ["ice-candidate", "a"]]);
});

Deno.test("docs: every task that they name exists", () => {
  const names = new Set<string>();
  for (const text of documents.values()) {
    for (const [, name = ""] of text.matchAll(/deno task ([\w:]+)/g)) names.add(name);
  }
  assert(names.size > 5);
  for (const name of names) assert(name in metadata.tasks, name);
});

Deno.test("docs: every file and folder of the repository that they name exists", async () => {
  const folders = new Set<string>();
  for await (const { name, isDirectory } of Deno.readDir(ROOT)) if (isDirectory) folders.add(name);
  let count = 0;
  for (const [path, text] of documents) {
    for (const [, name = ""] of text.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g)) {
      if (!folders.has(name.split("/", 1)[0] ?? "")) continue;
      count++;
      assert(await exists(name), `${path} names ${name}`);
    }
  }
  assert(count > 20);
});

Deno.test("docs: every link to a file or a heading leads somewhere", async () => {
  let count = 0;
  for (const path of documents.keys()) {
    for (const { pathname, hash } of linksOf(path)) {
      const target = pathname.slice(1);
      count++;
      assert(await exists(target), `${path} links to ${target}`);
      const isHeading = hash === "" || anchors(textOf(target)).has(hash.slice(1));
      assert(isHeading, `${path} links to ${target}${hash}`);
    }
  }
  assert(count > 50);
});

Deno.test("docs: no table is left over in a sentence, and no code span is broken over two lines", () => {
  for (const [path, text] of documents) {
    for (const line of prose(text).split("\n")) {
      assert(/^ *\|/.test(line) || !/\|\s+\|/.test(line), `${path}: ${line}`);
      assert(!/^ *\|/.test(line) || line.endsWith("|"), `${path}: ${line}`);
      assert((line.match(/`/g) ?? []).length % 2 === 0, `${path}: ${line}`);
    }
  }
});

Deno.test("docs: the exit codes are those of the help, in the same words", () => {
  const help = settingsHelp().replaceAll(/\s+/g, " ");
  for (const path of ["docs/operations.md", "docs/command-line.md"]) {
    const meanings = new Map(table(path, "Exit code").map(([code, meaning]) => [code, meaning]));
    assertStringIncludes(help, `1 ${meanings.get("1")}`);
    assertEquals([...meanings.keys()], ["0", "1", "2", "75"]);
  }
});

Deno.test("docs: every algorithm that a consumer token may have is named", () => {
  const text = textOf("docs/authentication.md");
  for (const name of CONSUMER_ALGORITHMS) assertStringIncludes(text, `\`${name}\``);
});

Deno.test("docs: every page is linked from the README", () => {
  const linked = new Set(linksOf("README.md").map(({ pathname }) => pathname.slice(1)));
  for (const path of documents.keys()) {
    if (path.startsWith("docs/")) assert(linked.has(path), path);
  }
});

Deno.test("docs: the commands for JSR grant no more than they need, by the package's real name", () => {
  for (const [path, text] of documents) {
    for (const line of text.split("\n").filter((line) => line.includes("jsr:@aikofy"))) {
      assertStringIncludes(line, `jsr:${metadata.name}`);
      assert(!/ -A\b|--allow-all/.test(line), `${path}: ${line}`);
    }
  }
  assert(blocks("README.md", "sh").join("").split("jsr:").length > 2);
});

Deno.test("docs: the README fits two screens", () => {
  const words = textOf("README.md").split(/\s+/).length;
  assert(words <= MAX_README_WORDS, `${words} words`);
});

/** What a block may use that stands for the reader's own code. */
const READERS_OWN: Readonly<Record<string, string>> = {
  token: "string",
  url: "string",
  file: "Blob",
  peer: `import(${JSON.stringify(`file://${ROOT}src/client/mod.ts`)}).Peer`,
  config: `Parameters<typeof import(${JSON.stringify(`file://${ROOT}mod.ts`)}).createServer>[0]`,
};

/** As much of client-db as the blocks use: it is no dependency of this project. */
const CLIENT_DB = `
export interface Options {
  name: string;
  version: number;
  collections: Record<string, { indexes: string[] }>;
  sync: { signalingServer: string; iceServers: RTCIceServer[] };
}
interface RTCIceServer { urls: string | string[]; username?: string; credential?: string }
export declare function createDB(options: Options): Promise<object>;
`;

/** A TypeScript block with declarations of what it uses of the reader's own code. */
function completed(block: string): string {
  const missing = Object.entries(READERS_OWN).filter(([name]) =>
    new RegExp(`\\b${name}\\b`).test(block) &&
    !new RegExp(`const .*\\b${name}\\b.* =`).test(block)
  );
  const declarations = missing.map(([name, type]) => `declare const ${name}: ${type};\n`);
  const code = block.replace('"@aikofy/client-db"', '"./client_db.ts"');
  return `${declarations.join("")}${withOwnEntries(code)}export {};\n`;
}

Deno.test("docs: the TypeScript blocks that cannot run type-check", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/client_db.ts`, CLIENT_DB);
  const files: string[] = [];
  for (const path of documents.keys()) {
    for (const block of blocks(path, "ts ignore")) {
      const file = `${folder.path}/block_${files.length}.ts`;
      await Deno.writeTextFile(file, `// ${path}\n${completed(block)}`);
      files.push(file);
    }
  }
  assert(files.length > 3);
  const { code, stderr } = await runDeno(["check", "--config", `${ROOT}deno.json`, ...files]);
  assertEquals(code, 0, stderr);
});

Deno.test("docs: the npm package's example runs with only its import changed, auth on", async () => {
  const [example = ""] = blocks("docs/migrating-from-npm.md", "ts ignore");
  const port = freePort();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/example.ts`;
  await Deno.writeTextFile(
    path,
    withOwnEntries(example.replaceAll("8080", String(port))),
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

Deno.test(".env.example says of each value that is no default that it is an example", async () => {
  const blocks = (await Deno.readTextFile(`${ROOT}.env.example`))
    .matchAll(/((?:^#(?! [A-Z_]+=).*\n)*)((?:^# [A-Z_]+=.*\n?)+)/gm);
  const defaults = new Map(SETTINGS.map((setting) => [setting.name, setting.default]));
  for (const [, comment = "", lines = ""] of blocks) {
    for (const [, name = "", value] of lines.matchAll(/^# ([A-Z_]+)=(.+)$/gm)) {
      const isExample = /^# Examples?:/.test(comment);
      assert(isExample || value === defaults.get(name), name);
    }
  }
});

Deno.test("SECURITY.md: every test that it names exists", async () => {
  const text = textOf("SECURITY.md");
  const requirements = text.slice(text.indexOf("## Requirements"));
  const names = [...requirements.matchAll(/^ +- `([^`]+)`/gm)]
    .map(([, name = ""]) => name.replace(/\s+/g, " "));
  assert(names.length > 40);
  let tests = "";
  for await (const { path } of filesIn("tests")) {
    if (path.endsWith("_test.ts")) tests += await Deno.readTextFile(ROOT + path);
  }
  for (const name of names) assert(tests.includes(`Deno.test("${name}"`), name);
});
