/**
 * How the texts of an environment become a configuration. It reads no environment itself, and its
 * messages never hold a secret.
 */

import { checkProxies } from "../access/address.ts";
import { parseDuration } from "../access/duration.ts";
import { fitsHeader } from "../access/secrets.ts";
import type { ConsumerAuthOptions } from "../access/consumer_tokens.ts";
import { decodeJwks, readAlgorithms, readJwksUrl } from "../access/key_set.ts";
import { assertPartners, decodePrivateJwk, decodePublicJwk } from "../access/keys.ts";
import { DEFAULT_LIMITS, type Limits } from "../access/limits.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "../runtime/logger.ts";
import { createOriginCheck } from "../access/origins.ts";
import { ConfigError, SettingReader } from "./setting_reader.ts";

export { ConfigError };

/** The settings of a server, checked. */
export type Config = {
  /** Address to listen on. */
  readonly host: string;
  /** Port to listen on. */
  readonly port: number;
  /** The lowest level that is logged. */
  readonly logLevel: LogLevel;
  /** The form of log lines, if the environment says so. */
  readonly logFormat: LogFormat | undefined;
  /** What an operator should change, a sentence each. */
  readonly warnings: readonly string[];
  /** Whether room tokens are needed, and with which keys. */
  readonly auth: AuthConfig;
  /** How consumer tokens are verified, if consumers are let in by tokens. */
  readonly consumerAuth: ConsumerAuthOptions | undefined;
  /** Web pages that may connect; any if it is not set. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** Proxies whose word on addresses counts. */
  readonly trustedProxies: readonly string[];
  /** How long a room token may be valid, if that is bounded. */
  readonly maxTokenTtl: string | undefined;
  /** Milliseconds until a client without a room token has to register. */
  readonly registerTimeoutMs: number;
  /** Seconds without a sign of life after which a peer is removed. */
  readonly idleTimeoutSeconds: number;
  /** Seconds over which closes are spread. */
  readonly drainSeconds: number;
  /** The Redis that connects the instances, if there is one. */
  readonly redis: { readonly url: string; readonly prefix: string } | undefined;
  /** The limits that the environment sets. */
  readonly limits: Partial<Limits>;
};

/** Authentication is off, or on with all that it takes. */
export type AuthConfig = { readonly enabled: false } | {
  readonly enabled: true;
  readonly privateKeyJwk: string;
  readonly publicKeyJwk: string | undefined;
  readonly adminSecret: string;
};

/** Limits and timers take no more: it is what a timer can wait for, in milliseconds. */
const MAX_INTEGER = 2_147_483_647;

/** Megabytes that a server has when it has nothing to do, or a little more. */
const IDLE_MB = 70;

/** What a limit may be set to whose default is none. */
const EXAMPLE_MB = 512;

/** Bytes below which an admin secret is called short. */
const SHORT_SECRET_BYTES = 32;

/**
 * Reads a configuration.
 *
 * @param get Looks a setting up by name; empty counts as not set.
 * @param keygen The command that prints new keys, for the messages.
 * @returns The configuration.
 * @throws {ConfigError} Settings are missing or malformed.
 */
