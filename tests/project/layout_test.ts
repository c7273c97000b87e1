/** The rules that keep the tree readable, held by a test. */

import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../helpers/command.ts";

/** A file may import from the rows above its own; the README shows the same rows. */
const ROWS = [
  [
    "protocol",
    "clock",
    "logger",
    "limits",
    "url",
    "responses",
    "terminate",
    "redis_scripts",
    "redis_keys",
  ],
  [
    "peer",
    "stamp",
    "keys",
    "auth",
    "address",
    "origins",
    "memory",
    "node",
    "overdue",
    "backplane",
    "settings",
  ],
  [
    "auth_guard",
    "verified_tokens",
    "connections",
    "negotiations",
    "consumer_auth",
    "setting_reader",
    "environment",
  ],
  [
    "room",
    "config",
    "admission",
    "remote_peer",
    "memory_backplane",
    "redis_messages",
    "redis_link",
  ],
  ["registry", "director", "redis_backplane"],
  ["context", "roster", "handler_options"],
  ["connection", "post_office"],
  ["session", "replicas"],
  ["upgrade", "cluster"],
  ["handler"],
  ["routes"],
  ["server"],
];

/** Lines of code, without blanks and comments, that a file has at most. */
const MAX_CODE_LINES = 220;

const sources = await Promise.all(
  [...Deno.readDirSync(`${ROOT}src`)].map(async ({ name }) => ({
    name: name.replace(/\.ts$/, ""),
    text: await Deno.readTextFile(`${ROOT}src/${name}`),
  })),
);

function row(name: string): number {
  return ROWS.findIndex((names) => names.includes(name));
}

Deno.test("layout: every file of src has its row, and every row its files", () => {
  assertEquals(sources.map(({ name }) => name).sort(), ROWS.flat().sort());
});

Deno.test("layout: a file imports only from the rows above its own", () => {
  for (const { name, text } of sources) {
    for (const [, imported = ""] of text.matchAll(/from "\.\/(\w+)\.ts"/g)) {
      const isAbove = row(imported) < row(name);
      assert(isAbove, `${name} imports ${imported}`);
    }
    assert(!/from "\.\.\//.test(text), `${name} reaches out of src`);
  }
});

Deno.test("layout: nothing in src touches the console or the process, and one file the environment", () => {
  for (const { name, text } of sources) {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    assert(!/Deno\.(exit|args)|console\.|process\./.test(code), name);
    assert(name === "environment" || !/Deno\.env/.test(code), name);
    assert(!/"\.\/environment\.ts"/.test(code), `${name} imports the environment`);
  }
});

Deno.test("layout: every file opens by saying what it owns, and none grows too long", () => {
  for (const { name, text } of sources) {
    assert(text.startsWith("/**"), `${name} does not say what it owns`);
    const code = text.split("\n").filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line));
    assert(code.length <= MAX_CODE_LINES, `${name} has ${code.length} lines of code`);
  }
});

Deno.test("layout: the README shows the rows", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const block = /```\n(protocol[\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const shown = block.trimEnd().split("\n").map((line) =>
    (line.split(/ {4,}/)[0] ?? "").split(/ +/)
  );
  assertEquals(shown, ROWS);
});
