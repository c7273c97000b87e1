/** Examinations of servers, right ones and wrong ones, without a proxy. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  createSignalingHandler,
  generateKeyPairJwk,
  issueToken,
  loadKeyPairFromEnv,
} from "../../mod.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { Client, until } from "../helpers/client.ts";
import { makeCertificate } from "../helpers/certificate.ts";
import { MISSING_COTURN, startCoturn } from "../helpers/coturn.ts";
import { examineUrl } from "../helpers/examine.ts";
import { freePort } from "../helpers/port.ts";
import { hasPrograms } from "../helpers/program.ts";
import { ADMIN_SECRET, startOpenServer, startServer } from "../helpers/server.ts";
import { startTcpProxy } from "../helpers/tcp_proxy.ts";

/** A server of HTTP that is none of ours. */
function serve(handler: (request: Request) => Response | Promise<Response>) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
}

function urlOf({ addr }: { readonly addr: Deno.NetAddr }, path = ""): string {
  return `http://127.0.0.1:${addr.port}${path}`;
}

Deno.test("doctor finds nothing wrong with a server, and leaves nobody in it", async () => {
  await using server = await startServer();
  const seen: string[] = [];
  const examined = await examineUrl(server.url, {
    adminSecret: ADMIN_SECRET,
    idleSeconds: [0.1, 0.2],
    onStep: ({ step }) => seen.push(step),
  });
  assertEquals(examined.failures, []);
  assertEquals(examined.ok, true);
  assertEquals(examined.url, `ws://127.0.0.1:${server.port}/signal`);
  assertEquals(seen, examined.steps.map(({ step }) => step));
  const expected = ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok"];
  const names = [
    "name",
    "connect",
    "tls",
    "health",
    "upgrade",
    "token",
    "join",
    "meet",
    "relay",
  ] as const;
  assertEquals(names.map((name) => examined.step(name).status), expected);
  assertMatch(examined.step("upgrade").seen, /101, and without a token 4001/);
  assertMatch(examined.step("join").seen, /^4 peers joined$/);
  assertEquals(examined.step("idle", "0.1 s").status, "ok");
  assertEquals(examined.step("idle", "0.2 s").status, "ok");
  assert(!JSON.stringify(examined).includes(ADMIN_SECRET));
  await until("its sockets to have left", () => server.stats().peers === 0);
  assertEquals(server.stats().rooms, 0);
});

Deno.test("doctor says that a server without authentication lets everybody in", async () => {
  await using server = await startOpenServer();
  const examined = await examineUrl(server.url, { adminSecret: ADMIN_SECRET });
  assertEquals([examined.ok, examined.failures], [true, []]);
  assertMatch(examined.step("token").seen, /authentication is off/);
  assertEquals(examined.step("other-origin").status, "warn");
});

Deno.test("doctor skips what needs a token when none is given or the secret is wrong", async () => {
  await using server = await startServer();
  for (const adminSecret of [undefined, "another-secret-of-32-bytes-or-more"]) {
    const examined = await examineUrl(server.url, adminSecret === undefined ? {} : { adminSecret });
    assertEquals(examined.ok, false);
    assertEquals(examined.failures.length, 1, examined.failures.join("\n"));
    assertMatch(
      examined.failures[0] ?? "",
      adminSecret === undefined
        ? /^token: .*none was given.*--admin-secret-env ADMIN_SECRET/
        : /^token: POST \/token got 401.*Give the ADMIN_SECRET/,
    );
    const skipped = examined.step("meet");
    assertEquals([skipped.status, skipped.seen], ["skipped", "the step join did not succeed"]);
    assertEquals(JSON.stringify(examined).includes("another-secret"), false);
  }
});

