/** The probe against a real coturn, and against servers that answer something else. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSocket } from "node:dgram";
import { probeIceServer, probeIceServers } from "../../src/ice/probe.ts";
import type { IceProbeResult } from "../../src/ice/probe_result.ts";
import { until } from "../helpers/client.ts";
import { ROOT, runDeno, temporaryFolder } from "../helpers/command.ts";
import { makeCertificate } from "../helpers/certificate.ts";
import { MISSING_COTURN, startCoturn, turnUser } from "../helpers/coturn.ts";
import { freePort } from "../helpers/port.ts";
import { testWith } from "../helpers/program.ts";

/** Milliseconds after which a server that says nothing is given up. */
const IMPATIENT = { timeoutMs: 300 };

function coturnTest(name: string, fn: () => Promise<void>): void {
  testWith(MISSING_COTURN, name, fn);
}

function assertRelayed(result: IceProbeResult): void {
  assert(result.kind === "turn", JSON.stringify(result));
  assertEquals(result.relayed.address, "127.0.0.1");
  assert(result.relayed.port > 1024);
  assertEquals(result.lifetimeSeconds, 600);
  assert(result.roundTripMs > 0);
}

coturnTest("probe: STUN tells the address that the server sees", async () => {
  await using coturn = await startCoturn();
  const result = await probeIceServer({ url: `stun:127.0.0.1:${coturn.port}` });
  assert(result.kind === "stun", JSON.stringify(result));
  assertEquals(result.reflexive.address, "127.0.0.1");
  assertMatch(result.message, /^STUN works: it sees this machine as 127\.0\.0\.1:\d+$/);
  const byName = await probeIceServer({ url: `stun:localhost:${coturn.port}` });
  assertEquals(byName.kind, "stun");
});

coturnTest("probe: TURN is granted over UDP, TCP and TLS, and given back", async () => {
  await using folder = await temporaryFolder();
  const tls = await makeCertificate(folder.path);
  await using coturn = await startCoturn({ tls, config: ["verbose"] });
  const caCerts = [tls.pem];
  const urls = [
    `turn:127.0.0.1:${coturn.port}`,
    `turn:127.0.0.1:${coturn.port}?transport=tcp`,
    `turns:localhost:${coturn.tlsPort}?transport=tcp`,
  ];
  for (const url of urls) {
    assertRelayed(await probeIceServer({ url, ...turnUser(), caCerts }));
  }
  const givenBack = () => coturn.log().match(/refreshed, .*lifetime=0/g)?.length;
  await until("coturn to log it", () => givenBack() === urls.length);
});

coturnTest("probe: a list of servers is asked, each URL of it", async () => {
  await using coturn = await startCoturn();
  const host = `127.0.0.1:${coturn.port}`;
  const results = await probeIceServers([
    { urls: `stun:${host}` },
    { urls: [`turn:${host}`, `turn:${host}?transport=tcp`], ...turnUser() },
    { urls: `turn:${host}`, ...turnUser("south") },
  ]);
  assertEquals(results.map(({ url, result }) => [url, result.kind]), [
    [`stun:${host}`, "stun"],
    [`turn:${host}`, "turn"],
    [`turn:${host}?transport=tcp`, "turn"],
    [`turn:${host}`, "unauthorized"],
  ]);
});

coturnTest(
  "probe: during a rotation both secrets are good, and afterwards the new one alone",
  async () => {
    const grants = async (secrets: string[], config: string[] = []) => {
      await using coturn = await startCoturn({ secrets, config });
      const url = `turn:127.0.0.1:${coturn.port}`;
      const asked = ["old", "new"].map((secret) => probeIceServer({ url, ...turnUser(secret) }));
      return (await Promise.all(asked)).map(({ kind }) => kind);
    };
    assertEquals(await grants(["old"]), ["turn", "unauthorized"]);
    assertEquals(await grants(["old", "new"]), ["turn", "turn"]);
    assertEquals(await grants(["new"]), ["unauthorized", "turn"]);
  },
);

coturnTest(
  "probe: expired, stretched and foreign credentials are refused, and never shown",
  async () => {
    await using coturn = await startCoturn();
    const user = turnUser();
    const [expiry = "", name] = user.username.split(":");
    const refused = {
      expired: turnUser("north", { secondsLeft: -10 }),
      stretched: { ...user, username: `${Number(expiry) + 3600}:${name}` },
      foreign: turnUser("south"),
      otherUser: { ...user, username: `${expiry}:bob` },
      empty: turnUser(""),
    };
    for (const transport of ["udp", "tcp"]) {
      const url = `turn:127.0.0.1:${coturn.port}?transport=${transport}`;
      for (const [why, credentials] of Object.entries(refused)) {
        const result = await probeIceServer({ url, ...credentials });
        assertEquals(result.kind, "unauthorized", why);
        assert(!JSON.stringify(result).includes(credentials.credential));
      }
      assertRelayed(await probeIceServer({ url, ...user }));
    }
  },
);

