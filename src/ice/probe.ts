/**
 * Asks one ICE server what a browser would ask it, and says in words what it got: the reflexive
 * address of a STUN server, or an allocation of a TURN server, which is given back at once. It never
 * throws. The bytes are `stun_message.ts`'s, the connection is `stun_link.ts`'s.
 */

import { type IceServer, type IceUrl, parseIceUrl } from "./ice_url.ts";
import { explain, type IceProbeResult, noAnswer, ProbeError, refusal } from "./probe_result.ts";
import { LinkError, openLink, type StunLink } from "./stun_link.ts";
import {
  ATTRIBUTE,
  encodeStun,
  type Endpoint,
  longTermKey,
  METHOD,
  readAddress,
  readErrorCode,
  readText,
  type StunMessage,
  uint32,
} from "./stun_message.ts";

/** UDP, in REQUESTED-TRANSPORT: between the TURN server and the other peer, as in every browser. */
const RELAY_OVER_UDP = uint32(17 << 24);

/** A server may tell several times that its nonce has ended; not for ever. */
const MAX_NONCES = 3;

const DEFAULT_TIMEOUT_MS = 5_000;

/** What a server is asked with. */
export interface IceProbeOptions {
  /** `stun:`, `turn:` or `turns:`. */
  readonly url: string;
  /** For TURN. */
  readonly username?: string;
  /** For TURN. */
  readonly credential?: string;
  /** Milliseconds for everything together. Default: 5,000. */
  readonly timeoutMs?: number;
  /** Certificates in PEM that are trusted as well as those of the system. Default: none. */
  readonly caCerts?: readonly string[];
}

/**
 * Asks one server.
 *
 * @param options Its URL, and for TURN the user.
 * @returns What it gave. A message never contains the user name or the credential.
 */
export async function probeIceServer(options: IceProbeOptions): Promise<IceProbeResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, caCerts = [] } = options;
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  let url: IceUrl | undefined;
  let link: StunLink | undefined;
  try {
    url = readUrl(options);
    link = await openLink(url, { signal: timeout.signal, caCerts: [...caCerts] });
    return url.scheme === "stun" ? await bind(link) : await allocate(link, options);
  } catch (error) {
    if (error instanceof ProbeError) return { kind: error.kind, message: error.message };
    if (error instanceof LinkError) return explain(error.kind, error.detail);
    if (!timeout.signal.aborted) return explain("unreachable", "");
    return link?.hasOther ? explain("not-stun", "") : { kind: "no-answer", message: noAnswer(url) };
  } finally {
    clearTimeout(timer);
    link?.close();
  }
}

/**
 * Asks every URL of a list of servers, all at once.
 *
 * @param servers As `checkIceServers` returns them.
 * @param options The same for each.
 * @returns For each URL what it gave, in the list's order.
 */
export function probeIceServers(
  servers: readonly IceServer[],
  options: Pick<IceProbeOptions, "timeoutMs" | "caCerts"> = {},
): Promise<{ readonly url: string; readonly result: IceProbeResult }[]> {
  const each = servers.flatMap(({ urls, ...user }) =>
    [urls].flat().map(async (url) => ({
      url,
      result: await probeIceServer({ ...options, ...user, url }),
    }))
  );
  return Promise.all(each);
}

function readUrl({ url: text, username, credential }: IceProbeOptions): IceUrl {
  let url: IceUrl;
  try {
    url = parseIceUrl(text);
  } catch (error) {
    throw new ProbeError("invalid-url", error instanceof Error ? error.message : "");
  }
  if (url.transport === "dtls") {
    const advice = "TURN over DTLS is not tried here: offer turns: with ?transport=tcp as well";
    throw new ProbeError("unsupported", advice);
  }
  if (url.scheme !== "stun" && !(username && credential)) {
    throw new ProbeError("no-credentials", "TURN needs a username and a credential");
  }
  return url;
}

