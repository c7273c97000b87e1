import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { generateKeyPairJwk, loadKeyPair } from "../../mod.ts";
import { SignJWT } from "jose";
import { editEnvFile, parseEnvFile } from "../../src/config/env_file.ts";
import { Client } from "../helpers/client.ts";
import {
  type CommandOptions,
  type Finished,
  ROOT,
  runDeno,
  type Running,
  temporaryFolder,
} from "../helpers/command.ts";
import { listening, runMain, serve } from "../helpers/main.ts";
import { freePort } from "../helpers/port.ts";
import { requestToken, signalUrl } from "../helpers/server.ts";

const NAMES = new Set(["PRIVATE_KEY_JWK", "PUBLIC_KEY_JWK", "VERIFY_KEYS_JWK"]);
const SECRET = "0123456789abcdef0123456789abcdef";

/** A folder with an `.env`, and the command that changes it. */
interface Keys extends AsyncDisposable {
  readonly cwd: string;
  readonly path: string;
  keygen(...args: string[]): Promise<Finished>;
  /** Runs a step that has to work. */
  step(option: string): Promise<Finished>;
  text(): Promise<string>;
  value(name: string): Promise<string>;
}

async function folderWith(text: string): Promise<Keys> {
  const folder = await temporaryFolder();
  const path = `${folder.path}/.env`;
  if (text !== "") await Deno.writeTextFile(path, text, { mode: 0o640 });
  const program = `${ROOT}scripts/generate-keys.ts`;
  const permissions = ["--no-prompt", "--allow-read=.env", "--allow-write=.env"];
  const keys: Keys = {
    cwd: folder.path,
    path,
    keygen: (...args) => runDeno(["run", ...permissions, program, ...args], { cwd: folder.path }),
    async step(option) {
      const finished = await keys.keygen(option);
      assertEquals([finished.code, finished.stdout], [0, ""], finished.stderr);
      return finished;
    },
    text: () => Deno.readTextFile(path),
    async value(name) {
      return parseEnvFile(await Deno.readTextFile(path), new Set([name])).values.get(name) ?? "";
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  return keys;
}

function verifyKeys(base64: string): { x: string; kid?: string }[] {
  return JSON.parse(atob(base64));
}

async function xOf(privateKeyJwk: string): Promise<string> {
  return JSON.parse(atob((await loadKeyPair(privateKeyJwk)).publicKeyJwk)).x;
}

Deno.test("keygen --rotate replaces the key, keeps its public half and changes nothing else", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const before =
    `# mine\r\nexport PRIVATE_KEY_JWK = "${privateKeyJwk}" # signs\r\n\r\nOTHER=$X\r\n` +
    `PUBLIC_KEY_JWK='${publicKeyJwk}'\r\nADMIN_SECRET=${SECRET}`;
  await using keys = await folderWith(before);
  const { stderr } = await keys.step("--rotate");
  assertStringIncludes(stderr, "--drop-previous");
  assert(!/eyJ|W3si/.test(stderr), stderr);
  const after = await keys.text();
  const signing = await keys.value("PRIVATE_KEY_JWK");
  const verifying = await keys.value("VERIFY_KEYS_JWK");
  const pair = await loadKeyPair(signing, await keys.value("PUBLIC_KEY_JWK"));
  assert(pair.privateKeyJwk !== privateKeyJwk);
  assertEquals(
    after,
    `# mine\r\nexport PRIVATE_KEY_JWK = ${signing} # signs\r\n\r\nOTHER=$X\r\n` +
      `PUBLIC_KEY_JWK=${pair.publicKeyJwk}\r\nVERIFY_KEYS_JWK=${verifying}\r\nADMIN_SECRET=${SECRET}`,
  );
  assertEquals(verifyKeys(verifying).map(({ x }) => x), [await xOf(privateKeyJwk)]);
  assertEquals(((await Deno.stat(keys.path)).mode ?? 0) & 0o777, 0o640);
});

Deno.test("keygen --rotate again keeps both previous keys, the newest first, and what was there", async () => {
  const [one, other] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  const theirs = { ...JSON.parse(atob(other.publicKeyJwk)), kid: "theirs" };
  const set = btoa(JSON.stringify({ keys: [theirs], note: "a" }));
  await using keys = await folderWith(
    `PRIVATE_KEY_JWK=${one.privateKeyJwk}\nVERIFY_KEYS_JWK=${set}\n`,
  );
  await keys.step("--rotate");
  const second = await keys.value("PRIVATE_KEY_JWK");
  await keys.step("--rotate");
  const { keys: found, note } = JSON.parse(atob(await keys.value("VERIFY_KEYS_JWK")));
  const expected = [await xOf(second), await xOf(one.privateKeyJwk), theirs.x];
  assertEquals(found.map(({ x }: { x: string }) => x), expected);
  assertEquals([found[2], note], [theirs, "a"]);
  assert(!(await keys.text()).includes("PUBLIC_KEY_JWK"));
  assertStringIncludes((await keys.step("--drop-previous")).stderr, "Dropped 2 keys");
  const left = JSON.parse(atob(await keys.value("VERIFY_KEYS_JWK")));
  assertEquals(left, { keys: [theirs], note: "a" });
});

Deno.test("keygen --rotate keeps the id that a key has by its JWK", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  const named = btoa(JSON.stringify({ ...JSON.parse(atob(privateKeyJwk)), kid: "mine" }));
  await using keys = await folderWith(`PRIVATE_KEY_JWK=${named}\n`);
  await keys.step("--rotate");
  assertEquals(verifyKeys(await keys.value("VERIFY_KEYS_JWK")).map(({ kid }) => kid), ["mine"]);
});

