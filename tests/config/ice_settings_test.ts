import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { generateKeyPairJwk } from "../../mod.ts";
import { type Config, ConfigError, parseConfig } from "../../src/config/config.ts";

const { privateKeyJwk } = await generateKeyPairJwk();
const AUTH = { PRIVATE_KEY_JWK: privateKeyJwk, ADMIN_SECRET: "s".repeat(32) };
const SECRET = "the-secret-of-the-turn-servers-00";
const PAIR = { TURN_URLS: "turn:turn.example.com", TURN_SECRET: SECRET };

function parse(environment: Record<string, string>): Config {
  return parseConfig((name) => environment[name], "KEYGEN");
}

function problems(environment: Record<string, string>): readonly string[] {
  return assertThrows(() => parse(environment), ConfigError).problems;
}

Deno.test("parseConfig() reads ICE servers, and TURN servers with a secret", () => {
  const { ice, warnings } = parse({
    ...AUTH,
    ICE_SERVERS: '[{"urls":["stun:stun.example.com"]}]',
    TURN_URLS: "turn:turn.example.com, turns:turn.example.com:443?transport=tcp",
    TURN_SECRET: SECRET,
    TURN_TTL: "8h",
  });
  assertEquals(ice, {
    iceServers: [{ urls: ["stun:stun.example.com"] }],
    turn: {
      urls: ["turn:turn.example.com", "turns:turn.example.com:443?transport=tcp"],
      secret: SECRET,
    },
    iceTtl: "8h",
  });
  assertEquals(warnings, []);
});

Deno.test("parseConfig() refuses ICE servers that a browser would refuse, without showing them", () => {
  const malformed = [
    "stun:stun.example.com",
    "[{",
    "{}",
    '[{"urls":"turn:turn.example.com"}]',
    '[{"urls":"turn:turn.example.com","username":"user-name-1","credential":""}]',
    '[{"urls":"http://user-name-1.example.com"}]',
    JSON.stringify(Array(17).fill({ urls: "stun:stun.example.com" })),
    JSON.stringify([{ urls: Array(33).fill("stun:stun.example.com") }]),
    JSON.stringify([{ urls: `stun:${"a".repeat(1100)}` }]),
  ];
  for (const ICE_SERVERS of malformed) {
    const [line = "", ...rest] = problems({ ...AUTH, ICE_SERVERS });
    assert(/^ICE_SERVERS is not usable: .* Try: ICE_SERVERS=\[/.test(line), line);
    assert(!line.includes("user-name-1") && line.length < 400, line);
    assertEquals(rest, []);
  }
});

Deno.test("parseConfig() refuses URLs that are not of a TURN server", () => {
  for (
    const TURN_URLS of ["stun:a.example", "turn.example.com", "turn://turn.example.com", ",", " , "]
  ) {
    const [line = "", ...rest] = problems({ ...AUTH, ...PAIR, TURN_URLS });
    assert(/^TURN_URLS is not usable: .* Try: TURN_URLS=turn:/.test(line), line);
    assertEquals(rest, []);
  }
});

Deno.test("parseConfig() refuses a TURN_TTL that is no duration, or longer than 48 hours", () => {
  for (const TURN_TTL of ["24", "0s", "-1h", "49h", "3d", "48h 1s"]) {
    const [line = "", ...rest] = problems({ ...AUTH, ...PAIR, TURN_TTL });
    assert(/^TURN_TTL .* Try: TURN_TTL=24h$/.test(line), line);
    assertEquals(rest, []);
  }
  assertEquals(parse({ ...AUTH, ...PAIR, TURN_TTL: "48h" }).ice.iceTtl, "48h");
});

Deno.test("parseConfig() refuses one of TURN_URLS and TURN_SECRET without the other", () => {
  const { TURN_URLS, TURN_SECRET } = PAIR;
  assertEquals(problems({ ...AUTH, TURN_URLS }), [
    "TURN_SECRET is needed with TURN_URLS. Set it to coturn's static-auth-secret, or unset TURN_URLS",
  ]);
  const [line = "", ...rest] = problems({ ...AUTH, TURN_SECRET });
  assert(line.startsWith("TURN_URLS is needed with TURN_SECRET. Try: TURN_URLS=turn:"), line);
  assertEquals(rest, []);
});

Deno.test("parseConfig() refuses a TURN_SECRET without authentication, and warns of credentials", () => {
  const [line = "", ...rest] = problems({ AUTH_DISABLED: "true", ...PAIR });
  assert(line.startsWith("TURN_SECRET and AUTH_DISABLED=true exclude each other"), line);
  assertMatch(line, /unset AUTH_DISABLED, set PLAYGROUND=true, and .* run: \S/);
  assert(!line.includes(SECRET));
  assertEquals(rest, []);
  const ICE_SERVERS = '[{"urls":"turn:a.example","username":"u","credential":"hush"}]';
  const { warnings } = parse({ AUTH_DISABLED: "true", ICE_SERVERS });
  assert(warnings.some((warning) => warning.startsWith("ICE_SERVERS has a credential")));
  assert(!warnings.join().includes("hush"));
});

Deno.test("parseConfig() warns of a short TURN_SECRET without showing it", () => {
  const { warnings } = parse({ ...AUTH, ...PAIR, TURN_SECRET: "hush-hush" });
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.startsWith("TURN_SECRET has 9 bytes"));
});
