import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeText, type EnvFile, parseEnvFile } from "../../src/config/env_file.ts";

const NAMES = new Set(["HOST", "PORT", "ADMIN_SECRET", "ALLOWED_ORIGINS", "PRIVATE_KEY_JWK"]);

function parse(text: string): EnvFile {
  return parseEnvFile(text, NAMES);
}

function valuesOf(text: string): Record<string, string> {
  const { values, problems } = parse(text);
  assertEquals([...problems], []);
  return Object.fromEntries(values);
}

Deno.test("parseEnvFile() reads plain, quoted and exported values, and skips comments", () => {
  assertEquals(
    valuesOf(
      "# a comment\n\n  export HOST = 127.0.0.1  # a comment\r\nPORT='80'\r\n" +
        'ALLOWED_ORIGINS="https://a.example" # another\nADMIN_SECRET=`it\'s "mine"`\n',
    ),
    {
      HOST: "127.0.0.1",
      PORT: "80",
      ALLOWED_ORIGINS: "https://a.example",
      ADMIN_SECRET: `it's "mine"`,
    },
  );
});

Deno.test("parseEnvFile() cuts no secret off at a # without white space before it", () => {
  assertEquals(valuesOf("ADMIN_SECRET=one#two\nPORT= # nothing"), {
    ADMIN_SECRET: "one#two",
    PORT: "",
  });
  assertEquals(valuesOf("ADMIN_SECRET='one #two'"), { ADMIN_SECRET: "one #two" });
});

Deno.test("parseEnvFile() reports a setting in another notation, with its line", () => {
  const lines = [
    "ALLOWED_ORIGINS: https://a.example",
    '"ALLOWED_ORIGINS"=https://a.example',
    "ALLOWED_ORIGINS' = https://a.example",
    "set ALLOWED_ORIGINS=https://a.example",
    "SET ALLOWED_ORIGINS=https://a.example",
    "$env:ALLOWED_ORIGINS = 'https://a.example'",
    "declare -x ALLOWED_ORIGINS=https://a.example",
    "- ALLOWED_ORIGINS=https://a.example",
    "\ufeffALLOWED_ORIGINS=https://a.example",
    "\u00a0ALLOWED_ORIGINS=https://a.example",
    "ALLOWED_ORIGINS\u00a0=https://a.example",
    "ALLOWED_ORIGINS\u200b=https://a.example",
    "ALLOWED_ORIGINS=#https://a.example",
  ];
  for (const line of lines) {
    const { values, problems } = parse(`PORT=1\n${line}\nHOST=h`);
    assertEquals([...values], [["PORT", "1"], ["HOST", "h"]], line);
    const problem = problems.get("ALLOWED_ORIGINS") ?? "";
    assertStringIncludes(problem, "ALLOWED_ORIGINS in .env (line 2)");
    assertEquals(problem.includes("a.example"), false);
    const corrected = parse(`${line}\nALLOWED_ORIGINS=https://b.example`);
    assertEquals([corrected.problems.size, corrected.repeated.size], [0, 1]);
  }
  assertEquals([...parse("ALLOWED_ORIGIN: x").otherNames], ["ALLOWED_ORIGIN"]);
});

Deno.test("parseEnvFile() takes no comment and no other text for a setting", () => {
  for (
    const line of [
      "# ALLOWED_ORIGINS: x",
      "#PORT=1",
      "; PORT=1",
      "//PORT=1",
      "the PORT: 80",
      "PORT",
    ]
  ) {
    const { values, problems } = parse(line);
    assertEquals([values.size, problems.size], [0, 0], line);
  }
  assertEquals(parse("OTHER='a\nALLOWED_ORIGINS: x\nb'\nPORT=1").problems.size, 0);
});

Deno.test("parseEnvFile() knows the escapes of double quotes, and none elsewhere", () => {
  assertEquals(valuesOf(String.raw`ADMIN_SECRET="a\"b\\c\nd\te$"`), {
    ADMIN_SECRET: 'a"b\\c\nd\te$',
  });
  assertEquals(valuesOf(String.raw`ADMIN_SECRET='a\n$HOME'`), { ADMIN_SECRET: "a\\n$HOME" });
});

