import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { generateKeyPairJwk } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import {
  ROOT,
  runDeno,
  type Running,
  start,
  startDeno,
  temporaryFolder,
} from "../helpers/command.ts";
import { listening, MAIN, OPEN, PERMISSIONS, permissionsOf, serve } from "../helpers/main.ts";
import { frame, openRaw } from "../helpers/raw.ts";
import { requestToken, signalUrl } from "../helpers/server.ts";
import { SETTINGS } from "../../src/config/settings.ts";

async function authEnvironment(): Promise<Record<string, string>> {
  const { privateKeyJwk } = await generateKeyPairJwk();
  return {
    HOST: "127.0.0.1",
    PORT: "0",
    PRIVATE_KEY_JWK: privateKeyJwk,
    ADMIN_SECRET: "0123456789abcdef0123456789abcdef",
  };
}

Deno.test("main: --help shows every setting, --version the version, and both exit with 0", async () => {
  for (const flag of ["--help", "-h", "help"]) {
    const { code, stdout, stderr } = await runDeno(["run", MAIN, flag]);
    assertEquals([code, stderr], [0, ""]);
    for (const { name } of SETTINGS) assertStringIncludes(stdout, `  ${name} `);
  }
  const { code, stdout } = await runDeno(["run", MAIN, "--version"]);
  assertEquals([code, stdout], [0, `${metadata.version}\n`]);
});

Deno.test("main: unknown arguments exit with 2", async () => {
  for (const args of [["--prot"], ["run"], ["serve", "now"], ["keygen", "--overwrite"]]) {
    const { code, stdout, stderr } = await runDeno(["run", MAIN, ...args]);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /^[^\n]*[Uu]nknown argument .*Try: .*\n$/);
  }
});

Deno.test("main: without settings it says what is missing and what helps, and exits with 1", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], {
    cwd: folder.path,
  });
  assertEquals([code, stdout], [1, ""]);
  assertEquals(stderr.trimEnd().split("\n").map((line) => line.split(" ")[0]), [
    "PRIVATE_KEY_JWK",
    "ADMIN_SECRET",
  ]);
  assertStringIncludes(stderr, "Run: deno task keygen --write,");
});

Deno.test("main: every malformed setting is reported at once, without stack or secret", async () => {
  const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], {
    env: {
      PORT: "eighty",
      LOG_LEVEL: "x",
      PRIVATE_KEY_JWK: "hush-hush",
      ADMIN_SECRET: "né-secret",
    },
  });
  assertEquals(code, 1);
  assertEquals(stderr.trimEnd().split("\n").length, 4);
  assert(!/hush-hush|né-secret|at file:|Error/.test(stderr), stderr);
});

Deno.test("main: a key whose halves do not fit is reported in one line", async () => {
  const [one, other] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  const { d } = JSON.parse(atob(one.privateKeyJwk));
  const mixed = btoa(JSON.stringify({ ...JSON.parse(atob(other.privateKeyJwk)), d }));
  const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], {
    env: { ...await authEnvironment(), PRIVATE_KEY_JWK: mixed },
  });
  assertEquals(code, 1);
  assertMatch(stderr, /^PRIVATE_KEY_JWK is not usable: .*\n$/);
});

Deno.test("main: a port that is taken or an address that is not ours exits with 1 and one line", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (const env of [{ ...OPEN, PORT: `${taken.addr.port}` }, { ...OPEN, HOST: "192.0.2.1" }]) {
    const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], { env });
    assertEquals(code, 1);
    assertMatch(stderr, /^(PORT|Listening|HOST) [^\n]*\n$/);
  }
});

Deno.test("main: with INTERNAL_PORT it says where the metrics are; a port that is taken is named", async () => {
  await using folder = await temporaryFolder();
  const options = { cwd: folder.path, env: { ...OPEN, INTERNAL_PORT: "0" } };
  await using server = serve(options);
  const [, url = ""] = await server.line(/Metrics on (http:[^"]*\/metrics)/);
  const response = await fetch(url);
  assertMatch(await response.text(), /^client_db_sync_rooms 0$/m);
  const { port } = new URL(url);
  const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], {
    cwd: folder.path,
    env: { ...OPEN, INTERNAL_PORT: port },
  });
  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`INTERNAL_PORT ${port} is in use. Try: INTERNAL_PORT=`));
});

