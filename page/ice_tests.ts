/**
 * Asks each STUN and TURN server by the browser itself, as a connection would, and says what it gives,
 * how fast, and what is wrong. Whom the servers are for is decided by the server that names them.
 */

import { msText } from "./dom.ts";
import { type IceFailure, isTurn, noRelay, turnFailure } from "./path.ts";
import type { Problem } from "./problem.ts";

/** How long a server may take, in milliseconds: browsers ask again for about 10 s. */
const PATIENCE_MS = 12_000;

/** Servers that are asked at the same time. */
const MAX_AT_ONCE = 4;

/** What one server gives. */
export interface IceResult {
  readonly url: string;
  readonly isGood: boolean;
  readonly text: string;
  readonly problem: Problem | undefined;
}

interface Target {
  readonly url: string;
  readonly server: RTCIceServer;
}

/** The servers with one URL each. */
export function targetsOf(servers: readonly RTCIceServer[]): Target[] {
  return servers.flatMap((server) =>
    [server.urls].flat().map((url) => ({ url, server: { ...server, urls: url } }))
  );
}

/** Asks all servers, a few at a time. */
export async function testIceServers(
  targets: readonly Target[],
  onResult: (result: IceResult) => void,
): Promise<void> {
  const waiting = [...targets];
  const work = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      onResult(await testIceServer(target));
    }
  };
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, work));
}

async function testIceServer({ url, server }: Target): Promise<IceResult> {
  const start = performance.now();
  const failures: IceFailure[] = [];
  const isRelay = isTurn(url);
  const took = (): string => msText(performance.now() - start);
  let connection: RTCPeerConnection;
  try {
    const iceTransportPolicy = isRelay ? "relay" : "all";
    connection = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { url, isGood: false, text: `The browser refuses it: ${text}`, problem: undefined };
  }
  try {
    const found = await gather(connection, { kind: isRelay ? "relay" : "srflx", failures });
    if (found !== undefined) {
      const what = isRelay ? "gives a relay" : `sees the address ${found}`;
      return { url, isGood: true, text: `${what}, after ${took()}`, problem: undefined };
    }
    const problem = turnFailure(failures) ?? (isRelay ? noRelay([url]) : undefined);
    if (problem !== undefined) {
      return { url, isGood: false, text: `${problem.title} (${took()})`, problem };
    }
    return failures.length === 0 && performance.now() - start < PATIENCE_MS / 2
      // A browser keeps quiet about an address that is its own.
      ? {
        url,
        isGood: true,
        text: `sees no other address than this device's own (${took()})`,
        problem,
      }
      : { url, isGood: false, text: `does not answer (${took()})`, problem };
  } finally {
    connection.close();
  }
}

/** The address of the first candidate of a kind, or `undefined` once there will be none. */
async function gather(
  connection: RTCPeerConnection,
  { kind, failures }: { readonly kind: string; readonly failures: IceFailure[] },
): Promise<string | undefined> {
  let timer = 0;
  const found = new Promise<string | undefined>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, undefined);
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate === null) return resolve(undefined);
      const [, , , , address = ""] = candidate.candidate.split(" ");
      if (candidate.candidate.includes(` typ ${kind}`)) resolve(address);
    });
    connection.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
      failures.push({ url, code: errorCode, text: errorText });
    });
  });
  try {
    connection.createDataChannel("");
    await connection.setLocalDescription();
    return await found;
  } finally {
    clearTimeout(timer);
  }
}
