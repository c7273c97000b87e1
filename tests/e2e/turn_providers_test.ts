/** The examples for rented TURN servers, against a stand-in of each provider's HTTP interface. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { cloudflareIceServers } from "../../examples/cloudflare_turn.ts";
import { twilioIceServers } from "../../examples/twilio_turn.ts";
import { createSignalingHandler, generateKeyPairJwk, type IceServersHook } from "../../mod.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { freePort } from "../helpers/port.ts";
import { ADMIN_SECRET } from "../helpers/server.ts";

const HOUR_MS = 3_600_000;
const PEER = { room: "todos", nodeId: "ada", role: "normal" } as const;

interface Provider extends AsyncDisposable {
  readonly api: string;
  /** The requests so far: method and path, credentials, body. */
  readonly requests: (readonly [string, string | null, string])[];
  /** Answers from now on; by default as the provider does. */
  respond: () => Response | Promise<Response>;
}

function startProvider(json: (count: number) => unknown): Provider {
  const requests: Provider["requests"] = [];
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    const body = await request.text();
    requests.push([`${request.method} ${pathname}`, request.headers.get("authorization"), body]);
    return await provider.respond();
  });
  const provider: Provider = {
    api: `http://127.0.0.1:${server.addr.port}`,
    requests,
    respond: () => Response.json(json(requests.length), { status: 201 }),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return provider;
}