Deno.test("doctor says what is wrong with a token that was given", async () => {
  await using server = await startServer();
  const { privateKey } = await loadKeyPairFromEnv(server.privateKeyJwk);
  const other = await startServer();
  const foreign = await other.token("todos");
  await other.close();
  const [header, claims, signature] = (await server.token("todos")).split(".");
  const old = JSON.parse(new TextDecoder().decode(
    Uint8Array.fromBase64(claims ?? "", { alphabet: "base64url" }),
  ));
  const expired = new TextEncoder().encode(JSON.stringify({ ...old, exp: old.iat - 60 }))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const bound = await issueToken(privateKey, { ttl: "1h", subject: "todos", nodeId: "ada" });
  const cases: [token: string, room: string | undefined, failure: RegExp][] = [
    [
      `${header}.${expired}.${signature}`,
      undefined,
      /^token: the token expired at 20.*Give a new one/,
    ],
    [await server.token("todos"), "others", /^token: the token is for room “todos”/],
    [bound.token, undefined, /^token: the token is bound to one nodeId/],
    [foreign, undefined, /^join: closed with 4003 “invalid or expired token”.*other keys/],
    ["hush.hush", undefined, /^join: closed with 4003/],
  ];
  for (const [token, room, failure] of cases) {
    const examined = await examineUrl(server.url, {
      token,
      ...(room === undefined ? {} : { room }),
    });
    assertEquals(examined.ok, false);
    assertMatch(examined.failures[0] ?? "", failure);
    assert(!JSON.stringify(examined).includes(token));
  }
  const good = await examineUrl(`${server.signal({ token: await server.token("todos") })}`);
  assertEquals([good.ok, good.failures], [true, []]);
  assertMatch(good.step("token").seen, /one for room “todos”/);
});

Deno.test("doctor warns when others are in the room, and is never named to them", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  await using other = await Client.join(server.signal({ token, nodeId: "a" }));
  const examined = await examineUrl(server.url, { token });
  assertEquals(examined.ok, true);
  assertMatch(examined.step("join").seen, /1 others are in the room/);
  assertEquals(await other.drain(), []);
});

Deno.test("doctor says whether a page of an origin may connect", async () => {
  await using server = await startServer({ allowedOrigins: ["https://app.example"] });
  const options = { adminSecret: ADMIN_SECRET };
  const allowed = await examineUrl(server.url, { ...options, origin: "https://app.example" });
  assertEquals([allowed.ok, allowed.step("origin").status], [true, "ok"]);
  assertMatch(allowed.step("other-origin").seen, /got 403/);
  const refused = await examineUrl(server.url, { ...options, origin: "https://other.example" });
  assertEquals(refused.failures.length, 1);
  assertMatch(
    refused.failures[0] ?? "",
    /^origin: https:\/\/other.example got 403.*ALLOWED_ORIGINS/,
  );
  assertEquals([refused.ok, refused.step("meet").status], [false, "ok"]);
});

Deno.test({
  name: "doctor says what STUN and TURN servers give, and which secret is wrong",
  ignore: MISSING_COTURN !== undefined,
  async fn() {
    await using coturn = await startCoturn({ secrets: ["north"] });
    const turn = `turn:127.0.0.1:${coturn.port}`;
    for (const secret of ["north", "south"]) {
      const options = {
        iceServers: [{ urls: `stun:127.0.0.1:${coturn.port}` }],
        turn: { urls: [turn], secret },
      };
      await using server = await startServer(options);
      const examined = await examineUrl(server.url, { adminSecret: ADMIN_SECRET });
      assertMatch(examined.step("ice-servers").seen, /1 of TURN, 1 of STUN/);
      assertEquals(examined.step("ice", `stun:127.0.0.1:${coturn.port}`).status, "ok");
      const { status, seen } = examined.step("ice", turn);
      assertEquals([secret, status, examined.ok], [
        secret,
        secret === "north" ? "ok" : "fail",
        secret === "north",
      ]);
      assertMatch(
        seen,
        secret === "north" ? /TURN works/ : /refuses the credential \(401\).*TURN_SECRET/,
      );
    }
  },
});

Deno.test("doctor warns of a server that names no TURN server", async () => {
  await using server = await startServer();
  const examined = await examineUrl(server.url, { adminSecret: ADMIN_SECRET });
  const { status, change = "" } = examined.step("ice-servers");
  assertEquals(status, "warn");
  assertMatch(change, /TURN_URLS/);
});

Deno.test("doctor examines a mounted library, which has no /health, by the URL of its clients", async () => {
  await using signaling = await createSignalingHandler({
    ...await generateKeyPairJwk(),
    path: "/api/ws",
    iceServers: [{ urls: "stun:127.0.0.1:1" }],
  });
  await using server = serve(async (request) => {
    return await signaling.fetch(request) ?? new Response("<h1>My page</h1>", { status: 200 });
  });
  const { token } = await signaling.issueToken({ ttl: "1h", subject: "todos" });
  const url = `ws://127.0.0.1:${server.addr.port}/api/ws`;
  const examined = await examineUrl(url, { token });
  assertEquals([examined.step("meet").status, examined.failures.length], ["ok", 1]);
  assertEquals(examined.step("health").status, "warn");
  assertEquals(examined.step("ice-servers").seen, "0 of TURN, 1 of STUN");
  assertMatch(examined.failures[0] ?? "", /^ice: /);
  const minted = await examineUrl(url, { adminSecret: ADMIN_SECRET });
  assertMatch(minted.failures.join(), /^token: /);
});

