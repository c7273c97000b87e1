import { assertEquals } from "@std/assert";
import type { AuthPolicy, Identity } from "../../src/access/admission.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import type { Authorize } from "../../src/access/host.ts";
import { generateKeyPairJwk, loadKeyPair } from "../../src/access/keys.ts";
import {
  createRefresher,
  expiryOf,
  isRefreshable,
  type RefreshVerdict,
} from "../../src/access/refresh.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { issueToken, type IssueTokenRequest, verifyToken } from "../../src/access/room_tokens.ts";
import { Revocations } from "../../src/access/revocations.ts";
import { TokenCache } from "../../src/access/token_cache.ts";
import { createVerificationKeys } from "../../src/access/verification_keys.ts";
import { VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";

const HERE = "192.0.2.1";

function createRefusals(clock: FakeClock) {
  const errors: unknown[] = [];
  const logger = { ...silentLogger, error: (_: string, fields?: object) => errors.push(fields) };
  return { errors, refusals: new RefusalLog({ clock, logger }) };
}

/** A client of room `r` and nodeId `n` that came with a token. */
async function byToken(bound?: string) {
  const clock = new FakeClock();
  const pair = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
  const failures = new FailureLimiter(clock, 3);
  const policy: AuthPolicy = {
    kind: "room token",
    keys: await createVerificationKeys(pair),
    options: { clock },
    limiter: new VerificationLimiter(failures),
    cache: new TokenCache(clock),
    revocations: new Revocations(clock),
  };
  const refresher = createRefresher({ policy, ...createRefusals(clock) });
  const mint = async (request: Partial<IssueTokenRequest> = {}) => {
    const asked = { ttl: "1m", subject: "r", ...request };
    return (await issueToken(pair.privateKey, asked, { clock })).token;
  };
  const token = await verifyToken(
    await mint(bound === undefined ? {} : { nodeId: bound }),
    pair.publicKey,
    { clock },
  );
  const identity: Identity = { room: "r", nodeId: "n", canJoinAsNormal: true, token };
  const present = (text: string) => refresher(text, identity, HERE);
  return { clock, failures, publicKey: pair.publicKey, mint, present, identity };
}

const refused = (message: string): RefreshVerdict => ({ kind: "refused", message });
const accepted = (identity: Identity): RefreshVerdict => ({ kind: "accepted", identity });

for (const bound of [undefined, "n"]) {
  const which = bound === undefined ? "any name" : "one name";
  Deno.test(`a refresher accepts a token for the client's room and name, in place of one for ${which}`, async () => {
    const { clock, publicKey, mint, present, identity } = await byToken(bound);
    clock.tick(30_000);
    for (const nodeId of [{}, { nodeId: "n" }]) {
      const text = await mint({ ttl: "1h", ...nodeId });
      const claims = await verifyToken(text, publicKey, { clock });
      const expected = accepted({ ...identity, token: claims });
      assertEquals(await present(text), expected);
      assertEquals(present(text), expected); // from memory: no promise
    }
    assertEquals(
      await present(await mint({ subject: "s" })),
      refused("The token is for another room"),
    );
    const other = await mint({ nodeId: "other" });
    assertEquals(await present(other), refused("The token is bound to another nodeId"));
  });
}

Deno.test("a refresher refuses a token that is not valid, and counts it as a connect does", async () => {
  const { clock, failures, mint, present } = await byToken();
  const token = await mint();
  clock.tick(60_000);
  const expired = refused("The token has expired (exp)");
  for (let n = 0; n < 10; n++) assertEquals(await present(token), expired);
  assertEquals(failures.retryAfter(HERE), 0);
  const malformed = refused("The token is not three parts of base64url");
  for (let n = 0; n < 3; n++) assertEquals(await present("nonsense"), malformed);
  const throttled = "Too many tokens from your address were invalid: try again in 60 s";
  assertEquals(await present(await mint()), refused(throttled));
});

Deno.test("a refresher has nothing to refresh without authentication", () => {
  const refresher = createRefresher({
    policy: { kind: "none" },
    ...createRefusals(new FakeClock()),
  });
  const identity = { room: "r", nodeId: "n", canJoinAsNormal: true };
  const message = "Authentication is off: there is no token to refresh";
  assertEquals(refresher("any", identity, HERE), refused(message));
  assertEquals([isRefreshable(identity), expiryOf(identity)], [false, Infinity]);
});

/** A client of room `r` and nodeId `n` that the host has admitted. */
function byHost(authorize: Authorize, query = "room=r", more: Record<string, string> = {}) {
  const clock = new FakeClock();
  const { errors, refusals } = createRefusals(clock);
  const policy: AuthPolicy = { kind: "host", authorize, timeoutMs: 1000, clock };
  const refresher = createRefresher({ policy, refusals });
  const headers = { cookie: "session=1", authorization: "Bearer old", ...more };
  const identity: Identity = {
    room: "r",
    nodeId: "n",
    canJoinAsNormal: true,
    expiresAt: 5,
    request: new Request(`http://h/signal?${query}`, { headers }),
  };
  const present = (text: string) => refresher(text, identity, HERE);
  return { clock, errors, identity, present };
}

Deno.test("a refresher asks the host again, with the client's request and the new token", async () => {
  const asked: Request[] = [];
  const expiresAt = new Date(1000);
  const { identity, present } = byHost((request) => {
    asked.push(request);
    return asked.length === 1 ? { room: "r", nodeId: "n", expiresAt } : { room: "r" };
  });
  assertEquals(await present("new"), accepted({ ...identity, expiresAt: 1000 }));
  const [{ url = "", headers = new Headers() } = {}] = asked;
  assertEquals([url, headers.get("cookie"), headers.get("authorization")], [
    "http://h/signal?room=r",
    "session=1",
    "Bearer new",
  ]);
  const { expiresAt: _, ...forGood } = identity;
  assertEquals(await present("another"), accepted(forGood));
  assertEquals(expiryOf(forGood), Infinity);
  assertEquals(identity.request?.headers.get("authorization"), "Bearer old");
});

Deno.test("a refresher shows the host the new token wherever the old one was", async () => {
  const asked: Request[] = [];
  const protocols = { "sec-websocket-protocol": "client-db-sync, bearer.old" };
  const { present } = byHost(
    (request) => {
      asked.push(request);
      return { room: "r" };
    },
    "room=r&token=older&token=old",
    protocols,
  );
  await present("new");
  await present("no name of a protocol");
  assertEquals(
    asked.map(({ url, headers }) => [url, headers.get("sec-websocket-protocol")]),
    [
      ["http://h/signal?room=r&token=new", "client-db-sync, bearer.new"],
      ["http://h/signal?room=r&token=no+name+of+a+protocol", "client-db-sync"],
    ],
  );
});

Deno.test("a refresher refuses what the host refuses or cannot check, and logs what is the host's fault", async () => {
  const failed = refused("The server failed to check the token: try again");
  for (
    const [authorize, expected, logged] of [
      [() => null, refused("The server does not accept the token"), 0],
      [() => ({ room: "s" }), refused("The token is for another room"), 0],
      [
        () => ({ room: "r", nodeId: "m" }),
        refused("The token is bound to another nodeId"),
        0,
      ],
      [() => Promise.reject(new Error("broken")), failed, 1],
      [() => ({ room: "" }), failed, 1],
    ] as [Authorize, unknown, number][]
  ) {
    const { errors, present } = byHost(authorize);
    assertEquals(await present("new"), expected);
    assertEquals(errors.length, logged);
  }
  const { errors, present } = byHost(() => ({ room: "r" }));
  const unusable = refused("The token has characters that no HTTP header can have");
  for (const text of ["a\nb", "a\u0000", "ü→"]) assertEquals(await present(text), unusable);
  assertEquals(errors, []);
  const slow = byHost(() => new Promise(() => {}));
  const verdict = slow.present("new");
  slow.clock.tick(1000);
  assertEquals([await verdict, slow.errors.length], [failed, 1]);
});
