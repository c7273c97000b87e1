/** Questions between instances, whatever the others answer, and when: none waits for ever. */

import { assert, assertEquals } from "@std/assert";
import type { PostReply } from "../../src/cluster/backplane.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { encodeAnswer, encodeQuestion, MAX_TEXT } from "../../src/cluster/question.ts";
import { type Answers, MAX_ANSWERING, MAX_PENDING } from "../../src/cluster/questioner.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { NO_LIMITS } from "../helpers/backplane_conformance.ts";
import { BACKPLANES } from "../helpers/backplanes.ts";
import { within } from "../helpers/client.ts";
import { ClusterFixture, settle } from "../helpers/cluster_fixture.ts";
import { listening, OPEN, serve } from "../helpers/main.ts";
import { FakePeer } from "../helpers/peer.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { until } from "../helpers/client.ts";

const QUESTION = { kind: "ping", number: 7 } as const;
const TIMEOUT_MS = 1000;

/** An instance of which another one, or several, can be asked. */
function startUp(reached: readonly string[] = ["y", "z"], isPartial = false): ClusterFixture {
  const fixture = new ClusterFixture();
  fixture.listener.up("x");
  fixture.backplane.postReply = () => Promise.resolve({ reached, isPartial });
  return fixture;
}

/** Asks; the answers are there once the question has ended. */
function ask({ cluster }: ClusterFixture, to?: string): { result?: Answers<"ping"> } {
  const asked: { result?: Answers<"ping"> } = {};
  const options = { timeoutMs: TIMEOUT_MS, ...(to !== undefined && { to }) };
  cluster.ask(QUESTION, options).then((result) => asked.result = result);
  return asked;
}

/** The number that the last question has. */
function lastId({ backplane }: ClusterFixture): number {
  return JSON.parse(backplane.posts.at(-1)?.text ?? "[]")[1];
}

Deno.test("questioner: a question ends once all that it has reached have answered", async () => {
  const fixture = startUp();
  await settle(); // It reads what is revoked.
  const { pending } = fixture.clock;
  const asked = ask(fixture);
  await settle();
  const id = lastId(fixture);
  assertEquals(fixture.backplane.posts, [{ text: encodeQuestion(id, QUESTION), to: undefined }]);
  fixture.listener.posted(encodeAnswer(id, "alive"), "z");
  await settle();
  assertEquals(asked.result, undefined);
  fixture.listener.posted(encodeAnswer(id, "dead"), "y");
  await settle();
  assertEquals(asked.result, {
    answers: [{ instance: "y", answer: "dead" }, { instance: "z", answer: "alive" }],
    isPartial: false,
  });
  assertEquals(fixture.clock.pending, pending);
});

Deno.test("questioner: without other instances there is nothing to wait for", async () => {
  const fixture = startUp([]);
  const asked = ask(fixture);
  await settle();
  assertEquals(asked.result, { answers: [], isPartial: false });
});

Deno.test("questioner: an answer may come before it is known who was asked", async () => {
  const fixture = startUp();
  const { promise, resolve } = Promise.withResolvers<PostReply>();
  fixture.backplane.postReply = () => promise;
  const asked = ask(fixture, "y");
  assertEquals(fixture.backplane.posts[0]?.to, "y");
  fixture.listener.posted(encodeAnswer(lastId(fixture), "alive"), "y");
  await settle();
  assertEquals(asked.result, undefined);
  resolve({ reached: ["y"], isPartial: false });
  await settle();
  assertEquals(asked.result?.isPartial, false);
});

Deno.test("questioner: an instance that does not answer in time is not waited for", async () => {
  const fixture = startUp();
  const asked = ask(fixture);
  fixture.listener.posted(encodeAnswer(lastId(fixture), "alive"), "y");
  await settle();
  fixture.clock.tick(TIMEOUT_MS - 1);
  await settle();
  assertEquals(asked.result, undefined);
  fixture.clock.tick(1);
  await settle();
  const answers = [{ instance: "y", answer: "alive" }] as const;
  assertEquals(asked.result, { answers, isPartial: true });
  fixture.listener.posted(encodeAnswer(lastId(fixture), "alive"), "z");
  await settle();
  assertEquals(asked.result?.answers.length, 1);
});

Deno.test("questioner: an instance that was not reached, or has no answer, makes it partial at once", async () => {
  const unreached = ask(startUp([], true));
  const fixture = startUp();
  const asked = ask(fixture);
  const id = lastId(fixture);
  fixture.listener.posted(encodeAnswer(id), "y");
  fixture.listener.posted(`["answer",${id},"Alive"]`, "z");
  await settle();
  for (const { result } of [unreached, asked]) {
    assertEquals(result, { answers: [], isPartial: true });
  }
});