Deno.test("doctor says what each answer to a handshake means", async () => {
  const json = (status: number, error: string) => Response.json({ error }, { status });
  const cases: [Response, RegExp][] = [
    [new Response("<h1>Hi</h1>"), /got 200, as no signaling server does.*something else answers/],
    [
      new Response(null, {
        status: 301,
        headers: { location: "https://a.example/signal?token=hush" },
      }),
      /redirect to https:\/\/a.example\/signal\. Use the URL/,
    ],
    [new Response("", { status: 400 }), /got 400.*Upgrade and Connection/],
    [
      json(426, "Connect with a WebSocket"),
      /got 426: “Connect with a WebSocket”.*Upgrade and Connection/,
    ],
    [
      new Response("The plain HTTP request was sent to HTTPS port", { status: 400 }),
      /write https:/,
    ],
    [new Response("", { status: 401 }), /got 401.*login/],
    [json(403, "Pages of this origin may not connect"), /got 403.*ALLOWED_ORIGINS/],
    [new Response("", { status: 404 }), /got 404.*Check the path/],
    [
      json(
        404,
        'Not found: the path is "/x/signal", not /signal. Let the proxy in front remove its prefix',
      ),
      /got 404.*Let the proxy remove the prefix/,
    ],
    [json(429, "Your address has too many connections"), /got 429.*TRUSTED_PROXIES/],
    [
      new Response("", { status: 502 }),
      /got 502 from the proxy, which reaches no server.*Start the server/,
    ],
    [new Response("", { status: 503 }), /got 503\. The proxy has no server that is ready/],
    [json(503, "The server is full"), /got 503: “The server is full”\. .*raise the limit/],
    [new Response("", { status: 504 }), /got 504 from the proxy/],
  ];
  for (const [response, expected] of cases) {
    await using server = serve((request) =>
      request.url.includes("/signal") ? response : new Response("not here", { status: 404 })
    );
    const examined = await examineUrl(urlOf(server));
    assertEquals(examined.step("upgrade").status, "fail");
    assertMatch(examined.failures.join("\n"), expected);
    assertEquals([examined.ok, examined.step("token").status], [false, "skipped"]);
    assert(!JSON.stringify(examined).includes("hush"));
  }
});

