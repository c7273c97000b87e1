/**
 * Simulated peers: each joins a room through the proxy, offers to every peer of its lists, answers,
 * repeats its offers, reconnects now and then like a page that is reloaded, and comes back when its
 * connection ends. What they receive is counted for the instance that they are connected to.
 */

/** Peers of one room. */
const ROOM_SIZE = 6;

/** The pause between two peers that connect, in milliseconds. */
const CONNECT_MS = 5;

/** How often a peer offers, in milliseconds; less often where there are many. */
const OFFER_MS = { least: 250, perPeer: 4 };

/** How long a peer is away whose connection ended, in milliseconds, at random between these. */
const BACK_MS = { least: 200, most: 800 };

/** How long a peer stays on its connection, in milliseconds, at random between these. */
const STAY_MS = { least: 15_000, most: 45_000 };

/** Deliveries of which the median is known. */
const MAX_DELAYS = 500;

/** What peers saw on one instance. */
export class Tally {
  /** Times that a peer joined. */
  joins = 0;
  /** Messages that came from the same instance. */
  within = 0;
  /** Messages that came from another. */
  across = 0;
  readonly #delays: number[] = [];

  /** Counts a message from another instance. */
  crossed(delayMs: number): void {
    this.#delays[this.across++ % MAX_DELAYS] = delayMs;
  }

  /** Of the latest messages from other instances, in milliseconds. */
  get medianDelay(): number | undefined {
    return this.#delays.toSorted((a, b) => a - b)[this.#delays.length >> 1];
  }
}

/** How many pairs of peers on different instances there are, and which had nothing of each other. */
export interface Pairs {
  readonly total: number;
  readonly apart: readonly string[];
}

/** All simulated peers. */
export class Crowd implements Disposable {
  readonly tallies: readonly Tally[];
  readonly offerMs: number;
  readonly #peers = new Map<string, Peer>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether peers reconnect only when they have to. */
  isSettling = false;

  constructor(count: number, instances: number) {
    this.tallies = Array.from({ length: instances }, () => new Tally());
    this.offerMs = Math.max(OFFER_MS.least, count * OFFER_MS.perPeer);
    for (let n = 0; n < count; n++) {
      const peer = new Peer(this, `room-${Math.floor(n / ROOM_SIZE) + 1}`, `peer-${n + 1}`);
      this.#peers.set(peer.path, peer);
    }
  }

  /** Lets all peers join, one after the other. */
  start(url: string): void {
    const waiting = [...this.#peers.values()];
    const next = () => {
      waiting.shift()?.connect(url);
      if (waiting.length > 0) this.#timer = setTimeout(next, CONNECT_MS);
    };
    next();
  }

  /** Records to which instance the proxy has sent a connection. */
  routed(path: string, instance: number): void {
    const peer = this.#peers.get(path);
    if (peer !== undefined) peer.heading = instance;
  }

  /** The simulated peers of a room. */
  find(room: string, id: string): Peer | undefined {
    return this.#peers.get(pathOf(room, id));
  }

  /** Records that a peer has joined: its earlier exchanges no longer count. */
  joined(newcomer: Peer): void {
    for (const peer of this.#peers.values()) {
      if (peer.room === newcomer.room) peer.met.delete(newcomer.id);
    }
  }

  /** Peers that are not in their room at the moment. */
  get absent(): number {
    return [...this.#peers.values()].filter(({ isJoined }) => !isJoined).length;
  }

  /** The pairs that are on different instances, of peers that joined so many milliseconds ago. */
  pairs(sinceMs = 0): Pairs {
    const latest = performance.now() - sinceMs;
    const peers = [...this.#peers.values()].filter(({ joinedAt }) => joinedAt <= latest);
    const apart: string[] = [];
    let total = 0;
    for (const [n, a] of peers.entries()) {
      for (const b of peers.slice(n + 1, n + ROOM_SIZE)) { // Its room is not further away.
        if (a.room !== b.room || a.instance === b.instance) continue;
        total++;
        if (!a.met.has(b.id) && !b.met.has(a.id)) apart.push(`${a.id} and ${b.id}`);
      }
    }
    return { total, apart };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const peer of this.#peers.values()) peer.end();
  }
}

class Peer {
  readonly room: string;
  readonly id: string;
  /** The peers whose answer to an offer has arrived. */
  readonly met = new Set<string>();
  /** The instance that its connection goes to. */
  heading: number | undefined;
  /** The instance on which it joined last. */
  instance: number | undefined;
  /** When that was. */
  joinedAt = Infinity;
  isJoined = false;
  readonly #crowd: Crowd;
  readonly #known = new Set<string>();
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stay: ReturnType<typeof setTimeout> | undefined;

  constructor(crowd: Crowd, room: string, id: string) {
    this.#crowd = crowd;
    this.room = room;
    this.id = id;
  }

  get path(): string {
    return pathOf(this.room, this.id);
  }

  connect(url: string): void {
    const socket = new WebSocket(url + this.path);
    this.#socket = socket;
    socket.onopen = () => this.#send({ type: "register", role: "normal" });
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onerror = () => {}; // A close follows.
    socket.onclose = () => {
      this.isJoined = false;
      clearInterval(this.#timer);
      clearTimeout(this.#stay);
      this.#timer = setTimeout(() => this.connect(url), between(BACK_MS));
    };
  }

  /** Leaves and does not come back. */
  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#stay);
    if (this.#socket === undefined) return;
    this.#socket.onclose = null;
    this.#socket.close();
  }

  #send(message: Record<string, unknown>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #signal(type: "offer" | "answer", to: string): void {
    this.#send({ type, to, sdp: { sentAt: performance.now() } });
  }

  // deno-lint-ignore no-explicit-any -- the server's, or of a browser that came to this room
  #receive({ type, peers, from, to, sdp }: any): void {
    switch (type) {
      case "peer-list":
        if (!this.isJoined) this.#join();
        for (const id of peers) {
          this.#known.add(id);
          this.#signal("offer", id);
        }
        return;
      case "offer":
        this.#known.add(from);
        this.#count(from, sdp);
        return this.#signal("answer", from);
      case "answer":
        this.met.add(from);
        return this.#count(from, sdp);
      case "error":
        this.#known.delete(to);
    }
  }

  #join(): void {
    this.isJoined = true;
    this.instance = this.heading;
    this.joinedAt = performance.now();
    this.met.clear();
    this.#known.clear();
    this.#crowd.joined(this);
    const tally = this.#tally;
    if (tally !== undefined) tally.joins++;
    this.#timer = setInterval(() => this.#offer(), this.#crowd.offerMs);
    this.#stay = setTimeout(() => {
      if (!this.#crowd.isSettling) this.#socket?.close();
    }, between(STAY_MS));
  }

  /** Offers to the peer to which the last offer is the oldest. */
  #offer(): void {
    const [id] = this.#known;
    if (id === undefined) return;
    this.#known.delete(id);
    this.#known.add(id);
    this.#signal("offer", id);
  }

  get #tally(): Tally | undefined {
    return this.#crowd.tallies[this.instance ?? -1];
  }

  #count(from: string, sdp: { sentAt: number } | undefined): void {
    const sender = this.#crowd.find(this.room, from);
    const tally = this.#tally;
    if (sender === undefined || tally === undefined || sdp === undefined) return;
    if (sender.instance === this.instance) tally.within++;
    else tally.crossed(performance.now() - sdp.sentAt);
  }
}

function pathOf(room: string, nodeId: string): string {
  return `/signal?${new URLSearchParams({ room, nodeId })}`;
}

function between({ least, most }: { least: number; most: number }): number {
  return least + (most - least) * Math.random();
}
