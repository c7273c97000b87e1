/**
 * How the texts of an environment become a configuration. It reads no environment itself, and its
 * messages never hold a secret.
 */

import { fitsHeader } from "./auth.ts";
import {
  type ConsumerAuthConfig,
  decodeJwks,
  readAlgorithms,
  readJwksUrl,
} from "./consumer_auth.ts";
import { assertPartners, decodePrivateJwk, decodePublicJwk, InvalidKeyError } from "./keys.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "./logger.ts";

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
  readonly consumerAuth: ConsumerAuthConfig | undefined;
};

/** Authentication is off, or on with all that it takes. */
export type AuthConfig = { readonly enabled: false } | {
  readonly enabled: true;
  readonly privateKeyJwk: string;
  readonly publicKeyJwk: string | undefined;
  readonly adminSecret: string;
};

/** Settings are missing or malformed: all of them, a line each. */
export class ConfigError extends Error {
  /** The class, as error printers show it. */
  override readonly name = "ConfigError";
  /** Stable, for programs. */
  readonly code = "ERR_CONFIG";
  /** A line for each setting that has to be changed, with what helps. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

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
  const problems: string[] = [];
  const read = (name: string) => get(name)?.trim() || undefined;

  function problem(name: string, what: string, help: string): void {
    problems.push(`${name} ${what}. ${help}`);
  }

  function choice<T extends string>(
    name: string,
    values: readonly T[],
    example: T,
  ): T | undefined {
    const text = read(name);
    const value = values.find((candidate) => candidate === text?.toLowerCase());
    if (text !== undefined && value === undefined) {
      problem(
        name,
        `must be one of ${values.join(", ")}, not ${quote(text)}`,
        `Try: ${name}=${example}`,
      );
    }
    return value;
  }

  function integer(name: string, fallback: number, min: number, max: number): number {
    const text = read(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = `must be a whole number from ${min} to ${max}`;
    problem(name, `${range}, not ${quote(text)}`, `Try: ${name}=${fallback}`);
    return fallback;
  }

  /** Reads what throws when it is wrong, with a message that can be shown. */
  function attempt<T>(name: string, decode: () => T, help: string): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof InvalidKeyError || error instanceof TypeError)) throw error;
      problem(name, `is not usable: ${error.message}`, help);
      return undefined;
    }
  }

  function auth(): AuthConfig {
    const disabled = choice("AUTH_DISABLED", ["true", "false", "1", "0"], "false");
    if (disabled === "true" || disabled === "1") return { enabled: false };
    const privateKeyJwk = read("PRIVATE_KEY_JWK") ?? "";
    const publicKeyJwk = read("PUBLIC_KEY_JWK");
    const adminSecret = read("ADMIN_SECRET") ?? "";
    const orOff = "or set AUTH_DISABLED=true for local development";
    if (privateKeyJwk === "") {
      problem("PRIVATE_KEY_JWK", "is not set", `Run: ${keygen} >> .env, ${orOff}`);
    }
    if (adminSecret === "") {
      const both = privateKeyJwk === ""; // Else new keys would void the tokens of the old.
      const help = both
        ? `${keygen} >> .env`
        : 'echo "ADMIN_SECRET=$(openssl rand -hex 32)" >> .env';
      problem("ADMIN_SECRET", "is not set", `Run: ${help}, ${orOff}`);
    } else if (!fitsHeader(adminSecret)) {
      problem(
        "ADMIN_SECRET",
        "must be printable ASCII, because it travels in an HTTP header",
        `Run: ${keygen}`,
      );
    }
    const jwk = privateKeyJwk &&
      attempt("PRIVATE_KEY_JWK", () => decodePrivateJwk(privateKeyJwk), `Run: ${keygen}`);
    if (publicKeyJwk !== undefined) {
      const check = () => {
        const publicJwk = decodePublicJwk(publicKeyJwk);
        if (jwk) assertPartners(jwk, publicJwk);
      };
      attempt("PUBLIC_KEY_JWK", check, "Unset it: it is derived from PRIVATE_KEY_JWK");
    }
    return { enabled: true, privateKeyJwk, publicKeyJwk, adminSecret };
  }

  function consumerAuth(): ConsumerAuthConfig | undefined {
    const jwks = read("CONSUMER_PUBLIC_KEY_JWK");
    const jwksUrl = read("CONSUMER_JWKS_URL");
    const issuer = read("CONSUMER_ISSUER");
    const audience = read("CONSUMER_AUDIENCE");
    const names = read("CONSUMER_ALGORITHMS");
    const roomClaim = read("CONSUMER_ROOM_CLAIM");
    if (jwks !== undefined) {
      attempt("CONSUMER_PUBLIC_KEY_JWK", () => decodeJwks(jwks), "Give public keys as base64");
    }
    if (jwks !== undefined && jwksUrl !== undefined) {
      problem("CONSUMER_JWKS_URL", "and CONSUMER_PUBLIC_KEY_JWK exclude each other", "Unset one");
    }
    const algorithms = (names ?? "ES256,RS256").split(",").map((name) => name.trim());
    attempt("CONSUMER_ALGORITHMS", () => readAlgorithms(algorithms), `Try: ES256,RS256`);
    if (jwksUrl !== undefined) {
      const example = "Try: CONSUMER_JWKS_URL=https://idp.example.com/jwks.json";
      attempt("CONSUMER_JWKS_URL", () => readJwksUrl(jwksUrl), example);
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

  const config: Config = {
    host: read("HOST") ?? "0.0.0.0",
    port: integer("PORT", 8080, 0, 65535),
    logLevel: choice("LOG_LEVEL", LOG_LEVELS, "info") ?? "info",
    logFormat: choice("LOG_FORMAT", LOG_FORMATS, "json"),
    auth: auth(),
    consumerAuth: consumerAuth(),
    warnings: [],
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...config, warnings: warningsOf(config) };
}

function warningsOf({ auth, consumerAuth }: Config): string[] {
  const warnings: string[] = [];
  if (!auth.enabled) {
    warnings.push(
      "AUTHENTICATION IS OFF: anyone can join any room. Never run like this in production",
    );
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
  return warnings;
}

/** What came, safe to print: settings that hold a secret never get here. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
