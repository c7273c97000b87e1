/**
 * The socket of a client: when it is opened, with which token, what each close code means, and how it
 * is noticed that it is dead. What is said over it is decided in `client.ts`.
 */

import type { SignalingClientOptions, SignalingState, StateChange } from "./options.ts";
import { StopError } from "./options.ts";
import { type Backoff, backoffMs, Timer } from "./timer.ts";

/** How long an attempt may take, from its token to its list, in milliseconds. */
const ATTEMPT_MS = 30_000;

/** How long a connection must last until the next failure counts as the first, in milliseconds. */
const STABLE_MS = 10_000;

/** How long the server may take to answer when the network has changed, in milliseconds. */
const PROBE_MS = 5000;

/** The least time between two refreshes of a token, in milliseconds: the clocks may differ. */
const MIN_REFRESH_MS = 10_000;

/** Close codes after which the next attempt would end in the same way. */
const FINAL_CODES: readonly number[] = [1000, 1009, 4001, 4403, 4409];

/** Close codes after which another token may help. */
const TOKEN_CODES: readonly number[] = [4003, 4401];

/** Events of a page that tell that it, or its network, comes or goes. */
const PAGE_EVENTS = ["online", "pageshow", "pagehide", "visibilitychange"];

/** A message of the protocol, of whatever type. */
export type Message = Readonly<Record<string, unknown>>;

/** Why the state changes. */
type Cause = Omit<StateChange, "state">;

/** What the socket needs of its client. */
export interface RoomSocketOptions extends SignalingClientOptions {
  readonly nodeId: string;
  readonly backoff: Backoff;
  readonly onFrame: (data: unknown) => void;
  readonly onSent: (message: Message) => void;
  readonly onState: (change: StateChange) => void;
  /** The room is left: for good, or until the page comes back. */
  readonly onLeave: () => void;
}

/** A socket that is opened again and again. */
export class RoomSocket {
  state: SignalingState = "waiting";
  readonly #options: RoomSocketOptions;
  readonly #url: URL;
  /** What comes next unless something else happens: the end of an attempt, or another one. */
  readonly #next = new Timer();
  readonly #refresh = new Timer();
  readonly #probe = new Timer();
  /** Stands for the current attempt: what was awaited for another one comes too late. */
  #current: object = {};
  #socket: WebSocket | undefined;
  #failures = 0;
  #isRefused = false;
  #isHidden = false;

