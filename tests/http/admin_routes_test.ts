/** The admin routes of a real server: what they answer, and whom. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createServer } from "../../mod.ts";
import { checked } from "../helpers/checked.ts";
import { Client, type Message, until } from "../helpers/client.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

/** What anybody may join, behind a secret: a host admits everybody to the room that is asked for. */
function ask(
  { url }: Pick<TestServer, "url">,
  path: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    ...init,
    headers: { "x-admin-secret": ADMIN_SECRET, ...init.headers },
  });
}

async function answer(server: TestServer, path: string): Promise<Message> {
  const response = await ask(server, path);
  assertEquals([response.status, response.headers.get("cache-control")], [200, "no-store"]);
  return await response.json();
}

function disconnect(server: TestServer, body: unknown): Promise<Response> {
  return ask(server, "/admin/disconnect", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function join(server: TestServer, room: string, nodeId: string): Promise<Client> {
  const token = await server.token(room);
  return await Client.join(server.signal({ token, room, nodeId }));
}

Deno.test("admin: peers of a room are listed with who they are and what they have signaled", async () => {
  await using server = await startServer();
  const before = Date.now();
  await using ada = await join(server, "todos", "ada");
  await using grace = await join(server, "todos", "grace");
  await using _other = await join(server, "other", "ada");
  ada.send({ type: "heartbeat", load: { sessions: 2 }, capacity: 5 });
  grace.send({ type: "offer", to: "ada", sdp: {} });
  await ada.next("offer");
  ada.send({ type: "answer", to: "grace", sdp: {} });
  await grace.next("answer");
  grace.send({ type: "ice-candidate", to: "ada", candidate: {} });
  await ada.next("ice-candidate");
  ada.send({ type: "offer", to: "nobody", sdp: {} });
  await ada.next("error");

  const { peers, refusals, partial } = await answer(server, "/admin/peers?room=todos");
  assertEquals([refusals, partial], [[], undefined]);
  const [first, second] = peers;
  const { instance, connection, connectedAt, joinedAt, lastMessageAt, ...rest } = first;
  assertEquals(rest, {
    nodeId: "ada",
    role: "normal",
    address: "127.0.0.1",
    serveConsumers: true,
    capacity: 5,
    sessions: 2,
    unreadBytes: 0,
    sent: { offers: 0, answers: 1, candidates: 0, undelivered: 1 },
    received: { offers: 1, answers: 0, candidates: 1 },
  });
  assertMatch(connection, new RegExp(`^${instance}-[0-9a-z]+$`));
  for (const time of [connectedAt, joinedAt, lastMessageAt]) {
    assert(Date.parse(time) >= before - 1 && Date.parse(time) <= Date.now() + 1, time);
    assertEquals(new Date(time).toISOString(), time);
  }
  assertEquals([second.nodeId, second.instance], ["grace", instance]);
});

Deno.test("admin: a pair is shown as both of its ends have counted it", async () => {
  await using server = await startServer();
  await using ada = await join(server, "todos", "ada");
  await using grace = await join(server, "todos", "grace");
  grace.send({ type: "offer", to: "ada", sdp: {} });
  await ada.next("offer");
  const path = "/admin/peers?room=todos&nodeId=ada&with=grace";
  const { peers, pair } = await answer(server, path);
  const nothing = { offers: 0, answers: 0, candidates: 0 };
  const offer = { ...nothing, offers: 1 };
  assertEquals(pair, [
    { from: "ada", to: "grace", sent: { ...nothing, undelivered: 0 }, received: nothing },
    { from: "grace", to: "ada", sent: { ...offer, undelivered: 0 }, received: offer },
  ]);
  assertEquals(peers.map(({ nodeId }: Message) => nodeId), ["ada", "grace"]);
  const alone = await answer(server, "/admin/peers?room=todos&nodeId=ada");
  assertEquals(alone.peers[0].partners, [
    { nodeId: "grace", sent: { ...nothing, undelivered: 0 }, received: offer },
  ]);
  const unknown = await answer(server, "/admin/peers?room=todos&nodeId=ada&with=nobody");
  assertEquals(unknown.pair.map(({ sent, received }: Message) => [sent, received]), [
    [null, null],
    [null, null],
  ]);
});

Deno.test("admin: who was refused lately is named with the reason, and by one address and name", async () => {
  await using server = await startServer();
  const token = await server.token("other");
  const client = await Client.connect(server.signal({ token, room: "todos", nodeId: "ada" }));
  assertEquals((await client.closed).code, 4003);
  const { peers, refusals: [refusal] } = await answer(server, "/admin/peers?room=todos");
  assertEquals(peers, []);
  const { at, instance, ...rest } = refusal;
  assertEquals(rest, {
    nodeId: "ada",
    code: 4003,
    reason: "room does not match token subject",
    address: "127.0.0.1",
  });
  assertEquals([typeof instance, new Date(at).toISOString()], ["string", at]);
  const other = await answer(server, "/admin/peers?room=todos&nodeId=grace");
  assertEquals(other.refusals, []);
});

Deno.test("admin: rooms are paged by name, whatever their names are", async () => {
  await using server = await startServer();
  const names = ["a/b?c=d&e", "b", "ä 🦆", "%2F", "\u0000", "b2", "\ufffd", "__proto__"];
  const clients = await Promise.all(names.map((room) => join(server, room, "ada")));
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await answer(server, `/admin/rooms?limit=3${query}`);
    for (const { room, normals, consumers } of page.rooms) {
      assertEquals([normals, consumers], [1, 0]);
      seen.push(room);
    }
    cursor = page.cursor;
  }
  assertEquals(seen, [...names].sort());
  const { rooms } = await answer(server, "/admin/rooms?prefix=b");
  assertEquals(rooms.map(({ room }: Message) => room), ["b", "b2"]);
  for (const room of names) {
    const { peers } = await answer(server, `/admin/peers?room=${encodeURIComponent(room)}`);
    assertEquals(peers.length, 1, room);
    assertEquals(await (await disconnect(server, { room })).json(), { disconnected: 1 }, room);
  }
  await Promise.all(clients.map((client) => client.closed));
  assertEquals(await answer(server, "/admin/rooms"), { rooms: [], cursor: null });
});

Deno.test("admin: a peer is disconnected with 4403, and a whole room", async () => {
  await using server = await startServer();
  const [ada, grace, hal] = await Promise.all(
    ["ada", "grace", "hal"].map((name) => join(server, "todos", name)),
  );
  await using other = await join(server, "other", "ada");
  assert(ada && grace && hal);
  const one = await disconnect(server, { room: "todos", nodeId: "grace" });
  assertEquals(one.headers.get("cache-control"), "no-store");
  assertEquals(await one.json(), { disconnected: 1 });
  assertEquals(await grace.closed, { code: 4403, reason: "disconnected by the operator" });
  assertEquals(await (await disconnect(server, { room: "todos" })).json(), { disconnected: 2 });
  await Promise.all([ada.closed, hal.closed]);
  assertEquals(await (await disconnect(server, { room: "todos" })).json(), { disconnected: 0 });
  assertEquals(await other.drain(), []);
});

Deno.test("admin: a client that has not joined yet is disconnected as well", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  await using client = await Client.connect(server.signal({ token, room: "todos", nodeId: "ada" }));
  await until("the client to be admitted", async () => {
    const found = await (await disconnect(server, { room: "todos", nodeId: "ada" })).json();
    return found.disconnected === 1;
  });
  assertEquals((await client.closed).code, 4403);
});

