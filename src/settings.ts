/** Every setting there is, as `--help`, the README and `.env.example` show it. */

import { LOG_LEVELS } from "./logger.ts";

/** One setting, as `--help` and the README show it. */
export interface Setting {
  /** The name of the environment variable. */
  readonly name: string;
  /** What applies when it is not set. */
  readonly fallback: string;
  /** What it does, in one sentence. */
  readonly summary: string;
}

/** Every setting there is. */
export const SETTINGS: readonly Setting[] = [
  { name: "HOST", fallback: "0.0.0.0", summary: "Address to listen on" },
  { name: "PORT", fallback: "8080", summary: "Port to listen on; 0 takes a free one" },
  {
    name: "AUTH_DISABLED",
    fallback: "false",
    summary: "true lets anyone join without a token: for local development only",
  },
  {
    name: "PRIVATE_KEY_JWK",
    fallback: "required with auth",
    summary: "Ed25519 private key that signs room tokens, base64 of its JWK",
  },
  {
    name: "PUBLIC_KEY_JWK",
    fallback: "derived",
    summary: "Its public key, base64 of its JWK; checked to be the partner when given",
  },
  {
    name: "ADMIN_SECRET",
    fallback: "required with auth",
    summary: "Secret that POST /token asks for; 32 bytes or more, known to your backend only",
  },
  {
    name: "CONSUMER_PUBLIC_KEY_JWK",
    fallback: "none",
    summary: "Identity provider's public keys for consumers, base64 of a JWK, an array or a set",
  },
  {
    name: "CONSUMER_JWKS_URL",
    fallback: "none",
    summary: "Or where to fetch them: https, or http on this machine",
  },
  { name: "CONSUMER_ISSUER", fallback: "any", summary: "The iss that a consumer token must have" },
  {
    name: "CONSUMER_AUDIENCE",
    fallback: "any",
    summary: "The aud that a consumer token must have",
  },
  {
    name: "CONSUMER_ALGORITHMS",
    fallback: "ES256,RS256",
    summary: "Signature algorithms that a consumer token may have",
  },
  {
    name: "CONSUMER_ROOM_CLAIM",
    fallback: "none",
    summary: "A claim, a string or an array of strings, that must contain the room",
  },
  { name: "LOG_LEVEL", fallback: "info", summary: `One of ${LOG_LEVELS.join(", ")}` },
  {
    name: "LOG_FORMAT",
    fallback: "by terminal",
    summary: "pretty (the default on a terminal) or json (the default elsewhere), a line each",
  },
];
