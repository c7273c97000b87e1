import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseEnv } from "node:util";
import { loadKeyPairFromEnv } from "../../mod.ts";
import { type Finished, ROOT, runDeno, temporaryFolder } from "../helpers/command.ts";

/** As a program of somebody else reads the file. */
function parse(text: string): Record<string, string | undefined> {
  return { ...parseEnv(text) };
}

const LINES =
  /^PRIVATE_KEY_JWK=[A-Za-z0-9]+\nPUBLIC_KEY_JWK=[A-Za-z0-9]+\nADMIN_SECRET=[0-9a-f]{64}\n$/;

function keygen(cwd: string, ...args: string[]): Promise<Finished> {
  const permissions = ["--allow-read=.env", "--allow-write=.env"];
  return runDeno(
    ["run", "--no-prompt", ...permissions, `${ROOT}scripts/generate-keys.ts`, ...args],
    {
      cwd,
    },
  );
}

Deno.test("keygen prints three .env lines that fit each other, and advice elsewhere", async () => {
  for (const args of [["scripts/generate-keys.ts"], ["main.ts", "keygen"]]) {
    const { code, stdout, stderr } = await runDeno(["run", "--no-prompt", ...args]);
    assertEquals(code, 0);
    assertMatch(stdout, LINES);
    assert(stderr.includes("Keep PRIVATE_KEY_JWK"));
    const env = parse(stdout);
    await loadKeyPairFromEnv(env["PRIVATE_KEY_JWK"] ?? "", env["PUBLIC_KEY_JWK"]);
  }
});

Deno.test("keygen makes new keys every time", async () => {
  const [one, other] = [
    await runDeno(["run", "scripts/generate-keys.ts"]),
    await runDeno(["run", "scripts/generate-keys.ts"]),
  ];
  for (const [name, value] of Object.entries(parse(one.stdout))) {
    assert(parse(other.stdout)[name] !== value, name);
  }
});

Deno.test("keygen --write makes an .env that only its owner can read", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout } = await keygen(folder.path, "--write");
  assertEquals([code, stdout], [0, ""]);
  assertMatch(await Deno.readTextFile(`${folder.path}/.env`), LINES);
  const { mode } = await Deno.stat(`${folder.path}/.env`);
  assertEquals((mode ?? 0) & 0o777, 0o600);
});

Deno.test("keygen --write keeps what is in .env", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/.env`;
  const before = "PORT=9000\n# PRIVATE_KEY_JWK=\nADMIN_SECRET=mine";
  await Deno.writeTextFile(path, before);
  assertEquals((await keygen(folder.path, "--write")).code, 0);
  const after = await Deno.readTextFile(path);
  assert(after.startsWith(`${before}\n`));
  const env = parse(after);
  assertEquals([env["PORT"], env["ADMIN_SECRET"]], ["9000", "mine"]);
  await loadKeyPairFromEnv(env["PRIVATE_KEY_JWK"] ?? "", env["PUBLIC_KEY_JWK"]);
});

Deno.test("keygen --write refuses to overwrite keys", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/.env`;
  for (const before of ["PRIVATE_KEY_JWK=x\n", "PUBLIC_KEY_JWK='y'\n"]) {
    await Deno.writeTextFile(path, before);
    const { code, stderr } = await keygen(folder.path, "--write");
    assertEquals([code, await Deno.readTextFile(path)], [1, before]);
    assertMatch(stderr, /^\.env has \w+ already/);
  }
});

Deno.test("keygen --write appends to a file in UTF-16 in its encoding, and leaves one that is in none", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/.env`;
  const units = [..."\ufeffPORT=1\r\n"].map((character) => character.charCodeAt(0));
  await Deno.writeFile(path, new Uint8Array(units.flatMap((unit) => [unit & 255, unit >> 8])));
  assertEquals((await keygen(folder.path, "--write")).code, 0);
  const text = new TextDecoder("utf-16le").decode(await Deno.readFile(path));
  assertMatch(text, /^PORT=1\r\nPRIVATE_KEY_JWK=\S+\nPUBLIC_KEY_JWK=\S+\nADMIN_SECRET=\S+\n$/);
  const before = new Uint8Array([0x50, 0, 0x4f, 0]);
  await Deno.writeFile(path, before);
  const { code, stderr } = await keygen(folder.path, "--write");
  assertEquals([code, await Deno.readFile(path)], [1, before]);
  assertMatch(stderr, /^\.env is neither UTF-8 nor UTF-16/);
});

Deno.test("keygen --write without permission says how to get it", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await runDeno(
    ["run", "--no-prompt", `${ROOT}scripts/generate-keys.ts`, "--write"],
    { cwd: folder.path },
  );
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^Writing \.env is not permitted\..*--allow-write=\.env/);
});
