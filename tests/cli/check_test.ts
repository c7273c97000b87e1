import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { generateKeyPairJwk } from "../../mod.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { MISSING_COTURN, startCoturn } from "../helpers/coturn.ts";
import { checkConnect } from "../helpers/check.ts";
import { runDeno, temporaryFolder } from "../helpers/command.ts";
import { MAIN, OPEN, runMain } from "../helpers/main.ts";
import { freePort } from "../helpers/port.ts";
import { newProvider } from "../helpers/provider.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";

/** The lines about settings: name, value and source, by name. */
function settingsIn(stdout: string): Map<string, [string, string]> {
  const lines = stdout.matchAll(/^([A-Z][A-Z_]+) {2,}(\S.*?) {2,}(default|environment|\.env)$/gm);
  return new Map(
    [...lines].map(([, name = "", value = "", source = ""]) => [name, [value, source]]),
  );
}

Deno.test("check prints every setting with its value and where it comes from, and no secret", async () => {
  await using folder = await temporaryFolder();
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const secret = "hush-hush-hush-hush-hush-hush-hush";
  await Deno.writeTextFile(
    `${folder.path}/.env`,
    `PRIVATE_KEY_JWK=${privateKeyJwk}\nADMIN_SECRET=${secret}\nPORT=9000\nLOG_LEVEL=debug\n` +
      `REDIS_URL=redis://me:hush@127.0.0.1:6379/2\n`,
  );
  const env = {
    PORT: " 9001 ",
    TURN_URLS: "turn:127.0.0.1",
    TURN_SECRET: secret,
    ICE_SERVERS: `[{"urls":"turn:127.0.0.1","username":"hush","credential":"hush"}]`,
    VERIFY_KEYS_JWK: publicKeyJwk,
    CONSUMER_JWKS_URL: "http://me:hush@127.0.0.1:1/keys?token=hush",
  };
  const { code, stdout, stderr } = await runMain(["check"], { cwd: folder.path, env });
  assertEquals(code, 0, stderr);
  const found = settingsIn(stdout);
  assertEquals([...found.keys()], SETTINGS.map(({ name }) => name));
  const expected = {
    HOST: ["0.0.0.0", "default"],
    PORT: ["9001", "environment"],
    LOG_LEVEL: ["debug", ".env"],
    PRIVATE_KEY_JWK: ["set", ".env"],
    PUBLIC_KEY_JWK: ["not set", "default"],
    VERIFY_KEYS_JWK: ["set", "environment"],
    ADMIN_SECRET: ["set", ".env"],
    TURN_SECRET: ["set", "environment"],
    ICE_SERVERS: ["set", "environment"],
    REDIS_URL: ["redis://***@127.0.0.1:6379/2", ".env"],
    CONSUMER_JWKS_URL: ["http://***@127.0.0.1:1/keys?***", "environment"],
    MAX_PEERS_PER_ROOM: ["1000", "default"],
  };
  for (const [name, entry] of Object.entries(expected)) {
    assertEquals([name, found.get(name)], [name, entry]);
  }
  assert(!/hush|eyJ/.test(stdout + stderr), stdout + stderr);
  assertMatch(stderr, /^Warning: CONSUMER_ISSUER is not set/m);
});

Deno.test("check reports what serve would, every problem at once, and exits with 1", async () => {
  await using folder = await temporaryFolder();
  const [one, other] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  const { d } = JSON.parse(atob(one.privateKeyJwk));
  const mixed = btoa(JSON.stringify({ ...JSON.parse(atob(other.privateKeyJwk)), d }));
  const keys = { ADMIN_SECRET: "s".repeat(32), PRIVATE_KEY_JWK: one.privateKeyJwk };
  for (
    const env of [
      {},
      { ...keys, PORT: "eighty", LOG_LEVEL: "x" },
      { ...keys, REDIS_URL: "redis://:hush@redis.example" },
      { ...keys, PRIVATE_KEY_JWK: mixed },
    ]
  ) {
    const served = await runMain(["serve"], { cwd: folder.path, env });
    const checked = await runMain(["check"], { cwd: folder.path, env });
    assertEquals(checked, { code: 1, stdout: "", stderr: served.stderr });
  }
});

Deno.test("check opens no port, so that it works beside a server", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code } = await runMain(["check"], { env: { ...OPEN, PORT: String(taken.addr.port) } });
  assertEquals(code, 0);
});

