import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  type CandidateKind,
  explainPath,
  type PathFacts,
  stunFailure,
  turnFailure,
} from "../../page/path.ts";

function counts(...kinds: CandidateKind[]): Map<CandidateKind, number> {
  return new Map(kinds.map((kind) => [kind, 1]));
}

const FACTS: PathFacts = {
  peer: "ben",
  isAnswered: true,
  local: counts("host"),
  remote: counts("host"),
  areHidden: false,
  isGathering: false,
  isRelayOnly: false,
  urls: [],
  failures: [],
};

const TURN = "turn:turn.example.com";
const SILENCE = { url: TURN, code: 701, text: "timeout" };
const TLS = { url: "turns:turn.example.com", code: 701, text: "Failed to establish connection" };
const UNKNOWN = { url: TURN, code: 701, text: "TURN host lookup received error." };
const REFUSAL = { url: TURN, code: 401, text: "Unauthorized" };

Deno.test("page: why there is no path follows from what both sides have found", () => {
  const cases: readonly (readonly [string, Partial<PathFacts>])[] = [
    ["no-answer", { isAnswered: false }],
    ["no-candidates", { local: counts() }],
    ["no-candidates", { local: counts(), isAnswered: false }],
    ["relay-without-turn", { local: counts(), isRelayOnly: true }],
    ["slow-gathering", { local: counts(), isGathering: true }],
    ["no-remote-candidates", { remote: counts() }],
    ["only-host", {}],
    ["no-public-address", { urls: ["stun:stun.example.com"] }],
    ["needs-turn", { local: counts("host", "srflx"), urls: ["stun:stun.example.com"] }],
    ["needs-turn", { remote: counts("host", "srflx") }],
    ["relay-fails", { local: counts("host", "relay"), urls: [TURN] }],
    ["turn-refused", { urls: [TURN], failures: [SILENCE, REFUSAL] }],
    ["turn-silent", { urls: [TURN], failures: [SILENCE] }],
    ["turn-error", { urls: [TURN], failures: [{ ...REFUSAL, code: 486, text: "Quota" }] }],
    ["turn-refused", { local: counts(), isRelayOnly: true, urls: [TURN], failures: [REFUSAL] }],
    ["no-relay", { local: counts(), isRelayOnly: true, urls: [TURN] }],
    ["no-relay", { local: counts("host", "srflx"), urls: [TURN] }],
    ["turn-tls", { urls: [TLS.url], failures: [TLS] }],
    ["unresolved", { urls: [TURN], failures: [UNKNOWN, UNKNOWN] }],
    // One family of addresses may be unknown and the other silent.
    ["turn-silent", { urls: [TURN], failures: [UNKNOWN], isGathering: true }],
    ["turn-silent", { urls: [TURN], failures: [UNKNOWN, SILENCE] }],
    // A relay of either side is enough, so the refusal is not the reason.
    ["relay-fails", { remote: counts("relay"), urls: [TURN], failures: [REFUSAL] }],
  ];
  for (const [id, facts] of cases) {
    const problem = explainPath({ ...FACTS, ...facts });
    assertEquals(problem.id, id, JSON.stringify(facts));
    for (const text of [problem.title, problem.why, problem.advice]) {
      assertEquals(text !== "", true);
    }
  }
});

Deno.test("page: a STUN server that does not answer is no failure of TURN", () => {
  assertEquals(turnFailure([{ url: "stun:a", code: 701, text: "" }], true), undefined);
  const refused = turnFailure([REFUSAL], true);
  assertStringIncludes(refused?.why ?? "", `${TURN} has answered 401 (Unauthorized)`);
  assertEquals(stunFailure("stun:a", []).id, "stun-silent");
  assertEquals(stunFailure("stun:a", [{ ...UNKNOWN, url: "stun:a" }]).id, "unresolved");
});
