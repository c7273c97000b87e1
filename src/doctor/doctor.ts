/**
 * Examines a deployment from outside, step by step, as its clients use it: which step needs which, and
 * what runs at the same time. What each step does is in the other files of this folder.
 */

import { compareAddress } from "./address.ts";
import { askHealth, type Auth, tryOrigin, tryOtherOrigin, tryUpgrade } from "./checks.ts";
import { connect, findAddresses, open, withoutTls } from "./connection.ts";
import { askIceServers, explainIce, type IceProbe, probeAll } from "./ice.ts";
import { explainIdle, watchIdle } from "./idle.ts";
import { joinAll, measureRelay, meet, peerName } from "./peers.ts";
import { Report, type StepReport, StepSkipped } from "./report.ts";
import type { Target } from "./target.ts";
import { type Credentials, findCredentials } from "./token.ts";
import { Deployment } from "./deployment.ts";

/** Milliseconds for everything but waiting for idle WebSockets. */
const TOTAL_TIMEOUT_MS = 90_000;

/** Milliseconds for one step. */
const STEP_TIMEOUT_MS = 10_000;

/** Seconds for the answer of an idle WebSocket, and for a busy machine. */
const IDLE_MARGIN_SECONDS = 10;

/** How a deployment is examined. */
export interface DoctorOptions {
  readonly target: Target;
  /** A room token; it wins over that of the target's URL. */
  readonly token?: string;
  /** Issues a token where none is given, and asks who is connected. */
  readonly adminSecret?: string;
  /** Where `/admin/` is, without a slash at the end. Default: below the path of the deployment. */
  readonly adminBase?: string;
  /** Default: the token's, else one of its own. */
  readonly room?: string;
  /** The origin of a page that must be able to connect. */
  readonly origin?: string;
  /** For how many seconds WebSockets are idle, one each, in ascending order. */
  readonly idleSeconds: readonly number[];
  /** Milliseconds for a step, but for waiting. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Certificates in PEM that are trusted as well as Deno's. */
  readonly caCerts?: readonly string[];
  /** Ends the examination; its reason is why the rest is skipped. */
  readonly signal: AbortSignal;
  /** Called for each step as soon as its result is known. */
  readonly onStep: (report: StepReport) => void;
}

/** The results of an examination, as `doctor --json` prints them. */
export interface Examination {
  /** The WebSocket's URL without its query. */
  readonly url: string;
  /** Whether no step failed, and two peers met. */
  readonly ok: boolean;
  readonly steps: readonly StepReport[];
}

/** Examines a deployment. It never rejects for anything that the deployment does. */
export async function examine(options: DoctorOptions): Promise<Examination> {
  const { target, signal, onStep, idleSeconds, timeoutMs = STEP_TIMEOUT_MS } = options;
  const deadline = new AbortController();
  const idleMs = (idleSeconds.at(-1) ?? 0) * 1000;
  const timer = setTimeout(
    () => deadline.abort("the examination took too long"),
    TOTAL_TIMEOUT_MS + idleMs,
  );
  const bounded = AbortSignal.any([signal, deadline.signal]);
  const report = new Report({ signal: bounded, timeoutMs, onStep });
  for (const secret of [options.token, options.adminSecret, target.token]) report.hide(secret);
  try {
    await using deployment = new Deployment({ target, caCerts: options.caCerts ?? [] });
    await runSteps({ ...options, signal: bounded }, report, deployment);
  } finally {
    clearTimeout(timer);
  }
  const { steps } = report;
  const hasMet = steps.some(({ step, status }) => step === "meet" && status !== "skipped");
  const ok = hasMet && !bounded.aborted && steps.every(({ status }) => status !== "fail");
  return { url: target.shown, ok, steps };
}

