/**
 * The settings of access: keys, secrets, consumers, web pages, proxies. Whether the keys are needed,
 * and belong together, is decided in `config.ts`.
 */

import { checkProxies } from "../access/address.ts";
import { decodeJwks, readAlgorithms, readJwksUrl } from "../access/key_set.ts";
import { decodePrivateJwk, decodePublicJwk } from "../access/keys.ts";
import { createOriginCheck } from "../access/origins.ts";
import { parseDuration } from "../access/duration.ts";
import { fitsHeader } from "../access/secrets.ts";
import { MAX_CLOCK_TOLERANCE_SECONDS } from "../access/token_times.ts";
import { decodeVerifyKeys } from "../access/verification_keys.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { setting, type SettingReader } from "./setting_reader.ts";

const ALGORITHMS = DEFAULTS.consumerAlgorithms.join(",");

/** The settings of access, in the order of the docs. */
export const ACCESS = {
  /** `undefined` if it is malformed: whether keys are needed is not known then. */
  authDisabled: setting({
    name: "AUTH_DISABLED",
    default: "false",
    summary: "true lets anyone join without a token: for local development only",
    read: readBoolean,
  }),
  playground: setting({
    name: "PLAYGROUND",
    default: "false",
    summary:
      "true serves the page that tries connections at GET /, which is there without authentication in any case",
    read: (reader) => readBoolean(reader) ?? false,
  }),
  /** `undefined` if it is not set, which `config.ts` reports, or is malformed. */
  privateKeyJwk: setting({
    name: "PRIVATE_KEY_JWK",
    isBase64: true,
    default: "required with auth",
    summary: "Ed25519 private key that signs room tokens, base64 of its JWK",
    read(reader) {
      const { text } = reader;
      if (text === undefined) return undefined;
      const jwk = reader.attempt(() => decodePrivateJwk(text), `Run: ${reader.keygen}`);
      return jwk && { text, jwk };
    },
  }),
  publicKeyJwk: setting({
    name: "PUBLIC_KEY_JWK",
    isBase64: true,
    default: "derived",
    summary: "Its public key, base64 of its JWK; checked against the private key when it is set",
    read(reader) {
      const { text } = reader;
      if (text === undefined) return undefined;
      const help = "Unset it: it is derived from PRIVATE_KEY_JWK";
      const jwk = reader.attempt(() => decodePublicJwk(text), help);
      return jwk && { text, jwk };
    },
  }),
  verifyKeysJwk: setting({
    name: "VERIFY_KEYS_JWK",
    isBase64: true,
    default: "none",
    summary:
      "Further public keys whose room tokens are accepted, next or previous ones, base64 of a JWK, an array or a set; 16 at most",
    read(reader) {
      const { text } = reader;
      const help = "Give public keys as base64";
      if (text !== undefined) reader.attempt(() => decodeVerifyKeys(text), help);
      return text;
    },
  }),
  /** `undefined` if it is not set, which `config.ts` reports, or is malformed. */
  adminSecret: setting({
    name: "ADMIN_SECRET",
    isSecret: true,
    default: "required with auth",
    summary:
      "Secret that /token, /revoke, /metrics and /admin/* ask for; 32 bytes or more, known to your backend only",
    read(reader) {
      if (reader.text === undefined || fitsHeader(reader.text)) return reader.text;
      const what = "must be printable ASCII, because it travels in an HTTP header";
      return void reader.problem(what, `Run: ${reader.keygen}`);
    },
  }),
  consumerPublicKeyJwk: setting({
    name: "CONSUMER_PUBLIC_KEY_JWK",
    isBase64: true,
    default: "none",
    summary: "Identity provider's public keys for consumers, base64 of a JWK, an array or a set",
    read(reader) {
      const { text } = reader;
      if (text !== undefined) reader.attempt(() => decodeJwks(text), "Give public keys as base64");
      return text;
    },
  }),
  consumerJwksUrl: setting({
    name: "CONSUMER_JWKS_URL",
    isUrl: true,
    default: "none",
    summary: "Or where to fetch them: https, or http on this machine",
    read(reader) {
      const { text } = reader;
      const help = "Try: CONSUMER_JWKS_URL=https://idp.example.com/jwks.json";
      if (text !== undefined) reader.attempt(() => readJwksUrl(text), help);
      return text;
    },
  }),
  consumerIssuer: setting({
    name: "CONSUMER_ISSUER",
    default: "any",
    summary: "The iss that a consumer token must have",
    read: ({ text }) => text,
  }),
  consumerAudience: setting({
    name: "CONSUMER_AUDIENCE",
    default: "any",
    summary: "The aud that a consumer token must have",
    read: ({ text }) => text,
  }),
  consumerAlgorithms: setting({
    name: "CONSUMER_ALGORITHMS",
    default: ALGORITHMS,
    summary: "Signature algorithms that a consumer token may have",
    read(reader) {
      const names = reader.list() ?? DEFAULTS.consumerAlgorithms;
      reader.attempt(() => readAlgorithms(names), `Try: CONSUMER_ALGORITHMS=${ALGORITHMS}`);
      return names;
    },
  }),
  consumerRoomClaim: setting({
    name: "CONSUMER_ROOM_CLAIM",
    default: "none",
    summary: "A claim, a string or an array of strings, that must contain the room",
    read: ({ text }) => text,
  }),
  allowedOrigins: setting({
    name: "ALLOWED_ORIGINS",
    default: "any",
    summary:
      "Origins of web pages that may connect, as in https://app.example.com,https://*.example.com; others get HTTP 403",
    read(reader) {
      const origins = reader.list();
      const help = "Try: ALLOWED_ORIGINS=https://app.example.com,https://*.example.com";
      if (origins?.length === 0) reader.problem("names no origin", help);
      reader.attempt(() => createOriginCheck(origins), help);
      return origins;
    },
  }),
  trustedProxies: setting({
    name: "TRUSTED_PROXIES",
    default: "none",
    summary: "Addresses or CIDR ranges of the proxies whose X-Forwarded-For is trusted",
    read(reader) {
      const proxies = reader.list() ?? [];
      reader.attempt(() => checkProxies(proxies), "Try: TRUSTED_PROXIES=10.0.0.0/8");
      return proxies;
    },
  }),
  maxTokenTtl: setting({
    name: "MAX_TOKEN_TTL",
    default: "none",
    summary:
      "How long a room token may be valid, as in 30d; longer ones are neither issued nor accepted",
    read(reader) {
      const { text } = reader;
      if (text !== undefined) reader.attempt(() => parseDuration(text), "Try: MAX_TOKEN_TTL=30d");
      return text;
    },
  }),
  clockToleranceSeconds: setting({
    name: "CLOCK_TOLERANCE_SECONDS",
    default: String(DEFAULTS.clockToleranceSeconds),
    summary: "How far the clock of a token's issuer may be ahead (nbf); exp is exact",
    read: (reader) =>
      reader.integer(DEFAULTS.clockToleranceSeconds, 0, MAX_CLOCK_TOLERANCE_SECONDS) ??
        DEFAULTS.clockToleranceSeconds,
  }),
  closeExpired: setting({
    name: "CLOSE_EXPIRED",
    default: "false",
    summary:
      "true closes each normal peer 25 s after its room token has expired (4401), not only those that ask for refreshes",
    read: (reader) => readBoolean(reader) ?? false,
  }),
} as const;

/** `undefined` if it is malformed. */
function readBoolean(reader: SettingReader): boolean | undefined {
  if (reader.text === undefined) return false;
  const word = reader.choice(["true", "false", "1", "0"], "false");
  return word && (word === "true" || word === "1");
}
