/** What the settings accept as ICE servers, `new RTCPeerConnection` accepts in Chromium. */

import { assert, assertEquals } from "@std/assert";
import { checkIceServers } from "../../src/ice/ice_url.ts";
import { browserTest } from "../helpers/browser.ts";

const HOSTS = ["h", "h.example", "a_b", "192.0.2.1", "127.1", "1.2.3.999", "[::1]", "::1", "[::1"];
const SCHEMES = ["stun:", "STUN:", "turn:", "turns:", "http:", "turn://", "turn:u@", ""];
const ENDS = ["", ":1", ":65535", ":65536", ":0", ":", ":x", "?", "/", "#a", " "];
const QUERIES = ["transport=udp", "transport=tcp", "transport=UDP", "transport=tls", "x=1"];

const USER = { username: "u", credential: "c" };
const URLS = SCHEMES.flatMap((scheme) =>
  HOSTS.flatMap((host) =>
    [...ENDS, ...QUERIES.map((query) => `?${query}`)].map((end) => scheme + host + end)
  )
);
const ENTRIES: readonly object[] = [
  ...URLS.map((urls) => ({ urls, ...USER })),
  ...[{}, { urls: [] }, { urls: "stun:h" }, { urls: "turn:h" }, { urls: ["stun:h", "turn:h"] }],
  ...[{ urls: "turn:h", username: "u" }, { urls: "turn:h", ...USER, credential: "" }],
  ...[{ urls: "turn:h", ...USER, username: "" }, { urls: ["stun:h", "stun:i"] }],
  ...[509, 510].map((length) => ({ urls: "turn:h", ...USER, username: "u".repeat(length) })),
];

/** What Chromium refuses, so that a page that accepts everything is noticed. */
const REFUSED: readonly object[] = [
  ...["http:h", "turn://h", "turn:u@h", "stun:h?transport=udp", "stun:h:0", "turn:h?x=1"].map(
    (urls) => ({ urls, ...USER }),
  ),
  ...[{ urls: [] }, { urls: "turn:h" }, { urls: ["stun:h", ""] }],
];

function isAccepted(entry: object): boolean {
  try {
    checkIceServers([entry]);
    return true;
  } catch {
    return false;
  }
}

browserTest("Chromium accepts every ICE server that the settings accept", async (browser) => {
  const page = await browser.newPage();
  const source = `(entries) => entries.map((entry) => {
    try {
      new RTCPeerConnection({ iceServers: [entry] }).close();
      return true;
    } catch {
      return false;
    }
  })`;
  // Chromium makes 500 connections a page at the most.
  const accepted = ENTRIES.filter(isAccepted);
  assert(accepted.length > 50 && accepted.length < 400, `${accepted.length} accepted`);
  const asked = [...accepted, ...REFUSED];
  assert(!REFUSED.some(isAccepted));
  const verdicts: unknown = await page.evaluate(`(${source})(${JSON.stringify(asked)})`);
  assert(Array.isArray(verdicts));
  assertEquals(asked.filter((_, index) => verdicts[index]), accepted);
});