Deno.test("doctor says when another WebSocket server answers, or messages are kept back", async () => {
  await using server = serve((request) => {
    if (request.headers.get("upgrade") === null) return new Response(null, { status: 404 });
    const { socket, response } = Deno.upgradeWebSocket(request);
    if (request.url.includes("echo")) socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
  for (const path of ["/echo", "/silent"]) {
    const examined = await examineUrl(urlOf(server, path), { timeoutMs: 2000 });
    assertMatch(
      examined.failures.join(),
      /^join: the WebSocket is open, but no peer-list came.*buffering/,
    );
    assertEquals(examined.ok, false);
  }
});

Deno.test("doctor goes on where a busy server refuses clients without a token by an HTTP status", async () => {
  await using server = serve(() => Response.json({ error: "missing token" }, { status: 401 }));
  const examined = await examineUrl(urlOf(server));
  assertMatch(examined.step("upgrade").seen, /^401 without a token/);
  assertMatch(examined.failures.join("\n"), /^token: the server wants a token/);
});

Deno.test("doctor never repeats a secret, even if the server does", async () => {
  await using server = serve(async (request) => {
    const secret = request.headers.get("x-admin-secret") ?? "";
    if (new URL(request.url).pathname === "/token") {
      return Response.json({
        error: `${secret} ${encodeURIComponent(secret)}\u001b[2J${await request.text()}`,
      }, { status: 401 });
    }
    return request.headers.get("upgrade") === null
      ? Response.json({ status: "ok", auth: "enabled", peers: 0 })
      : Deno.upgradeWebSocket(request).response;
  });
  const examined = await examineUrl(urlOf(server), { adminSecret: "hush/hush" });
  const { status, seen } = examined.step("token");
  assertEquals(status, "fail");
  assertMatch(seen, /“\*\*\* \*\*\*/);
  // deno-lint-ignore no-control-regex
  assert(!/hush|\u001b/.test(seen), seen);
});

Deno.test("doctor says that nothing listens, and that a name has no address", async () => {
  const closed = await examineUrl(`http://127.0.0.1:${freePort()}`);
  assertMatch(
    closed.failures.join("\n"),
    /^connect: nothing listens on port \d+\. Start the server[^\n]*$/,
  );
  assertEquals(closed.step("upgrade").seen, "the step tls did not succeed");
  const unknown = await examineUrl("https://no-such-name.invalid");
  assertMatch(unknown.failures.join("\n"), /^name: no-such-name.invalid has no address/);
});

Deno.test("doctor gives up a server that accepts connections and says nothing", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.Conn[] = [];
  const accepting = Array.fromAsync(listener, (conn) => conns.push(conn)).catch(() => {});
  const examined = await examineUrl(`http://127.0.0.1:${listener.addr.port}`, { timeoutMs: 100 });
  assertMatch(
    examined.failures.join("\n"),
    /^health: no answer within 0.1 s.*\nupgrade: no answer/,
  );
  listener.close();
  await accepting;
  for (const conn of conns) conn.close();
});

/** A certificate for a name, valid between two dates. */
async function certificate(folder: string, name: string, [from, to]: readonly [string, string]) {
  const path = `${folder}/${name}-${from}`;
  const [cert, key, request, config] = ["pem", "key", "csr", "conf"].map((end) => `${path}.${end}`);
  await Deno.writeTextFile(`${path}.index`, "");
  await Deno.writeTextFile(`${path}.serial`, "01");
  await Deno.writeTextFile(
    config ?? "",
    `[ca]\ndefault_ca=own\n[own]\nnew_certs_dir=${folder}\ndatabase=${path}.index\n` +
      `serial=${path}.serial\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n` +
      `[leaf]\nsubjectAltName=DNS:${name}\nbasicConstraints=critical,CA:FALSE\n`,
  );
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  for (
    const args of [
      ["req", "-new", "-subj", `/CN=${name}`, ...ec, "-keyout", key, "-out", request],
      ["ca", "-batch", "-selfsign", "-notext", "-config", config, "-keyfile", key, "-in", request]
        .concat(["-out", cert, "-startdate", from, "-enddate", to, "-extensions", "leaf"]),
    ]
  ) {
    const command = new Deno.Command("openssl", {
      args: args.map(String),
      stderr: "null",
      stdout: "null",
    });
    assert((await command.output()).success, `openssl ${args[0]}`);
  }
  return { cert: await Deno.readTextFile(cert ?? ""), key: await Deno.readTextFile(key ?? "") };
}

const VALID = ["20200101000000Z", "20491231235959Z"] as const;
const EXPIRED = ["20200101000000Z", "20200201000000Z"] as const;
const LATER = ["20480101000000Z", "20491231235959Z"] as const;

Deno.test({
  name: "doctor explains what browsers do not accept about TLS",
  ignore: !await hasPrograms("openssl"),
  async fn() {
    await using folder = await temporaryFolder();
    const good = await makeCertificate(folder.path);
    const own = { cert: good.pem, key: await Deno.readTextFile(good.keyFile) };
    const other = await certificate(folder.path, "other.example", VALID);
    const expired = await certificate(folder.path, "localhost", EXPIRED);
    const later = await certificate(folder.path, "localhost", LATER);
    const cases: [
      options: { cert: string; key: string; alpnProtocols?: string[] },
      trusted: string[],
      RegExp,
    ][] = [
      [own, [], /not signed by an authority we trust.*DENO_CERT=FILE/],
      [other, [other.cert], /for another name.*Get a certificate for localhost/],
      [expired, [expired.cert], /has expired.*Renew/],
      [later, [later.cert], /not valid yet.*both clocks/],
      [
        { ...own, alpnProtocols: ["h2"] },
        [own.cert],
        /refuses HTTP\/1\.1.*Allow HTTP\/1\.1 besides HTTP\/2/,
      ],
    ];
    for (const [options, caCerts, expected] of cases) {
      const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...options });
      const accepting = Array.fromAsync(listener, async (conn) => {
        await conn.handshake().catch(() => {});
        conn.close();
      }).catch(() => {});
      const examined = await examineUrl(`https://localhost:${listener.addr.port}`, { caCerts });
      listener.close();
      await accepting;
      assertMatch(examined.failures.join("\n"), expected);
      assertEquals(examined.step("tls").status, "fail");
    }
    await using plain = await startOpenServer();
    const wrong = await examineUrl(`https://localhost:${plain.port}`);
    assertMatch(wrong.failures.join("\n"), /^tls: .*does not speak TLS.*Write http:\/\//);
  },
});