/** Sends one request and measures the time until its answer. */
async function ask(
  link: StunLink,
  method: number,
  attributes: readonly (readonly [number, Uint8Array])[],
  key?: Uint8Array,
): Promise<{ answer: StunMessage; roundTripMs: number }> {
  const transactionId = crypto.getRandomValues(new Uint8Array(12));
  const request = { method, transactionId, attributes: new Map(attributes) };
  const start = performance.now();
  const answer = await link.exchange(
    encodeStun(key === undefined ? request : { ...request, key }),
    (message) =>
      message.transactionId === transactionId.toHex() && message.method === method &&
      (message.class === "success" || message.class === "error"),
  );
  return { answer, roundTripMs: performance.now() - start };
}

async function bind(link: StunLink): Promise<IceProbeResult> {
  const { answer, roundTripMs } = await ask(link, METHOD.binding, []);
  if (answer.class === "error") throw refusal(readErrorCode(answer));
  const reflexive = readAddress(answer, ATTRIBUTE.xorMappedAddress);
  if (reflexive === undefined) return explain("not-stun", "");
  const message = `STUN works: it sees this machine as ${write(reflexive)}`;
  return { kind: "stun", message, reflexive, roundTripMs };
}

function write({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

async function allocate(link: StunLink, options: IceProbeOptions): Promise<IceProbeResult> {
  const user = new Authentication(link, options);
  const { answer, roundTripMs } = await user.ask(METHOD.allocate, [
    [ATTRIBUTE.requestedTransport, RELAY_OVER_UDP],
  ]);
  const relayed = readAddress(answer, ATTRIBUTE.xorRelayedAddress);
  const lifetime = answer.attributes.get(ATTRIBUTE.lifetime);
  if (relayed === undefined || lifetime?.length !== 4) return explain("not-stun", "");
  const [a = 0, b = 0, c = 0, d = 0] = lifetime;
  const lifetimeSeconds = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
  // Given back. If that fails, it ends with its lifetime.
  await user.ask(METHOD.refresh, [[ATTRIBUTE.lifetime, uint32(0)]]).catch(() => {});
  const message = user.isKnown
    ? `TURN works: it relays at ${write(relayed)}`
    : `It relays at ${write(relayed)} without asking for a user: anyone can use it, close it`;
  return { kind: "turn", message, relayed, lifetimeSeconds, roundTripMs };
}

/** The long-term credential mechanism (RFC 8489, section 9.2). */
class Authentication {
  readonly #link: StunLink;
  readonly #options: IceProbeOptions;
  #attributes: readonly (readonly [number, Uint8Array])[] = [];
  #key: Uint8Array | undefined;

  constructor(link: StunLink, options: IceProbeOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** Whether the server has asked who we are. */
  get isKnown(): boolean {
    return this.#key !== undefined;
  }

  /** Asks with the credential once the server wants one. Throws unless the answer is a success. */
  async ask(method: number, attributes: readonly (readonly [number, Uint8Array])[]) {
    for (let nonces = 0;; nonces++) {
      const key = this.#key;
      const result = await ask(this.#link, method, [...attributes, ...this.#attributes], key);
      const { answer } = result;
      if (answer.class === "success") {
        if (key === undefined || answer.isSignedWith(key)) return result;
        throw new ProbeError(
          "integrity",
          "Its answer is not signed with the credential: something in between has changed it, or " +
            "another server answers",
        );
      }
      const code = readErrorCode(answer);
      const wantsUser = code === 438 || (code === 401 && key === undefined);
      if (!wantsUser || nonces === MAX_NONCES || !this.#accept(answer)) throw refusal(code);
    }
  }

  /** Takes over the realm and the nonce of an answer; false if it has none. */
  #accept(answer: StunMessage): boolean {
    const { username = "", credential = "" } = this.#options;
    const realm = readText(answer, ATTRIBUTE.realm);
    const nonce = answer.attributes.get(ATTRIBUTE.nonce);
    if (realm === undefined || nonce === undefined) return false;
    const encoder = new TextEncoder();
    this.#key = longTermKey({ username, realm, credential });
    this.#attributes = [
      [ATTRIBUTE.username, encoder.encode(username)],
      [ATTRIBUTE.realm, encoder.encode(realm)],
      [ATTRIBUTE.nonce, nonce],
    ];
    return true;
  }
}