Deno.test("keygen replaces keys in a file in UTF-16, and in one with a byte order mark", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  await using keys = await folderWith("-");
  const text = `\ufeffPRIVATE_KEY_JWK=${privateKeyJwk}\r\nADMIN_SECRET=é\r\n`;
  const units = [...text].map((character) => character.charCodeAt(0));
  const utf16 = new Uint8Array(units.flatMap((unit) => [unit & 255, unit >> 8]));
  for (
    const { bytes, encoding } of [
      { bytes: utf16, encoding: "utf-16le" },
      { bytes: new TextEncoder().encode(text), encoding: "utf-8" },
    ]
  ) {
    await Deno.writeFile(keys.path, bytes);
    await keys.step("--next");
    await keys.step("--rotate");
    await keys.step("--drop-previous");
    const decoder = new TextDecoder(encoding, { ignoreBOM: true, fatal: true });
    const after = decoder.decode(await Deno.readFile(keys.path));
    assertMatch(after, /^\ufeffPRIVATE_KEY_JWK=[\w+/]+\r\nADMIN_SECRET=é\r\n$/);
  }
});

Deno.test("keygen changes no .env that it does not understand, and says what to do", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const key = `PRIVATE_KEY_JWK=${privateKeyJwk}\n`;
  const full = btoa(JSON.stringify(
    await Promise.all(
      Array.from(
        { length: 16 },
        async () => JSON.parse(atob((await generateKeyPairJwk()).publicKeyJwk)),
      ),
    ),
  ));
  for (
    const { text, option, says } of [
      { text: "", option: "--rotate", says: /^There is no \.env [^\n]*keygen --write\n$/ },
      { text: "PORT=1\n", option: "--rotate", says: /^PRIVATE_KEY_JWK is not set in \.env/ },
      { text: "PORT=1\n", option: "--next", says: /^PRIVATE_KEY_JWK is not set in \.env/ },
      {
        text: key + key,
        option: "--rotate",
        says: /^PRIVATE_KEY_JWK has several entries in \.env/,
      },
      { text: `PRIVATE_KEY_JWK=${publicKeyJwk}\n`, option: "--rotate", says: /is not usable: / },
      {
        text: `PRIVATE_KEY_JWK='${privateKeyJwk}\n`,
        option: "--rotate",
        says: /quote that is not/,
      },
      {
        text: `${key}VERIFY_KEYS_JWK=hush-hush\n`,
        option: "--rotate",
        says: /^VERIFY_KEYS_JWK in/,
      },
      {
        text: `${key}VERIFY_KEYS_JWK=${privateKeyJwk}\n`,
        option: "--next",
        says: /private member/,
      },
      {
        text: `${key}VERIFY_KEYS_JWK=${full}\n`,
        option: "--rotate",
        says: /has 16 keys, the most/,
      },
      {
        text: `${key}NEXT_PRIVATE_KEY_JWK=${privateKeyJwk}\n`,
        option: "--next",
        says: /^A next key/,
      },
      { text: key, option: "--drop-previous", says: /has no key of a former rotation/ },
    ]
  ) {
    await using keys = await folderWith(text);
    const { code, stdout, stderr } = await keys.keygen(option);
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, says);
    assert(!/eyJ|hush/.test(stderr), stderr);
    if (text !== "") assertEquals(await keys.text(), text);
  }
});

Deno.test("keygen has one option at a time, and names the permissions that it needs", async () => {
  await using keys = await folderWith("PORT=1\n");
  assertEquals((await keys.keygen("--next", "--rotate")).code, 2);
  const { code, stderr } = await runMain(["keygen", "--rotate"], { cwd: keys.cwd });
  assertEquals(code, 1);
  assertMatch(stderr, /^Writing \.env is not permitted\. .*--allow-write=\.env\n$/);
});

Deno.test("two rotations at the same time run one after the other", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  await using keys = await folderWith(`PRIVATE_KEY_JWK=${privateKeyJwk}\n`);
  await Promise.all([keys.step("--rotate"), keys.step("--rotate"), keys.step("--rotate")]);
  const found = verifyKeys(await keys.value("VERIFY_KEYS_JWK")).map(({ x }) => x);
  assertEquals([found.length, found.at(-1)], [3, await xOf(privateKeyJwk)]);
});

