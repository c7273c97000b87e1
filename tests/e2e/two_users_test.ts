/** Each cause that `docs/two-users-do-not-connect.md` names is staged, and what it shows is seen. */

import { assert, assertEquals } from "@std/assert";
import { createLogger } from "../../mod.ts";
import { Client, type Message, until } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";
import { settableClock } from "../helpers/settable_clock.ts";

const page = await Deno.readTextFile(`${ROOT}docs/two-users-do-not-connect.md`);

/** The answers and log lines that a section shows, in order. */
function shownIn(heading: string): Message[] {
  const [, section] = page.split(`\n## ${heading}\n`);
  assert(section !== undefined, heading);
  const [text = ""] = section.split("\n## ");
  const blocks = [...text.matchAll(/^```jsonl?\n([\s\S]*?)^```/gm)];
  return blocks.map(([, json = ""]) => JSON.parse(json));
}

async function ask(server: TestServer, path: string): Promise<Message> {
  const response = await fetch(`${server.url}/admin/${path}`, {
    headers: { "x-admin-secret": ADMIN_SECRET },
  });
  assertEquals(response.status, 200);
  return await response.json();
}

const PAIR = "peers?room=todos&nodeId=ada&with=grace";

/** An answer has what is shown: each field, and as many items in each list. */
function assertShows(answer: Message, shown: Message, path = ""): void {
  if (shown === null || typeof shown !== "object") return assertEquals(answer, shown, path);
  if (Array.isArray(shown)) assertEquals(answer.length, shown.length, path);
  for (const [name, value] of Object.entries(shown)) {
    assertShows(answer?.[name], value, `${path}.${name}`);
  }
}

async function join(server: TestServer, room: string, nodeId: string): Promise<Client> {
  const token = await server.token(room);
  return await Client.join(server.signal({ token, room, nodeId }));
}

/** A logger that keeps its lines. */
function keeping() {
  const lines: Message[] = [];
  const logger = createLogger({ write: (line) => lines.push(JSON.parse(line)) });
  return { lines, logger };
}

Deno.test("two users: they are in different rooms", async () => {
  await using server = await startServer();
  await using _ada = await join(server, "todos", "ada");
  await using _grace = await join(server, "Todos", "grace");
  const [pair, rooms] = shownIn("They are in different rooms");
  assertShows(await ask(server, PAIR), pair);
  assertShows(await ask(server, "rooms?prefix="), rooms);
});

Deno.test("two users: one was refused, because its token has expired", async () => {
  const { lines, logger } = keeping();
  const { clock, forward } = settableClock();
  await using server = await startServer({ clock, logger });
  const old = await server.token("todos", "1m");
  forward(60_000);
  await using _ada = await join(server, "todos", "ada");
  const url = server.signal({ token: old, room: "todos", nodeId: "grace" });
  for (let n = 0; n < 2; n++) assertEquals((await (await Client.connect(url)).closed).code, 4003);
  const [pair, line] = shownIn("One was refused");
  assertShows(await ask(server, PAIR), pair);
  const refused = lines.filter(({ message }) => message === "Connection refused");
  assertEquals(refused.length, 2);
  for (const one of refused) assertShows(one, line);
});

Deno.test("two users: there is no TURN server", async () => {
  await using server = await startServer({ iceServers: [{ urls: "stun:stun.example.com" }] });
  await using ada = await join(server, "todos", "ada");
  await using grace = await join(server, "todos", "grace");
  // What their networks let through is no concern of the server: it relays what browsers send.
  grace.send({ type: "offer", to: "ada", sdp: {} });
  await ada.next("offer");
  ada.send({ type: "answer", to: "grace", sdp: {} });
  await grace.next("answer");
  for (const [from, to] of [[ada, "grace"], [grace, "ada"]] as const) {
    for (let n = 0; n < 2; n++) from.send({ type: "ice-candidate", to, candidate: { n } });
  }
  for (const client of [ada, grace]) {
    for (let n = 0; n < 2; n++) await client.next("ice-candidate");
  }
  const [pair, ice] = shownIn("There is no TURN server");
  assertShows(await ask(server, PAIR), pair);
  const headers = { authorization: `Bearer ${await server.token("todos")}` };
  assertShows(await (await fetch(`${server.url}/ice-servers`, { headers })).json(), ice);
});

Deno.test("two users: their instances do not know each other", async () => {
  await using first = await startServer();
  const { privateKeyJwk, publicKeyJwk } = first;
  await using second = await startServer({ privateKeyJwk, publicKeyJwk });
  await using _ada = await join(first, "todos", "ada");
  await using _grace = await join(second, "todos", "grace");
  const [onFirst, onSecond, info] = shownIn("Their instances do not know each other");
  assertShows(await ask(first, PAIR), onFirst);
  assertShows(await ask(second, PAIR), onSecond);
  for (const server of [first, second]) assertShows(await ask(server, "info"), info);
  const [{ instance: one }, { instance: other }] = [
    await ask(first, "info"),
    await ask(second, "info"),
  ];
  assert(one !== other);
});

Deno.test("two users: one of them reads nothing", async () => {
  const { lines, logger } = keeping();
  const limits = { maxBytesPerSecond: 0 };
  await using server = await startServer({ logger, idleTimeoutSeconds: 10, limits });
  const token = await server.token("todos");
  const query = new URLSearchParams({ token, room: "todos", nodeId: "grace" });
  using _grace = await RawClient.join(server.port, `/signal?${query}`);
  await using ada = await join(server, "todos", "ada");
  // First the system's own buffers have to be full.
  const offer = { type: "offer", to: "grace", sdp: "x".repeat(60_000) };
  let offers = 0;
  let told: Message[] = [];
  await until("the server to keep what she does not read", async () => {
    for (let n = 0; n < 20; n++) ada.send(offer);
    offers += 20;
    told = await ada.drain();
    return told.length > 0 && (await ask(server, PAIR)).peers[0].unreadBytes > 500_000;
  });
  assert(told.length > 0 && told.every(({ code }) => code === "PEER_BUSY"));
  const [shown, line] = shownIn("One of them reads nothing");
  const answer = await ask(server, PAIR);
  assertShows(answer, shown);
  const [{ unreadBytes }] = answer.peers;
  assert(unreadBytes > 500_000, String(unreadBytes));
  const [{ sent, received }] = answer.pair;
  assert(sent.undelivered > 0);
  assertEquals([sent.offers + sent.undelivered, received.offers], [offers, sent.offers]);
  await until("her to be closed", () => lines.some(({ nodeId }) => nodeId === "grace"), 20_000);
  assertShows(lines.find(({ nodeId }) => nodeId === "grace"), line);
});
