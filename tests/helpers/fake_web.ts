/**
 * A web of pages without a browser: WebSockets to one simulated server, and peer connections between
 * them, on a clock that stands still. What is under way waits in one pool, from which a test takes it
 * in order or at random. Connections negotiate by the rules of W3C WebRTC 1.0 as far as a client can
 * tell, and are established as soon as both sides have descriptions of each other and a path.
 */

import { FakeClock } from "./clock.ts";
import type { Random } from "./random.ts";
import { assertMessage } from "./schemas.ts";

type Frame = Record<string, unknown>;

interface Action {
  /** Of two actions in one lane, the first is done first. */
  readonly lane: object;
  readonly run: () => void;
}

/** The web that the globals stand for at the moment. */
let web: FakeWeb;

export class FakeWeb implements Disposable {
  readonly clock = new FakeClock();
  readonly sockets = new Set<FakeSocket>();
  readonly connections = new Set<FakeConnection>();
  /** The sockets that have joined, by name. */
  readonly members = new Map<string, FakeSocket>();
  /** Frames of the clients, oldest first. */
  readonly frames: Frame[] = [];
  /** Whether the server answers at all. */
  isUp = true;
  /** Whether pages reach each other. */
  hasPath = true;
  /** What becomes of an operation of a connection: how long it takes, or `undefined` if it fails. */
  onOperation: () => number | undefined = () => 0;
  /** What the server does with a frame; `undefined` leaves it to {@linkcode serve}. */
  onFrame: ((socket: FakeSocket, frame: Frame) => boolean) | undefined;
  readonly #actions: Action[] = [];
  readonly #globals = new Map<string, unknown>();
  #lastSession = 0;

  constructor() {
    web = this;
    const { clock } = this;
    this.#replace("setTimeout", (callback: () => void, ms = 0) => clock.setTimeout(callback, ms));
    this.#replace("clearTimeout", (id: number) => clock.clearTimeout(id));
    this.#replace("WebSocket", FakeSocket);
    this.#replace("RTCPeerConnection", FakeConnection);
    this.#replace(
      "Date",
      class extends Date {
        static override now = () => clock.now();
      },
    );
  }

  /** Gives the globals back. */
  [Symbol.dispose](): void {
    for (const [name, value] of this.#globals) Reflect.set(globalThis, name, value);
  }

  #replace(name: string, value: unknown): void {
    this.#globals.set(name, Reflect.get(globalThis, name));
    Reflect.set(globalThis, name, value);
  }

  nextSession(): number {
    return ++this.#lastSession;
  }

  /** Does something later. */
  later(lane: object, run: () => void): void {
    this.#actions.push({ lane, run });
  }

  /** Resolves later, or rejects as an operation that fails. */
  turn(): Promise<void> {
    const ms = this.onOperation();
    return new Promise((resolve, reject) => {
      if (ms === undefined) this.later({}, () => reject(new DOMException("no", "OperationError")));
      else if (ms === 0) this.later({}, resolve);
      else this.clock.setTimeout(resolve, ms);
    });
  }

  /** Does one thing that is under way, the first or any that may be first; `false` if there is none. */
  async step(random?: Random): Promise<boolean> {
    const lanes = new Set<object>();
    const ready = this.#actions.filter(({ lane }) => !lanes.has(lane) && lanes.add(lane));
    const action = random === undefined || ready.length === 0 ? ready[0] : random.pick(ready);
    if (action === undefined) return false;
    this.#actions.splice(this.#actions.indexOf(action), 1);
    action.run();
    await settle();
    return true;
  }

  /** Lets happen whatever is under way, and lets time pass. */
  async run(ms = 0, random?: Random): Promise<void> {
    await settle();
    while (await this.step(random));
    for (let left = ms; left > 0; left -= 250) {
      this.clock.tick(Math.min(left, 250));
      await settle();
      while (await this.step(random));
    }
  }

  /** The server ends every connection. */
  crash(code = 1006): void {
    for (const socket of this.sockets) socket.end(code);
  }

  /** The names of those that are no consumers. */
  normals(): string[] {
    return [...this.members].filter(([, { isConsumer }]) => !isConsumer).map(([id]) => id);
  }

  /** A frame of the server. */
  send(socket: FakeSocket, frame: Frame): void {
    socket.arrive(JSON.stringify(frame));
  }

  /** Names larger ids to smaller ones, as the server does once a minute. */
  reintroduce(): void {
    for (const [id, socket] of this.members) {
      const peers = this.normals().filter((other) => other > id);
      if (peers.length > 0) this.send(socket, { type: "peer-list", peers });
    }
  }

  /** A socket has ended. */
  left(socket: FakeSocket): void {
    this.sockets.delete(socket);
    if (this.members.get(socket.nodeId) !== socket) return;
    this.members.delete(socket.nodeId);
    if (!socket.isConsumer) this.#updateConsumers();
  }

  /** Names the normals to each consumer, whenever they have changed. */
  #updateConsumers(): void {
    for (const socket of this.members.values()) {
      if (!socket.isConsumer) continue;
      this.send(socket, { type: "server-list", servers: this.normals() });
    }
  }

  /** What the server does with a frame: it lets everyone in and relays. */
  serve(socket: FakeSocket, frame: Frame): void {
    this.frames.push(frame);
    if (this.onFrame?.(socket, frame)) return;
    const { type, to } = frame;
    if (type === "register") {
      const old = this.members.get(socket.nodeId);
      this.members.delete(socket.nodeId);
      old?.end(1000);
      socket.isConsumer = frame["role"] === "consumer";
      const peers = this.normals();
      this.members.set(socket.nodeId, socket);
      if (socket.isConsumer) this.send(socket, { type: "server-list", servers: peers });
      else {
        this.send(socket, { type: "peer-list", peers });
        this.#updateConsumers();
      }
    } else if (typeof to === "string" && this.members.get(socket.nodeId) === socket) {
      const target = this.members.get(to);
      const fromRole = socket.isConsumer ? "consumer" : "normal";
      if (target) this.send(target, { ...frame, from: socket.nodeId, fromRole });
      else this.send(socket, { type: "error", code: "PEER_NOT_FOUND", message: "", to });
    }
  }
}

