/**
 * Asks each STUN and TURN server by the browser itself, as a connection would, and says what it gives,
 * how fast, and what is wrong. Whom the servers are for is decided by the server that names them.
 */

import { msText } from "./dom.ts";
import { isTurn, stunFailure, turnFailure } from "./path.ts";
import { type IceFailure, PATH_PROBLEMS } from "./path_problem.ts";
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
    const kind = isRelay ? "relay" : "srflx";
    const { found, isComplete } = await gather(connection, { kind, failures });
    if (found !== undefined) {
      const what = isRelay ? "gives a relay" : `sees the address ${found}`;
      return { url, isGood: true, text: `${what}, after ${took()}`, problem: undefined };
    }
    // A browser says nothing of an address that is its own.
    if (!isRelay && failures.length === 0 && isComplete) {
      const text = `sees no other address than this device's own (${took()})`;
      return { url, isGood: true, text, problem: undefined };
    }
    const problem = isRelay
      ? turnFailure(failures, isComplete) ?? PATH_PROBLEMS.noRelay([url])
      : stunFailure(url, isComplete ? failures : []);
    return { url, isGood: false, text: `${problem.title} (${took()})`, problem };
  } finally {
    connection.close();
  }
}

/** The address of the first candidate of a kind, and whether there will be no other candidate or failure. */
interface Gathered {
  readonly found: string | undefined;
  readonly isComplete: boolean;
}

async function gather(
  connection: RTCPeerConnection,
  { kind, failures }: { readonly kind: string; readonly failures: IceFailure[] },
): Promise<Gathered> {
  let timer = 0;
  const gathered = new Promise<Gathered>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, { found: undefined, isComplete: false });
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate === null) return resolve({ found: undefined, isComplete: true });
      const [, , , , found] = candidate.candidate.split(" ");
      if (candidate.candidate.includes(` typ ${kind}`)) resolve({ found, isComplete: false });
    });
    connection.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
      failures.push({ url, code: errorCode, text: errorText });
    });
  });
  try {
    connection.createDataChannel("");
    await connection.setLocalDescription();
    return await gathered;
  } finally {
    clearTimeout(timer);
  }
}
