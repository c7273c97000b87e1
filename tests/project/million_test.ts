/** The simulation of a million peers: its arithmetic, and that the docs show what it prints. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DRAWS, withTables } from "../../bench/million.ts";
import { typicalBehaviour } from "../../bench/million/assumptions.ts";
import { costOf } from "../../bench/million/calibrate.ts";
import { type Costs, forEachCost, storedCalibration } from "../../bench/million/costs.ts";
import { type Comeback, comeBack, losesRedis } from "../../bench/million/events.ts";
import { deploymentFor, ratesOf, steadyUse, utilization } from "../../bench/million/model.ts";
import { drawsOf, peersUntil, reportOf } from "../../bench/million/report.ts";
import { ROOT, runDeno } from "../helpers/command.ts";
import { hasRedis } from "../helpers/redis.ts";

const BEHAVIOUR = typicalBehaviour();

/** Costs of 10 µs or KB for what happens to peers; nothing else costs anything. */
const COSTS: Costs = forEachCost((name) => {
  const isFixed = /second$|Second|empty|Empty|Wake$|Heartbeat|Name|audit|Audit|traffic/.test(name);
  return isFixed ? 0 : 10;
});

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);
}

Deno.test("million: twice the peers on one instance use twice its CPU, memory and Redis", () => {
  const use = (peers: number) => steadyUse({ ...deploymentFor(50_000), peers }, BEHAVIOUR, COSTS);
  const [one, two] = [use(10_000), use(20_000)];
  assertNear(two.instance.memoryMb, 2 * one.instance.memoryMb, 1e-9);
  // How often an instance looks whether another subscribes does not grow with the peers.
  assertNear(two.instance.cpu / one.instance.cpu, 2, 0.02);
  assertNear(two.redis.cpu / one.redis.cpu, 2, 0.02);
});

Deno.test("million: twice the shards halve the CPU of each Redis, apart from what each instance costs", () => {
  const use = (shards: number) => steadyUse(deploymentFor(1_000_000, shards), BEHAVIOUR, COSTS);
  assertNear(use(2).redis.cpu * 2 / use(1).redis.cpu, 1, 0.15);
  assert(use(8).redis.cpu < use(4).redis.cpu);
});

Deno.test("million: with one instance nothing crosses, with many almost everything does", () => {
  const crossing = (instances: number) =>
    ratesOf({ ...deploymentFor(10_000), instances }, BEHAVIOUR);
  assertEquals(crossing(1).crossing, 0);
  assertEquals(crossing(1).events, 0);
  assertNear(crossing(100).crossing, 0.99, 1e-9);
});

Deno.test("million: what waking costs follows from a low rate", () => {
  const [work, wake, perMicrosecond] = [20, 40, 0.001];
  const used = utilization(perMicrosecond * work, perMicrosecond * wake);
  const cost = costOf({ each: work, used: 1 }, { each: used / perMicrosecond, used });
  assertNear(cost.work, work, 1e-9);
  assertNear(cost.wake, wake, 1e-9);
});

const COMEBACK: Comeback = {
  clients: 10_000,
  instances: 4,
  shards: 1,
  closedOverMs: 0,
  used: { instance: 0, redis: 0 },
  cost: { instance: 400, redis: 40 },
  redisWake: 0,
  refusalCost: 100,
  maxPending: Infinity,
};

Deno.test("million: a comeback costs each process its share, and lasts as long as the slowest needs", () => {
  const { allBackMs, instanceMs, redisMs, refused } = comeBack(COMEBACK);
  assertNear(instanceMs, 2500 * 0.4, 1);
  assertNear(redisMs, 10_000 * 0.04, 1);
  assertNear(allBackMs, 1000 + 2500 * 0.4, 20); // Each after a second.
  assertEquals(refused, 0);
});

Deno.test("million: clients that are refused come back later, and all get in", () => {
  const free = comeBack(COMEBACK);
  const limited = comeBack({ ...COMEBACK, maxPending: 200 });
  assert(limited.refused > 0);
  assert(limited.allBackMs > free.allBackMs);
  assert(limited.heartbeatMs <= free.heartbeatMs);
});

Deno.test("million: Redis answers too late when too many ask at once, and not with more shards", () => {
  const many = { ...COMEBACK, clients: 400_000, instances: 100, cost: { instance: 40, redis: 40 } };
  assertEquals(losesRedis(comeBack(many)), true);
  assertEquals(losesRedis(comeBack({ ...many, shards: 16 })), false);
});

Deno.test("million: the number of peers at a limit is found", () => {
  assertNear(peersUntil((peers) => peers > 3_000_000) / 3_000_000, 1, 0.01);
  assertEquals(peersUntil(() => false), 100_000_000);
});

Deno.test("million: draws follow from a seed, and the first is the median of everything", async () => {
  const calibration = await storedCalibration();
  assertEquals(drawsOf(calibration, 5), drawsOf(calibration, 5));
  assertEquals(drawsOf(calibration, 1)[0]?.behaviour, BEHAVIOUR);
});

Deno.test("million: docs/scaling.md shows what the program prints", async () => {
  const docs = await Deno.readTextFile(`${ROOT}docs/scaling.md`);
  const report = reportOf(await storedCalibration(), DRAWS);
  const plain = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/-+/g, "-");
  assertEquals(plain(withTables(docs, report)), plain(docs), "run: deno task bench:million --docs");
  assertStringIncludes(docs, "<!-- bench:million steady -->");
});

Deno.test({
  name: "bench:million --verify --quick: the model predicts a real run",
  ignore: !hasRedis || Deno.build.os !== "linux",
  async fn() {
    const { code, stdout, stderr } = await runDeno(
      ["task", "--quiet", "bench:million", "--verify", "--quick"],
      { cwd: ROOT },
    );
    assertEquals(code, 0, stdout + stderr);
    assertStringIncludes(stdout, "CPU of each instance");
  },
});