Deno.test("check finds misspelt names where it may see them, and says where it may not", async () => {
  const env = { ...OPEN, ALLOWED_ORIGIN: "https://a" };
  const narrow = await runMain(["check"], { env });
  assertMatch(
    narrow.stderr,
    /Misspelt names .* deno run -N -E --allow-read=\.env main\.ts check\n$/,
  );
  const wide = await runDeno(["run", "-N", "-E", MAIN, "check"], { env });
  assertMatch(wide.stderr, /^Warning: ALLOWED_ORIGIN is no setting: is ALLOWED_ORIGINS meant\?$/m);
  assert(!wide.stderr.includes("Misspelt names"));
});

Deno.test("check works under the permissions of a compiled binary", async () => {
  const { net, env: names, sys } = metadata.permissions.server;
  const flags = [`--allow-net=${net.join(",")}`, `--allow-env=${names.join(",")}`];
  const read = ["--no-prompt", "--allow-read=.env", `--allow-sys=${sys.join(",")}`];
  await using folder = await temporaryFolder();
  for (const args of [["check", "--connect"], ["token", "--help"]]) {
    const { code, stderr } = await runDeno(["run", ...flags, ...read, MAIN, ...args], {
      cwd: folder.path,
      env: OPEN,
    });
    assertEquals(code, 0, stderr);
  }
});

Deno.test("check --connect says so when there is nothing to connect to", async () => {
  const { code, stdout } = await runMain(["check", "--connect"], { env: OPEN });
  assertEquals(code, 0);
  assertStringIncludes(stdout, "No setting names a server to connect to.");
});

Deno.test("check --connect says what the URL of the consumers' keys answers", async () => {
  const provider = await newProvider();
  const key = JSON.parse(atob(provider.jwks));
  const answers: Record<string, () => Response> = {
    "/good": () => Response.json({ keys: [key, { kty: "oct", k: "AA" }] }),
    "/empty": () => Response.json({ keys: [] }),
    "/other": () => Response.json({ keys: [{ kty: "oct", k: "AA" }] }),
    "/page": () => new Response("<html>"),
    "/moved": () => new Response(null, { status: 302, headers: { location: "/good" } }),
  };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const answer = answers[new URL(request.url).pathname];
    return answer === undefined ? new Response(null, { status: 404 }) : answer();
  });
  const { port } = server.addr;
  for (
    const { url, code, says } of [
      {
        url: `:${port}/good`,
        code: 0,
        says: /^ok {4}CONSUMER_JWKS_URL: 1 of 2 keys are usable, in \d+ ms/,
      },
      { url: `:${port}/empty`, code: 1, says: /^FAIL .*: It has no key/ },
      {
        url: `:${port}/other`,
        code: 1,
        says: /^FAIL .*: None of its 1 keys can verify .*symmetric/,
      },
      { url: `:${port}/page`, code: 1, says: /^FAIL .*: Its answer is no key set/ },
      { url: `:${port}/moved`, code: 1, says: /^FAIL .*: It answers with a redirect \(302\)/ },
      { url: `:${port}/none?hush`, code: 1, says: /^FAIL .*: It answers with 404: check its path/ },
      { url: `:${freePort()}/x`, code: 1, says: /^FAIL .*: It cannot be reached: check/ },
    ]
  ) {
    const result = await checkConnect({ ...OPEN, CONSUMER_JWKS_URL: `http://127.0.0.1${url}` });
    assertEquals(result.code, code, result.answers);
    assertMatch(result.answers, says);
  }
});

