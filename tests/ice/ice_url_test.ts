import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkIceServers, parseIceUrl } from "../../src/ice/ice_url.ts";

const USER = { username: "1800000000:alice", credential: "hush-hush" };

Deno.test("parseIceUrl() fills in the port and the transport that RFC 7064 and RFC 7065 say", () => {
  const cases = {
    "stun:h": ["stun", "h", 3478, "udp"],
    "STUN:h.example:19302": ["stun", "h.example", 19302, "udp"],
    "turn:h": ["turn", "h", 3478, "udp"],
    "turn:h?transport=udp": ["turn", "h", 3478, "udp"],
    "turn:192.0.2.1:80?transport=tcp": ["turn", "192.0.2.1", 80, "tcp"],
    "turns:h": ["turns", "h", 5349, "tls"],
    "turns:h:443?transport=tcp": ["turns", "h", 443, "tls"],
    "turns:h?transport=udp": ["turns", "h", 5349, "dtls"],
    "turn:[2001:db8::1]:3479": ["turn", "2001:db8::1", 3479, "udp"],
    "stun:[::ffff:192.0.2.1]": ["stun", "::ffff:192.0.2.1", 3478, "udp"],
  };
  for (const [text, expected] of Object.entries(cases)) {
    const { scheme, host, port, transport } = parseIceUrl(text);
    assertEquals<unknown>([scheme, host, port, transport], expected, text);
  }
});

Deno.test("parseIceUrl() refuses what a browser refuses, and says what to write", () => {
  const cases = {
    "": "begins with stun:",
    "h": "begins with stun:",
    "http://h": "begins with stun:",
    " stun:h": "begins with stun:",
    "turn:ä.example": "Punycode, xn--…",
    "stun:例え.example:3478": "Punycode, xn--…",
    "stuns:h": "write stun:",
    "turn://h": "write turn:host:port",
    "turn:/h": "write turn:host:port",
    "turn:user:hush@h": "write username and credential",
    "stun:": "looks like stun:host",
    "stun:h ": "looks like",
    "stun:h\n": "looks like",
    "stun:h/": "looks like",
    "stun:h#a": "looks like",
    "stun:::1": "square brackets",
    "stun:[::1": "square brackets",
    "stun:[xyz]": "square brackets",
    "stun:[fe80::1%25eth0]": "square brackets",
    "stun:1.2.3.999": "looks like",
    "stun:127.1": "looks like",
    "stun:h:abc": "looks like",
    "stun:h:-1": "looks like",
    "stun:h:": "port is from 1",
    "stun:h:0": "port is from 1",
    "stun:h:65536": "port is from 1",
    "stun:h?transport=udp": "no question mark",
    "turn:h?": "transport=tcp",
    "turn:h?transport=tls": "transport=tcp",
    "turn:h?transport=UDP": "lower case",
    "turn:h?transport=udp&x=1": "transport=tcp",
    "turn:h?transport=udp?x": "more than one question mark",
  };
  for (const [text, part] of Object.entries(cases)) {
    const { message } = assertThrows(() => parseIceUrl(text), TypeError, part);
    assert(!message.includes("hush"), message);
  }
});

Deno.test("checkIceServers() copies what a browser uses of each entry", () => {
  assertEquals(checkIceServers([]), []);
  const turn = { urls: ["turn:h", "turns:h:443?transport=tcp"], ...USER };
  const servers = [{ urls: "stun:h" }, { urls: ["stun:h"] }, turn];
  const checked = checkIceServers([...servers, { ...turn, url: "turn:h", credentialType: "x" }]);
  assertEquals<unknown>(checked, [...servers, turn]);
  turn.urls.push("http://h");
  assertEquals(checked[2]?.urls.length, 2);
});

Deno.test("checkIceServers() names the entry that a browser would refuse, and shows no secret", () => {
  const cases: [unknown, string][] = [
    [undefined, "are an array"],
    [{ urls: "stun:h" }, "are an array"],
    [["stun:h"], 'ICE server 1 is no object with "urls"'],
    [[null], "ICE server 1 is no object"],
    [[{}], 'ICE server 1 needs "urls"'],
    [[{ url: "stun:h" }], 'needs "urls"'],
    [[{ urls: [] }], "an empty list"],
    [[{ urls: [7] }], 'needs "urls"'],
    [[{ urls: "stun:h" }, { urls: "hush" }], "ICE server 2 has a URL"],
    [[{ urls: "turn:h" }], "needs username and credential"],
    [[{ urls: ["stun:h", "turns:h"], username: "hush" }], "needs username and credential"],
    [[{ urls: "turn:h", username: "", credential: "hush" }], "needs username and credential"],
    [[{ urls: "turn:h", username: "hush", credential: 7 }], "has a credential that is not"],
    [[{ urls: "turn:h", ...USER, username: "é".repeat(255) }], "more than 509 bytes"],
  ];
  for (const [value, part] of cases) {
    const { message } = assertThrows(() => checkIceServers(value), TypeError, part);
    assert(!message.includes("hush"), message);
  }
  assertEquals(checkIceServers([{ urls: "turn:h", ...USER, username: "u".repeat(509) }]).length, 1);
});
