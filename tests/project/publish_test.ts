/**
 * What `deno publish` takes, and that it works for those who get it from a registry: with an empty
 * folder, an empty cache and the dependencies that the published sources name.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { Client } from "../helpers/client.ts";
import { type CommandOptions, runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { type Package, type Registry, standIns, startRegistry } from "../helpers/jsr.ts";
import { signalUrl } from "../helpers/server.ts";

const NAME = `jsr:${config.name}`;

/** What may be published, besides the modules in `src/`. */
const OWN_FILES = [
  "deno.json",
  "mod.ts",
  "main.ts",
  "scripts/generate-keys.ts",
  "README.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "SECURITY.md",
  "CHANGELOG.md",
  "docs/page.png",
  "examples/consumers.html",
  "examples/two-tabs.html",
];

/** A program of somebody who uses the package. */
const PROGRAM = `
import { createServer, generateKeyPairJwk } from "${NAME}";

const keys = await generateKeyPairJwk();
const server = await createServer({ adminSecret: "a-secret-of-thirty-two-bytes-or-so", ...keys });
const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
const response = await fetch(url + "/health");
const { status, auth } = await response.json();
await server.close();
console.log(JSON.stringify({ status, auth }));
`;

Deno.test("publish: nothing but the package's own files is taken", async () => {
  const { name, version, exports, files } = await published();
  assertEquals(
    { name, version, exports },
    { name: config.name, version: config.version, exports: config.exports },
  );
  const paths = [...files.keys()];
  const isOwn = (path: string) =>
    OWN_FILES.includes(path) || /^docs\/(.*\.md|protocol\/[\w.]+)$/.test(path) ||
    /^src\/(\w+\/)+\w+\.ts$/.test(path);
  assertEquals(paths.filter((path) => !isOwn(path)), []);
  for (const path of ["mod.ts", "main.ts", "scripts/generate-keys.ts", "LICENSE"]) {
    assert(paths.includes(path), `${path} is missing`);
  }
});

Deno.test("publish: the sources import the genuine packages, not the stand-ins", async () => {
  const { files } = await published();
  const { imports } = config;
  const genuine = [
    imports["@redis/client"],
    imports["@std/dotenv"],
    imports["@std/http"],
    imports.jose,
  ];
  const imported = [...files]
    .filter(([path]) => path.endsWith(".ts"))
    .flatMap(([, bytes]) => importsOf(new TextDecoder().decode(bytes)))
    .map((specifier) => specifier.replace(/^npm:\//, "npm:"))
    .filter((specifier) => !/^(\.|node:)/.test(specifier));
  const isGenuine = (specifier: string) => genuine.some((name) => specifier.startsWith(name));
  assertEquals(imported.filter((specifier) => !isGenuine(specifier)), []);
  for (const name of genuine) {
    assert(imported.some((specifier) => specifier.startsWith(name)), `${name} is not imported`);
  }
});

Deno.test("publish: the package runs as a command from a registry", async () => {
  await using consumer = await startConsumer();
  const { cwd, env } = consumer.options;
  await using server = startDeno(
    ["run", "-N", "-E", NAME],
    { cwd, env: { ...env, AUTH_DISABLED: "true", PORT: "0" } },
  );
  const [line] = await server.line(/^\{.*"Listening on .*\}$/m);
  const url = JSON.parse(line).message.replace("Listening on ", "");
  assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await fetch(`${url}/health`);
  assertEquals((await response.json()).status, "ok");
  await using client = await Client.join(signalUrl(url, { room: "todos" }));
  assertEquals(client.peers, []);
  await client.close();
  server.kill("SIGTERM");
  assertEquals(await server.exited, 0);

  for (const name of ["@std/dotenv", "@std/http"]) {
    assert(consumer.registry.served.has(`/${name}/meta.json`), `${name} was not asked for`);
  }
});

Deno.test("publish: keygen from a registry prints its lines and nothing else", async () => {
  await using consumer = await startConsumer();
  for (const args of [[`${NAME}/keygen`], ["-N", "-E", NAME, "keygen"]]) {
    const { code, stdout, stderr } = await runDeno(["run", ...args], consumer.options);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^PRIVATE_KEY_JWK=\S+\nPUBLIC_KEY_JWK=\S+\nADMIN_SECRET=\S+\n$/);
  }
});

Deno.test("publish: a program imports the package and starts a server", async () => {
  await using consumer = await startConsumer();
  await Deno.writeTextFile(`${consumer.options.cwd}/program.ts`, PROGRAM);
  const { code, stdout, stderr } = await runDeno(
    ["run", "--check", "-N", "program.ts"],
    consumer.options,
  );
  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout), { status: "ok", auth: "enabled" });
});

Deno.test("publish: a module that imports main runs the whole server, as on Deno Deploy", async () => {
  await using consumer = await startConsumer();
  const { cwd, env } = consumer.options;
  const program = `import { main } from "${NAME}/main"; await main([]);`;
  await Deno.writeTextFile(`${cwd}/program.ts`, program);
  await using server = startDeno(
    ["run", "--check", "-A", "program.ts"],
    { cwd, env: { ...env, AUTH_DISABLED: "true", PORT: "0" } },
  );
  await server.line(/"Listening on /);
  server.kill("SIGINT");
  assertEquals(await server.exited, 0);
});

Deno.test("publish: importing the package starts nothing", async () => {
  await using consumer = await startConsumer();
  await Deno.writeTextFile(`${consumer.options.cwd}/program.ts`, `import "${NAME}";`);
  const finished = await runDeno(["run", "--quiet", "program.ts"], consumer.options);
  assertEquals(finished, { code: 0, stdout: "", stderr: "" });
});

interface Consumer extends AsyncDisposable {
  readonly registry: Registry;
  readonly options: Required<CommandOptions>;
}

/** An empty folder, an empty cache, and a registry that has the published package. */
async function startConsumer(): Promise<Consumer> {
  const ours = await published();
  const stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry(ours, ...await standIns()));
  const folder = stack.use(await temporaryFolder());
  const cache = stack.use(await temporaryFolder());
  return {
    registry,
    options: { cwd: folder.path, env: { DENO_DIR: cache.path, JSR_URL: registry.url } },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

let publishing: Promise<Package> | undefined;

/** The package as a registry receives it: published once for all tests. */
function published(): Promise<Package> {
  return publishing ??= publish();
}

async function publish(): Promise<Package> {
  await using registry = await startRegistry(...await standIns());
  const { code, stderr } = await runDeno(
    ["publish", "--token", "any", "--allow-dirty", "--no-provenance"],
    { env: { JSR_URL: registry.url } },
  );
  assertEquals(code, 0, stderr);
  const [received] = registry.published;
  assert(received !== undefined, "Nothing was published");
  return received;
}

/** What a module's code imports; the examples in its comments do not count. */
function importsOf(source: string): string[] {
  const imports = source.matchAll(/^(?!\s*\*).*\b(?:from |import[ (])"([^"]+)"/gm);
  return [...imports].map(([, specifier = ""]) => specifier);
}
