/**
 * The WebSocket layer of a running server against clients that break every rule of it, while two
 * that keep them send each other numbered messages.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { amongBystanders } from "../helpers/bystanders.ts";
import { Client, until, within } from "../helpers/client.ts";
import { ENDLESS, FRAMES, HANDSHAKES, LAXER_HANDSHAKES } from "../helpers/malformed.ts";
import { frame, handshake } from "../helpers/raw.ts";
import { bytes, closeCode, json, probe, RawClient } from "../helpers/raw_client.ts";
import { generator } from "../helpers/random.ts";

const MUTANTS = 4000;
const SEED = 6455;
const TARGET = "/signal?room=fuzz";
const REGISTER = frame(1, '{"type":"register","role":"normal"}');
const OFFER = frame(1, '{"type":"offer","to":"ear","sdp":{}}');
/** Frames from this size on are not written byte by byte. */
const TOO_LONG = 200;

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What the server answers until it has answered the probe, or ends the connection. */
async function answers(client: RawClient): Promise<string> {
  const seen: string[] = [];
  while (true) {
    const next = await within("an answer or the end", client.next());
    if (next === null) return [...seen, "end"].join(", ");
    if (next.opcode === 8) seen.push(`close ${closeCode(next) ?? ""}`.trim());
    if (next.opcode === 10) seen.push(`pong ${next.payload.length}`);
    if (next.opcode !== 1) continue;
    const { type, code, to } = json(next);
    if (to === "probe") return [...seen, "alive"].join(", ");
    if (type === "error") seen.push(to === undefined ? code : `${code} ${to}`);
  }
}

Deno.test(`fuzz: each of ${FRAMES.length} odd frames, sent in three ways, gets the expected answer and harms no other client`, async () => {
  await amongBystanders({ authEnabled: false }, async ({ port }) => {
    for (const [name, data, outcome] of FRAMES) {
      using joined = await RawClient.join(port, TARGET);
      await joined.write(data, probe("probe"));
      assertEquals(await answers(joined), outcome, name);

      using early = await RawClient.open(port, TARGET, data, probe("probe"));
      assertEquals(await answers(early), outcome, `${name}, behind the handshake`);

      if (data.length >= TOO_LONG) continue;
      using slow = await RawClient.join(port, TARGET);
      for (const byte of data) {
        if (!await slow.write(bytes([byte]))) break;
      }
      await slow.write(probe("probe"));
      assertEquals(await answers(slow), outcome, `${name}, byte by byte`);
    }
  });
});

Deno.test(`fuzz: each of ${ENDLESS.length} frames that never end is waited for, and forgotten with its client`, async () => {
  await amongBystanders({ authEnabled: false }, async ({ port }) => {
    await Promise.all(ENDLESS.map(async (data) => {
      using client = await RawClient.join(port, TARGET);
      await client.write(data);
      const next = client.next();
      assertEquals(await Promise.race([next.then(() => "answered"), pause(100)]), "nothing");
      client.close();
      await next;
    }));
  });
});

/** Resolves to "nothing" after a while. */
function pause(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve("nothing"), ms));
}

const MESSAGES = [
  OFFER,
  frame(1, `{"type":"offer","to":"ear","sdp":"${"x".repeat(126)}"}`),
  bytes(frame(1, '{"type":"offer",', false), frame(0, '"to":"ear"}')),
];
const CUT = bytes(...MESSAGES);
/** Where a message of it is complete. */
const COMPLETE = MESSAGES.map((_, n) => bytes(...MESSAGES.slice(0, n + 1)).length);

Deno.test(`fuzz: a client that leaves at any of ${CUT.length} bytes, by FIN, half-close or RST, leaves, and nothing more of it is relayed`, async () => {
  await amongBystanders({ authEnabled: false }, async (server) => {
    await using ear = await Client.join(server.signal({ room: "fuzz", nodeId: "ear" }));
    for (let end = 0; end <= CUT.length; end++) {
      for (const way of ["FIN", "half-close", "RST"]) {
        using client = await RawClient.join(server.port, `${TARGET}&nodeId=${end}-${way}`);
        // An RST throws away what the server has not read: its bytes go first.
        if (way === "RST") await client.write(probe("unread"), CUT.subarray(0, end));
        else await client.write(CUT.subarray(0, end));
        if (way === "RST") await client.connection.read(new Uint8Array(1));
        if (way === "half-close") {
          await client.connection.closeWrite();
          assertEquals(await within("the end", client.next()), null);
        }
        client.close();
      }
    }
    await until("the others to be gone", () => server.stats().peers === 3);
    const heard: Record<string, number> = {};
    for (const { from } of await ear.drain()) heard[from] = (heard[from] ?? 0) + 1;
    for (let end = 0; end <= CUT.length; end++) {
      const complete = COMPLETE.filter((size) => size <= end).length;
      for (const way of ["FIN", "half-close"]) {
        assertEquals(heard[`${end}-${way}`] ?? 0, complete, `${way} after ${end} bytes`);
      }
      assert((heard[`${end}-RST`] ?? 0) <= complete, `RST after ${end} bytes`);
    }
  });
});

