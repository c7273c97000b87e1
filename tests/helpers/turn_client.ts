/** As much of a TURN client as a test needs to find out which peers a server relays to. */

import { openLink, type StunLink } from "../../src/ice/stun_link.ts";
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
} from "../../src/ice/stun_message.ts";
import { parseIceUrl } from "../../src/ice/ice_url.ts";
import type { TurnUser } from "./coturn.ts";

const CREATE_PERMISSION = 0x008;
const XOR_PEER_ADDRESS = 0x0012;
const REQUESTED_ADDRESS_FAMILY = 0x0017;
const FAMILY = { 4: 1, 6: 2 } as const;
const PATIENCE_MS = 10_000;

type Attributes = readonly (readonly [number, Uint8Array])[];

/** An allocation, as long as it is in scope. */
export class TurnClient implements Disposable {
  readonly #link: StunLink;
  readonly #user: TurnUser;
  #credentials: Attributes = [];
  #key: Uint8Array | undefined;
  #relayed: Endpoint | undefined;

  private constructor(link: StunLink, user: TurnUser) {
    this.#link = link;
    this.#user = user;
  }

  /** Allocates over TCP, so that leaving ends the allocation. Throws if it is refused. */
  static async allocate(port: number, user: TurnUser, family: 4 | 6 = 4): Promise<TurnClient> {
    const url = parseIceUrl(`turn:127.0.0.1:${port}?transport=tcp`);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const client = new TurnClient(await openLink(url, { signal, caCerts: [] }), user);
    const attributes: Attributes = [
      [ATTRIBUTE.requestedTransport, uint32(17 << 24)],
      [REQUESTED_ADDRESS_FAMILY, uint32(FAMILY[family] << 24)],
    ];
    client.#accept(await client.#ask(METHOD.allocate, attributes));
    const answer = await client.#ask(METHOD.allocate, attributes);
    client.#relayed = readAddress(answer, ATTRIBUTE.xorRelayedAddress);
    if (client.#relayed !== undefined) return client;
    client[Symbol.dispose]();
    throw new Error(`No allocation: ${readErrorCode(answer)}`);
  }

  /** Where others reach this client. */
  get relayed(): Endpoint | undefined {
    return this.#relayed;
  }

  /** Asks to relay to this address: 0, or the code of the refusal. Nothing is sent there. */
  async permit(address: string): Promise<number> {
    const answer = await this.#ask(CREATE_PERMISSION, [[XOR_PEER_ADDRESS, encode(address)]]);
    return answer.class === "success" ? 0 : readErrorCode(answer);
  }

  async #ask(method: number, attributes: Attributes): Promise<StunMessage> {
    const transactionId = new Uint8Array(12); // Zero, so that an address needs the cookie alone.
    const all = new Map([...attributes, ...this.#credentials]);
    const request = { method, transactionId, attributes: all };
    const key = this.#key;
    return await this.#link.exchange(
      encodeStun(key === undefined ? request : { ...request, key }),
      (message) => message.method === method && message.class !== "indication",
    );
  }

  #accept(answer: StunMessage): void {
    const { username, credential } = this.#user;
    const realm = readText(answer, ATTRIBUTE.realm) ?? "";
    const nonce = answer.attributes.get(ATTRIBUTE.nonce) ?? new Uint8Array();
    const encoder = new TextEncoder();
    this.#key = longTermKey({ username, realm, credential });
    this.#credentials = [
      [ATTRIBUTE.username, encoder.encode(username)],
      [ATTRIBUTE.realm, encoder.encode(realm)],
      [ATTRIBUTE.nonce, nonce],
    ];
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }
}

/** An address with port 9 as the value of an XOR- attribute of the transaction zero. */
function encode(address: string): Uint8Array {
  const bytes = address.includes(":") ? ipv6(address) : address.split(".").map(Number);
  const cookie = [0x21, 0x12, 0xa4, 0x42];
  const value = [0, bytes.length === 4 ? FAMILY[4] : FAMILY[6], 0x21, 0x12 ^ 9];
  return new Uint8Array([...value, ...bytes.map((byte, index) => byte ^ (cookie[index] ?? 0))]);
}

function ipv6(address: string): number[] {
  const { hostname } = new URL(`http://[${address}]`);
  const [head = [], tail = []] = hostname.slice(1, -1).split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill("0"), ...tail];
  return groups.map((group) => parseInt(group, 16)).flatMap((group) => [group >> 8, group & 255]);
}
