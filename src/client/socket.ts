/**
 * The socket of a client: when it is opened, with which token, what each close code means, and how it
 * is noticed that it is dead. What is said over it is decided in `client.ts`.
 */

import {
  type SignalingClientOptions,
  type SignalingState,
  type StateChange,
  StopError,
  type TokenReason,
} from "./options.ts";
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

/** Why the state changes. */
export type Cause = Omit<StateChange, "state">;

/** What the socket needs of its client. */
export interface RoomSocketOptions extends SignalingClientOptions {
  readonly nodeId: string;
  readonly backoff: Backoff;
  readonly onFrame: (data: unknown) => void;
  readonly onSent: (message: Record<string, unknown>) => void;
  readonly onState: (change: StateChange) => void;
  /** It has ended for good; `error` is what a token source has thrown, or why it was aborted. */
  readonly onStop: (cause: Cause, error?: unknown) => void;
  /** The page is left, perhaps for a while. */
  readonly onHide: () => void;
}

/** A socket that is opened again and again. */
export class RoomSocket {
  state: SignalingState = "waiting";
  readonly #options: RoomSocketOptions;
  readonly #retry = new Timer();
  readonly #attempt = new Timer();
  readonly #stable = new Timer();
  readonly #refresh = new Timer();
  readonly #probe = new Timer();
  readonly #onPage = ({ type }: { readonly type: string }): void => this.#onPageEvent(type);
  readonly #onAbort = (): void => this.stop({}, this.#options.signal?.reason);
  /** Stands for the current attempt; whoever finds another one has been overtaken. */
  #current: object = {};
  #socket: WebSocket | undefined;
  #failures = 0;
  #isRefused = false;
  #isHidden = false;

  constructor(options: RoomSocketOptions) {
    this.#options = options;
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) return this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort);
    this.#listen("addEventListener");
    this.#open();
  }

  /** Ends for good. */
  stop(cause: Cause, error?: unknown): void {
    if (this.state === "stopped") return;
    this.#drop();
    this.#listen("removeEventListener");
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#options.onStop(cause, error);
    this.#setState({ ...cause, state: "stopped" });
  }

  /** The first list has come. */
  joined(): void {
    this.#attempt.stop();
    this.#isRefused = false;
    this.#stable.start(STABLE_MS, () => this.#failures = 0);
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
        if (error instanceof StopError) this.stop({}, error);
        else this.onToken(expiresAt);
      }
    });
  }

  send(message: Record<string, unknown>): void {
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
    this.#attempt.start(ATTEMPT_MS, () => this.#lost({}));
    this.#setState({ state: "connecting" });
    const reason: TokenReason = this.#isRefused ? "refused" : "connect";
    try {
      const token = await getToken?.(reason);
      const consumerToken = await getConsumerToken?.(reason);
      if (current === this.#current) this.#dial(token, consumerToken);
    } catch (error) {
      if (current !== this.#current) return;
      if (error instanceof StopError || error instanceof DOMException) this.stop({}, error);
      else this.#lost({});
    }
  }

  /** Opens the socket. A token that cannot be a subprotocol throws a `DOMException`. */
  #dial(token: string | undefined, consumerToken: string | undefined): void {
    const { url, room, nodeId, role = "normal", tokenIn, serveConsumers, capacity } = this.#options;
    const address = new URL(url);
    address.searchParams.set("room", room);
    address.searchParams.set("nodeId", nodeId);
    const protocols = ["client-db-sync"];
    if (token !== undefined && tokenIn === "query") address.searchParams.set("token", token);
    else if (token !== undefined) protocols.push(`bearer.${token}`);
    const socket = this.#socket = new WebSocket(address, protocols);
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
    this.#retry.start(retryInMs, () => this.#open());
    this.#setState({ ...cause, state: "waiting", retryInMs });
  }

  /** Forgets the socket and the attempt that it belongs to. */
  #drop(): void {
    const socket = this.#socket;
    this.#current = {};
    this.#socket = undefined;
    for (const timer of [this.#attempt, this.#stable, this.#refresh, this.#probe, this.#retry]) {
      timer.stop();
    }
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** Adds or removes the listeners of the page, where there is one. */
  #listen(method: "addEventListener" | "removeEventListener"): void {
    for (const type of ["online", "pageshow", "pagehide"]) {
      Reflect.get(globalThis, method)?.(type, this.#onPage);
    }
    Reflect.get(globalThis, "document")?.[method]("visibilitychange", this.#onPage);
  }

  /**
   * Leaves the room with the page, which the browser may keep for the way back only without a socket;
   * otherwise the network is back or the page is seen again: nobody waits longer than needed.
   */
  #onPageEvent(type: string): void {
    if (type === "pagehide") {
      this.#isHidden = true;
      this.#drop();
      this.#options.onHide();
      return this.#setState({ state: "waiting" });
    }
    if (type === "pageshow") this.#isHidden = false;
    if (this.#isHidden || Reflect.get(globalThis, "document")?.visibilityState === "hidden") return;
    if (this.state === "waiting") {
      this.#retry.stop();
      this.#open();
    } else this.check();
  }

  #setState(change: StateChange): void {
    this.state = change.state;
    this.#options.onState(change);
  }
}
