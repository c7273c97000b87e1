import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { EXPECTED } from "../../src/doctor/report.ts";
import { ROOT, runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { MAIN, permissionsOf, runMain } from "../helpers/main.ts";
import { freePort } from "../helpers/port.ts";
import { ADMIN_SECRET, startServer } from "../helpers/server.ts";

/** The arguments of `deno task doctor`; `.env` is that of the current folder, not of the project. */
const DOCTOR = [
  "run",
  ...permissionsOf(metadata.tasks.doctor.command),
  "--allow-read=.env",
  MAIN,
  "doctor",
];

Deno.test("doctor prints a line for each step and exits with 0, with the secret from a variable", async () => {
  await using server = await startServer();
  const args = [...DOCTOR, server.url, "--admin-secret-env", "MY_SECRET", "--idle-seconds=1"];
  const { code, stdout, stderr } = await runDeno(args, { env: { MY_SECRET: ADMIN_SECRET } });
  assertEquals([code, stderr], [0, ""], stdout);
  assertMatch(stdout, /^ok {4}upgrade: 101, and without a token 4001 as it should, in [\d.]+ ms$/m);
  assertMatch(stdout, /^ok {4}idle 1 s: still open after 1 s; pings of the server: 0$/m);
  assertMatch(stdout, /^skip {2}origin: --origin names none$/m);
  assertMatch(stdout, /^WARN {2}ice-servers: .*TURN_URLS/m);
  assertMatch(stdout, /\n\nIt works: 0 failed, 1 to look at, \d skipped\.\n$/);
  assert(!(stdout + stderr).includes(ADMIN_SECRET));
});

Deno.test("doctor reads the admin secret from .env, and a token or secret from standard input", async () => {
  await using server = await startServer();
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/.env`, `ADMIN_SECRET=${ADMIN_SECRET}\n`);
  const fromFile = await runDeno(
    [...DOCTOR, server.url, "--quick", "--admin-secret-env=ADMIN_SECRET"],
    { cwd: folder.path },
  );
  assertEquals(fromFile.code, 0, fromFile.stdout + fromFile.stderr);
  const token = await server.token("todos");
  for (const [option, input] of [["--token", token], ["--admin-secret", ADMIN_SECRET]] as const) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...DOCTOR, server.url, "--quick", option, "-"],
      cwd: folder.path,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${input}\n`));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals([option, code], [option, 0], text);
    assert(!text.includes(input), text);
  }
});

Deno.test("doctor --json prints one document of the documented shape", async () => {
  await using server = await startServer();
  const url = `${server.url}?token=${await server.token("todos")}`;
  const good = await runDeno([...DOCTOR, url, "--quick", "--json"]);
  const bad = await runDeno([...DOCTOR, `127.0.0.1:${freePort()}`, "--quick", "--json"]);
  assertEquals([good.code, bad.code], [0, 1]);
  for (const { stdout, stderr, code } of [good, bad]) {
    assertEquals(stderr, "");
    const { url, ok, steps, ...more } = JSON.parse(stdout);
    assertEquals([typeof url, ok, more], ["string", code === 0, {}]);
    for (const { step, status, expected, seen, about, change, ms, ...more } of steps) {
      assert(step in EXPECTED, step);
      assert(["ok", "warn", "fail", "skipped"].includes(status), status);
      assertEquals([typeof expected, typeof seen, more], ["string", "string", {}]);
      assertEquals(typeof change, ["warn", "fail"].includes(status) ? "string" : "undefined");
      assert(["string", "undefined"].includes(typeof about), step);
      assert(["number", "undefined"].includes(typeof ms), step);
    }
  }
  const names = new Set(JSON.parse(good.stdout).steps.map(({ step }: { step: string }) => step));
  const never = ["ice", "idle"]; // Without ICE servers, and with --quick.
  assertEquals([...names], Object.keys(EXPECTED).filter((name) => !never.includes(name)));
  assert(!good.stdout.includes("eyJ"));
  assertEquals(JSON.parse(bad.stdout).steps[1].status, "fail");
});