Deno.test("admin: what is wrong with a request is a 400 that says so", async () => {
  await using server = await startServer();
  const problems: Record<string, string> = {
    "rooms?limit=0": "from 1 to 1000",
    "rooms?limit=1001": "from 1 to 1000",
    "rooms?limit=1e2": "from 1 to 1000",
    "rooms?limit=": "from 1 to 1000",
    "rooms?limit=-1": "from 1 to 1000",
    "rooms?cursor=x": "`cursor`",
    "rooms?cursor=": "`cursor`",
    "rooms?page=2": '"page"',
    "rooms?prefix=%ED%A0%80": "UTF-8",
    "rooms?limit=1&limit=2": "more than once",
    "peers": "`room`",
    "peers?room=": "`room`",
    "peers?room=r&with=b": "needs `nodeId`",
    "peers?room=r&node=b": '"node"',
    [`peers?room=${"x".repeat(257)}`]: "256 characters",
    "info?verbose=1": '"verbose"',
  };
  for (const [path, problem] of Object.entries(problems)) {
    const response = await ask(server, `/admin/${path}`);
    const { error } = await response.json();
    assertEquals([response.status, error.includes(problem)], [400, true], `${path}: ${error}`);
  }
  const bodies: [unknown, string][] = [
    [{}, "`room`"],
    [{ room: "" }, "`room`"],
    [{ room: 7 }, "`room`"],
    [{ room: "half \ud83e" }, "`room`"],
    [{ room: "r", nodeID: "b" }, '"nodeID"'],
    [{ room: "r", nodeId: null }, "`nodeId`"],
    [[], "JSON object"],
  ];
  for (const [body, problem] of bodies) {
    const response = await disconnect(server, body);
    const { error } = await response.json();
    assertEquals([response.status, error.includes(problem)], [400, true], error);
  }
  const both = await ask(server, "/admin/disconnect?room=r", { method: "POST" });
  assertEquals(both.status, 400);
  await both.body?.cancel();
});

