/** Session descriptions and candidates as browsers make them, in any size. */

import type { Kind } from "./protocols.ts";

const SDP_HEAD = [
  "v=0",
  "o=- 5721340099162435587 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "a=extmap-allow-mixed",
  "a=msid-semantic: WMS",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:Kd7x",
  "a=ice-pwd:uV3pYc0n1mS9qLrTzW5eGhJk",
  "a=ice-options:trickle",
  "a=fingerprint:sha-256 3C:5E:11:8A:F0:27:6B:94:D2:4F:83:7C:19:AA:60:BE:55:08:E1:9D:72:C6:34:0B:" +
  "8F:D7:21:5A:E8:93:4C:16",
  "a=setup:actpass",
  "a=mid:0",
  "a=sctp-port:5000",
  "a=max-message-size:262144",
  "",
].join("\r\n");

function candidateLine(number: number): string {
  return `candidate:${1_874_320_551 + number} 1 udp ${1_677_729_535 - number} ` +
    `198.51.100.${1 + number % 250} ${40_000 + number} typ srflx raddr 0.0.0.0 rport 0 ` +
    "generation 0 ufrag Kd7x network-cost 999";
}

/** A session description of so many characters. */
export function sdpOf(size: number): string {
  let sdp = SDP_HEAD;
  for (let number = 0; sdp.length < size; number++) sdp += `a=${candidateLine(number)}\r\n`;
  return `${sdp.slice(0, size - 2).replace(/\r$/, "x")}\r\n`;
}

/** What a message of this kind carries: an SDP of this size, or a candidate of so many bytes. */
export function payloadOf(kind: Kind, size: number): Record<string, unknown> {
  if (kind === "offer") return { type: "offer", sdp: sdpOf(size) };
  const candidate = { candidate: "", sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "Kd7x" };
  const length = Math.max(size - JSON.stringify(candidate).length, 0);
  return { ...candidate, candidate: candidateLine(0).padEnd(length, "0").slice(0, length) };
}
