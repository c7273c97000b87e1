/**
 * Which address a connection counts for: that of its client, found behind trusted proxies and no
 * others. An IPv6 client counts by its /64, because one customer is given that much (RFC 6177).
 */

import { isObject } from "../protocol/messages.ts";

/** An address as limits count it, or `undefined` where the host does not say. */
export type Address = string | undefined;

/** The remote address in what a host passes along with a request, as `Deno.serve` does. */
export function remoteAddressOf(info: unknown): string | undefined {
  const remote = isObject(info) ? info["remoteAddr"] : undefined;
  const hostname = isObject(remote) ? remote["hostname"] : undefined;
  return typeof hostname === "string" ? hostname : undefined;
}

/** Finds a client's address. */
export type AddressReader = (remote: string | undefined, headers: Headers) => Address;

/** Entries of `X-Forwarded-For` that are read at most. */
const MAX_HOPS = 32;

/**
 * Creates a reader of addresses.
 *
 * @param trustedProxies Addresses and CIDR ranges whose `X-Forwarded-For` is believed.
 * @param onUntrusted Called once, for the first proxy that is not among them.
 * @returns The reader.
 * @throws {TypeError} One is neither an address nor a range.
 */
export function createAddressReader(
  trustedProxies: readonly string[],
  onUntrusted: (remote: string) => void,
): AddressReader {
  const ranges = trustedProxies.map(parseRange);
  const isTrusted = (address: IpAddress) => ranges.some((range) => contains(range, address));
  let hasWarned = false;
  return (remote, headers) => {
    if (remote === undefined) return undefined;
    const forwarded = headers.get("x-forwarded-for");
    if (forwarded === null && IPV4.test(remote)) return remote;
    const address = parseAddress(remote);
    if (address === undefined) return remote;
    if (forwarded === null) return rateLimitKey(address);
    if (!isTrusted(address)) {
      if (!hasWarned) onUntrusted(remote);
      hasWarned = true;
      return rateLimitKey(address);
    }
    return rateLimitKey(clientOf(address, forwarded, isTrusted));
  };
}

/**
 * Checks trusted proxies.
 *
 * @throws {TypeError} One is neither an address nor a CIDR range.
 */
export function checkProxies(trustedProxies: readonly string[]): void {
  trustedProxies.forEach(parseRange);
}

/** The last address that no trusted proxy has, read from the right. */
function clientOf(
  remote: IpAddress,
  forwarded: string,
  isTrusted: (address: IpAddress) => boolean,
): IpAddress {
  let address = remote;
  for (const hop of forwarded.split(",").slice(-MAX_HOPS).reverse()) {
    const next = parseAddress(withoutPort(hop.trim()));
    if (next === undefined || !isTrusted(address)) break;
    address = next;
  }
  return address;
}

/** Some proxies write a port behind the address. */
function withoutPort(hop: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([^:]+):\d+$/.exec(hop)?.[1] ?? hop;
}

/** 128 bits; an IPv4 address is the IPv6 address that it is mapped to (RFC 4291, 2.5.5.2). */
type IpAddress = bigint;

/** The addresses whose first `length` bits are those of `prefix`. */
interface AddressRange {
  readonly prefix: IpAddress;
  readonly length: number;
}

const IPV4_PREFIX: AddressRange = { prefix: 0xffff00000000n, length: 96 };

function contains({ prefix, length }: AddressRange, address: IpAddress): boolean {
  const rest = BigInt(128 - length);
  // An IPv6 range such as ::/0 contains no IPv4 address.
  if (length < IPV4_PREFIX.length && isIPv4(address)) return false;
  return address >> rest === prefix >> rest;
}

function isIPv4(address: IpAddress): boolean {
  return address >> 32n === IPV4_PREFIX.prefix >> 32n;
}

function parseRange(text: string): AddressRange {
  const [, address = "", bits] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const prefix = parseAddress(address);
  const offset = address.includes(":") ? 0 : IPV4_PREFIX.length;
  const length = bits === undefined ? 128 : offset + Number(bits);
  if (prefix !== undefined && length <= 128) return { prefix, length };
  const shown = JSON.stringify(text);
  throw new TypeError(`A trusted proxy must be an address or a CIDR range, not ${shown}`);
}

/** Reads an IPv4 or IPv6 address, the latter with or without a zone. */
function parseAddress(text: string): IpAddress | undefined {
  if (text.includes(":")) return parseIPv6(text.replace(/%[^%]+$/, ""));
  const bytes = parseIPv4(text);
  return bytes === undefined ? undefined : IPV4_PREFIX.prefix | bytes;
}

/** Four decimal numbers; one with a leading zero is none, since some read it as octal. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

function parseIPv4(text: string): bigint | undefined {
  if (!IPV4.test(text)) return undefined;
  return text.split(".").reduce((bits, part) => bits << 8n | BigInt(part), 0n);
}

function parseIPv6(text: string): bigint | undefined {
  const tail = text.includes(".") ? text.slice(text.lastIndexOf(":") + 1) : undefined;
  if (tail !== undefined) {
    const bits = parseIPv4(tail);
    if (bits === undefined) return undefined;
    const groups = `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
    text = text.slice(0, -tail.length) + groups;
  }
  const [head = [], end, ...more] = text.split("::")
    .map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head.length - (end?.length ?? 0);
  if (more.length > 0 || (end === undefined ? missing !== 0 : missing < 1)) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...end ?? []];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((bits, group) => bits << 16n | BigInt(`0x${group}`), 0n);
}

/** An IPv4 address as it is, an IPv6 address by its first 64 bits. */
function rateLimitKey(address: IpAddress): string {
  if (isIPv4(address)) {
    return [24n, 16n, 8n, 0n].map((shift) => address >> shift & 255n).join(".");
  }
  const groups = [112n, 96n, 80n, 64n].map((shift) => (address >> shift & 0xffffn).toString(16));
  return `${groups.join(":")}::/64`;
}
