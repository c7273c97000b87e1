/** The rules that keep the tree readable, held by a test. */

import { assert, assertEquals } from "@std/assert";
import { filesIn, ROOT } from "../helpers/command.ts";

/**
 * The folders of `src`, a row each level: a file imports from its own folder and from the rows below.
 * `config` is used by `cli` alone. `docs/architecture.md` shows the same rows.
 */
const ROWS = [
  ["cli"],
  ["http", "doctor"],
  ["admin"],
  ["sessions", "cluster", "config"],
  ["access", "ice", "rooms"],
  ["client", "metrics"],
  ["protocol", "runtime", "page"],
];

/** The project's own file, as `imports` names it: the server shows its name and version. */
const METADATA = "/deno.json";

/** Lines of code, without blanks and comments, that a file has at most. */
const MAX_CODE_LINES = 220;

interface Source {
  /** From `src/` on. */
  readonly path: string;
  /** The folder in `src/`. */
  readonly folder: string;
  readonly text: string;
  /** The files that it imports, from `src/` on. */
  readonly imports: readonly string[];
}

const sources = await Array.fromAsync(filesIn("src"), readSource);

async function readSource({ path: fromRoot }: { path: string }): Promise<Source> {
  const path = fromRoot.replace("src/", "");
  const text = await Deno.readTextFile(ROOT + fromRoot);
  const specifiers = [...text.matchAll(/^(?! \*).*(?:from |import\()"(\.[^"]+)"/gm)];
  const imports = specifiers.map(([, specifier = ""]) =>
    new URL(specifier, `file:///src/${path}`).pathname.replace("/src/", "")
  );
  return { path, folder: folderOf(path), text, imports };
}

function folderOf(path: string): string {
  return path.split("/", 1)[0] ?? "";
}

function row(folder: string): number {
  return ROWS.findIndex((folders) => folders.includes(folder));
}

Deno.test("layout: every folder of src has its row, and every row its folders", () => {
  assertEquals([...new Set(sources.map(({ folder }) => folder))].sort(), ROWS.flat().sort());
});

Deno.test("layout: a file imports only from its own folder and from the rows below", () => {
  for (const { path, folder, imports } of sources) {
    for (const imported of imports) {
      if (["cli", "http"].includes(folder) && imported === METADATA) continue;
      const to = folderOf(imported);
      assert(to === folder || row(to) > row(folder), `${path} imports ${imported}`);
      assert(to !== "config" || ["config", "cli"].includes(folder), `${path} reads settings`);
    }
  }
});

Deno.test("layout: no file imports itself in a circle", () => {
  const importsOf = new Map(sources.map(({ path, imports }) => [path, imports]));
  const finished = new Set<string>();
  const visit = (path: string, above: readonly string[]): void => {
    assert(!above.includes(path), [...above, path].join(" -> "));
    if (finished.has(path)) return;
    for (const imported of importsOf.get(path) ?? []) visit(imported, [...above, path]);
    finished.add(path);
  };
  for (const { path } of sources) visit(path, []);
});

Deno.test("layout: one file each touches the console, the process and the environment", () => {
  for (const { path, folder, text } of sources) {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    assert(!/Deno\.args|\bprocess\.\w/.test(code.replace(/"[^"\n]*"/g, '""')), path);
    assert(path === "cli/terminal.ts" || !/console\./.test(code), path);
    assert(path === "cli/serve.ts" || !/Deno\.exit/.test(code), path);
    assert(path === "config/environment.ts" || !/Deno\.env/.test(code), path);
    assert(folder === "cli" || !/environment\.ts"/.test(code), `${path} imports the environment`);
  }
});

Deno.test("layout: every file opens by saying what it owns, and none grows too long", () => {
  for (const { path, text } of sources) {
    assert(text.startsWith("/**"), `${path} does not say what it owns`);
    const code = text.split("\n").filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line));
    assert(code.length <= MAX_CODE_LINES, `${path} has ${code.length} lines of code`);
  }
});

Deno.test("layout: docs/architecture.md shows the rows", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/architecture.md`);
  const block = /```\n(cli [\s\S]*?)```/.exec(page)?.[1] ?? "";
  const shown = block.trimEnd().split("\n").map((line) => /^\w*/.exec(line)?.[0] ?? "");
  assertEquals(shown.filter((name) => name !== ""), ROWS.flat());
});