Deno.test({
  name: "check --connect says what Redis answers, and leaves nothing in it",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis(["--requirepass", "hush-hush"]);
    const { port } = new URL(redis.url);
    const good = { ...OPEN, REDIS_URL: `redis://:hush-hush@127.0.0.1:${port}` };
    const result = await checkConnect(good);
    assertEquals(result.code, 0, result.answers);
    assertMatch(
      result.answers,
      /^ok {4}REDIS_URL: Redis connected in \d+ ms and answers a PING in \d+ ms$/m,
    );
    assertEquals(await redis.cli("-a", "hush-hush", "--no-auth-warning", "KEYS", "*"), []);
    const wrong = await checkConnect({ ...OPEN, REDIS_URL: `redis://:hushed@127.0.0.1:${port}` });
    assertEquals(wrong.code, 1);
    assertMatch(wrong.answers, /^FAIL {2}REDIS_URL: It refuses the user or the password/);
    const none = await checkConnect({ ...OPEN, REDIS_URL: redis.url });
    assertMatch(none.answers, /^FAIL {2}REDIS_URL: It refuses the user or the password/);

    await redis.cli("-a", "hush-hush", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const evicting = await checkConnect(good);
    assertEquals(evicting.code, 0);
    assertMatch(evicting.answers, /set its maxmemory-policy to noeviction/);

    const rule = ["ACL", "SETUSER", "me", "on", ">hush", "+@all", "-publish", "~*", "&*"];
    await redis.cli("-a", "hush-hush", ...rule);
    const forbidden = await checkConnect({
      ...OPEN,
      REDIS_URL: `redis://me:hush@127.0.0.1:${port}`,
    });
    assertEquals(forbidden.code, 1, forbidden.answers);
    assertMatch(
      forbidden.answers,
      /^FAIL {2}REDIS_URL: Its user may do too little\. It needs: ACL /,
    );
    const [, needed = ""] = /ACL SETUSER … (.*)\n/.exec(forbidden.answers) ?? [];
    const allowed = ["ACL", "SETUSER", "me", "reset", "on", ">hush", ...needed.split(" ")];
    await redis.cli("-a", "hush-hush", ...allowed);
    const limited = await checkConnect({ ...OPEN, REDIS_URL: `redis://me:hush@127.0.0.1:${port}` });
    assertEquals(limited.code, 0, limited.answers);

    redis.stall();
    const stalled = await checkConnect(good);
    redis.resume();
    assertEquals(stalled.code, 1);
    assertMatch(stalled.answers, /^FAIL {2}REDIS_URL: It does not answer in time/);
    await redis.kill();
    const dead = await checkConnect(good);
    assertMatch(dead.answers, /^FAIL {2}REDIS_URL: Nothing listens there/);
  },
});

Deno.test({
  name: "check --connect asks STUN and TURN servers, with a credential of its own",
  ignore: MISSING_COTURN !== undefined,
  fn: async () => {
    await using coturn = await startCoturn({ secrets: ["hush-hush-hush-hush-hush-hush-hush"] });
    const { privateKeyJwk } = await generateKeyPairJwk();
    const address = `127.0.0.1:${coturn.port}`;
    const env = {
      HOST: "127.0.0.1",
      PRIVATE_KEY_JWK: privateKeyJwk,
      ADMIN_SECRET: "s".repeat(32),
      ICE_SERVERS: JSON.stringify([{ urls: `stun:${address}` }]),
      TURN_URLS: `turn:${address},turn:${address}?transport=tcp`,
      TURN_SECRET: "hush-hush-hush-hush-hush-hush-hush",
    };
    const { code, answers } = await checkConnect(env);
    assertEquals(code, 0, answers);
    const lines = answers.trimEnd().split("\n");
    assertEquals(lines.length, 3);
    assertMatch(lines[0] ?? "", /^ok {4}stun:127\.0\.0\.1:\d+: STUN works: .*, in \d+ ms$/);
    assertMatch(lines[1] ?? "", /^ok {4}turn:127\.0\.0\.1:\d+: .*, in \d+ ms$/);
    assertMatch(lines[2] ?? "", /^ok {4}turn:127\.0\.0\.1:\d+\?transport=tcp: .*, in \d+ ms$/);
    const wrong = await checkConnect({
      ...env,
      TURN_SECRET: "hushhushhushhushhushhushhushhushhush",
    });
    assertEquals(wrong.code, 1);
    assertMatch(wrong.answers, /^FAIL {2}turn:.*refuses the credential \(401\)/m);
  },
});

Deno.test("check --connect names the permission that an ICE server needs", async () => {
  const ICE_SERVERS = JSON.stringify([{ urls: "stun:stun.example.com" }]);
  const { code, stdout, stderr } = await runMain(["check", "--connect"], {
    env: { ...OPEN, ICE_SERVERS },
  });
  assertEquals(code, 1);
  assertMatch(stdout, /^FAIL {2}stun:stun\.example\.com: Deno may not reach it: /m);
  assertMatch(stderr, /^To reach these hosts run: deno run -N -E .* main\.ts check --connect$/m);
});
