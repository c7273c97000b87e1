/** How a client of each server connects, joins a room, signals another and reads what it is sent. */

/** What is relayed. */
export type Kind = "offer" | "candidate";

/** A client, as far as its messages are concerned. */
export interface Identity {
  /** Some servers give their own. */
  id: string;
  readonly room: string;
  readonly token: string | undefined;
}

/** What a relayed message says. */
export interface Relayed {
  readonly from: string;
  readonly payload: unknown;
}

/** One signaling protocol. */
export interface Protocol {
  /** The request target. */
  target(client: Identity): string;
  /** What to send once the socket is open; `joined` when that is all. */
  opened(client: Identity): string[] | "joined";
  /** What to send after this message; `joined` when the client is in. */
  joining(client: Identity, text: string): string[] | "joined";
  /** The ids in the list that a join is answered with. */
  listed?(text: string): string[];
  /** A message to relay. */
  signal(kind: Kind, client: Identity, to: string, payload: unknown): string;
  /** What came, if it is a relayed message. */
  // deno-lint-ignore no-explicit-any
  relayed(message: any): Relayed | undefined;
  /** Whether senders get their own messages, too. */
  readonly echoes?: true;
}

const { stringify } = JSON;
const encode = encodeURIComponent;

const CLIENT_DB: Protocol = {
  target: ({ id, room, token }) =>
    `/signal?${token === undefined ? "" : `token=${token}&`}room=${encode(room)}&nodeId=${
      encode(id)
    }`,
  opened: ({ id }) => [stringify({ type: "register", nodeId: id, role: "normal" })],
  joining: (_client, text) => text.startsWith('{"type":"peer-list"') ? "joined" : [],
  listed: (text) => JSON.parse(text).peers,
  signal: (kind, { id: from }, to, payload) =>
    kind === "offer"
      ? stringify({ type: "offer", to, from, sdp: payload })
      : stringify({ type: "ice-candidate", to, from, candidate: payload }),
  relayed: ({ from, sdp, candidate }) => from && { from, payload: sdp ?? candidate },
};

const CLIENT_DB_WITH_ICE: Protocol = {
  ...CLIENT_DB,
  opened: ({ id }) => [
    stringify({ type: "register", nodeId: id, role: "normal", iceServers: true }),
  ],
};

const SILENT: Protocol = { ...CLIENT_DB, opened: () => "joined" };

const PEERJS: Protocol = {
  target: ({ id }) => `/peerjs?key=peerjs&id=${encode(id)}&token=${id.slice(0, 11)}&version=1.5.5`,
  opened: () => [],
  joining: (_client, text) => text === '{"type":"OPEN"}' ? "joined" : [],
  signal: (kind, _client, dst, payload) =>
    stringify({
      type: kind.toUpperCase(),
      payload: {
        [kind === "offer" ? "sdp" : "candidate"]: payload,
        type: "data",
        connectionId: "dc_1",
      },
      dst,
    }),
  relayed: ({ src, payload }) => src && { from: src, payload: payload.sdp ?? payload.candidate },
};

const Y_WEBRTC: Protocol = {
  echoes: true,
  target: () => "/",
  opened: ({ room }) => [stringify({ type: "subscribe", topics: [room] }), '{"type":"ping"}'],
  joining: (_client, text) => text === '{"type":"pong"}' ? "joined" : [],
  signal: (kind, { id: from, room: topic }, to, payload) => {
    const signal = kind === "offer" ? payload : { type: kind, candidate: payload };
    return stringify({ type: "publish", topic, data: { to, from, type: "signal", signal } });
  },
  relayed: ({ data }) => data && { from: data.from, payload: data.signal.candidate ?? data.signal },
};

const RXDB: Protocol = {
  target: () => "/",
  opened: () => [],
  joining: (client, text) => {
    const { type, yourPeerId, otherPeerIds } = JSON.parse(text);
    if (type === "init") {
      client.id = yourPeerId;
      return [stringify({ type: "join", room: client.room })];
    }
    return type === "joined" && otherPeerIds.includes(client.id) ? "joined" : [];
  },
  signal: (kind, { id, room }, to, payload) => {
    const data = kind === "offer" ? payload : { type: kind, candidate: payload };
    return stringify({ type: "signal", room, senderPeerId: id, receiverPeerId: to, data });
  },
  relayed: ({ senderPeerId, data }) =>
    senderPeerId && { from: senderPeerId, payload: data.candidate ?? data },
};

/** Every protocol, by name; that of `silent` joins by opening. */
export const PROTOCOLS = {
  "client-db": CLIENT_DB,
  "client-db-ice": CLIENT_DB_WITH_ICE,
  silent: SILENT,
  peerjs: PEERJS,
  "y-webrtc": Y_WEBRTC,
  rxdb: RXDB,
} as const satisfies Record<string, Protocol>;

/** The name of a protocol. */
export type ProtocolName = keyof typeof PROTOCOLS;