Deno.test("main: it serves with auth on, under the permissions of deno task start", async () => {
  const env = await authEnvironment();
  await using server = serve({ env });
  const { url } = await listening(server);
  await server.line(/curl [^\n]*\/token/);
  const token = await requestToken(url, env["ADMIN_SECRET"] ?? "", "room");
  await using client = await Client.join(signalUrl(url, { token }));
  assertEquals(client.peers, []);
  assert(!/\beyJ/.test(server.stdout() + server.stderr()));
  assert(!server.stdout().includes("0123456789abcdef"));
});

Deno.test("main: the curl that it prints gets a token", async () => {
  const env = await authEnvironment();
  await using server = serve({ env: { ...env, LOG_FORMAT: "pretty" } });
  const [, command = ""] = await server.line(/Get a first token with: (curl .*)\n/);
  await using curl = start("sh", ["-c", `${command.replace("curl", "curl -s")}`], { env });
  assertEquals(await curl.exited, 0);
  assertMatch(
    curl.stdout(),
    /^\{"token":"eyJ[^"]*","expiresAt":"[^"]*","subject":"my-room","jti":"[^"]*"\}$/,
  );
});

Deno.test("main: settings come from .env, and the environment wins", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(
    `${folder.path}/.env`,
    `# a comment\nexport AUTH_DISABLED=true\nPORT='0'\nHOST="192.0.2.1"\nLOG_FORMAT=pretty\n`,
  );
  await using server = startDeno(["run", ...PERMISSIONS, MAIN], {
    cwd: folder.path,
    env: { HOST: "127.0.0.1" },
  });
  await server.line(/WARN {2}AUTHENTICATION IS OFF/);
  const { url } = await listening(server);
  assertEquals((await (await fetch(`${url}/health`)).json()).auth, "disabled");
});

Deno.test("main: an .env that cannot be read is said so, and exits with 1", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/.env`);
  const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], { cwd: folder.path });
  assertEquals(code, 1);
  assertMatch(stderr, /^\.env cannot be read [^\n]*\n$/);
});

/** Starts the server, or lets it fail, in a folder whose `.env` has this content. */
async function runWithFile(
  content: string | Uint8Array<ArrayBuffer>,
  env: Record<string, string> = {},
): Promise<Running & { folder: string }> {
  const folder = await temporaryFolder();
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await Deno.writeFile(`${folder.path}/.env`, bytes);
  const running = startDeno(["run", ...PERMISSIONS, MAIN], { cwd: folder.path, env });
  return {
    ...running,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("main: an unclosed quote in .env shows nothing of the settings below it", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  for (const name of ["ALLOWED_ORIGINS", "TRUSTED_PROXIES", "HOST", "PORT"]) {
    for (const [start, end] of [["'", ""], ['"', ""], ["'", "'"]]) {
      const secrets = `ADMIN_SECRET=hush-${end}hush\nPRIVATE_KEY_JWK=${privateKeyJwk}${end}\n`;
      await using server = await runWithFile(`${name}=${start}https://a\n${secrets}`);
      assertEquals(await server.exited, 1);
      const problem = `${name} in .env (line 1) has a quote that is not closed`;
      assertStringIncludes(server.stderr(), problem);
      assert(!/hush|eyJ|https/.test(server.stderr()), server.stderr());
    }
  }
});

Deno.test("main: entries of others in .env do no harm, and a setting that refers to itself is an error", async () => {
  const open = "AUTH_DISABLED=true\nHOST=127.0.0.1\nPORT=0\n";
  await using server = await runWithFile(`PATH=$PATH:/opt/bin\nX=\${X}/y\n${open}`);
  await listening(server);
  await using failed = await runWithFile(`${open}REDIS_PREFIX=\${REDIS_PREFIX}:\n`);
  assertEquals(await failed.exited, 1);
  assertMatch(
    failed.stderr(),
    /^REDIS_PREFIX in \.env \(line 4\) refers to a variable by \$, [^\n]*\n$/,
  );
});