Deno.test("doctor that fails says what was expected, what was seen and what to change", async () => {
  const { code, stdout } = await runDeno([...DOCTOR, `127.0.0.1:${freePort()}`]);
  assertEquals(code, 1);
  assertMatch(
    stdout,
    /^FAIL {2}connect: expected: the port accepts connections; seen: nothing listens on port \d+\. Start the server/m,
  );
  assertMatch(stdout, /^skip {2}idle 120 s: the step join did not succeed$/m);
  assertMatch(stdout, /It does not work as it should: 1 failed, 0 to look at, 1\d skipped\.\n$/);
});

Deno.test("doctor stops at Ctrl-C, and says what it has not tried", async () => {
  await using server = await startServer();
  const args = [...DOCTOR, server.url, "--admin-secret-env", "MY_SECRET"];
  await using running = startDeno(args, { env: { MY_SECRET: ADMIN_SECRET } });
  await running.line(/address: /);
  running.kill("SIGINT");
  assertEquals(await running.exited, 1);
  assertMatch(
    running.stdout(),
    /^skip {2}idle 60 s: interrupted\nskip {2}idle 120 s: interrupted$/m,
  );
  assertEquals(running.stderr(), "");
});

Deno.test("doctor answers each wrong use with one sentence, shows no secret and exits with 2", async () => {
  const cases: [string[], RegExp][] = [
    [[], /URL is missing/],
    [["--quick"], /URL is missing/],
    [["ftp://hush.example"], /the URL must begin with https:/],
    [["https://me:hush@a.example"], /no user and no password/],
    [["a.example", "hush-hush-hush-hush-hush"], /unknown argument/],
    [["a.example", "--admin-secret-env"], /--admin-secret-env needs a value/],
    [["a.example", "--admin-secret-env", "NOT_SET"], /is empty, or may not be read/],
    [["a.example", "--token", "hush", "--token-env", "NOT_SET"], /exclude each other/],
    [["a.example", "--token", "hush hush\u00e9"], /characters that no secret has/],
    [["a.example", "--token", "-", "--admin-secret", "-"], /not both/],
    [["a.example", "--token", "-"], /--token is empty/],
    [["a.example", "--idle-seconds", "0"], /1 to 4 numbers from 1 to 3600/],
    [["a.example", "--idle-seconds", "1,2,3,4,5"], /1 to 4 numbers/],
    [["a.example", "--quick", "--idle-seconds", "1"], /exclude each other/],
    [["a.example", "--origin", "app.example"], /--origin must look like/],
    [["a.example", "--admin-url", "10.0.0.5:9090"], /--admin-url must look like/],
  ];
  await Promise.all(cases.map(async ([args, expected]) => {
    const { code, stdout, stderr } = await runDeno([...DOCTOR, ...args]);
    assertEquals([args, code, stdout], [args, 2, ""], stderr);
    assertMatch(stderr, expected);
    assertMatch(stderr, /^doctor: .*\. Try: doctor URL .*\n$/);
    assert(!stderr.includes("hush-hush-hush-hush-hush") && !stderr.includes("hush\u00e9"), stderr);
  }));
});

Deno.test("doctor names the command where Deno may not reach the host", async () => {
  const { code, stdout, stderr } = await runMain(["doctor", "https://signal.example.com"]);
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "deno run -N -E --allow-read=.env main.ts doctor URL");
});

Deno.test("deno task doctor examines a server", async () => {
  await using server = await startServer();
  const env = { MY_SECRET: ADMIN_SECRET };
  const args = ["task", "doctor", server.url, "--quick", "--admin-secret-env", "MY_SECRET"];
  const { code, stdout } = await runDeno(args, { cwd: ROOT, env });
  assertEquals(code, 0, stdout);
});
