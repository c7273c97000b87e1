/**
 * The `doctor` command: examines a deployment from outside and prints a line for each step. The
 * examination itself is `src/doctor/`'s.
 */

import { fitsHeader } from "../access/secrets.ts";
import { readNamed } from "../config/environment.ts";
import type { StepReport } from "../doctor/report.ts";
import { parseTarget, type Target } from "../doctor/target.ts";
import type { Command, Given } from "./command.ts";
import { EXIT, Failure, wrongUsage } from "./failure.ts";
import { commandForAllHosts } from "./surroundings.ts";
import { print } from "./terminal.ts";

/** Longer than proxies and load balancers wait by default. */
const IDLE_SECONDS = [60, 120];

/** Of one entry of `--idle-seconds`, and how many there may be. */
const MAX_IDLE_SECONDS = 3600;
const MAX_IDLE_SOCKETS = 4;

/** The longest secret that is read from standard input. */
const MAX_INPUT_BYTES = 16_384;

const USAGE = "doctor URL [--admin-secret-env NAME | --token-env NAME] [--quick] [--json]";

export const DOCTOR: Command = {
  name: "doctor",
  usage: USAGE,
  summary: "Examine a deployment from outside, as its clients use it, and say what to change",
  help:
    `  URL                         https://host, wss://host/signal, a host alone, with a prefix or not

  --admin-secret-env NAME     the variable (or setting in .env) with the server's admin secret: it
                              issues a token for a room of its own, and shows the address it sees
  --token-env NAME            the variable with a room token, instead
  --admin-secret -, --token - the same from standard input; a value in place of - is visible to
                              other users of this machine
  --admin-url URL             where /admin/ is, if not below URL
  --room NAME                 the room (the token's, else one of its own)
  --origin ORIGIN             the origin of a page that must be able to connect
  --idle-seconds 60,120       for how long idle WebSockets have to stay open
  --quick                     do not wait for idle WebSockets
  --json                      print one JSON document at the end instead of lines

Each line says what was expected, what was seen and what to change. The exit code is 0 if two peers
met and nothing failed, 1 otherwise, 2 for wrong usage. No secret is shown. With a token of a room in
use, its peers may try to connect to those of doctor while it runs.`,
  operand: "URL",
  values: [
    "--admin-secret",
    "--admin-secret-env",
    "--token",
    "--token-env",
    "--admin-url",
    "--room",
    "--origin",
    "--idle-seconds",
  ],
  flags: ["--quick", "--json"],
  run: doctor,
};

async function doctor(given: Given): Promise<number> {
  const target = readTarget(given.get("URL") ?? "");
  const idleSeconds = readIdleSeconds(given);
  const adminBase = readAdminBase(given.get("--admin-url"));
  const [room, origin] = [given.get("--room"), readOrigin(given.get("--origin"))];
  const { token, adminSecret } = await readSecrets(given);
  refuseWithoutPermission(target);
  const isJson = given.has("--json");
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort("interrupted");
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  try {
    const { examine } = await import("../doctor/doctor.ts"); // The server starts without it.
    const examination = await examine({
      target,
      idleSeconds,
      ...(room === undefined ? {} : { room }),
      ...(origin === undefined ? {} : { origin }),
      ...(token === undefined ? {} : { token }),
      ...(adminSecret === undefined ? {} : { adminSecret }),
      ...(adminBase === undefined ? {} : { adminBase }),
      signal: interrupted.signal,
      onStep: (step) => isJson || print(describe(step)),
    });
    if (isJson) print(JSON.stringify(examination, undefined, 2));
    else print(`\n${summary(examination.steps, examination.ok)}`);
    return examination.ok ? EXIT.ok : EXIT.configuration;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
  }
}

const MARKS = { ok: "ok  ", warn: "WARN", fail: "FAIL", skipped: "skip" } as const;