export function parseConfig(get: (name: string) => string | undefined, keygen: string): Config {
  const reader = new SettingReader(get);
  const { problems } = reader;
  const read = (name: string) => reader.text(name);

  function auth(): AuthConfig {
    const disabled = reader.choice("AUTH_DISABLED", ["true", "false", "1", "0"], "false");
    if (disabled === "true" || disabled === "1") return { enabled: false };
    // Whether keys are needed is not known then.
    if (disabled === undefined && read("AUTH_DISABLED") !== undefined) return { enabled: false };
    const privateKeyJwk = read("PRIVATE_KEY_JWK") ?? "";
    const publicKeyJwk = read("PUBLIC_KEY_JWK");
    const adminSecret = read("ADMIN_SECRET") ?? "";
    const orOff = "or set AUTH_DISABLED=true for local development";
    if (privateKeyJwk === "") {
      reader.problem("PRIVATE_KEY_JWK", "is not set", `Run: ${keygen} >> .env, ${orOff}`);
    }
    if (adminSecret === "") {
      const both = privateKeyJwk === ""; // Else new keys would void the tokens of the old.
      const help = both
        ? `${keygen} >> .env`
        : 'echo "ADMIN_SECRET=$(openssl rand -hex 32)" >> .env';
      reader.problem("ADMIN_SECRET", "is not set", `Run: ${help}, ${orOff}`);
    } else if (!fitsHeader(adminSecret)) {
      reader.problem(
        "ADMIN_SECRET",
        "must be printable ASCII, because it travels in an HTTP header",
        `Run: ${keygen}`,
      );
    }
    const jwk = privateKeyJwk &&
      reader.attempt("PRIVATE_KEY_JWK", () => decodePrivateJwk(privateKeyJwk), `Run: ${keygen}`);
    if (publicKeyJwk !== undefined) {
      const check = () => {
        const publicJwk = decodePublicJwk(publicKeyJwk);
        if (jwk) assertPartners(jwk, publicJwk);
      };
      reader.attempt("PUBLIC_KEY_JWK", check, "Unset it: it is derived from PRIVATE_KEY_JWK");
    }
    return { enabled: true, privateKeyJwk, publicKeyJwk, adminSecret };
  }

  function consumerAuth(): ConsumerAuthOptions | undefined {
    const jwks = read("CONSUMER_PUBLIC_KEY_JWK");
    const jwksUrl = read("CONSUMER_JWKS_URL");
    const issuer = read("CONSUMER_ISSUER");
    const audience = read("CONSUMER_AUDIENCE");
    const names = read("CONSUMER_ALGORITHMS");
    const roomClaim = read("CONSUMER_ROOM_CLAIM");
    if (jwks !== undefined) {
      reader.attempt(
        "CONSUMER_PUBLIC_KEY_JWK",
        () => decodeJwks(jwks),
        "Give public keys as base64",
      );
    }
    if (jwks !== undefined && jwksUrl !== undefined) {
      reader.problem(
        "CONSUMER_JWKS_URL",
        "and CONSUMER_PUBLIC_KEY_JWK exclude each other",
        "Unset one",
      );
    }
    const algorithms = (names ?? "ES256,RS256").split(",").map((name) => name.trim());
    reader.attempt("CONSUMER_ALGORITHMS", () => readAlgorithms(algorithms), `Try: ES256,RS256`);
    if (jwksUrl !== undefined) {
      const example = "Try: CONSUMER_JWKS_URL=https://idp.example.com/jwks.json";
      reader.attempt("CONSUMER_JWKS_URL", () => readJwksUrl(jwksUrl), example);
    }
    if (jwks === undefined && jwksUrl === undefined) return undefined;
    return {
      ...(jwks === undefined ? { jwksUrl: jwksUrl ?? "" } : { jwks }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
      algorithms,
      ...(roomClaim === undefined ? {} : { roomClaim }),
    };
  }

  function origins(): readonly string[] | undefined {
    const allowed = reader.list("ALLOWED_ORIGINS");
    const help = "Try: ALLOWED_ORIGINS=https://app.example.com";
    if (allowed?.length === 0) reader.problem("ALLOWED_ORIGINS", "names no origin", help);
    reader.attempt("ALLOWED_ORIGINS", () => createOriginCheck(allowed), help);
    return allowed;
  }

  function proxies(): readonly string[] {
    const trusted = reader.list("TRUSTED_PROXIES") ?? [];
    reader.attempt(
      "TRUSTED_PROXIES",
      () => checkProxies(trusted),
      "Try: TRUSTED_PROXIES=10.0.0.0/8",
    );
    return trusted;
  }

  function tokenTtl(): string | undefined {
    const ttl = read("MAX_TOKEN_TTL");
    if (ttl !== undefined) reader.attempt("MAX_TOKEN_TTL", () => parseDuration(ttl), "Try: 30d");
    return ttl;
  }

  function redis(): Config["redis"] {
    const url = read("REDIS_URL");
    const prefix = read("REDIS_PREFIX") ?? "client-db-sync:";
    if (url === undefined) return undefined;
    if (!/^rediss?:$/.test(URL.parse(url)?.protocol ?? "")) { // It may hold a password.
      const help = "Try: REDIS_URL=redis://127.0.0.1:6379";
      reader.problem("REDIS_URL", "must begin with redis:// or rediss://", help);
    }
    return { url, prefix };
  }

  function limits(): Partial<Limits> {
    const set: Partial<Record<keyof Limits, number>> = {};
    for (const key of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
      const name = key.replace(/[A-Z]/g, "_$&").toUpperCase();
      if (read(name) !== undefined) {
        set[key] = reader.integer(name, DEFAULT_LIMITS[key] || EXAMPLE_MB, 0, MAX_INTEGER);
      }
    }
    return set;
  }

  const config: Config = {
    host: read("HOST") ?? "0.0.0.0",
    port: reader.integer("PORT", 8080, 0, 65535),
    logLevel: reader.choice("LOG_LEVEL", LOG_LEVELS, "info") ?? "info",
    logFormat: reader.choice("LOG_FORMAT", LOG_FORMATS, "json"),
    auth: auth(),
    consumerAuth: consumerAuth(),
    allowedOrigins: origins(),
    trustedProxies: proxies(),
    maxTokenTtl: tokenTtl(),
    registerTimeoutMs: reader.integer("REGISTER_TIMEOUT_MS", 10_000, 0, MAX_INTEGER),
    idleTimeoutSeconds: reader.integer("IDLE_TIMEOUT_SECONDS", 30, 0, 86_400),
    drainSeconds: reader.integer("DRAIN_SECONDS", 3, 0, 3600),
    redis: redis(),
    limits: limits(),
    warnings: [],
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...config, warnings: warningsOf(config) };
}

function warningsOf({ auth, consumerAuth, allowedOrigins, limits }: Config): string[] {
  const warnings: string[] = [];
  if (!auth.enabled) {
    warnings.push(
      "AUTHENTICATION IS OFF: anyone can join any room. Never run like this in production",
    );
    if (allowedOrigins === undefined) {
      warnings.push(
        "ALLOWED_ORIGINS is not set: any web page that a browser on this network opens can connect",
      );
    }
  } else if (auth.adminSecret.length < SHORT_SECRET_BYTES) { // ASCII: a byte each
    const bytes = auth.adminSecret.length;
    warnings.push(`ADMIN_SECRET has ${bytes} bytes: use ${SHORT_SECRET_BYTES} random ones or more`);
  }
  for (
    const [name, value] of [["ISSUER", consumerAuth?.issuer], ["AUDIENCE", consumerAuth?.audience]]
  ) {
    if (consumerAuth === undefined || value !== undefined) continue;
    warnings.push(
      `CONSUMER_${name} is not set: any token of the identity provider lets a consumer in, ` +
        "whatever it was issued for",
    );
  }
  const { maxMemoryMb = 0 } = limits;
  if (maxMemoryMb > 0 && maxMemoryMb < IDLE_MB) {
    warnings.push(
      `MAX_MEMORY_MB is ${maxMemoryMb}: an idle server has about ${IDLE_MB}, so nobody is let in`,
    );
  }
  return warnings;
}
