/**
 * The steps of an examination and how their results are collected: each step succeeds, warns, fails or
 * is skipped, with sentences for the operator. It keeps secrets out of them. What a step does is in
 * other files.
 */

/** What each step expects. The order is that of the report. */
export const EXPECTED = {
  name: "the name of the host has an address",
  connect: "the port accepts connections",
  tls: "a certificate that browsers trust",
  health: "/health answers 200",
  upgrade: "101, which opens a WebSocket",
  origin: "pages of the given origin may connect",
  "other-origin": "pages of unknown origins may not connect, or a token decides",
  token: "a token for a room",
  join: "each peer joins the room and gets its peer-list",
  meet: "two peers exchange an offer, an answer and candidates",
  relay: "messages arrive in order",
  "ice-servers": "the server names STUN and TURN servers",
  ice: "the STUN or TURN server answers",
  address: "the server sees the address of this machine",
  idle: "a WebSocket that only answers pings stays open",
} as const;

/** The name of a step. */
export type StepName = keyof typeof EXPECTED;

/** `warn`: it works, and something should be looked at. `skipped`: it could not be tried. */
export type StepStatus = "ok" | "warn" | "fail" | "skipped";

/** The result of one step. */
export interface StepReport {
  readonly step: StepName;
  /** Which of several: the URL of an ICE server, the seconds of an idle WebSocket. */
  readonly about?: string;
  readonly status: StepStatus;
  readonly expected: string;
  /** What was seen; of a skipped step, why. */
  readonly seen: string;
  /** What to change, unless the status is `ok`. */
  readonly change?: string;
  /** Milliseconds that the other side took, where that means something. */
  readonly ms?: number;
}

/** What a step found. */
export interface Found<T> {
  readonly value: T;
  readonly seen: string;
  /** What to look at: makes it a warning. */
  readonly change?: string;
  readonly ms?: number;
}

/** Thrown by a step that failed. */
export class StepFailure extends Error {
  readonly seen: string;
  readonly change: string;

  constructor(seen: string, change: string) {
    super(seen);
    this.seen = seen;
    this.change = change;
  }
}

/** Thrown by a step that cannot be tried here. */
export class StepSkipped extends Error {}

/** The longest text of a server that is quoted. */
const MAX_QUOTED = 160;

/** The values of other steps that a step needs, by their names. */
type Needs = Readonly<Partial<Record<StepName, unknown>>>;
type Known<N> = { readonly [K in keyof N]: Exclude<N[K], undefined> };

/** How a step is run. */
export interface StepOptions<N, T> {
  /** What earlier steps found: `undefined` for one that did not succeed. */
  readonly needs: N;
  readonly about?: string;
  readonly timeoutMs?: number;
  /** Does it. The signal aborts when its time is over. */
  readonly run: (known: Known<N>, signal: AbortSignal) => Promise<Found<T>>;
}

/** Options of {@linkcode Report}. */
export interface ReportOptions {
  /** Ends the examination: what has not been tried is skipped, with its reason. */
  readonly signal: AbortSignal;
  /** Milliseconds for a step, unless it says otherwise. */
  readonly timeoutMs: number;
  /** Called for each report. */
  readonly onStep: (report: StepReport) => void;
}

/** Collects the reports of an examination. */
export class Report {
  readonly steps: StepReport[] = [];
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;
  readonly #onStep: (report: StepReport) => void;
  readonly #secrets = new Set<string>();

  constructor({ signal, timeoutMs, onStep }: ReportOptions) {
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
    this.#onStep = onStep;
  }

  /** Keeps a text out of every report, whoever sends it back. */
  hide(secret: string | undefined): void {
    if (secret) this.#secrets.add(secret);
  }

  /** Runs a step, reports on it, and returns what it found; `undefined` if it did not succeed. */
  async run<N extends Needs, T>(
    step: StepName,
    options: StepOptions<N, T>,
  ): Promise<T | undefined> {
    const { needs, about, timeoutMs = this.#timeoutMs, run } = options;
    if (this.#signal.aborted) return this.#skip(step, about, String(this.#signal.reason));
    if (!areKnown(needs)) {
      const missing = Object.entries(needs).find(([, value]) => value === undefined)?.[0];
      return this.#skip(step, about, `the step ${missing} did not succeed`);
    }
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      const found = await run(needs, AbortSignal.any([this.#signal, timeout.signal]));
      const { value, seen, change, ms } = found;
      this.#add({ step, about, status: change === undefined ? "ok" : "warn", seen, change, ms });
      return value;
    } catch (error) {
      if (error instanceof StepSkipped) return this.#skip(step, about, error.message);
      if (this.#signal.aborted) return this.#skip(step, about, String(this.#signal.reason));
      const failure = error instanceof StepFailure ? error : unexpected(error, timeout, timeoutMs);
      this.#add({ step, about, status: "fail", seen: failure.seen, change: failure.change });
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #skip(step: StepName, about: string | undefined, reason: string): undefined {
    this.#add({ step, about, status: "skipped", seen: reason });
  }

  #add(found: {
    readonly step: StepName;
    readonly about: string | undefined;
    readonly status: StepStatus;
    readonly seen: string;
    readonly change?: string | undefined;
    readonly ms?: number | undefined;
  }): void {
    const { step, about, status, seen, change, ms } = found;
    const report: StepReport = {
      step,
      ...(about === undefined ? {} : { about: this.#clean(about) }),
      status,
      expected: EXPECTED[step],
      seen: this.#clean(seen),
      ...(change === undefined ? {} : { change: this.#clean(change) }),
      ...(ms === undefined ? {} : { ms: Math.round(ms * 10) / 10 }),
    };
    this.steps.push(report);
    this.#onStep(report);
  }

  #clean(text: string): string {
    let clean = text;
    for (const secret of this.#secrets) {
      for (const form of [secret, encodeURIComponent(secret)]) {
        clean = clean.replaceAll(form, "***");
      }
    }
    // deno-lint-ignore no-control-regex
    return clean.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
  }
}

function areKnown<N extends Needs>(needs: N): needs is N & Known<N> {
  return Object.values(needs).every((value) => value !== undefined);
}

function unexpected(error: unknown, timeout: AbortController, timeoutMs: number): StepFailure {
  if (timeout.signal.aborted) {
    return new StepFailure(
      `no answer within ${timeoutMs / 1000} s`,
      "Check firewalls on the way and whether the server or the proxy is overloaded",
    );
  }
  const name = error instanceof Error ? error.name : "an error";
  return new StepFailure(`the connection failed (${name})`, "Try again, and check the network");
}

/** A text of the server, short enough for a line. */
export function quote(text: string): string {
  const short = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
  return `“${short.trim()}”`;
}
