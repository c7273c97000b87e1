/**
 * The server's settings: what there is, what each means, and how the texts of an environment become
 * a configuration. It reads no environment itself, and its messages never hold a secret.
 */

import { assertPartners, decodePrivateJwk, decodePublicJwk, InvalidKeyError } from "./keys.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "./logger.ts";

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
  { name: "LOG_LEVEL", fallback: "info", summary: `One of ${LOG_LEVELS.join(", ")}` },
  {
    name: "LOG_FORMAT",
    fallback: "by terminal",
    summary: "pretty (the default on a terminal) or json (the default elsewhere), a line each",
  },
];

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
  /** Whether tokens are needed, and with which keys. */
  readonly auth: AuthConfig;
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

  function key<T>(name: string, text: string, decode: (text: string) => T): T | undefined {
    try {
      return decode(text);
    } catch (error) {
      if (!(error instanceof InvalidKeyError)) throw error;
      problem(name, `is not usable: ${error.message}`, `Run: ${keygen}`);
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
      problem("ADMIN_SECRET", "is not set", `Run: ${keygen} >> .env, ${orOff}`);
    } else if (!/^[\x20-\x7e]+$/.test(adminSecret)) {
      problem(
        "ADMIN_SECRET",
        "must be printable ASCII, because it travels in an HTTP header",
        `Run: ${keygen}`,
      );
    }
    const jwk = privateKeyJwk && key("PRIVATE_KEY_JWK", privateKeyJwk, decodePrivateJwk);
    if (publicKeyJwk !== undefined) {
      key("PUBLIC_KEY_JWK", publicKeyJwk, (text) => {
        const publicJwk = decodePublicJwk(text);
        if (jwk) assertPartners(jwk, publicJwk);
      });
    }
    return { enabled: true, privateKeyJwk, publicKeyJwk, adminSecret };
  }

  const config: Config = {
    host: read("HOST") ?? "0.0.0.0",
    port: integer("PORT", 8080, 0, 65535),
    logLevel: choice("LOG_LEVEL", LOG_LEVELS, "info") ?? "info",
    logFormat: choice("LOG_FORMAT", LOG_FORMATS, "json"),
    auth: auth(),
    warnings: [],
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...config, warnings: warningsOf(config.auth) };
}

function warningsOf(auth: AuthConfig): string[] {
  if (!auth.enabled) {
    return ["AUTHENTICATION IS OFF: anyone can join any room. Never run like this in production"];
  }
  const bytes = auth.adminSecret.length; // ASCII: a byte each
  return bytes < SHORT_SECRET_BYTES
    ? [`ADMIN_SECRET has ${bytes} bytes: use ${SHORT_SECRET_BYTES} random ones or more`]
    : [];
}

/** What came, safe to print: settings that hold a secret never get here. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
