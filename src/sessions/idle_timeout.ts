/**
 * Deno's idle timeout of a socket, by way of a hook that is internal to Deno. Deno 2.9 sends a ping
 * once half of the timeout has passed without a frame, and closes the socket after the other half. The
 * hook restarts this; Deno calls it for each frame that it has read, pongs included, which cause no
 * event. Where the hook is missing, Deno's own behaviour is all there is.
 */

/** Hears of every frame of a socket. */
export interface FrameListener {
  /** Deno has read a frame, of whatever kind. */
  onFrame(): void;
}

interface Hook {
  /** The name of the hook, as a property of a socket. */
  readonly symbol: symbol;
  /** Calls Deno's own hook. */
  readonly restart: (socket: object) => void;
}

/** Deno's idle timeout at most, in seconds: a ping every 15 s keeps a connection open in any proxy. */
const MAX_SECONDS = 30;

/** An idle timeout, in seconds, after half of which a ping is sent practically at once. */
const AT_ONCE_SECONDS = 0.002;

/** Deno's hook, once it was looked for: Deno reads its WebSocket code for it, which takes 5 ms. */
let found: { readonly hook: Hook | undefined } | undefined;

/** The property of a socket with its idle timeout in seconds, once one was looked at; `null` for none. */
let timeoutSymbol: symbol | null | undefined;

/** The property of a socket with its listener. */
const LISTENER = Symbol("frame listener");

/** Whether this version of Deno has the hook. */
export function hasIdleTimeoutHook(): boolean {
  return ownHook() !== undefined;
}

/**
 * The idle timeout to give to Deno, in seconds, for one that may be longer, or 0 for none. What
 * exceeds it is made up by {@linkcode restartIdleTimeout}.
 */
export function denoIdleTimeout(seconds: number): number {
  if (ownHook() === undefined) return seconds;
  return seconds === 0 ? MAX_SECONDS : Math.min(seconds, MAX_SECONDS);
}

/**
 * Takes the idle timeout from a socket that has just been upgraded, until {@linkcode startIdleTimeout}.
 * Of one that opens with an idle timeout, Deno 2.9 keeps the request, its URL and its headers for as
 * long as the socket: 1.5 KB.
 */
export function holdIdleTimeout(socket: object): void {
  const symbol = timeoutOf(socket);
  if (symbol !== undefined && ownHook() !== undefined) Reflect.set(socket, symbol, 0);
}

/**
 * Starts the idle timeout of a socket from which {@linkcode holdIdleTimeout} has taken it. Has to be
 * called after the event `open`.
 */
export function startIdleTimeout(socket: object, seconds: number): void {
  const symbol = timeoutOf(socket);
  if (symbol === undefined || Reflect.get(socket, symbol) !== 0) return;
  Reflect.set(socket, symbol, seconds);
  restartIdleTimeout(socket);
}

/**
 * Calls a listener, instead of Deno's own hook, for each frame that Deno reads from a socket, before
 * the frame's event; the listener restarts the timeout. Returns `false` where there is no hook.
 */
export function watchFrames(socket: object, listener: FrameListener): boolean {
  const hook = ownHook();
  if (hook === undefined || !(hook.symbol in socket)) return false;
  Reflect.set(socket, LISTENER, listener);
  return Reflect.set(socket, hook.symbol, onFrame); // One function for all sockets, to save memory.
}

/** Starts the idle timeout of a socket again, as a frame of its client would. */
export function restartIdleTimeout(socket: object): void {
  const hook = ownHook();
  if (hook !== undefined && hook.symbol in socket) hook.restart(socket);
}

/**
 * Lets Deno send a ping at once, and close the socket if no frame has come within so many seconds.
 *
 * @returns What has to be called once a frame came, or none did; `undefined` where Deno cannot be told.
 */
export function pingAtOnce(
  socket: object,
  seconds: number,
): ((isAlive: boolean) => void) | undefined {
  const symbol = timeoutOf(socket);
  const before: unknown = symbol && Reflect.get(socket, symbol);
  const hook = ownHook();
  if (hook === undefined || symbol === undefined) return undefined;
  if (typeof before !== "number" || before <= 0) return undefined;
  const { restart } = hook;
  // Deno reads the timeout when it starts to wait, and once more when it has sent its ping.
  Reflect.set(socket, symbol, AT_ONCE_SECONDS);
  restart(socket);
  Reflect.set(socket, symbol, 2 * seconds);
  return (isAlive) => {
    Reflect.set(socket, symbol, before);
    if (isAlive) restart(socket);
  };
}

function onFrame(this: { [LISTENER]?: FrameListener }): void {
  this[LISTENER]?.onFrame();
}

function timeoutOf(socket: object): symbol | undefined {
  if (timeoutSymbol === undefined) {
    timeoutSymbol = Object.getOwnPropertySymbols(socket)
      .find(({ description }) => description === "[[idleTimeout]]") ?? null;
  }
  return timeoutSymbol ?? undefined;
}

function ownHook(): Hook | undefined {
  return (found ??= { hook: findHook() }).hook;
}

function findHook(): Hook | undefined {
  if (typeof WebSocket !== "function") return undefined;
  const prototype: object = WebSocket.prototype;
  const symbol = Object.getOwnPropertySymbols(prototype)
    .find(({ description }) => description === "[[serverHandleIdleTimeout]]");
  const original: unknown = symbol && Reflect.get(prototype, symbol);
  if (symbol === undefined || typeof original !== "function") return undefined;
  return { symbol, restart: (socket) => Reflect.apply(original, socket, []) };
}