async function runSteps(
  options: DoctorOptions,
  report: Report,
  deployment: Deployment,
): Promise<void> {
  const { target, caCerts = [], origin } = options;
  const id = crypto.randomUUID().slice(0, 8);
  const ownRoom = `doctor-${id}`;
  const query = { room: options.room ?? target.room ?? ownRoom, nodeId: peerName(id, 0) };

  const name = await report.run("name", {
    needs: {},
    run: (_, signal) => findAddresses(target, signal),
  });
  const connected = await report.run("connect", {
    needs: { name },
    async run(_, signal) {
      const start = performance.now();
      const opened = await connect(target, signal);
      const ms = performance.now() - start;
      const seen = `port ${target.port} of ${opened.remoteAddr.hostname} accepts them`;
      opened.close();
      return { value: true, seen, ms };
    },
  });
  const tls = await report.run("tls", {
    needs: { connect: connected },
    async run(_, signal) {
      if (!target.isSecure) return withoutTls(target);
      const start = performance.now();
      (await open({ target, caCerts }, signal)).close();
      return { value: true, seen: "TLS works", ms: performance.now() - start };
    },
  });
  const health = await report.run("health", {
    needs: { tls },
    run: (_, signal) => askHealth(deployment, signal),
  });
  const upgrade = await report.run("upgrade", {
    needs: { tls },
    run: (_, signal) => tryUpgrade(deployment, query, signal),
  });
  const auth: Auth = health === undefined || health === "unknown" ? upgrade ?? "unknown" : health;
  await report.run("origin", {
    needs: { upgrade },
    run(_, signal) {
      if (origin === undefined) throw new StepSkipped("--origin names none");
      return tryOrigin(deployment, { origin, query }, signal);
    },
  });
  await report.run("other-origin", {
    needs: { upgrade },
    run: (_, signal) => tryOtherOrigin(deployment, { auth, query }, signal),
  });
  const credentials = await report.run("token", {
    needs: { upgrade },
    run: (_, signal) =>
      findCredentials(deployment, {
        token: options.token ?? target.token,
        adminSecret: options.adminSecret,
        room: options.room ?? target.room,
        ownRoom,
        auth,
      }, signal),
  });
  report.hide(credentials?.token);
  await examineRoom({ options, report, deployment, id }, credentials);
}

/** What an examination goes on with once it has a token. */
interface Examining {
  readonly options: DoctorOptions;
  readonly report: Report;
  readonly deployment: Deployment;
  /** In the names of its peers. */
  readonly id: string;
}

async function examineRoom(
  { options, report, deployment, id }: Examining,
  token: Credentials | undefined,
): Promise<void> {
  const { idleSeconds, caCerts = [], adminSecret, adminBase } = options;
  const join = await report.run("join", {
    needs: { token },
    run: (known, signal) =>
      joinAll(deployment, {
        credentials: known.token,
        id,
        count: 2 + idleSeconds.length,
        claimsAddress: adminSecret !== undefined,
      }, signal),
  });
  const [, , ...idlePeers] = join ?? [];
  const idle = idleSeconds.map((seconds, index) => {
    const peer = idlePeers[index];
    return { seconds, result: peer && watchIdle(peer, seconds, options.signal) };
  });
  const met = await report.run("meet", {
    needs: { join },
    run: (known, signal) => meet(known.join, signal),
  });
  await report.run("relay", {
    needs: { join, meet: met },
    run: (known, signal) => measureRelay(known.join, signal),
  });
  const probes = await report.run("ice-servers", {
    needs: { token },
    run: (known, signal) =>
      askIceServers(
        deployment,
        { credentials: known.token, received: join?.[0].iceServers },
        signal,
      ),
  });
  const reflexive = await examineIce(report, probes ?? [], caCerts);
  await report.run("address", {
    needs: { join, token },
    run: ({ join: peers, token: { room } }, signal) =>
      compareAddress(deployment, { adminSecret, adminBase, room, peers, reflexive }, signal),
  });
  for (const { seconds, result } of idle) {
    await report.run("idle", {
      needs: { join: result },
      about: `${seconds} s`,
      timeoutMs: (seconds + IDLE_MARGIN_SECONDS) * 1000,
      run: async (known) => explainIdle(await known.join, seconds),
    });
  }
}

/** Reports on each ICE server, and returns the addresses of this machine that they see. */
async function examineIce(
  report: Report,
  probes: readonly IceProbe[],
  caCerts: readonly string[],
): Promise<string[]> {
  const results = probeAll(probes, caCerts);
  const reflexive: string[] = [];
  for (const [index, result] of results.entries()) {
    const found = await report.run("ice", {
      needs: {},
      about: probes[index]?.url ?? "",
      run: async () => explainIce(await result),
    });
    if (found?.kind === "stun") reflexive.push(found.reflexive.address);
  }
  return reflexive;
}