Deno.test("parseEnvFile() ignores entries of others, whatever they refer to", () => {
  const { values, problems, otherNames } = parse(
    'PATH=$PATH:/opt/bin\nX=${X}/y\nY="${Z}"\nZ="${Y}"\nKEY="one\nPATH=two"\nPORT=1\n',
  );
  assertEquals([[...values], [...problems]], [[["PORT", "1"]], []]);
  assertEquals([...otherNames], ["PATH", "X", "Y", "Z", "KEY"]);
});

Deno.test("parseEnvFile() refuses a setting that refers to itself or to another variable", () => {
  for (const value of ["$HOST", "${HOST}/x", '"${ADMIN_SECRET}"', '"\\$HOST"', "a$b"]) {
    const { values, problems } = parse(`HOST=${value}\nPORT=1`);
    assertEquals([...values], [["PORT", "1"]]);
    assertStringIncludes(
      problems.get("HOST") ?? "",
      "HOST in .env (line 1) refers to a variable by $",
    );
  }
});

Deno.test("parseEnvFile() lets an unclosed quote swallow no setting", () => {
  const secret = "PRIVATE_KEY_JWK=eyJ-hush\nADMIN_SECRET='hush'\nPORT=1";
  for (const text of [`ALLOWED_ORIGINS='https://a\n${secret}`, `HOST="a\n# it's\n${secret}`]) {
    const { values, problems } = parse(text);
    assertEquals(values.get("ADMIN_SECRET"), "hush");
    assertEquals(values.get("PORT"), "1");
    const [[name = "", problem = ""] = []] = problems;
    assert(problem.startsWith(`${name} in .env (line 1) has a quote that is not closed`), problem);
    assert(!problem.includes("hush"));
  }
  const { values, problems } = parse(`OTHER='a\n${secret}`);
  assertEquals([values.size, problems.size], [3, 0]);
});

Deno.test("parseEnvFile() reports text behind a closing quote", () => {
  const { problems } = parse("ADMIN_SECRET='it's mine'");
  assertStringIncludes(problems.get("ADMIN_SECRET") ?? "", "has text behind its closing quote");
});

Deno.test("parseEnvFile() takes the last of several entries, and says that there are several", () => {
  const { values, problems, repeated } = parse("PORT=$X\nPORT=1\nHOST=a\nPORT=2");
  assertEquals([values.get("PORT"), problems.size, [...repeated]], ["2", 0, ["PORT"]]);
});

Deno.test("parseEnvFile() reads a large file with a quote that is never closed in no time", () => {
  const start = performance.now();
  const { values } = parse(`OTHER='${"\nnothing=$here".repeat(100_000)}\nPORT=1`);
  assertEquals(values.get("PORT"), "1");
  assert(performance.now() - start < 5000);
});

Deno.test("decodeText() reads UTF-8 and UTF-16 by their byte order marks, and nothing else", () => {
  const text = "PORT=1 é";
  const units = [...text].map((character) => character.charCodeAt(0));
  const little = new Uint8Array([0xff, 0xfe, ...units.flatMap((unit) => [unit & 255, unit >> 8])]);
  const big = new Uint8Array([0xfe, 0xff, ...units.flatMap((unit) => [unit >> 8, unit & 255])]);
  const utf8 = new TextEncoder().encode(text);
  assertEquals(decodeText(little), { text, encoding: "utf-16le" });
  assertEquals(decodeText(big), { text, encoding: "utf-16be" });
  assertEquals(decodeText(utf8), { text, encoding: "utf-8" });
  assertEquals(decodeText(new Uint8Array([0xef, 0xbb, 0xbf, ...utf8])), {
    text,
    encoding: "utf-8",
  });
  assertEquals(decodeText(new Uint8Array([0x50, 0xe9])), undefined);
  assertEquals(decodeText(little.slice(2)), undefined);
  assertEquals(decodeText(new Uint8Array([...utf8, ...little.slice(2)])), undefined);
});
