import { assertEquals, assertThrows } from "@std/assert";
import { parseTarget } from "../../src/doctor/target.ts";

Deno.test("parseTarget() finds the socket and the routes in what a person pastes", () => {
  const cases: Record<string, [shown: string, base: string, port: number]> = {
    "signal.example.com": [
      "wss://signal.example.com/signal",
      "https://signal.example.com",
      443,
    ],
    "https://signal.example.com/": [
      "wss://signal.example.com/signal",
      "https://signal.example.com",
      443,
    ],
    " wss://a.example/signal?token=hush&room=r ": [
      "wss://a.example/signal",
      "https://a.example",
      443,
    ],
    "wss://a.example": ["wss://a.example/signal", "https://a.example", 443],
    "https://a.example/sync": ["wss://a.example/sync/signal", "https://a.example/sync", 443],
    "a.example/sync/": ["wss://a.example/sync/signal", "https://a.example/sync", 443],
    "https://a.example/sync/signal/": [
      "wss://a.example/sync/signal",
      "https://a.example/sync",
      443,
    ],
    "wss://a.example/api/ws": ["wss://a.example/api/ws", "https://a.example/api", 443],
    "a.example:8443": ["wss://a.example:8443/signal", "https://a.example:8443", 8443],
    "http://a.example": ["ws://a.example/signal", "http://a.example", 80],
    "localhost:8080": ["ws://localhost:8080/signal", "http://localhost:8080", 8080],
    "127.0.0.1": ["ws://127.0.0.1/signal", "http://127.0.0.1", 80],
    "[::1]:8080": ["ws://[::1]:8080/signal", "http://[::1]:8080", 8080],
  };
  for (const [text, expected] of Object.entries(cases)) {
    const { shown, base, port } = parseTarget(text);
    assertEquals([text, shown, base, port], [text, ...expected]);
  }
  const { hostname, host } = parseTarget("https://[2001:db8::1]:8443");
  assertEquals([hostname, host], ["2001:db8::1", "[2001:db8::1]:8443"]);
});

Deno.test("parseTarget() reads token and room of a client's URL, and keeps the rest of its query", () => {
  const { token, room, query } = parseTarget(
    "wss://a/signal?app=1&token=t%20t&room=my%20room&nodeId=n",
  );
  assertEquals([token, room, String(query)], ["t t", "my room", "app=1"]);
  const plain = parseTarget("https://a");
  assertEquals([plain.token, plain.room, String(plain.query)], [undefined, undefined, ""]);
});

Deno.test("parseTarget() refuses what is no URL of a server, and does not repeat it", () => {
  for (const text of ["", "https://", "ftp://hush", "https://me:hush@a", "hush hush"]) {
    const { message } = assertThrows(() => parseTarget(text), TypeError);
    assertEquals(message.includes("hush"), false, message);
  }
});