const PROVIDERS = {
  Cloudflare: {
    example: "examples/cloudflare_turn.ts",
    env: { CLOUDFLARE_TURN_KEY_ID: "key", CLOUDFLARE_TURN_API_TOKEN: "api-token" },
    answer: (count: number) => ({
      iceServers: [
        { urls: ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"] },
        {
          urls: [
            "turn:turn.cloudflare.com:3478?transport=udp",
            "turn:turn.cloudflare.com:53?transport=udp",
            "turns:turn.cloudflare.com:443?transport=tcp",
          ],
          username: `user-${count}`,
          credential: "hush",
        },
      ],
    }),
    hook: (api: string, now?: () => number) =>
      cloudflareIceServers({ keyId: "key/1", apiToken: "api-token", api }, now),
    request: [
      "POST /v1/turn/keys/key%2F1/credentials/generate-ice-servers",
      "Bearer api-token",
      '{"ttl":86400}',
    ],
    urls: [
      "stun:stun.cloudflare.com:3478",
      "turn:turn.cloudflare.com:3478?transport=udp",
      "turns:turn.cloudflare.com:443?transport=tcp",
    ],
  },
  Twilio: {
    example: "examples/twilio_turn.ts",
    env: { TWILIO_ACCOUNT_SID: "AC1", TWILIO_AUTH_TOKEN: "auth-token" },
    answer: (count: number) => ({
      username: `user-${count}`,
      ttl: "86400",
      ice_servers: [
        { url: "stun:global.stun.twilio.com:3478", urls: "stun:global.stun.twilio.com:3478" },
        {
          url: "turn:global.turn.twilio.com:3478?transport=udp",
          urls: "turn:global.turn.twilio.com:3478?transport=udp",
          username: `user-${count}`,
          credential: "hush",
        },
      ],
    }),
    hook: (api: string, now?: () => number) =>
      twilioIceServers({ accountSid: "AC1", authToken: "auth-token", api }, now),
    request: [
      "POST /2010-04-01/Accounts/AC1/Tokens.json",
      `Basic ${btoa("AC1:auth-token")}`,
      "Ttl=86400",
    ],
    urls: ["stun:global.stun.twilio.com:3478", "turn:global.turn.twilio.com:3478?transport=udp"],
  },
};

/** The user of the TURN server. */
async function userOf(hook: IceServersHook): Promise<string | undefined> {
  return (await hook(PEER)).at(-1)?.username;
}

for (const [name, provided] of Object.entries(PROVIDERS)) {
  const { answer, hook: makeHook, request, urls, example, env } = provided;

  Deno.test(`${name}: run as it stands, the example serves, and logs what the provider refuses`, async () => {
    await using folder = await temporaryFolder();
    const refusing = `${folder.path}/refusing.ts`;
    const code = `globalThis.fetch = () => Promise.resolve(new Response("hush", { status: 401 }));`;
    await Deno.writeTextFile(refusing, code);
    const run = ["run", "--allow-net", "--allow-env", "--lock=tests/deno.lock"];
    const settings = { ...env, ADMIN_SECRET, PORT: freePort().toString() };
    await using program = startDeno([...run, `--preload=${refusing}`, example], { env: settings });
    const [, port] = await program.line(/"url":"http:[^"]*:(\d+)/);
    const response = await fetch(`http://127.0.0.1:${port}/token`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
      body: JSON.stringify({ ttl: "1h", iceServers: true }),
    });
    assertEquals([response.status, (await response.json()).iceServers], [201, []]);
    await program.line(/"Finding ICE servers failed".*The TURN provider answers 401/);
    assertEquals(/hush|api-token|auth-token/.test(program.stdout() + program.stderr()), false);

    const unset = await runDeno([...run, example], { env: { ADMIN_SECRET } });
    assertEquals(unset.code, 1);
    assertMatch(unset.stderr, /Set (CLOUDFLARE|TWILIO)_/);
  });

  Deno.test(`${name}: clients get its servers, by one request`, async () => {
    await using provider = startProvider(answer);
    await using signaling = await createSignalingHandler({
      ...await generateKeyPairJwk(),
      iceServers: makeHook(provider.api),
      iceTtl: "12h",
    });
    const peers = ["ada", "bob"].map((nodeId) => signaling.iceServers({ room: "todos", nodeId }));
    for (const { iceServers, ttl } of await Promise.all(peers)) {
      assertEquals(iceServers.flatMap((server) => server.urls), urls);
      assertEquals([iceServers.at(-1)?.username, iceServers.at(-1)?.credential], [
        "user-1",
        "hush",
      ]);
      assertEquals(ttl, 43_200);
    }
    assertEquals<unknown>(provider.requests, [request]);
  });

  Deno.test(`${name}: credentials are renewed at half of their time, or when it is back`, async () => {
    await using provider = startProvider(answer);
    const healthy = provider.respond;
    let time = 0;
    const hook = makeHook(provider.api, () => time);
    assertEquals(await userOf(hook), "user-1");
    time = 12 * HOUR_MS - 1;
    assertEquals(await userOf(hook), "user-1");
    assertEquals(provider.requests.length, 1);

    const asked = Promise.withResolvers<void>();
    provider.respond = () => {
      asked.resolve();
      return new Response("hush", { status: 500 });
    };
    time = 12 * HOUR_MS;
    assertEquals(await userOf(hook), "user-1");
    await asked.promise;
    time = 24 * HOUR_MS;
    const { message } = await assertRejects(() => userOf(hook), Error);
    assertMatch(message, /^The TURN provider answers 500$/);
    await assertRejects(() => userOf(hook), Error);
    assertEquals(provider.requests.length, 3); // Not one for each peer.

    provider.respond = healthy;
    time += 10_000;
    assertEquals(await userOf(hook), "user-4");
  });

  Deno.test(`${name}: a refusal, and an answer of another kind, show no secret`, async () => {
    await using provider = startProvider(answer);
    const hook = () => makeHook(provider.api)(PEER);
    provider.respond = () => new Response("hush", { status: 401 });
    const answers = [await assertRejects(async () => await hook(), Error)];
    for (const text of ["hush", "[]", "{}"]) {
      provider.respond = () => new Response(text, { status: 201 });
      answers.push(await assertRejects(async () => await hook(), Error));
    }
    for (const { message } of answers) {
      assertEquals(/hush|api-token|auth-token|AC1/.test(message), false, message);
    }
  });

  Deno.test(`${name}: while it is silent, clients get what is left`, async () => {
    await using provider = startProvider(answer);
    const end = Promise.withResolvers<Response>();
    provider.respond = () => end.promise;
    await using signaling = await createSignalingHandler({
      ...await generateKeyPairJwk(),
      iceServers: makeHook(provider.api),
      turn: { urls: ["turn:turn.example.com"], secret: "north-north-north-north" },
      logger: silentLogger,
    });
    const { iceServers } = await signaling.iceServers({ room: "todos", nodeId: "ada" });
    assertEquals(iceServers.map((server) => server.urls), [["turn:turn.example.com"]]);
    end.resolve(new Response());
  });
}