Deno.test("admin: without the secret nothing is told, and other methods are refused", async () => {
  await using server = await startServer();
  for (const path of ["info", "rooms", "peers?room=r"]) {
    const response = await fetch(`${server.url}/admin/${path}`);
    assertEquals(response.status, 401, path);
    assertEquals(response.headers.get("access-control-allow-origin"), null);
    await response.body?.cancel();
    const post = await ask(server, `/admin/${path}`, { method: "POST" });
    assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"], path);
    await post.body?.cancel();
    const head = await ask(server, `/admin/${path}`, { method: "HEAD" });
    assertEquals(head.status, 200, path);
  }
  const get = await ask(server, "/admin/disconnect");
  assertEquals([get.status, get.headers.get("allow")], [405, "POST"]);
  await get.body?.cancel();
});

Deno.test("admin: wrong secrets count as attempts", async () => {
  await using server = await startServer({ limits: { maxFailedAuthPerMinute: 3 } });
  const statuses: number[] = [];
  for (let n = 0; n < 4; n++) {
    const response = await ask(server, "/admin/info", { headers: { "x-admin-secret": "wrong" } });
    statuses.push(response.status);
    await response.body?.cancel();
  }
  assertEquals(statuses, [401, 401, 401, 429]);
});

Deno.test("admin: info names the instance, its version, state and limits", async () => {
  await using server = await startServer({ limits: { maxConnections: 0 } });
  await using _ada = await join(server, "todos", "ada");
  const info = await answer(server, "/admin/info");
  const [{ startedAt, version, ...own }] = info.instances;
  assertEquals(own, { instance: info.instance, isDraining: false, peers: 1, rooms: 1 });
  assertEquals([typeof version, new Date(startedAt).toISOString()], ["string", startedAt]);
  assertEquals([info.instances.length, info.stats.peers, info.stats.backplane], [1, 1, "none"]);
  assertEquals([info.limits.maxConnections, info.limits.maxPeersPerRoom], [0, 1000]);
});

Deno.test("admin: with authentication off there are such routes where there is a secret", async () => {
  await using server = await startOpenServer();
  await using _ada = await Client.join(server.signal({ room: "todos", nodeId: "ada" }));
  assertEquals((await answer(server, "/admin/peers?room=todos")).peers.length, 1);
  await using open = await startOpenServer({ adminSecret: "" });
  const response = await ask(open, "/admin/rooms");
  assertEquals(response.status, 404);
  assertMatch((await response.json()).error, /need ADMIN_SECRET/);
});

Deno.test("admin: a path that there is not is told which there are, not that a secret is missing", async () => {
  await using server = await startServer();
  for (const path of ["/admin/peer", "/admin/", "/admin/info/"]) {
    const response = await ask(server, path);
    assertEquals(response.status, 404, path);
    assertMatch((await response.json()).error, /^Not found: there are .*\/admin\/peers/, path);
  }
});

Deno.test("admin: with an internal port the routes are there alone, behind the secret all the same", async () => {
  await using server = checked(
    await createServer({ authEnabled: false, adminSecret: ADMIN_SECRET, internalPort: 0 }),
  );
  const { url, internalUrl = "" } = await server.listen({ port: 0, host: "127.0.0.1" });
  const statuses: number[] = [];
  for (
    const [at, secret] of [[url, ADMIN_SECRET], [internalUrl, ADMIN_SECRET], [internalUrl, ""]]
  ) {
    const response = await fetch(`${at}/admin/info`, {
      headers: { "x-admin-secret": secret ?? "" },
    });
    statuses.push(response.status);
    await response.body?.cancel();
  }
  assertEquals(statuses, [404, 200, 401]);
});
