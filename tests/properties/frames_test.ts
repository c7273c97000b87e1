/** What must hold for any frame, URL and query that comes from outside. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { admit, type AuthPolicy, type ConnectRequest } from "../../src/access/admission.ts";
import type { Role, SignalMessage } from "../../src/protocol/messages.ts";
import { parseClientMessage } from "../../src/protocol/parse.ts";
import { withSender } from "../../src/protocol/with_sender.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { splitUrl } from "../../src/http/url.ts";
import { anyText, forgedOffer, frame, validMessage } from "../helpers/arbitraries.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { property } from "../helpers/property.ts";

/** What a signal may be called. */
const SIGNALS = ["offer", "answer", "ice-candidate"];

function isCount(value: unknown): boolean {
  return value === undefined || (Number.isFinite(value) && Number(value) >= 0);
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}

property(
  "any frame is read without a throw, and every field of it is checked",
  frame,
  4000,
  (text) => {
    const message = parseClientMessage(text);
    const keys = Object.keys(message).sort().join();
    switch (message.type) {
      case "register":
        assertEquals(keys, "capacity,iceServers,refresh,role,serveConsumers,token,type");
        assert(["normal", "consumer"].includes(message.role) && isFlag(message.serveConsumers));
        assert(isFlag(message.refresh));
        assert(isFlag(message.iceServers));
        return assert(
          isCount(message.capacity) && ["string", "undefined"].includes(typeof message.token),
        );
      case "heartbeat":
        assertEquals(keys, "capacity,serveConsumers,sessions,type");
        assert(/^(undefined|null|{.*})$/s.test(String(JSON.stringify(JSON.parse(text).load))));
        assert(message.serveConsumers === undefined || isFlag(message.serveConsumers));
        return assert(isCount(message.capacity) && isCount(message.sessions));
      case "refresh":
        return assert(["string", "undefined"].includes(typeof message.token));
      case "invalid":
        return assert(message.problem !== "");
      case "unknown":
        return assertEquals(keys, "type");
      default:
        assert(SIGNALS.includes(message.type) && typeof message.to === "string");
        assert([...message.to].length <= 128);
    }
  },
);

property(
  "a frame that keeps to the contract says what its sender meant",
  validMessage,
  1000,
  (message) => {
    const { sessions, ...rest } = message;
    const text = JSON.stringify(
      message["type"] === "heartbeat" ? { ...rest, load: { sessions } } : rest,
    );
    assertEquals(JSON.stringify(parseClientMessage(text)), JSON.stringify(parseOrder(message)));
  },
);

/** The fields in the order in which they are read. A consumer's empty token is none. */
function parseOrder({ type, ...rest }: Record<string, unknown>): Record<string, unknown> {
  if (type === "register" && rest["token"] === "") return { type, ...rest, token: undefined };
  if (type !== "heartbeat") return { type, ...rest };
  return { type, sessions: rest["sessions"], ...rest };
}

property(
  "nobody speaks for anybody else, however the keys of a message are spelled",
  fc.tuple(forgedOffer, fc.constantFrom<Role>("normal", "consumer")),
  2000,
  ([text, role]) => {
    const texts: string[] = [];
    const receiver = new FakePeer("b");
    receiver.send = (sent) => texts.push(sent) > 0;
    const sender = new FakePeer("a", role);
    const { registry } = createRooms({ clock: new FakeClock() });
    const { room } = registry.join("room", sender);
    registry.join("room", receiver);
    assertEquals(room.relay(sender, parseClientMessage(text) as SignalMessage, text), "sent");
    const [sent = ""] = texts;
    const relayed = JSON.parse(sent);
    assertEquals(withSender(sent, "a", role), sent, "the server's own keys stand there once");
    assertEquals([relayed.from, relayed.fromRole, relayed.to], ["a", role, "b"]);
    const payload = (message: object) =>
      Object.entries(message).filter(([key]) => key !== "from" && key !== "fromRole");
    assertEquals(payload(relayed), payload(JSON.parse(text)), "the rest is untouched");
    assertEquals(Reflect.get({}, "from"), undefined);
  },
);

property(
  "any URL is split as URL does it",
  fc.tuple(anyText, fc.webUrl({ withQueryParameters: true, withFragments: true })),
  1000,
  ([text, page]) => {
    splitUrl(text);
    for (const url of [new URL(page), new URL(`http://h/signal?${text.toWellFormed()}`)]) {
      assertEquals(splitUrl(url.href), { pathname: url.pathname, query: url.search.slice(1) });
    }
  },
);

const pairs = fc.array(fc.tuple(fc.constantFrom("room", "nodeId", "token", "x"), anyText), {
  maxLength: 6,
});

const refusals = new RefusalLog({ clock: systemClock, logger: silentLogger });

function ask(query: string, policy: AuthPolicy): unknown {
  const applicant: ConnectRequest = {
    query: new URLSearchParams(splitUrl(`http://h/signal?${query}`).query),
    token: undefined,
    address: undefined,
    request: new Request("http://h/"),
  };
  return admit({ policy, allowsConsumers: true, refusals }, applicant);
}

property(
  "of several values in a query the last counts, and names are bounded",
  pairs,
  2000,
  (list) => {
    const last = (key: string) =>
      list.findLast(([name]) => name === key)?.[1].toWellFormed() || undefined;
    const room = last("room") ?? "default";
    const nodeId = last("nodeId");
    const isShort = [...room].length <= 256 && [...nodeId ?? ""].length <= 128;
    const verdict = ask(new URLSearchParams(list).toString(), { kind: "none" }) as {
      identity?: { room: string; nodeId: string };
    };
    assertEquals(verdict.identity !== undefined, isShort);
    if (verdict.identity === undefined) return;
    assertEquals(verdict.identity.room, room);
    assertEquals(verdict.identity.nodeId, nodeId ?? verdict.identity.nodeId);
    assert(verdict.identity.nodeId !== "");
  },
);

property(
  "whatever a query or a host says, a client gets a verdict",
  fc.tuple(anyText, fc.anything()),
  1000,
  async ([query, found]) => {
    const authorize = () => found as null;
    const host = { kind: "host", authorize, timeoutMs: 1000, clock: systemClock } as const;
    for (const policy of [{ kind: "none" }, host] as const) {
      const verdict = await ask(query, policy) as { identity?: { room: string; nodeId: string } };
      const { room, nodeId } = verdict.identity ?? { room: "-", nodeId: "-" };
      for (const name of [room, nodeId]) assert(typeof name === "string" && name !== "");
      assert([...room].length <= 256 && [...nodeId].length <= 128);
    }
  },
);
