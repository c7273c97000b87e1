/**
 * The systemd unit, checked by systemd, and its command run as nearly as possible as the unit says
 * where no systemd runs: without privileges, in a file system that is read-only.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { SETTINGS } from "../../src/config/settings.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import { DEFAULT_LIMITS } from "../../mod.ts";
import { Client } from "../helpers/client.ts";
import { ROOT, start, temporaryFolder } from "../helpers/command.ts";
import { listening, OPEN } from "../helpers/main.ts";
import { hasPrograms } from "../helpers/program.ts";
import { signalUrl } from "../helpers/server.ts";

const FILE = `${ROOT}deploy/systemd/client-db-sync.service`;
const UNIT = await Deno.readTextFile(FILE);

/** What `systemd-analyze security` may say at most; 10 is no protection at all. */
const MAX_EXPOSURE = "15"; // Tenths.

const hasSystemd = await hasPrograms("systemd-analyze");

/** The values of a directive, in their order. */
function valuesOf(directive: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${directive}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

/** The variables that the unit itself sets. */
const ENVIRONMENT = Object.fromEntries(
  valuesOf("Environment").flatMap((line) => line.split(" ")).map((pair) => pair.split("=", 2)),
);

Deno.test({
  name: "systemd: the unit is valid, and exposes little",
  ignore: !hasSystemd,
  async fn() {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/client-db-sync.service`;
    // The program is not installed where the tests run.
    await Deno.writeTextFile(
      path,
      UNIT.replace("ExecStart=/usr/local/bin/deno", "ExecStart=/bin/sh"),
    );
    await using verify = start("systemd-analyze", ["verify", "--man=no", path]);
    assertEquals(await verify.exited, 0, verify.stderr());
    assertEquals(verify.stderr(), "");
    const args = ["security", "--offline=yes", `--threshold=${MAX_EXPOSURE}`, "--no-pager", path];
    await using security = start("systemd-analyze", args);
    assertEquals(await security.exited, 0, security.stdout());
  },
});

Deno.test("systemd: the unit fits the server's exit codes and limits, and lets V8 compile", () => {
  assert(!/^MemoryDenyWriteExecute/m.test(UNIT));
  assertEquals(valuesOf("Restart"), ["always"]);
  assertEquals(valuesOf("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
  assertEquals(valuesOf("RestartPreventExitStatus"), ["1 2"]);
  assert(Number(valuesOf("TimeoutStopSec")[0]) > DEFAULTS.drainSeconds + 2);
  assert(Number(valuesOf("LimitNOFILE")[0]) > DEFAULT_LIMITS.maxConnections);
  const [, megabytes] = /^(\d+)M$/.exec(valuesOf("MemoryMax")[0] ?? "") ?? [];
  assertEquals(Number(ENVIRONMENT.MAX_MEMORY_MB), Number(megabytes) * 0.8);
});

Deno.test("systemd: every setting that its example names exists", async () => {
  const text = await Deno.readTextFile(`${ROOT}deploy/systemd/client-db-sync.env`);
  const names = SETTINGS.map(({ name }) => name);
  const used = [...text.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name = ""]) => name);
  assert(used.length > 4);
  for (const name of used) assert(names.includes(name), name);
});

/** Puts the program, its cache and the project where the unit expects them, and hides the rest. */
const SANDBOX = `
set -eu
mount --make-rprivate /
mount -t tmpfs none /opt
mkdir -p /opt/client-db-sync /opt/bin /opt/cache
mount --bind "$PROJECT" /opt/client-db-sync
mount --bind "$CACHE" /opt/cache
cp --reflink=auto "$DENO" /opt/bin/deno
for folder in /tmp /var/tmp /home /root; do mount -t tmpfs -o ro none "$folder"; done
for folder in / /opt /opt/client-db-sync /opt/cache; do mount -o remount,bind,ro "$folder"; done
cd /opt/client-db-sync
exec prlimit --nofile="$FILES" setpriv --reuid=65534 --regid=65534 --clear-groups \\
  --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
`;

/** Whether this process may have a file system of its own: not in every container. */
const canMount = await new Deno.Command("unshare", {
  args: ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
  stderr: "null",
}).output().then(({ success }) => success, () => false);

Deno.test({
  name: "systemd: the unit's command serves without privileges, in a read-only file system",
  ignore: !canMount,
  async fn() {
    const [command = ""] = valuesOf("ExecStart");
    const [program = "", ...args] = command.split(" ");
    assertEquals(program, "/usr/local/bin/deno");
    const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
    const env = {
      ...ENVIRONMENT,
      ...OPEN,
      DENO_DIR: "/opt/cache",
      PROJECT: ROOT,
      DENO: Deno.execPath(),
      CACHE: JSON.parse(new TextDecoder().decode(info.stdout)).denoDir,
      FILES: "16384",
    };
    await using server = start(
      "unshare",
      ["--mount", "--", "sh", "-c", SANDBOX, "sh", "/opt/bin/deno", ...args],
      { env },
    );
    const { url } = await listening(server);
    const status = await Deno.readTextFile(`/proc/${server.pid}/status`);
    assertMatch(status, /^Uid:\s+65534\s+65534/m);
    assertMatch(status, /^CapBnd:\s+0+$/m);
    assertMatch(status, /^NoNewPrivs:\s+1$/m);
    await using a = await Client.join(signalUrl(url, { nodeId: "a" }));
    await using b = await Client.join(signalUrl(url, { nodeId: "b" }));
    b.send({ type: "offer", to: "a", sdp: {} });
    assertEquals((await a.next("offer")).from, "b");
    server.kill("SIGTERM"); // As systemd does.
    assertEquals(await server.exited, 0, server.stdout() + server.stderr());
    assertEquals(server.stderr(), "");
  },
});
