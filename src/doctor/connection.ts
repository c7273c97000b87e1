/**
 * The way to a deployment: the addresses of its name, a TCP connection, and TLS as browsers check it.
 * What is said over the connection is not its concern.
 */

import { lookup } from "node:dns/promises";
import { tlsFailure } from "../runtime/tls_failure.ts";
import { untilAborted } from "../runtime/until_aborted.ts";
import { type Found, StepFailure } from "./report.ts";
import { isLoopback, type Target } from "./target.ts";

/** WebSockets of browsers are opened over HTTP/1.1 alone. */
const ALPN = ["http/1.1"];

/** How to connect. */
export interface Route {
  readonly target: Target;
  /** Certificates in PEM that are trusted as well as Deno's. */
  readonly caCerts: readonly string[];
}

/** Looks the name up as browsers do. */
export async function findAddresses(
  { hostname }: Target,
  signal: AbortSignal,
): Promise<Found<readonly string[]>> {
  if (/^[\d.]+$|:/.test(hostname)) return { value: [hostname], seen: `${hostname} is an address` };
  try {
    const found = await untilAborted(lookup(hostname, { all: true }), signal);
    const addresses = [...new Set(found.map(({ address }) => address))];
    return { value: addresses, seen: `${hostname} is ${addresses.join(", ")}` };
  } catch {
    signal.throwIfAborted();
    throw new StepFailure(
      `${hostname} has no address`,
      "Check the spelling, and the A and AAAA records of the domain",
    );
  }
}

/** Opens a TCP connection. */
export async function connect(
  { hostname, port }: Target,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    const conn = await Deno.connect({ hostname, port, signal });
    conn.setNoDelay();
    return conn;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Deno.errors.ConnectionRefused) {
      throw new StepFailure(
        `nothing listens on port ${port}`,
        "Start the server or the proxy, or correct the port in the URL",
      );
    }
    const name = error instanceof Error ? error.name : "error";
    throw new StepFailure(
      `port ${port} cannot be reached (${name})`,
      "Check the address, the route to it and firewalls",
    );
  }
}

/** Begins TLS on a connection, which is closed if that fails. */
async function secure(
  conn: Deno.TcpConn,
  { target: { hostname, port }, caCerts }: Route,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const tls = await Deno.startTls(conn, {
    hostname,
    caCerts: [...caCerts],
    alpnProtocols: ALPN,
  });
  try {
    await untilAborted(tls.handshake(), signal);
    return tls;
  } catch (error) {
    tls.close();
    signal.throwIfAborted();
    const reason = tlsFailure(error);
    throw new StepFailure(`TLS failed: ${reason}`, tlsAdvice(reason, hostname, port));
  }
}

/** Connects, and begins TLS if the URL says so. */
export async function open(route: Route, signal: AbortSignal): Promise<Deno.Conn> {
  const conn = await connect(route.target, signal);
  return route.target.isSecure ? await secure(conn, route, signal) : conn;
}

/** What to say about a URL without TLS. */
export function withoutTls({ hostname }: Target): Found<true> {
  const seen = "the URL has no TLS";
  if (isLoopback(hostname)) return { value: true, seen: `${seen}; this machine does not need it` };
  const change = "Put a proxy with TLS in front: pages over https may not open ws:, and tokens " +
    "travel readable";
  return { value: true, seen, change };
}

function tlsAdvice(reason: string, hostname: string, port: number): string {
  if (/expired|not valid yet/.test(reason)) {
    return "Renew the certificate, let the proxy load it, and check both clocks";
  }
  if (/another name/.test(reason)) {
    return `Get a certificate for ${hostname}, or use the name that it is for`;
  }
  if (/signed by itself|not signed by an authority/.test(reason)) {
    return "Get a certificate of a public authority, and let the proxy send its whole chain; " +
      "for an authority of your own, run doctor with DENO_CERT=FILE";
  }
  if (/does not speak TLS/.test(reason)) {
    return `Write http:// if port ${port} is meant to have no TLS, or enable TLS there`;
  }
  if (/HTTP\/1\.1/.test(reason)) return "Allow HTTP/1.1 besides HTTP/2 in the proxy (ALPN)";
  return "Check the proxy's TLS versions, and whether it knows this name (SNI)";
}
