/**
 * What a host says about ICE servers: the types of its options, and their bounds. What a URL and an
 * entry may be is `ice_url.ts`. No message shows a URL, a user name, a credential or the secret.
 */

import { isLongerThan, isObject, type Role } from "../protocol/messages.ts";
import { checkOptionNames } from "../runtime/option_checks.ts";
import { checkIceServers, type IceServer, parseIceUrl } from "./ice_url.ts";

/** The peer that ICE servers are for. */
export interface IcePeer {
  /** The room that it joins. */
  readonly room: string;
  /** The name that it joins under. */
  readonly nodeId: string;
  /** What it joins as. */
  readonly role: Role;
}

/**
 * Finds the ICE servers of one peer, such as short-lived credentials of a TURN provider. If it throws,
 * does not answer within 3 s, or returns an entry that a browser would refuse, this is logged, and the
 * client gets what is left.
 *
 * @param peer Who asks.
 * @returns The ICE servers, as a browser's `RTCPeerConnection` accepts them.
 *
 * @example
 * ```ts
 * import { createSignalingHandler, generateKeyPairJwk, type IceServersHook } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const iceServers: IceServersHook = ({ nodeId }) => [
 *   { urls: "turn:turn.example.com", username: nodeId, credential: "from-your-provider" },
 * ];
 * await using signaling = await createSignalingHandler({
 *   ...await generateKeyPairJwk(),
 *   iceServers,
 *   iceTtl: "1h",
 * });
 * const answer = await signaling.iceServers({ room: "todos", nodeId: "ada" });
 * assertEquals(answer.iceServers[0]?.username, "ada");
 * assertEquals(answer.ttl, 3600);
 * ```
 */
export type IceServersHook = (
  peer: IcePeer,
) => readonly IceServer[] | Promise<readonly IceServer[]>;

/** TURN servers that share a secret with this server, such as coturn with `use-auth-secret`. */
export interface TurnOptions {
  /** Their URLs, each `turn:` or `turns:`, such as `turn:turn.example.com?transport=tcp`. */
  readonly urls: readonly string[];
  /** coturn's `static-auth-secret`: who knows it can use the TURN servers without end. */
  readonly secret: string;
}

/** The ICE servers of one peer, as `GET /ice-servers` answers. */
export interface IceServersAnswer {
  /** As a browser's `RTCPeerConnection` accepts them; empty where none are configured. */
  readonly iceServers: readonly IceServer[];
  /** Seconds until they should be replaced by fresh ones at the latest. */
  readonly ttl: number;
  /** When that is, ISO 8601. */
  readonly expiresAt: string;
}

/** Entries of one list at most. */
export const MAX_ICE_SERVERS = 16;

/** URLs in all entries of one list together at most. */
export const MAX_ICE_URLS = 32;

/** Characters of one URL, user name or credential at most. */
const MAX_TEXT_LENGTH = 1024;

/** The longest time in seconds that credentials may be valid: 48 hours. */
export const MAX_ICE_TTL_SECONDS = 172_800;

/**
 * Checks a list of ICE servers, and that it is not too long.
 *
 * @returns A copy, of `urls`, `username` and `credential` alone.
 * @throws {TypeError} A browser would refuse it, or it is beyond a bound.
 */
export function checkIceList(value: unknown): readonly IceServer[] {
  if (Array.isArray(value) && value.length > MAX_ICE_SERVERS) {
    throw new TypeError(`There are ${MAX_ICE_SERVERS} ICE servers at most`);
  }
  const servers = checkIceServers(value);
  const urls = servers.flatMap(({ urls }) => urls);
  if (urls.length > MAX_ICE_URLS) {
    throw new TypeError(`The ICE servers have ${MAX_ICE_URLS} URLs at most`);
  }
  const texts = servers.flatMap(({ username = "", credential = "" }) => [username, credential]);
  checkLengths([...urls, ...texts]);
  return servers;
}

/**
 * Checks what is said about TURN servers.
 *
 * @returns A copy.
 * @throws {TypeError} A URL or the secret is missing or malformed.
 */
export function checkTurn(turn: TurnOptions): TurnOptions {
  if (!isObject(turn)) throw new TypeError("It must be an object with urls and secret");
  checkOptionNames(turn, ["urls", "secret"], "turn");
  const { urls, secret } = turn;
  if (typeof secret !== "string" || secret === "") {
    throw new TypeError("The secret of the TURN servers must be a non-empty string");
  }
  return { urls: checkTurnUrls(urls), secret };
}

/**
 * Checks the URLs of TURN servers.
 *
 * @returns A copy.
 * @throws {TypeError} There is none, there are too many, or one is not `turn:` or `turns:`.
 */
export function checkTurnUrls(urls: unknown): readonly string[] {
  if (!Array.isArray(urls) || urls.length === 0 || urls.length > MAX_ICE_SERVERS) {
    throw new TypeError(`The URLs of the TURN servers are a list of 1 to ${MAX_ICE_SERVERS}`);
  }
  return urls.map((url: unknown, index) => {
    const where = `URL ${index + 1} of the TURN servers`;
    if (typeof url !== "string") throw new TypeError(`${where} is no string`);
    checkLengths([url]);
    if (schemeOf(url, where) === "stun") {
      throw new TypeError(`${where} is of a STUN server: only turn: and turns: have credentials`);
    }
    return url;
  });
}

function schemeOf(url: string, where: string): string {
  try {
    return parseIceUrl(url).scheme;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new TypeError(`${where} is one that no browser accepts. ${error.message}`);
  }
}

function checkLengths(texts: readonly string[]): void {
  if (texts.some((text) => isLongerThan(text, MAX_TEXT_LENGTH))) {
    throw new TypeError(
      `A URL, a username and a credential of an ICE server have ${MAX_TEXT_LENGTH} characters at most`,
    );
  }
}