  constructor(options: RoomSocketOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    this.#url.searchParams.set("room", options.room);
    this.#url.searchParams.set("nodeId", options.nodeId);
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) return this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort);
    for (const type of PAGE_EVENTS) globalThis.addEventListener?.(type, this.#onPage);
    this.#open();
  }

  /** Ends for good. */
  stop(cause: Cause): void {
    if (this.state === "stopped") return;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const type of PAGE_EVENTS) globalThis.removeEventListener?.(type, this.#onPage);
    this.#leave({ ...cause, state: "stopped" });
  }

  /** The first list has come. */
  joined(): void {
    this.#isRefused = false;
    this.#next.start(STABLE_MS, () => this.#failures = 0);
    this.#setState({ state: "joined" });
  }

  /** Sends a fresh token when a quarter of the time is left. */
  onToken(expiresAt: unknown): void {
    const leftMs = Date.parse(String(expiresAt)) - Date.now();
    const current = this.#current;
    this.#refresh.start(Math.max(MIN_REFRESH_MS, leftMs * 0.75 || 0), async () => {
      try {
        const token = await this.#options.getToken?.("expiring");
        if (current === this.#current) this.send({ type: "refresh", token });
      } catch (error) {
        if (current !== this.#current) return;
        if (error instanceof StopError) this.stop({ error });
        else this.onToken(expiresAt);
      }
    });
  }

  send(message: Message): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
    this.#options.onSent(message);
  }

  /** Finds out whether the socket still works: a signal to oneself is always answered. */
  check(): void {
    if (this.state !== "joined" || this.#probe.isRunning) return;
    this.#probe.start(PROBE_MS, () => {
      this.#drop();
      this.#open();
    });
    this.send({ type: "ice-candidate", to: this.#options.nodeId, candidate: null });
  }

  async #open(): Promise<void> {
    const { getToken, getConsumerToken } = this.#options;
    const current = this.#current = {};
    this.#next.start(ATTEMPT_MS, () => this.#lost({}));
    this.#setState({ state: "connecting" });
    const reason = this.#isRefused ? "refused" : "connect";
    try {
      const token = await getToken?.(reason);
      const consumerToken = await getConsumerToken?.(reason);
      if (current === this.#current) this.#dial(token, consumerToken);
    } catch (error) {
      if (current !== this.#current) return;
      if (error instanceof StopError) this.stop({ error });
      else this.#lost({ error });
    }
  }

  #dial(token: string | undefined, consumerToken: string | undefined): void {
    const { nodeId, role = "normal", tokenIn, serveConsumers, capacity } = this.#options;
    const url = new URL(this.#url);
    const protocols = ["client-db-sync"];
    if (token !== undefined && tokenIn === "query") url.searchParams.set("token", token);
    else if (token !== undefined) protocols.push(`bearer.${token}`);
    let socket: WebSocket;
    try {
      socket = this.#socket = new WebSocket(url, protocols);
    } catch (error) { // An address or a token that can be none: the next attempt would end alike.
      return this.stop({ error });
    }
    const register = {
      type: "register",
      nodeId,
      role,
      serveConsumers,
      capacity,
      token: consumerToken,
      protocolVersion: 1,
      iceServers: true,
      refresh: role === "normal" && token !== undefined,
    };
    socket.onopen = () => this.send(register);
    socket.onmessage = ({ data }) => {
      this.#probe.stop();
      this.#options.onFrame(data);
    };
    socket.onclose = ({ code, reason }) => this.#onClose({ code, reason });
  }

  #onClose(cause: { readonly code: number; readonly reason: string }): void {
    const { getToken, getConsumerToken } = this.#options;
    const isToken = TOKEN_CODES.includes(cause.code);
    const isHopeless = isToken && (this.#isRefused || !(getToken ?? getConsumerToken));
    if (isHopeless || FINAL_CODES.includes(cause.code)) return this.stop(cause);
    this.#isRefused ||= isToken;
    this.#lost(cause);
  }

  /** Tries again later. */
  #lost(cause: Cause): void {
    this.#drop();
    const retryInMs = backoffMs(this.#failures++, this.#options.backoff);
    this.#next.start(retryInMs, () => this.#open());
    this.#setState({ ...cause, state: "waiting", retryInMs });
  }

  #leave(change: StateChange): void {
    this.#drop();
    this.#setState(change);
    this.#options.onLeave();
  }

  /** Forgets the socket and the attempt that it belongs to. */
  #drop(): void {
    const socket = this.#socket;
    this.#current = {};
    this.#socket = undefined;
    for (const timer of [this.#next, this.#refresh, this.#probe]) timer.stop();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  readonly #onAbort = (): void => this.stop({ error: this.#options.signal?.reason });

  /**
   * Leaves the room with the page, which the browser may keep for the way back only without a socket;
   * otherwise the network is back or the page is seen again: nobody waits longer than needed.
   */
  readonly #onPage = ({ type }: { readonly type: string }): void => {
    this.#isHidden = type === "pagehide" || this.#isHidden && type !== "pageshow";
    if (type === "pagehide") this.#leave({ state: "waiting" });
    else if (this.#isHidden || Reflect.get(globalThis, "document")?.visibilityState === "hidden") {
      return;
    } else if (this.state === "waiting") this.#open();
    else this.check();
  };

  #setState(change: StateChange): void {
    this.state = change.state;
    this.#options.onState(change);
  }
}