Deno.test("questioner: only the first answer counts, and only of those that were asked", async () => {
  const fixture = startUp();
  const asked = ask(fixture);
  await settle();
  const id = lastId(fixture);
  fixture.listener.posted(encodeAnswer(id, "alive"), "w");
  fixture.listener.posted(encodeAnswer(id, "alive"), "y");
  fixture.listener.posted(encodeAnswer(id, "dead"), "y");
  fixture.listener.posted(encodeAnswer(id + 1, "dead"), "z");
  fixture.listener.posted("not JSON", "z");
  fixture.listener.posted(encodeAnswer(id, "unknown"), "z");
  await settle();
  assertEquals(asked.result?.answers.map(({ instance, answer }) => `${instance} ${answer}`), [
    "y alive",
    "z unknown",
  ]);
});

Deno.test("questioner: a backplane that fails, is down, stops or cannot post never rejects", async () => {
  const cases: ((fixture: ClusterFixture) => void)[] = [
    ({ listener }) => listener.down("told to"),
    ({ backplane }) => backplane.postReply = () => Promise.reject(new Error("told to")),
    ({ backplane }) =>
      backplane.postReply = () => {
        throw new Error("told to");
      },
    ({ backplane }) => Object.assign(backplane, { post: undefined }),
  ];
  for (const prepare of cases) {
    const fixture = startUp();
    await settle(); // It reads what is revoked.
    const { pending } = fixture.clock;
    prepare(fixture);
    const asked = ask(fixture);
    await settle();
    assertEquals(asked.result, { answers: [], isPartial: true });
    assertEquals(fixture.clock.pending, pending);
  }
  const ends = [
    ({ listener }: ClusterFixture) => listener.down("told to"),
    ({ cluster }: ClusterFixture) => cluster.close(),
  ];
  for (const end of ends) {
    const fixture = startUp();
    const asked = ask(fixture);
    await settle();
    fixture.listener.posted(encodeAnswer(lastId(fixture), "alive"), "y");
    end(fixture);
    await settle();
    assertEquals([asked.result?.answers.length, asked.result?.isPartial], [1, true]);
  }
});

Deno.test("questioner: no more than a bounded number of questions waits", async () => {
  const fixture = startUp();
  await settle(); // It reads what is revoked.
  const { pending } = fixture.clock;
  const asked = Array.from({ length: MAX_PENDING + 1 }, () => ask(fixture));
  await settle();
  assertEquals(asked.filter(({ result }) => result !== undefined).length, 1);
  assertEquals(asked.at(-1)?.result, { answers: [], isPartial: true });
  assertEquals(fixture.backplane.posts.length, MAX_PENDING);
  fixture.clock.tick(TIMEOUT_MS);
  await settle();
  assert(asked.every(({ result }) => result !== undefined));
  assertEquals(fixture.clock.pending, pending);
});

/** What an instance replies to a question. */
async function replyTo(fixture: ClusterFixture, question: string): Promise<unknown> {
  fixture.listener.posted(`["question",3,${question}]`, "y");
  await settle();
  const { text, to } = fixture.backplane.posts.at(-1) ?? { text: "null" };
  assertEquals(to, "y");
  return JSON.parse(text);
}

Deno.test("questioner: a ping asks the client of the member with this number", async () => {
  const fixture = startUp();
  const peers = [true, false, undefined].map((isAlive) =>
    Object.assign(new FakePeer(String(isAlive)), {
      answersWithin: () => isAlive === undefined ? undefined : Promise.resolve(isAlive),
    })
  );
  const numbers: number[] = [];
  for (const peer of peers) {
    const answer = fixture.cluster.join("r", peer);
    numbers.push(fixture.backplane.claims.at(-1)?.member.number ?? 0);
    fixture.grant();
    await answer;
  }
  const replies = [];
  for (const number of [...numbers, 99]) {
    replies.push(await replyTo(fixture, `{"kind":"ping","number":${number}}`));
  }
  assertEquals(replies, [
    ["answer", 3, "alive"],
    ["answer", 3, "dead"],
    ["answer", 3, "unknown"],
    ["answer", 3, "dead"],
  ]);
});