Deno.test("main: an .env in UTF-16, as PowerShell writes it, is read", async () => {
  const text = "\ufeffAUTH_DISABLED=true\r\nHOST=127.0.0.1\r\nPORT=0\r\n";
  const units = [...text].map((character) => character.charCodeAt(0));
  const bytes = new Uint8Array(units.flatMap((unit) => [unit & 255, unit >> 8]));
  await using server = await runWithFile(bytes);
  await listening(server);
  await using mixed = await runWithFile(
    new Uint8Array([...new TextEncoder().encode("PORT=0\n"), ...bytes.slice(2)]),
  );
  assertEquals(await mixed.exited, 1);
  assertMatch(mixed.stderr(), /^\.env is neither UTF-8 nor UTF-16 [^\n]*\n$/);
});

Deno.test("main: an .env that cannot be read is a warning where nothing is missing", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/.env`);
  await using server = serve({ cwd: folder.path, env: OPEN });
  await server.line(/"warn".*\.env cannot be read/);
  await listening(server);
});

Deno.test("main: a misspelt setting and a second entry are warned of", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  const keys = `PRIVATE_KEY_JWK=${privateKeyJwk}\nADMIN_SECRET=${"s".repeat(32)}\n`;
  const content = `HOST=127.0.0.1\nPORT=0\n${keys}ALLOWED_ORIGIN=https://a\n${keys}`;
  await using server = await runWithFile(content);
  await server.line(/PRIVATE_KEY_JWK has several entries in \.env: the last one applies/);
  await server.line(/ALLOWED_ORIGIN is no setting: is ALLOWED_ORIGINS meant\?/);
  await listening(server);
  const env = { ...OPEN, ALLOWED_ORIGIN: "https://a" };
  await using other = startDeno(["run", "--allow-net", "--allow-env", MAIN], { env });
  await other.line(/ALLOWED_ORIGIN is no setting: is ALLOWED_ORIGINS meant\?/);
});

Deno.test("main: a setting whose host the permissions refuse is named at start, with the command", async () => {
  const run = 'Run: deno run --quiet -P=server "--allow-net=0.0.0.0,127.0.0.1,localhost,[::],[::1]';
  const expected = {
    REDIS_URL: {
      "redis://:hush@redis.example:6380": "redis.example",
      "redis://192.0.2.1": "192.0.2.1:6379",
    },
    CONSUMER_JWKS_URL: { "https://idp.example/hush": "idp.example:443" },
  };
  for (const [name, hosts] of Object.entries(expected)) {
    for (const [value, host] of Object.entries(hosts)) {
      const { code, stderr } = await runDeno(["run", ...PERMISSIONS, MAIN], {
        env: { ...OPEN, [name]: value },
      });
      assertEquals(
        [code, stderr],
        [1, `${name} names a host that may not be reached. ${run},${host}" main.ts\n`],
      );
    }
  }
  const { stderr } = await runDeno(["run", ...PERMISSIONS, MAIN, "--port", "0"], {
    env: { ...OPEN, REDIS_URL: "redis://redis.example" },
  });
  assertStringIncludes(stderr, `,redis.example" main.ts with the same arguments\n`);
});

Deno.test("main: a host that cannot be listened on is shown by its start alone", async () => {
  const host = "0123456789abcdef0123456789abcdef";
  for (const permissions of [PERMISSIONS, ["--no-prompt", "--allow-env", "--allow-net"]]) {
    const { code, stderr } = await runDeno(["run", ...permissions, MAIN], {
      env: { ...OPEN, HOST: host },
    });
    assertEquals(code, 1);
    assertMatch(stderr, /^[^\n]*0123…[^\n]*\n$/);
    assert(!stderr.includes("01234"), stderr);
  }
});

Deno.test("main: without authentication the address of the page comes first, for this machine alone", async () => {
  await using server = serve({ env: { AUTH_DISABLED: "true", PORT: "0" } });
  const { url } = await listening(server);
  await server.line(/HOST=0\.0\.0\.0 lets others in/);
  const messages = server.stdout().trimEnd().split("\n").map((line) => JSON.parse(line).message);
  assertEquals(messages[0], `Open ${url}/ in two tabs: they connect and talk`);
  assertMatch(messages[1], /^AUTHENTICATION IS OFF/);
  assertMatch(url, /^http:\/\/127\.0\.0\.1:/);
  assertMatch(await (await fetch(`${url}/`)).text(), /^<!doctype html>/);
});

