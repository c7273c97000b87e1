/** The TURN server of `compose.yaml`: its settings, run by the coturn of this machine. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { probeIceServer } from "../../src/ice/probe.ts";
import { ROOT, type Running, start, temporaryFolder } from "../helpers/command.ts";
import { answering, MISSING_COTURN, onLoopback, turnUser } from "../helpers/coturn.ts";
import { freePort } from "../helpers/port.ts";
import { TurnClient } from "../helpers/turn_client.ts";

const COMPOSE = await Deno.readTextFile(`${ROOT}compose.yaml`);

/** The text below the first line of this kind after `from`, as long as it is further in. */
function block(from: string, line: string): string {
  const rest = COMPOSE.slice(COMPOSE.indexOf(from) + 1);
  const match = new RegExp(`^( *)${line} \\|\\n((?:\\1 +.*\\n|\\n)+)`, "m").exec(rest);
  const text = (match?.[2] ?? "").replaceAll("$$", "$");
  const indent = /^ */.exec(text)?.[0] ?? "";
  return text.replaceAll(new RegExp(`^${indent}`, "gm"), "");
}

const SCRIPT = block("\n  turn:\n", "-");
const CONFIG = block("\n  turnserver:\n", "content:");

interface Relay extends AsyncDisposable {
  readonly port: number;
  readonly running: Running;
}

/** Runs the script as its container would, on loopback alone. */
async function startRelay(env: Record<string, string>, more = ""): Promise<Relay> {
  const folder = await temporaryFolder();
  const port = freePort();
  const config = CONFIG
    .replace(/^listening-port=.*\n/m, "")
    .replace(/^pidfile=.*\n/m, "")
    .concat(onLoopback(port, folder.path).join("\n"), `\nrelay-ip=::1\n${more}\n`);
  await Deno.writeTextFile(`${folder.path}/mounted.conf`, config);
  const script = SCRIPT
    .replaceAll("/etc/coturn/turnserver.conf", `${folder.path}/mounted.conf`)
    .replaceAll("/tmp/turnserver.conf", `${folder.path}/turnserver.conf`);
  const unset = { TURN_PREVIOUS_SECRET: "", TURN_EXTERNAL_IP: "" };
  const running = start("sh", ["-euc", script], { cwd: folder.path, env: { ...unset, ...env } });
  return {
    port,
    running,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** One address or more of every range that only the machine itself should reach. */
const PRIVATE = {
  4: [
    ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255"],
    ...["127.0.0.1", "127.0.0.53", "169.254.169.254", "172.16.0.1", "172.31.255.255"],
    ...["192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255"],
    ...["198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"],
    ...["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
  ],
  6: [
    ...["::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"],
    ...["64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::1"],
    ...["fc00::1", "fd00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1"],
  ],
} as const;

/** Addresses of the Internet, beside those ranges. */
const PUBLIC = {
  4: ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "172.32.0.0", "223.255.255.255"],
  6: ["2001:200::1", "2003::1", "2606:4700::1", "2a00::1"],
} as const;

Deno.test({
  name: "compose.yaml: its TURN server relays for credentials of its secret, to public peers alone",
  ignore: MISSING_COTURN !== undefined,
  async fn() {
    await using relay = await startRelay({ TURN_SECRET: "n$orth#1", TURN_PREVIOUS_SECRET: "old" });
    await answering(relay.port, relay.running);
    assert(!/ERROR|Wrong|Bad conf/i.test(relay.running.stdout()), relay.running.stdout());
    for (const transport of ["udp", "tcp"]) {
      const url = `turn:127.0.0.1:${relay.port}?transport=${transport}`;
      const kinds = ["n$orth#1", "old", "south", ""].map(async (secret) =>
        (await probeIceServer({ url, ...turnUser(secret) })).kind
      );
      const granted = await Promise.all(kinds);
      assertEquals(granted, ["turn", "turn", "unauthorized", "unauthorized"]);
    }
    for (const family of [4, 6] as const) {
      using client = await TurnClient.allocate(relay.port, turnUser("old"), family);
      for (const address of PRIVATE[family]) {
        assertEquals([address, await client.permit(address)], [address, 403]);
      }
      for (const address of PUBLIC[family]) {
        assertEquals([address, await client.permit(address)], [address, 0]);
      }
    }
  },
});

Deno.test({
  name:
    "compose.yaml: with a public address mapped to its own, its TURN server relays between peers",
  ignore: MISSING_COTURN !== undefined,
  async fn() {
    const external = { TURN_SECRET: "north", TURN_EXTERNAL_IP: "9.9.9.9/127.0.0.1" };
    // 127.0.0.1 stands for the machine's private address here; all others stay denied.
    await using relay = await startRelay(external, "allow-loopback-peers");
    await answering(relay.port, relay.running);
    using client = await TurnClient.allocate(relay.port, turnUser());
    assertEquals(client.relayed?.address, "9.9.9.9");
    assertEquals(await client.permit("127.0.0.2"), 403);

    const { username, credential } = turnUser();
    const user = ["-u", username, "-w", credential, "-p", String(relay.port)];
    const between = ["-y", "-c", "-n", "1", "-m", "1", ...user, "127.0.0.1"];
    await using sent = start("turnutils_uclient", between);
    assertEquals(await sent.exited, 0);
    assertMatch(sent.stdout(), /tot_send_msgs=2, tot_recv_msgs=2/);
  },
});

Deno.test({
  name: "compose.yaml: its TURN server gives one peer no more than its quota",
  ignore: MISSING_COTURN !== undefined,
  async fn() {
    await using relay = await startRelay({ TURN_SECRET: "north" });
    await answering(relay.port, relay.running);
    using clients = new DisposableStack();
    const quota = Number(/^user-quota=(\d+)$/m.exec(CONFIG)?.[1]);
    const allocate = async (name: string) => {
      clients.use(await TurnClient.allocate(relay.port, turnUser("north", { name })));
    };
    for (let count = 0; count < quota; count++) await allocate("alice");
    await assertRejects(() => allocate("alice"), Error, "No allocation: 486");
    await allocate("bob");
  },
});

Deno.test("compose.yaml: its TURN server does not start without a secret, or with one that it misreads", async () => {
  const refused = { "": "is not set in .env", "=north": "in .env must not begin with =" };
  for (const [secret, why] of Object.entries(refused)) {
    await using relay = await startRelay({ TURN_SECRET: secret });
    assertEquals(await relay.running.exited, 1);
    assertEquals(relay.running.stderr(), `TURN_SECRET ${why}\n`);
  }
});

Deno.test("compose.yaml: its TURN server has room for its quota, and no console or TCP relay", () => {
  const settings = new Map(
    CONFIG.split("\n").filter((line) => /^[a-z]/.test(line)).map((line) => {
      const [name = "", value = ""] = line.split("=");
      return [name, value];
    }),
  );
  const ports = Number(settings.get("max-port")) - Number(settings.get("min-port")) + 1;
  assert(Number(settings.get("total-quota")) <= ports);
  for (const name of ["use-auth-secret", "no-cli", "no-tcp-relay", "no-multicast-peers"]) {
    assert(settings.has(name), name);
  }
  assert(!COMPOSE.slice(COMPOSE.indexOf("exec turnserver")).includes("static-auth-secret="));
});
