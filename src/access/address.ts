/**
 * Whom a connection counts for: the address of its client, read past the proxies that are trusted
 * and no others. An IPv6 client counts by its /64, since that is what one customer is given
 * (RFC 6177).
 */

/** An address as limits count it, or `undefined` where the host does not say. */
export type Address = string | undefined;

/** The remote address in what a host gives along with a request, as `Deno.serve` does. */
export function remoteAddressOf(info: unknown): string | undefined {
  const { remoteAddr } = (info ?? {}) as { remoteAddr?: { hostname?: unknown } };
  return typeof remoteAddr?.hostname === "string" ? remoteAddr.hostname : undefined;
}

/** Finds a client's address. */
export type AddressReader = (remote: string | undefined, headers: Headers) => Address;

/**
 * Creates a reader of addresses.
 *
 * @param trustedProxies Addresses and CIDR ranges whose `X-Forwarded-For` is believed.
 * @param onUntrusted Hears once of a proxy that is not among them.
 * @returns The reader.
 * @throws {TypeError} One is neither an address nor a range.
 */
export async function createAddressReader(
  trustedProxies: readonly string[],
  onUntrusted: (remote: string) => void,
): Promise<AddressReader> {
  const trust = await readTrust(trustedProxies);
  let hasWarned = false;
  return (remote, headers) => {
    if (remote === undefined) return undefined;
    const forwarded = headers.get("x-forwarded-for");
    if (forwarded === null) return rateLimitKey(remote);
    if (trust === undefined || !trust.isTrusted(remote)) {
      if (!hasWarned) onUntrusted(remote);
      hasWarned = true;
      return rateLimitKey(remote);
    }
    return rateLimitKey(trust.client(remote, forwarded));
  };
}

/** An IPv4 address as it is, an IPv6 address by its first 64 bits. */
function rateLimitKey(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(":").length;
  const all = [...groups, ...Array(Math.max(missing, 0)).fill("0"), ...(tail?.split(":") ?? [])];
  return `${all.slice(0, 4).join(":")}::/64`;
}

/** Whom to believe, and what they say. */
interface TrustedProxies {
  isTrusted(address: string): boolean;
  /** The last address that no trusted proxy has, reading from the right. */
  client(remote: string, forwarded: string): string;
}

/** Hops that are read at most. */
const MAX_HOPS = 32;

/**
 * Checks trusted proxies.
 *
 * @throws {TypeError} One is neither an address nor a CIDR range.
 */
export function checkProxies(trustedProxies: readonly string[]): void {
  for (const text of trustedProxies) {
    const [, address = "", bits = "0"] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const isIPv4 = /^((0|[1-9]\d{0,2})(\.(?!$)|$)){4}$/.test(address) &&
      address.split(".").every((byte) => Number(byte) < 256);
    const isIPv6 = /^[\da-f:.]*:[\da-f:.]*$/i.test(address) && URL.canParse(`http://[${address}]`);
    if ((isIPv4 && Number(bits) <= 32) || (isIPv6 && Number(bits) <= 128)) continue;
    const shown = JSON.stringify(text);
    throw new TypeError(`A trusted proxy must be an address or a CIDR range, not ${shown}`);
  }
}

async function readTrust(trustedProxies: readonly string[]): Promise<TrustedProxies | undefined> {
  checkProxies(trustedProxies);
  if (trustedProxies.length === 0) return undefined;
  const { default: ipaddr } = await import("ipaddr.js");
  const ranges = trustedProxies.map((text) => {
    const [address, bits] = ipaddr.parseCIDR(text.includes("/") ? text : toRange(text));
    const isMapped = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96;
    return isMapped ? { address: address.toIPv4Address(), bits: bits - 96 } : { address, bits };
  });
  const isAddress = (text: string) =>
    ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
  const isTrusted = (text: string) => {
    const address = ipaddr.process(text);
    return ranges.some((range) =>
      range.address.kind() === address.kind() && address.match(range.address, range.bits)
    );
  };
  const client = (remote: string, forwarded: string) => {
    let address = remote;
    for (const hop of forwarded.split(",").slice(-MAX_HOPS).reverse()) {
      const next = withoutPort(hop.trim());
      if (!isTrusted(address) || !isAddress(next)) break;
      address = ipaddr.process(next).toString();
    }
    return address;
  };
  return { isTrusted: (text) => isAddress(text) && isTrusted(text), client };
}

/** One address as a range. */
function toRange(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** Some proxies write a port behind the address. */
function withoutPort(hop: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([^:]+):\d+$/.exec(hop)?.[1] ?? hop;
}