Deno.test("fuzz: a handshake and frames that come byte by byte, or in any two pieces, are answered in order", async () => {
  await amongBystanders({}, async (server) => {
    const target = `${TARGET}&token=${await server.token("fuzz")}`;
    const names = ["one", "two", "probe"];
    const all = bytes(handshake(target), REGISTER, ...names.map(probe));
    const expected = "PEER_NOT_FOUND one, PEER_NOT_FOUND two, alive";
    const expectAnswers = async (client: RawClient) => {
      assertMatch(await within("the head", client.head()), /^HTTP\/1\.1 101 /);
      const list = await within("a peer list", client.next());
      assertEquals(list && json(list).type, "peer-list");
      assertEquals(await answers(client), expected);
    };
    using slow = await RawClient.connect(server.port);
    for (const byte of all) {
      await slow.write(bytes([byte]));
      await turn();
    }
    await expectAnswers(slow);
    slow.close();
    const start = handshake(target).length;
    for (let cut = start - 8; cut <= all.length; cut++) {
      using client = await RawClient.connect(server.port);
      await client.write(all.subarray(0, cut));
      await turn();
      await client.write(all.subarray(cut));
      await expectAnswers(client);
    }
  });
});

Deno.test(`fuzz: each of ${HANDSHAKES.length} malformed handshakes is refused, cut short or whole, and ${LAXER_HANDSHAKES.length} are taken`, async () => {
  await amongBystanders({ authEnabled: false }, async ({ port }) => {
    const all = [...HANDSHAKES, ...LAXER_HANDSHAKES.map((head) => [head, 101] as const)];
    for (const [data, status] of all) {
      using client = await RawClient.connect(port);
      await client.write(data, OFFER);
      const head = await within("an answer", client.head());
      const name = typeof data === "string" ? data.slice(0, 300) : data.join();
      assertMatch(head, new RegExp(`^HTTP/1\\.[01] ${status} `), name);
    }
    const whole = bytes(handshake(TARGET));
    for (let end = 0; end < whole.length; end++) {
      using client = await RawClient.connect(port);
      await client.write(whole.subarray(0, end));
    }
  });
});

type Mutate = (random: (n: number) => number) => Uint8Array;

function noise(random: (n: number) => number): Uint8Array {
  return Uint8Array.from({ length: 1 + random(200) }, () => random(256));
}

/** What a client may send. */
const valid: Mutate = (random) =>
  [REGISTER, OFFER, probe("x"), frame(9, "x"), frame(10, ""), frame(1, "{", false), frame(2, "x")][
    random(7)
  ] ?? OFFER;

const MUTATE: readonly Mutate[] = [
  noise,
  valid,
  (random) => {
    const data = valid(random).slice();
    for (let flips = 1 + random(6); flips > 0; flips--) {
      const at = random(data.length);
      data[at] = (data[at] ?? 0) ^ 1 << random(8);
    }
    return data;
  },
  (random) => bytes([random(256), 0x80 | random(128)], noise(random)),
  (random) => frame([0, 1, 1, 1, 2, 8, 9, 10][random(8)] ?? 1, noise(random), random(4) > 0),
  (random) => {
    const data = valid(random);
    const at = random(data.length);
    return bytes(data.subarray(0, at), noise(random), data.subarray(at));
  },
  (random) => frame(1, bytes(OFFER.subarray(6, 6 + random(30)), noise(random))),
];

Deno.test(`fuzz: ${MUTANTS} random frames, split and cut off at random, harm nobody`, async () => {
  await amongBystanders({ authEnabled: false }, async ({ port }) => {
    const random = generator(SEED);
    let frames = 0;
    while (frames < MUTANTS) {
      using client = await RawClient.open(port, `${TARGET}&nodeId=${random(20)}`);
      const count = Math.min(1 + random(4), MUTANTS - frames);
      const sent = Array.from(
        { length: count },
        () => MUTATE[random(MUTATE.length)]?.(random) ?? [],
      );
      frames += count;
      const data = bytes(...sent);
      for (let at = 0; at < data.length;) {
        const end = random(3) ? data.length : at + 1 + random(data.length - at);
        await client.write(data.subarray(at, end));
        if (random(2)) await turn();
        at = end;
      }
      if (random(4) === 0) await client.connection.closeWrite().catch(() => {});
      else if (random(3) === 0) await client.reset();
    }
    assertEquals(frames, MUTANTS);
  });
});