/** One of several instances, which starts again on its port with what `.env` says then. */
class Instance implements AsyncDisposable {
  readonly url: string;
  readonly #options: Required<CommandOptions>;
  #server: Running;

  private constructor(port: number, options: Required<CommandOptions>) {
    this.url = `http://127.0.0.1:${port}`;
    this.#options = options;
    this.#server = serve(options);
  }

  static async start(cwd: string): Promise<Instance> {
    const port = freePort();
    const env = { HOST: "127.0.0.1", PORT: String(port), DRAIN_SECONDS: "0" };
    const instance = new Instance(port, { cwd, env });
    await listening(instance.#server);
    return instance;
  }

  async restart(): Promise<void> {
    this.#server.kill("SIGTERM");
    await this.#server.exited;
    this.#server = serve(this.#options);
    await listening(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

Deno.test("rotation: three instances that restart one after the other refuse nobody at any step", async () => {
  await using keys = await folderWith(`ADMIN_SECRET=${SECRET}\n`);
  await keys.step("--write");
  await using stack = new AsyncDisposableStack();
  const instances: Instance[] = [];
  for (let n = 0; n < 3; n++) instances.push(stack.use(await Instance.start(keys.cwd)));
  const { privateKey } = await loadKeyPair(await keys.value("PRIVATE_KEY_JWK"));
  // One of the time before tokens named their key.
  const first = await new SignJWT({ sub: "todos" })
    .setProtectedHeader({ alg: "EdDSA" })
    .setIssuer("aikofy:client-db-sync")
    .setAudience("aikofy:client-db")
    .setExpirationTime("1h")
    .sign(privateKey);
  const tokens = new Set([first]);

  /** Every token, of every instance, opens every instance. */
  const meet = async () => {
    for (const { url } of instances) tokens.add(await requestToken(url, SECRET, "todos"));
    for (const { url } of instances) {
      for (const token of tokens) await (await Client.join(signalUrl(url, { token }))).close();
    }
  };
  const restartAll = async () => {
    for (const instance of instances) {
      const { url } = instance;
      const client = await Client.join(signalUrl(url, { token: first, nodeId: "stays" }));
      await instance.restart();
      assertEquals((await client.closed).code, 1001);
      await (await Client.join(signalUrl(url, { token: first, nodeId: "stays" }))).close();
      await meet();
    }
  };

  await meet();
  for (const option of ["--next", "--rotate"]) {
    await keys.step(option);
    await meet();
    await restartAll();
  }
  await keys.step("--drop-previous");
  for (const instance of instances) await instance.restart();
  const refused = await Client.connect(signalUrl(instances[0]?.url ?? "", { token: first }));
  assertEquals((await refused.closed).code, 4003);
  const { code, stdout } = await runMain(["token", "--subject=todos"], { cwd: keys.cwd });
  assertEquals(code, 0);
  const url = signalUrl(instances[1]?.url ?? "", { token: stdout.trim() });
  await (await Client.join(url)).close();
});

Deno.test("editEnvFile() changes, adds and removes entries, and leaves every other character", () => {
  const edit = (text: string, changes: Record<string, string | undefined>) =>
    editEnvFile(text, { names: NAMES, changes: new Map(Object.entries(changes)) });
  const key = "PRIVATE_KEY_JWK";
  for (
    const { before, changes, after } of [
      { before: `${key}=a`, changes: { [key]: "b" }, after: `${key}=b` },
      { before: `${key}=a #x\n`, changes: { [key]: "b" }, after: `${key}=b #x\n` },
      { before: `${key}= # x\n`, changes: { [key]: "b" }, after: `${key}= b # x\n` },
      { before: `${key}='a'# x\rA=1`, changes: { [key]: "b" }, after: `${key}=b# x\rA=1` },
      { before: `${key}="a\nb" #x\nA=1`, changes: { [key]: "c" }, after: `${key}=c #x\nA=1` },
      {
        before: `${key}=a`,
        changes: { VERIFY_KEYS_JWK: "b" },
        after: `${key}=a\nVERIFY_KEYS_JWK=b\n`,
      },
      { before: `${key}=a\r\nB=1\r\n`, changes: { [key]: undefined }, after: "B=1\r\n" },
      { before: `A=1\n${key}=a`, changes: { [key]: undefined }, after: "A=1\n" },
      { before: "A=1\n", changes: { [key]: undefined }, after: "A=1\n" },
      {
        before: `${key}=a\r\nB=1`,
        changes: { [key]: "b", VERIFY_KEYS_JWK: "c" },
        after: `${key}=b\r\nVERIFY_KEYS_JWK=c\r\nB=1`,
      },
      {
        before: `B='${key}=x'\n#${key}=y\n${key}=a\n`,
        changes: { [key]: "b" },
        after: `B='${key}=x'\n#${key}=y\n${key}=b\n`,
      },
    ]
  ) {
    assertEquals(edit(before, changes), after);
  }
});
