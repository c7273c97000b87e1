import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ROOT, runDeno, startDeno } from "../helpers/command.ts";
import { listening, MAIN, OPEN, PERMISSIONS, runMain } from "../helpers/main.ts";

const COMMANDS = ["serve", "keygen", "token", "check", "doctor"];

/** What `deno info --json` says of the modules of a program. */
interface ModuleGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

/** The modules that a program loads before it runs. */
function loadedAtStart({ roots, modules }: ModuleGraph): Set<string> {
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set(roots);
  for (const name of loaded) { // A set passes on what is added meanwhile.
    for (const { isDynamic, code } of byName.get(name)?.dependencies ?? []) {
      if (!isDynamic && code?.specifier !== undefined) loaded.add(code.specifier);
    }
  }
  return loaded;
}

Deno.test("the server starts without the code that asks other servers, and without Node's modules", async () => {
  const args = ["info", "--json", "--lock=tests/deno.lock", "main.ts"];
  const { code, stdout } = await runDeno(args, { cwd: ROOT });
  assertEquals(code, 0);
  const loaded = [...loadedAtStart(JSON.parse(stdout))];
  assert(loaded.some((name) => name.endsWith("/src/sessions/session.ts")));
  const needless = /\/src\/(doctor\/doctor|cli\/connect|ice\/probe|page\/)|\/@redis\/|^node:/;
  assertEquals(loaded.filter((name) => needless.test(name)), []);
});

Deno.test("the main help lists every command, and each command has a help of its own", async () => {
  const main = await runMain(["--help"]);
  assertEquals([main.code, main.stderr], [0, ""]);
  for (const name of COMMANDS) {
    assertMatch(main.stdout, new RegExp(`^  ${name} +\\S`, "m"));
    for (const args of [[name, "--help"], [name, "-h"], [name, "--wrong", "--help"]]) {
      const { code, stdout, stderr } = await runMain(args);
      assertEquals([code, stderr], [0, ""]);
      assertStringIncludes(stdout, `\nUsage: ${name} `);
    }
  }
});

Deno.test("serve --port and --host win over the settings, in both forms and without the command", async () => {
  const env = { ...OPEN, HOST: "192.0.2.1", PORT: "nowhere" };
  for (
    const args of [
      ["serve", "--port", "0", "--host", "127.0.0.1"],
      ["--port=0", "--host=127.0.0.1"],
      ["--", "--port", "0", "--host=127.0.0.1"],
    ]
  ) {
    await using server = startDeno(["run", ...PERMISSIONS, MAIN, ...args], { env });
    const { url } = await listening(server);
    assertMatch(url, /^http:\/\/127\.0\.0\.1:/);
  }
});

Deno.test("serve --port works behind deno task start, with and without two dashes", async () => {
  for (const dashes of [[], ["--"]]) {
    const args = ["task", "start", ...dashes, "--port", "0"];
    await using server = startDeno(args, { cwd: ROOT, env: { ...OPEN, PORT: "1" } });
    await listening(server);
    server.kill("SIGTERM");
    await server.exited;
  }
});

Deno.test("a wrong option of serve is named as it was written, without the value of another", async () => {
  const hush = "hush-hush-hush";
  for (
    const { args, says } of [
      { args: ["--port", "eighty"], says: /^--port must be [^\n]*Try: --port=8080\n$/ },
      { args: ["--port=65536"], says: /^--port must be [^\n]*Try: --port=8080\n$/ },
      { args: ["--host", "a b"], says: /^--host must be [^\n]*Try: --host=0\.0\.0\.0\n$/ },
      { args: ["--port"], says: /^serve: --port needs a value\. Try: serve / },
      {
        args: ["serve", `--admin-secret=${hush}`],
        says: /^serve: unknown argument "--admin-secret"/,
      },
      { args: ["serve", hush], says: /^serve: unknown argument "hush…"/ },
      { args: [hush], says: /^Unknown argument "hush…"/ },
    ]
  ) {
    const { code, stdout, stderr } = await runMain(args, { env: OPEN });
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertMatch(stderr, says);
    assert(!stderr.includes("hush-"), stderr);
  }
});

Deno.test("a port that is in use is named by the option that named it", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const { code, stderr } = await runMain(["--port", String(port)], { env: OPEN });
  assertEquals(code, 1);
  assertMatch(stderr, new RegExp(`^--port ${port} is in use\\. Try: --port=\\d+\n$`));
});