Deno.test("main: with authentication it speaks of the page only where PLAYGROUND is set", async () => {
  for (const [PLAYGROUND, isOn] of [["false", false], ["true", true]] as const) {
    await using server = serve({ env: { ...await authEnvironment(), PLAYGROUND } });
    const { url } = await listening(server);
    const [first = ""] = server.stdout().split("\n");
    const line = /"message":"Open http\S+\/ and paste a room token: two tabs connect and talk"/;
    assertEquals([/"Open http/.test(first), line.test(first)], [isOn, isOn]);
    const { status, body } = await fetch(`${url}/`);
    await body?.cancel();
    assertEquals(status, isOn ? 200 : 404);
  }
});

Deno.test("main: it logs its own version and Deno's", async () => {
  await using server = serve({ env: OPEN });
  const [line] = await server.line(/^\{.*"Listening on .*\}$/m);
  const { version, deno } = JSON.parse(line);
  assertEquals([version, deno], [metadata.version, Deno.version.deno]);
});

Deno.test("main: without permission to read .env or all of the environment it goes by the rest", async () => {
  const permissions = ["--allow-net=127.0.0.1", "--allow-env=AUTH_DISABLED,HOST,PORT"];
  await using server = startDeno(["run", "--no-prompt", ...permissions, MAIN], { env: OPEN });
  await listening(server);
});

Deno.test("main: a missing permission to listen is named", async () => {
  const { code, stderr } = await runDeno(["run", "--no-prompt", "--allow-env", MAIN], {
    env: OPEN,
  });
  assertEquals(code, 1);
  assertMatch(stderr, /^Listening on 127\.0\.0\.1:0 is not permitted\. Run with: --allow-net=/);
});

Deno.test("main: SIGTERM and SIGINT close clients with 1001 and exit with 0, also with a silent one", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const env = await authEnvironment();
    await using server = serve({ env });
    const { url, port } = await listening(server);
    const token = await requestToken(url, env["ADMIN_SECRET"] ?? "", "room");
    await using good = await Client.join(signalUrl(url, { token, nodeId: "good" }));
    using silent = await openRaw(port, `/signal?token=${token}&nodeId=silent`);
    await silent.write(frame(1, '{"type":"register"}'));
    using running = await Deno.connect({ hostname: "127.0.0.1", port });
    const head = `POST /token HTTP/1.1\r\nHost: x\r\nx-admin-secret: ${env["ADMIN_SECRET"]}\r\n` +
      "content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    await running.write(new TextEncoder().encode(head));
    await until("both to join", async () => {
      return (await (await fetch(`${url}/health`)).json()).peers === 2;
    });
    server.kill(signal);
    assertEquals(await good.closed, { code: 1001, reason: "server shutting down" });
    assertEquals(await server.exited, 0);
  }
});

Deno.test("main: a signal that comes twice at once, as Ctrl-C under deno task does, is one", async () => {
  await using server = serve({ env: OPEN });
  const { port } = await listening(server);
  using silent = await openRaw(port, "/signal");
  await silent.write(frame(1, '{"type":"register"}'));
  server.kill("SIGINT");
  server.kill("SIGINT");
  server.kill("SIGTERM");
  assertEquals(await server.exited, 0);
});

Deno.test("main: a setting that is not valid UTF-8 is named, and neither shown nor traced", async () => {
  const script = `ADMIN_SECRET=$(printf 'hush-\\351-hush') PORT=x exec "$0" "$@"`;
  await using server = start("sh", ["-c", script, Deno.execPath(), "run", ...PERMISSIONS, MAIN]);
  assertEquals(await server.exited, 1);
  assertMatch(server.stderr(), /^ADMIN_SECRET is not valid UTF-8\. Set it again\nPORT must be /);
  assert(!/hush|at file:/.test(server.stderr()));
});

Deno.test("main: what may not be read is not called missing without a word", async () => {
  const args = ["run", "--no-prompt", "--allow-net", MAIN];
  const { code, stderr } = await runDeno(args, { env: OPEN });
  assertEquals(code, 1);
  assertMatch(stderr, /If they are set, .* --allow-env and --allow-read=\.env\n$/);
});

Deno.test("main: on Deno Deploy it warns that instances without a backplane do not meet", async () => {
  const env = { ...OPEN, DENO_DEPLOYMENT_ID: "some-deployment" };
  await using server = startDeno(["run", "--allow-all", MAIN], { env });
  await server.line(/REDIS_URL is not set: peers on different instances of Deploy do not meet/);
});

Deno.test("main: on Deno Deploy it warns of a drain that is cut off, and shows no URL of this machine", async () => {
  const env = { ...await authEnvironment(), DENO_DEPLOYMENT_ID: "some", DRAIN_SECONDS: "4" };
  await using server = startDeno(["run", "--allow-all", MAIN], { env });
  await server.line(/DRAIN_SECONDS is 4: Deploy ends a process 5 seconds after its signal/);
  const { url } = await listening(server);
  await fetch(`${url}/health`).then((response) => response.body?.cancel());
  assert(!/curl|Connect to/.test(server.stdout()), server.stdout());
});

Deno.test("main: it goes on when nothing can be logged any more", async () => {
  const script = `exec "$0" "$@" > /dev/full`;
  using port = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const env = { ...OPEN, PORT: String(port.addr.port), LOG_LEVEL: "debug" };
  port.close();
  await using server = start("sh", ["-c", script, Deno.execPath(), "run", ...PERMISSIONS, MAIN], {
    env,
  });
  const url = `http://127.0.0.1:${env.PORT}`;
  await until("it to answer", () => fetch(`${url}/health`).then((r) => r.json(), () => false));
  for (let n = 0; n < 20; n++) await (await Client.join(signalUrl(url))).close();
  server.kill("SIGTERM");
  assertEquals(await server.exited, 0);
});

Deno.test("main: it goes on listening after it ran out of file descriptors", async () => {
  const command = `ulimit -n 60; exec "$0" "$@"`;
  await using server = start("bash", [
    "-c",
    command,
    Deno.execPath(),
    "run",
    ...PERMISSIONS,
    MAIN,
  ], { env: OPEN });
  const { url, port } = await listening(server);
  await using a = await Client.join(signalUrl(url, { nodeId: "a" }));
  await using b = await Client.join(signalUrl(url, { nodeId: "b" }));
  const flood = await Promise.allSettled(
    Array.from({ length: 100 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  await server.line(/The listener failed; listening again/);
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
  for (const attempt of flood) if (attempt.status === "fulfilled") attempt.value.close();
  await until("it to answer again", async () => {
    return await fetch(`${url}/health`).then((r) => r.json(), () => ({})).then((h) =>
      h.peers === 2
    );
  });
  await using c = await Client.join(signalUrl(url, { nodeId: "c" }));
  assertEquals(c.peers, ["a", "b"]);
  server.kill("SIGTERM");
  assertEquals(await server.exited, 0);
});

Deno.test("main: start, the binary and the image have the same permissions, and may read every setting", async () => {
  const { start, "compile:to": compile } = metadata.tasks;
  const { server } = metadata.permissions;
  const command = /^CMD (\[[\s\S]*\])/m.exec(await Deno.readTextFile(`${ROOT}Dockerfile`))?.[1] ??
    "";
  const image = JSON.parse(command.replaceAll("\\\n", "")).join(" ");
  assertEquals(permissionsOf(start.command), ["--quiet", "--no-prompt", "-P=server"]);
  assertEquals(permissionsOf(image), ["--quiet", "--no-prompt", "-P=server"]);
  // The set has the folder of deno.json; a binary reads .env where it is run.
  assertEquals(permissionsOf(compile.command), ["-P=server", "--no-prompt", "--allow-read=.env"]);
  assertEquals(server.read, [".env"]);
  assertEquals(server.env, SETTINGS.map(({ name }) => name));
});

Deno.test("main: the binary has the permissions of start, and reads .env where it is run", async () => {
  await using folder = await temporaryFolder();
  const output = `${folder.path}/client-db-sync`;
  const { code, stderr } = await runDeno(
    ["task", "--quiet", "compile:to", "--output", output, "main.ts"],
    { cwd: ROOT, env: { DENORT_BIN: Deno.execPath() } }, // The base of a binary cannot be had here.
  );
  assertEquals(code, 0, stderr);
  const { net, env, sys } = metadata.permissions.server;
  const text = new TextDecoder("latin1").decode(await Deno.readFile(output));
  const granted = text.slice(text.lastIndexOf('"permissions":{"allow_env"'));
  for (const [kind, names] of Object.entries({ env, net, read: [".env"], sys })) {
    assertStringIncludes(granted, `"allow_${kind}":${JSON.stringify(names)}`);
  }
  assertStringIncludes(granted, '"prompt":false');
});