Deno.test("doctor finds instances that do not know of each other", async () => {
  const keys = await generateKeyPairJwk();
  await using one = await startServer(keys);
  await using two = await startServer(keys);
  using proxy = startTcpProxy({ ports: [one.port, two.port] });
  const token = await one.token("todos");
  const examined = await examineUrl(`http://127.0.0.1:${proxy.port}`, { token });
  assertMatch(
    examined.failures.join("\n"),
    /^meet: 1 of 2 peers did not .*REDIS_URL on every instance/,
  );
});

Deno.test("doctor finds a proxy that cuts idle WebSockets", async () => {
  await using server = await startServer();
  using proxy = startTcpProxy({ ports: [server.port], cutAfterMs: 1000 });
  const examined = await examineUrl(`http://127.0.0.1:${proxy.port}`, {
    adminSecret: ADMIN_SECRET,
    idleSeconds: [0.1, 30],
  });
  assertEquals(examined.step("idle", "0.1 s").status, "ok");
  const { status, seen, change = "" } = examined.step("idle", "30 s");
  assertEquals([status, examined.ok], ["fail", false]);
  assertMatch(seen, /^cut after \d\.\d s, without a close frame$/);
  assertMatch(change, /proxy_read_timeout/);
});

Deno.test("doctor says when the server stops during the examination", async () => {
  await using server = await startServer();
  const examined = await examineUrl(server.url, {
    adminSecret: ADMIN_SECRET,
    idleSeconds: [30],
    onStep: ({ step }) => void (step === "address" && server.close()),
  });
  assertMatch(examined.step("idle", "30 s").seen, /^closed with 1001 “server shutting down” after/);
});

Deno.test("doctor that is interrupted says what it has not tried, and closes its sockets", async () => {
  await using server = await startServer();
  const interrupted = new AbortController();
  const examined = await examineUrl(server.url, {
    adminSecret: ADMIN_SECRET,
    idleSeconds: [30, 60],
    signal: interrupted.signal,
    onStep: ({ step }) => void (step === "address" && interrupted.abort("interrupted")),
  });
  assertEquals([examined.ok, examined.failures], [false, []]);
  assertEquals(examined.step("idle", "30 s").seen, "interrupted");
  assertEquals(examined.step("idle", "60 s").status, "skipped");
  await until("its sockets to have left", () => server.stats().peers === 0);
});

Deno.test("doctor compares the address that the server sees with this machine's", async () => {
  await using server = await startServer();
  const cases: [addresses: [string, string], status: string, text: RegExp][] = [
    [["127.0.0.1", "127.0.0.1"], "ok", /127\.0\.0\.1, which is this machine/],
    [
      ["10.0.0.7", "10.0.0.7"],
      "fail",
      /it sees 10\.0\.0\.7, which is not this machine.*TRUSTED_PROXIES/,
    ],
    [["0:0:0:0::/64", "0:0:0:0::/64"], "fail", /it sees 0:0:0:0::\/64/],
    [["203.0.113.9", "203.0.113.9"], "ok", /203\.0\.113\.9, behind NAT/],
    [["10.0.0.7", "192.0.2.1"], "fail", /believes an address that the client claimed.*overwrite/],
  ];
  for (const [addresses, status, text] of cases) {
    let secret: string | null = null;
    await using admin = serve(({ url, headers }) => {
      secret = headers.get("x-admin-secret");
      const room = new URL(url).searchParams.get("room");
      assertMatch(room ?? "", /^doctor-/);
      const nodeIds = examinedIds(room ?? "");
      return Response.json({
        peers: nodeIds.map((nodeId, index) => ({ nodeId, address: addresses[index] })),
      });
    });
    const examined = await examineUrl(server.url, {
      adminSecret: ADMIN_SECRET,
      adminBase: urlOf(admin),
    });
    const step = examined.step("address");
    assertEquals([addresses, step.status], [addresses, status]);
    assertMatch(`${step.seen} ${step.change}`, text);
    assertEquals(secret, ADMIN_SECRET);
  }
});

/** The names of the peers in a room of doctor's. */
function examinedIds(room: string): string[] {
  const id = room.replace("doctor-", "");
  return [`!doctor-${id}-0`, `!doctor-${id}-1`];
}

Deno.test("doctor skips the address where nobody may ask", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  const examined = await examineUrl(server.url, { token });
  assertStringIncludes(examined.step("address").seen, "not known");
});