/** Lets promises that are settled go on. */
async function settle(): Promise<void> {
  for (let n = 0; n < 30; n++) await Promise.resolve();
}

export class FakeSocket {
  static readonly OPEN = 1;
  readonly nodeId: string;
  readyState = 0;
  isConsumer = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly #up = {};
  readonly #down = {};
  readonly url: URL;
  readonly protocols: string[];

  constructor(url: URL, protocols: string[]) {
    if (protocols.some((protocol) => /[^\w.-]/.test(protocol))) {
      throw new DOMException("no subprotocol", "SyntaxError");
    }
    this.url = url;
    this.protocols = protocols;
    this.nodeId = url.searchParams.get("nodeId") ?? "";
    web.sockets.add(this);
    web.later(this.#down, () => {
      if (!web.isUp) return this.end(1006);
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(text: string): void {
    const frame = JSON.parse(text);
    assertMessage("ClientMessage", frame);
    web.later(this.#up, () => {
      if (this.readyState === 1) web.serve(this, frame);
    });
  }

  arrive(text: string): void {
    web.later(this.#down, () => this.readyState === 1 && this.onmessage?.({ data: text }));
  }

  close(): void {
    web.left(this);
    this.readyState = 3;
  }

  /** The other side, or the network, ends it. */
  end(code: number, reason = ""): void {
    if (this.readyState === 3) return;
    web.left(this);
    web.later(this.#down, () => {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.onclose?.({ code, reason });
    });
  }
}

export class FakeChannel extends EventTarget {
  binaryType = "blob";
  readyState = "connecting";
  readonly #connection: FakeConnection;

  constructor(connection: FakeConnection) {
    super();
    this.#connection = connection;
  }

  close(): void {
    this.#connection.end();
  }
}

interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** The credentials of a description: whose it is, and of which generation. */
function credentialsOf(description: Description | null): string {
  return /ufrag:(\S+)/.exec(description?.sdp ?? "")?.[1] ?? "";
}

export class FakeConnection extends EventTarget {
  connectionState = "new";
  iceConnectionState = "new";
  signalingState = "stable";
  localDescription: Description | null = null;
  remoteDescription: Description | null = null;
  readonly session = web.nextSession();
  readonly candidates: unknown[] = [];
  readonly channels: FakeChannel[] = [];
  #stable: { local: Description | null; remote: Description | null } = {
    local: null,
    remote: null,
  };
  #configuration: Record<string, unknown>;
  #version = 0;
  #generation = 1;
  /** The session with which it has DTLS: with no other it can have it. */
  #partner = "";
  #negotiated = false;
  #restarts = false;
  #chain: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #timer: number | undefined;

  constructor(configuration: Record<string, unknown> = {}) {
    super();
    this.#configuration = configuration;
    web.connections.add(this);
  }

  createDataChannel(): FakeChannel {
    const channel = new FakeChannel(this);
    this.channels.push(channel);
    this.#negotiate();
    return channel;
  }

  getConfiguration(): Record<string, unknown> {
    return this.#configuration;
  }

  setConfiguration(configuration: Record<string, unknown>): void {
    this.#configuration = configuration;
  }

  restartIce(): void {
    this.#restarts = true;
    this.#negotiate();
  }
  addIceCandidate(candidate: unknown): Promise<void> {
    return this.#operate(() => void this.candidates.push(candidate));
  }

