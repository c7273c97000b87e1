/**
 * What an ICE server's URL may be (RFC 7064 for STUN, RFC 7065 for TURN), and what a list of ICE
 * servers may be. It accepts what Chromium and Firefox both accept, since one bad entry makes
 * `new RTCPeerConnection` throw for every client. Asking the servers is `probe.ts`. A message never
 * shows a URL, a user name or a credential.
 */

import { isObject } from "../protocol/messages.ts";

/** One ICE server, as a browser's `RTCPeerConnection` accepts it (`RTCIceServer`). */
export interface IceServer {
  /** One URL or several, each `stun:`, `turn:` or `turns:`. */
  readonly urls: string | readonly string[];
  /** The user's name, for `turn:` and `turns:`. */
  readonly username?: string;
  /** The user's password, for `turn:` and `turns:`. */
  readonly credential?: string;
}

/** The parts of an ICE server's URL. */
export interface IceUrl {
  /** In lower case. */
  readonly scheme: "stun" | "turn" | "turns";
  /** A name or an address, an IPv6 address without its brackets. */
  readonly host: string;
  /** As given, else 3478, and 5349 for `turns`. */
  readonly port: number;
  /** How a client reaches the server. `dtls`: browsers accept such a URL; Firefox does not use it. */
  readonly transport: "udp" | "tcp" | "tls" | "dtls";
}

const DEFAULT_PORT = 3478;
const DEFAULT_TLS_PORT = 5349;
const MAX_PORT = 65535;

/** WebRTC 1.0: a browser refuses a longer user name (RFC 8489, section 14.3). */
const MAX_USERNAME_BYTES = 509;

const SCHEMES = ["stun", "turn", "turns"] as const;

/**
 * Reads the URL of a STUN or TURN server.
 *
 * @param text Such as `stun:stun.example.com`, `turn:turn.example.com:3478?transport=tcp` or
 * `turns:turn.example.com:443?transport=tcp`.
 * @returns Its parts, with the default port filled in.
 * @throws {TypeError} A browser would refuse it; the message says what to write instead.
 */
export function parseIceUrl(text: string): IceUrl {
  const colon = text.indexOf(":");
  const given = text.slice(0, Math.max(colon, 0)).toLowerCase();
  const scheme = SCHEMES.find((name) => name === given);
  if (given === "stuns") {
    throw new TypeError("Firefox refuses stuns: and nothing of STUN is secret: write stun:");
  }
  if (scheme === undefined) {
    throw new TypeError("The URL of an ICE server begins with stun:, turn: or turns:");
  }
  const rest = text.slice(colon + 1);
  if (rest.startsWith("/")) {
    throw new TypeError(`There are no slashes in it: write ${scheme}:host:port`);
  }
  if (rest.includes("@")) {
    throw new TypeError(
      "The user and the password are no part of it: write username and credential",
    );
  }
  const [address = "", query, ...more] = rest.split("?");
  if (more.length > 0) throw new TypeError("It has more than one question mark");
  const { host, port } = parseAddress(address, scheme);
  return {
    scheme,
    host,
    port: port ?? (scheme === "turns" ? DEFAULT_TLS_PORT : DEFAULT_PORT),
    transport: parseTransport(query, scheme),
  };
}

/** The host and the port, if there is one. */
function parseAddress(address: string, scheme: string): { host: string; port?: number } {
  if (/[^\0-\x7f]/.test(address)) {
    throw new TypeError("It has only ASCII characters: write the host's name in Punycode, xn--…");
  }
  const match = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d*))?$/i.exec(address);
  const [, ipv6, name = "", digits] = match ?? [];
  const host = ipv6 ?? name;
  const asUrl = URL.parse(ipv6 === undefined ? `http://${host}` : `http://[${host}]`);
  // A URL changes what is no full IPv4 address, such as 127.1: clients would not agree on it.
  const isHost = asUrl !== null && (ipv6 !== undefined || asUrl.hostname === host.toLowerCase());
  if (match === null || !isHost) {
    throw new TypeError(
      `It looks like ${scheme}:host or ${scheme}:host:port, the host being a name or an IP ` +
        "address, an IPv6 address in square brackets",
    );
  }
  if (digits === undefined) return { host };
  const port = Number(digits);
  if (digits === "" || port < 1 || port > MAX_PORT) {
    throw new TypeError(`Its port is from 1 to ${MAX_PORT}`);
  }
  return { host, port };
}

function parseTransport(query: string | undefined, scheme: IceUrl["scheme"]): IceUrl["transport"] {
  const isTls = scheme === "turns";
  if (query === undefined) return isTls ? "tls" : "udp";
  if (scheme === "stun") {
    throw new TypeError("A STUN URL has no question mark: the transport is for turn: and turns:");
  }
  switch (query) {
    case "transport=udp":
      return isTls ? "dtls" : "udp";
    case "transport=tcp":
      return isTls ? "tls" : "tcp";
    default:
      throw new TypeError(
        "After its question mark it has transport=udp or transport=tcp, in lower case",
      );
  }
}

/**
 * Checks a list of ICE servers as `new RTCPeerConnection({ iceServers })` would.
 *
 * @param value What was configured: an array of {@linkcode IceServer}, which may be empty.
 * @returns A copy, of `urls`, `username` and `credential` alone.
 * @throws {TypeError} A browser would refuse it; the message names the entry and says what to change.
 */
export function checkIceServers(value: unknown): readonly IceServer[] {
  if (!Array.isArray(value)) {
    throw new TypeError('ICE servers are an array, such as [{"urls":"stun:stun.example.com"}]');
  }
  return value.map((entry: unknown, index) => checkIceServer(entry, `ICE server ${index + 1}`));
}

function checkIceServer(entry: unknown, where: string): IceServer {
  if (!isObject(entry)) throw new TypeError(`${where} is no object with "urls"`);
  const { urls, username, credential } = entry;
  const list: readonly unknown[] = Array.isArray(urls) ? urls : [urls];
  if (list.length === 0) throw new TypeError(`${where} has an empty list of "urls"`);
  const checked = list.map((url) => {
    if (typeof url !== "string") {
      throw new TypeError(`${where} needs "urls", a URL or an array of URLs`);
    }
    return { url, ...parseAt(url, where) };
  });
  checkText(username, `${where} has a username`);
  checkText(credential, `${where} has a credential`);
  const isTurn = checked.some(({ scheme }) => scheme === "turn" || scheme === "turns");
  if (isTurn && !(username && credential)) {
    throw new TypeError(`${where} needs username and credential: no browser uses TURN without`);
  }
  if (isTurn && byteLength(String(username)) > MAX_USERNAME_BYTES) {
    throw new TypeError(`${where} has a username of more than ${MAX_USERNAME_BYTES} bytes`);
  }
  return {
    urls: Array.isArray(urls) ? checked.map(({ url }) => url) : checked[0]?.url ?? "",
    ...(username !== undefined && { username }),
    ...(credential !== undefined && { credential }),
  };
}

function parseAt(url: string, where: string): IceUrl {
  try {
    return parseIceUrl(url);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new TypeError(`${where} has a URL that no browser accepts. ${error.message}`);
  }
}

function checkText(value: unknown, what: string): asserts value is string | undefined {
  if (value !== undefined && typeof value !== "string") {
    throw new TypeError(`${what} that is not a string`);
  }
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