Deno.test("probe: a server that is silent to a TLS handshake may not speak TLS at that port", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const url = `turns:localhost:${port}`;
  const probing = probeIceServer({ url, ...turnUser(), ...IMPATIENT });
  using _silent = await listener.accept();
  const { kind, message } = await probing;
  assertEquals(kind, "no-answer");
  assertMatch(message, new RegExp(`is TCP port ${port} its port for TLS`));
});

coturnTest("probe: a server that does STUN alone does not answer TURN", async () => {
  await using coturn = await startCoturn({ config: ["stun-only"] });
  const url = `turn:127.0.0.1:${coturn.port}`;
  assertEquals((await probeIceServer({ url, ...turnUser(), ...IMPATIENT })).kind, "no-answer");
});

coturnTest(
  "probe: TLS fails with a certificate that no authority has signed, and on a port without TLS",
  async () => {
    await using folder = await temporaryFolder();
    const tls = await makeCertificate(folder.path);
    await using coturn = await startCoturn({ tls });
    const untrusted = await probeIceServer({
      url: `turns:localhost:${coturn.tlsPort}`,
      ...turnUser(),
    });
    assertEquals(untrusted.kind, "tls");
    assertMatch(untrusted.message, /^TLS failed: its certificate/);
    const plain = await probeIceServer({ url: `turns:localhost:${coturn.port}`, ...turnUser() });
    assert(["tls", "closed"].includes(plain.kind), JSON.stringify(plain));
  },
);

Deno.test("probe: what cannot be asked is told apart, each with a sentence", async () => {
  const closed = freePort();
  const cases: [string, string, RegExp][] = [
    ["http://localhost", "invalid-url", /begins with stun:/],
    ["turns:localhost?transport=udp", "unsupported", /DTLS/],
    [`turn:127.0.0.1:${closed}?transport=tcp`, "refused", /Nothing listens/],
    [`turns:127.0.0.1:${closed}`, "refused", /Nothing listens/],
    [`turn:127.0.0.1:${closed}`, "no-answer", /UDP port \d+ through/],
    [`stun:[::1]:${closed}`, "no-answer", /UDP port \d+ through/],
    ["stun:no-such-host.invalid", "name-not-found", /DNS/],
    ["turn:no-such-host.invalid?transport=tcp", "name-not-found", /DNS/],
  ];
  for (const [url, kind, message] of cases) {
    const result = await probeIceServer({ url, ...turnUser(), timeoutMs: 1_000 });
    assertEquals(result.kind, kind, url);
    assertMatch(result.message, message);
  }
  assertEquals((await probeIceServer({ url: "turn:localhost" })).kind, "no-credentials");
});

/** A UDP server that answers each datagram with these, and the port to ask. */
async function answerDatagrams(answer: (request: Uint8Array) => Uint8Array[]) {
  const socket = createSocket("udp4");
  socket.on("message", (request, { port, address }) => {
    for (const bytes of answer(request)) socket.send(bytes, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  return { port, [Symbol.dispose]: () => void socket.close() };
}

/** A TCP server that sends these bytes to each connection, and closes it if asked to. */
function answerStreams(bytes: Uint8Array, closes: boolean) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.Conn[] = [];
  const done = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(1024)).catch(() => {});
      await conn.write(bytes).catch(() => {});
      if (closes) conn.close();
      else conns.push(conn);
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) conn.close();
      await done;
    },
  };
}