  setLocalDescription(): Promise<void> {
    return this.#operate(() => {
      const type = this.signalingState === "have-remote-offer" ? "answer" : "offer";
      if (this.#restarts || type === "answer" && this.#isRestarted()) this.#generation++;
      const sdp = `v=0\r\no=- ${this.session} ${++this.#version} IN IP4 0.0.0.0\r\n` +
        `ufrag:${this.session}/${this.#generation}\r\n`;
      this.localDescription = { type, sdp };
      this.#enter(type === "offer" ? "have-local-offer" : "stable");
    });
  }

  setRemoteDescription({ type, sdp }: Description): Promise<void> {
    return this.#operate(() => {
      if (type === "answer" && this.signalingState !== "have-local-offer") {
        throw new DOMException("no offer", "InvalidStateError");
      }
      const session = /^o=\S+ (\d+)/m.exec(sdp)?.[1] ?? "";
      if (this.#partner !== "" && this.#partner !== session) {
        throw new DOMException("another certificate", "OperationError");
      }
      if (type === "offer" && this.signalingState === "have-local-offer") {
        this.localDescription = this.#stable.local;
        this.#generation++;
        this.#enter("stable"); // The offer of this side gives way.
      }
      this.#partner = session;
      this.remoteDescription = { type, sdp };
      this.#enter(type === "offer" ? "have-remote-offer" : "stable");
    });
  }

  /** Ends it without a word, as a crash does. */
  vanish(): void {
    web.clock.clearTimeout(this.#timer ?? 0);
    this.connectionState = "closed";
    this.signalingState = "closed";
    web.connections.delete(this);
  }

  close(): void {
    if (this.connectionState === "closed") return;
    const other = this.#other();
    const wasConnected = this.connectionState === "connected";
    this.vanish();
    for (const channel of this.channels) channel.readyState = "closed";
    if (wasConnected && web.hasPath) other?.end();
  }

  /** The other side has closed it: its channels close. */
  end(): void {
    web.later(this, () => {
      for (const channel of this.channels) {
        if (channel.readyState === "closed") continue;
        channel.readyState = "closed";
        channel.dispatchEvent(new Event("close"));
      }
    });
  }

  /** The connection of the other side, if both have descriptions of each other. */
  #other(): FakeConnection | undefined {
    const credentials = credentialsOf(this.remoteDescription);
    if (credentials === "" || this.localDescription === null) return undefined;
    for (const other of web.connections) {
      if (
        other !== this && credentialsOf(other.localDescription) === credentials &&
        credentialsOf(other.remoteDescription) === credentialsOf(this.localDescription)
      ) return other;
    }
  }

  /** Looks whether the path has come or gone. */
  check(): void {
    const isLinked = this.signalingState === "stable" && web.hasPath && this.#other();
    if (this.connectionState === "closed") return;
    if (isLinked) this.#become("connected");
    else if (this.connectionState === "connected" && (!web.hasPath || !this.#other())) {
      this.#become("disconnected", 10_000);
    } else if (this.connectionState === "new" && this.remoteDescription) {
      this.#become("connecting", 15_000);
    }
  }

  #become(state: string, failsInMs = 0): void {
    if (this.connectionState === state) return;
    web.clock.clearTimeout(this.#timer ?? 0);
    if (failsInMs > 0) {
      this.#timer = web.clock.setTimeout(() => this.#become("failed"), failsInMs);
    }
    this.connectionState = state;
    this.iceConnectionState = state === "failed" ? "disconnected" : state; // As in Chromium.
    if (state === "connected") {
      for (const channel of this.channels) {
        if (channel.readyState !== "connecting") continue;
        channel.readyState = "open";
        channel.dispatchEvent(new Event("open"));
      }
    }
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  #isRestarted(): boolean {
    const before = credentialsOf(this.#stable.remote);
    return before !== "" && before !== credentialsOf(this.remoteDescription);
  }

  #enter(state: string): void {
    this.signalingState = state;
    if (state !== "stable") return;
    if (this.localDescription !== this.#stable.local) this.#negotiated = true;
    if (this.localDescription !== this.#stable.local) this.#restarts = false;
    this.#stable = { local: this.localDescription, remote: this.remoteDescription };
    this.#negotiate();
    web.later({}, () => {
      for (const connection of web.connections) connection.check();
    });
  }

  /** Fires `negotiationneeded` once nothing else is under way. */
  #negotiate(): void {
    web.later({}, () => {
      const isNeeded = this.#restarts || !this.#negotiated && this.channels.length > 0;
      if (!isNeeded || this.#pending > 0 || this.signalingState !== "stable") return;
      this.dispatchEvent(new Event("negotiationneeded"));
    });
  }

  #operate(run: () => void): Promise<void> {
    this.#pending++;
    const done = this.#chain.then(async () => {
      await web.turn();
      if (this.signalingState !== "closed") run();
    });
    this.#chain = done.catch(() => {}).then(() => {
      if (--this.#pending === 0) this.#negotiate();
    });
    return done;
  }
}