function describe({ step, about, status, expected, seen, change, ms }: StepReport): string {
  const name = about === undefined ? step : `${step} ${about}`;
  const time = ms === undefined || step === "relay"
    ? ""
    : `, in ${ms < 10 ? ms : Math.round(ms)} ms`;
  const hasFailed = status === "fail" ? `expected: ${expected}; seen: ` : "";
  const result = `${hasFailed}${seen}${time}`;
  const toChange = change === undefined ? "" : `${/[.?!]$/.test(result) ? "" : "."} ${change}`;
  return `${MARKS[status]}  ${name}: ${result}${toChange}`;
}

function summary(steps: readonly StepReport[], isGood: boolean): string {
  const count = (status: StepReport["status"]) =>
    steps.filter((step) => step.status === status).length;
  const counts = `${count("fail")} failed, ${count("warn")} to look at, ${
    count("skipped")
  } skipped`;
  return `${isGood ? "It works" : "It does not work as it should"}: ${counts}.`;
}

function wrong(what: string): Failure {
  return wrongUsage(`doctor: ${what}. Try: ${USAGE}`);
}

function readTarget(text: string): Target {
  try {
    return parseTarget(text);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : "URL is malformed");
  }
}

function readIdleSeconds(given: Given): readonly number[] {
  const text = given.get("--idle-seconds");
  if (given.has("--quick")) {
    if (text !== undefined) throw wrong("--quick and --idle-seconds exclude each other");
    return [];
  }
  const seconds = text?.split(",").map(Number) ?? IDLE_SECONDS;
  const isGood = seconds.every((one) => one >= 1 && one <= MAX_IDLE_SECONDS);
  if (!isGood || seconds.length > MAX_IDLE_SOCKETS) {
    const what = `1 to ${MAX_IDLE_SOCKETS} numbers from 1 to ${MAX_IDLE_SECONDS}`;
    throw wrong(`--idle-seconds must be ${what}, such as 60,120`);
  }
  return seconds.toSorted((one, other) => one - other);
}

function readAdminBase(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw wrong("--admin-url must look like http://10.0.0.5:9090");
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

function readOrigin(text: string | undefined): string | undefined {
  const url = text === undefined ? undefined : URL.parse(text);
  if (url === undefined) return undefined;
  if (url === null || url.origin === "null") {
    throw wrong("--origin must look like https://app.example.com");
  }
  return url.origin;
}

/** The token and the admin secret, each from at most one place. */
async function readSecrets(given: Given) {
  if (given.get("--token") === "-" && given.get("--admin-secret") === "-") {
    throw wrong("standard input can give a token or a secret, not both");
  }
  const token = await readSecret(given, "--token");
  const adminSecret = await readSecret(given, "--admin-secret");
  return { token, adminSecret };
}

async function readSecret(given: Given, option: string): Promise<string | undefined> {
  const [value, name] = [given.get(option), given.get(`${option}-env`)];
  if (value !== undefined && name !== undefined) {
    throw wrong(`${option} and ${option}-env exclude each other`);
  }
  if (value === undefined && name === undefined) return undefined;
  const secret = name === undefined
    ? value === "-" ? await readInput() : value
    : await readNamed(name);
  const where = name === undefined ? option : `the variable of ${option}-env`;
  if (secret === undefined || secret.trim() === "") {
    throw wrong(`${where} is empty, or may not be read`);
  }
  if (!fitsHeader(secret.trim())) throw wrong(`${where} has characters that no secret has`);
  return secret.trim();
}

/** Standard input to its end, or `undefined` if it is no secret. */
async function readInput(): Promise<string | undefined> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > MAX_INPUT_BYTES) return undefined;
  }
  return text;
}

/** @throws {Failure} Deno may not reach the host: a result would say nothing about it. */
function refuseWithoutPermission({ hostname, port }: Target): void {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const states = [host, `${host}:${port}`].map((host) =>
    Deno.permissions.querySync({ name: "net", host }).state
  );
  if (states.includes("granted")) return;
  const line = `Deno may not reach this host. Run: ${commandForAllHosts("doctor URL")}`;
  throw new Failure({ lines: [line] });
}