const RUBBISH: Readonly<Record<string, (request: Uint8Array) => Uint8Array[]>> = {
  text: () => [new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
  empty: () => [new Uint8Array()],
  echo: (request) => [request],
  cut: (request) => [request.slice(0, 19)],
  large: () => [new Uint8Array(60_000)],
  "a header that promises more": (request) => [request.with(3, 0xfc)],
  "another transaction": (request) => [response(request).with(10, ~(request[10] ?? 0))],
  "random bytes": () => [crypto.getRandomValues(new Uint8Array(200))],
};

/** A success without attributes. */
function response(request: Uint8Array): Uint8Array {
  return request.slice(0, 20).with(0, (request[0] ?? 0) | 0x01).with(2, 0).with(3, 0);
}

for (const [name, answer] of Object.entries(RUBBISH)) {
  Deno.test(`probe: over UDP an answer that is none is ignored: ${name}`, async () => {
    using server = await answerDatagrams(answer);
    for (const scheme of ["stun", "turn"]) {
      const url = `${scheme}:127.0.0.1:${server.port}`;
      const { kind } = await probeIceServer({ url, ...turnUser(), ...IMPATIENT });
      assert(["no-answer", "not-stun"].includes(kind), kind);
    }
  });

  Deno.test(`probe: over TCP an answer that is none ends the probe: ${name}`, async () => {
    for (const closes of [true, false]) {
      await using server = answerStreams(answer(new Uint8Array(28))[0] ?? new Uint8Array(), closes);
      const url = `turn:127.0.0.1:${server.port}?transport=tcp`;
      const { kind } = await probeIceServer({ url, ...turnUser(), ...IMPATIENT });
      assert(["no-answer", "not-stun", "closed"].includes(kind), kind);
    }
  });
}

Deno.test("probe: an answer that lacks its address, or its signature, is not believed", async () => {
  using server = await answerDatagrams((request) => [response(request)]);
  const url = `127.0.0.1:${server.port}`;
  assertEquals((await probeIceServer({ url: `stun:${url}` })).kind, "not-stun");
  assertEquals((await probeIceServer({ url: `turn:${url}`, ...turnUser() })).kind, "not-stun");

  let count = 0;
  using liar = await answerDatagrams((request) =>
    count++ === 0 ? [refuse(request, 401)] : [response(request)]
  );
  const lied = await probeIceServer({ url: `turn:127.0.0.1:${liar.port}`, ...turnUser() });
  assertEquals(lied.kind, "integrity");
});

/** An error with this code, a realm and a nonce. */
function refuse(request: Uint8Array, code: number): Uint8Array {
  const attributes = [0, 9, 0, 4, 0, 0, Math.floor(code / 100), code % 100];
  attributes.push(0, 0x14, 0, 4, 114, 114, 114, 114, 0, 0x15, 0, 4, 110, 110, 110, 110);
  const header = request.slice(0, 20).with(0, 0x01).with(1, (request[1] ?? 0) | 0x10);
  return new Uint8Array([...header.with(2, 0).with(3, attributes.length), ...attributes]);
}

Deno.test("probe: each refusal of a server has its kind, and a stale nonce is not for ever", async () => {
  const kinds = {
    300: "redirected",
    400: "error",
    403: "forbidden",
    437: "mismatch",
    438: "error",
    441: "unauthorized",
    442: "unsupported",
    486: "quota",
    508: "quota",
    599: "error",
  };
  for (const [code, kind] of Object.entries(kinds)) {
    let count = 0;
    using server = await answerDatagrams((request) => {
      count++;
      return [refuse(request, Number(code))];
    });
    const url = `turn:127.0.0.1:${server.port}`;
    const result = await probeIceServer({ url, ...turnUser(), timeoutMs: 2_000 });
    assertEquals(result.kind, kind, code);
    assert(count <= 4, `${count} requests`);
  }
});

Deno.test("probe: a request over UDP that is lost is sent again", async () => {
  let count = 0;
  using server = await answerDatagrams((request) => count++ === 0 ? [] : [refuse(request, 403)]);
  const url = `turn:127.0.0.1:${server.port}`;
  assertEquals((await probeIceServer({ url, ...turnUser() })).kind, "forbidden");
  assertEquals(count, 2);
});

Deno.test("probe: where Deno may not reach the server, it says what to allow", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/probe.ts`;
  await Deno.writeTextFile(
    path,
    `import { probeIceServer } from ${JSON.stringify(`file://${ROOT}src/ice/probe.ts`)};
     for (const url of ["stun:127.0.0.1:1", "turn:127.0.0.1:1?transport=tcp", "turns:h.invalid"]) {
       const result = await probeIceServer({ url, username: "u", credential: "c", timeoutMs: 300 });
       console.log(result.kind, result.message);
     }`,
  );
  const run = async (...flags: string[]) => {
    const args = ["run", "--no-prompt", "--config", `${ROOT}deno.json`, "--no-lock", "--no-check"];
    const { stdout, stderr } = await runDeno([...args, ...flags, path]);
    assertEquals(stderr, "");
    return stdout.trimEnd().split("\n");
  };
  const [stun = "", turn = "", turns = ""] = await run();
  assertMatch(
    stun,
    /^no-permission .*run with 127\.0\.0\.1,0\.0\.0\.0,127\.0\.0\.1 in --allow-net/,
  );
  assertMatch(turn, /^no-permission .*run with 127\.0\.0\.1 in --allow-net/);
  assertMatch(turns, /^no-permission .*run with h\.invalid in --allow-net/);
  const allowed = await run("--allow-net=0.0.0.0,127.0.0.1,h.invalid");
  assertEquals(allowed.map((line) => line.split(" ")[0]), [
    "no-answer",
    "refused",
    "name-not-found",
  ]);
});
