/** Real WebRTC peers in this process, which meet through a running server. */

import { assertEquals } from "@std/assert";
import { Client, within } from "../helpers/client.ts";
import { startServer } from "../helpers/server.ts";

// The package refers to the types of a browser, which Deno does not have.
// deno-lint-ignore no-explicit-any
type Untyped = any;

Deno.test("wrtc: two peers exchange data in both directions through a running server", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  const join = (nodeId: string, other: string) =>
    startPeer(server.signal({ token, room: "todos", nodeId }), other);

  await using ada = await join("ada", "ben");
  await using ben = await join("ben", "ada");
  assertEquals(ben.peers, ["ada"]);

  const bens = ben.connection.createDataChannel("sync");
  const [{ channel: adas }] = await Promise.all([
    next(ada.connection, "datachannel"),
    next(bens, "open"),
    ben.offer(),
  ]);
  assertEquals(adas.label, "sync");
  await deliver("hello ada", bens, adas);
  await deliver("hello ben", adas, bens);
});

interface Peer extends AsyncDisposable {
  /** The peer list that it got. */
  readonly peers: string[];
  readonly connection: Untyped;
  offer(): Promise<void>;
}

/** Joins a room and connects with one other peer as clients do. */
async function startPeer(url: string, to: string): Promise<Peer> {
  // Imported here, so that a machine it does not run on fails this test and nothing else.
  const { RTCPeerConnection }: Untyped = await import("@roamhq/wrtc");
  const connection: Untyped = new RTCPeerConnection({ iceServers: [] });
  const client = await Client.join(url);
  connection.addEventListener("icecandidate", ({ candidate }: Untyped) => {
    if (candidate !== null) client.send({ type: "ice-candidate", to, candidate });
  });

  async function describe(sdp: Untyped): Promise<void> {
    await connection.setLocalDescription(sdp);
    client.send({ type: sdp.type, to, sdp });
  }

  async function takeMessages(): Promise<void> {
    const early: Untyped[] = [];
    while (true) {
      const message = await Promise.race([client.next(), client.closed]);
      if (!("type" in message)) return;
      if (message.type === "ice-candidate") early.push(message.candidate);
      if ("sdp" in message) await connection.setRemoteDescription(message.sdp);
      if (message.type === "offer") await describe(await connection.createAnswer());
      if (connection.remoteDescription === null) continue;
      for (const candidate of early.splice(0)) await connection.addIceCandidate(candidate);
    }
  }
  const taken = takeMessages();
  // An error is thrown on disposal instead of now: Deno would end while connections are open, which
  // crashes it before it shows the error.
  taken.catch(() => {});

  return {
    peers: client.peers,
    connection,
    offer: async () => await describe(await connection.createOffer()),
    async [Symbol.asyncDispose]() {
      try {
        await client.close();
        await taken;
      } finally {
        connection.close();
      }
    },
  };
}

async function deliver(text: string, from: Untyped, to: Untyped): Promise<void> {
  const message = next(to, "message");
  from.send(text);
  assertEquals((await message).data, text);
}

/** The next event of this type. */
function next(target: Untyped, type: string): Promise<Untyped> {
  return within(
    `an event (${type})`,
    new Promise((resolve) => target.addEventListener(type, resolve)),
  );
}