Deno.test("questioner: one that is not known, or whose answer fails, gets a reply without answer", async () => {
  const fixture = startUp();
  const none = ["answer", 3];
  assertEquals(await replyTo(fixture, '{"kind":"of a later version"}'), none);
  assertEquals(await replyTo(fixture, '{"kind":"ping","number":"7"}'), none);
  const failing = [
    () => Promise.reject(new Error("told to")),
    () => {
      throw new Error("told to");
    },
    () => "x".repeat(MAX_TEXT) as "alive",
  ];
  for (const ping of failing) {
    fixture.cluster.answer({ ping });
    assertEquals(await replyTo(fixture, JSON.stringify(QUESTION)), none);
  }
  assertEquals(fixture.logged("error"), failing.map(() => "Answering another instance failed"));
});

Deno.test("questioner: no more than a bounded number of questions is being answered", async () => {
  const fixture = startUp();
  const { promise, resolve } = Promise.withResolvers<"alive">();
  fixture.cluster.answer({ ping: () => promise });
  const text = encodeQuestion(3, QUESTION);
  for (let n = 0; n <= MAX_ANSWERING; n++) fixture.listener.posted(text, "y");
  await settle();
  assertEquals(fixture.backplane.posts, [{ text: encodeAnswer(3), to: "y" }]);
  resolve("alive");
  await settle();
  assertEquals(fixture.backplane.posts.length, MAX_ANSWERING + 1);
  assertEquals(await replyTo(fixture, JSON.stringify(QUESTION)), ["answer", 3, "alive"]);
});

function startCluster(backplane: ReturnType<typeof createRedisBackplane>): Cluster {
  const { registry } = createRooms({ clock: systemClock });
  const failures = new FailureLimiter(systemClock, Infinity);
  const [clock, logger, limits] = [systemClock, silentLogger, NO_LIMITS];
  const cluster = new Cluster({ backplane, registry, failures, clock, logger, limits });
  cluster.start();
  return cluster;
}

for (const kind of BACKPLANES) {
  Deno.test({
    name: `questioner (${kind.name}): many questions are in flight, each with its own answers`,
    ignore: kind.ignore,
    fn: async () => {
      await using server = await kind.open();
      const clusters = Array.from({ length: 4 }, () => startCluster(server.connect()));
      await until("all to be up", () => clusters.every(({ isUp }) => isUp));
      const [x, y, z] = clusters;
      y?.answer({ ping: ({ number }) => number % 2 === 0 ? "alive" : "dead" });
      z?.answer({
        ping: () => {
          throw new Error("told to");
        },
      });
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      const results = await Promise.all(
        numbers.map((number) => x?.ask({ kind: "ping", number }, { timeoutMs: 10_000 })),
      );
      for (const [number, result] of results.entries()) {
        const answers = result?.answers.map(({ answer }) => answer).sort();
        assertEquals(answers, [number % 2 === 0 ? "alive" : "dead", "dead"].sort());
        assertEquals(result?.isPartial, true);
      }
      await z?.close();
      const later = await x?.ask(QUESTION, { timeoutMs: 10_000 });
      assertEquals([later?.answers.length, later?.isPartial], [2, false]);
      const [, other] = later?.answers ?? [];
      const to = other?.instance ?? "";
      const one = await x?.ask(QUESTION, { to, timeoutMs: 10_000 });
      assertEquals(one, { answers: other ? [other] : [], isPartial: false });
      assertEquals((await x?.ask(QUESTION, { to: "nobody", timeoutMs: 10_000 }))?.isPartial, true);
      for (const cluster of clusters) await cluster.close();
      assertEquals(await x?.ask(QUESTION, { timeoutMs: 10_000 }), { answers: [], isPartial: true });
    },
  });
}

Deno.test({
  name:
    "questioner (redis): a process that stalls is waited for no longer than said, a killed one not",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    await using process = serve({ env: { ...OPEN, REDIS_URL: redis.url } });
    await listening(process);
    const cluster = startCluster(createRedisBackplane({ url: redis.url }));
    await until("an answer", async () => {
      return (await cluster.ask(QUESTION, { timeoutMs: 1000 })).answers.length === 1;
    });
    process.kill("SIGSTOP");
    const none: Answers<"ping"> = { answers: [], isPartial: true };
    assertEquals(await cluster.ask(QUESTION, { timeoutMs: 200 }), none);
    process.kill("SIGKILL");
    await until("nobody to subscribe", async () => {
      const [, count] = await redis.cli("pubsub", "numsub", "client-db-sync:{0}all");
      return count === "1";
    });
    const killed = await within("a reply", cluster.ask(QUESTION, { timeoutMs: 60_000 }));
    assertEquals(killed.answers, []);
    redis.stall();
    assertEquals(await cluster.ask(QUESTION, { timeoutMs: 200 }), none);
    redis.resume();
    await cluster.close();
  },
});
