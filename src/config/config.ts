/**
 * Turns the texts of an environment into a configuration: it reads what several settings say together,
 * and warns of what an operator should change. Each setting alone is read in `settings.ts`.
 */

import { decodeJwks, readAlgorithms } from "../access/key_set.ts";
import { assertPartners } from "../access/keys.ts";
import type { ConsumerAuthOptions } from "../access/consumer_tokens.ts";
import type { Limits } from "../access/limits.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import type { LogFormat, LogLevel } from "../runtime/logger.ts";
import { type IceSettings, readIce } from "./ice_settings.ts";
import { LIMIT_SETTINGS } from "./limit_settings.ts";
import { ConfigError, EnvironmentReader, type Lookup } from "./setting_reader.ts";
import { GENERAL } from "./settings.ts";

export { ConfigError };

/** The settings of a server, checked. */
export interface Config {
  /** Address to listen on. */
  readonly host: string;
  /** Port to listen on. */
  readonly port: number;
  /** Port and address for operators, if they have a port of their own. */
  readonly internal: { readonly port: number; readonly host: string } | undefined;
  /** The lowest level that is logged. */
  readonly logLevel: LogLevel;
  /** The form of log lines, if the environment says so. */
  readonly logFormat: LogFormat | undefined;
  /** What an operator should change, a sentence each. */
  readonly warnings: readonly string[];
  /** Whether room tokens are needed, and with which keys. */
  readonly auth: AuthConfig;
  /** Whether the page is served although there is authentication. */
  readonly playground: boolean;
  /** How consumer tokens are verified, if consumers are let in by tokens. */
  readonly consumerAuth: ConsumerAuthOptions | undefined;
  /** Web pages that may connect; any if it is not set. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** Proxies whose word on addresses counts. */
  readonly trustedProxies: readonly string[];
  /** How long a room token may be valid, if that is bounded. */
  readonly maxTokenTtl: string | undefined;
  /** Seconds by which the clock of a token's issuer may be ahead. */
  readonly clockToleranceSeconds: number;
  /** Whether each normal peer is closed once its token has expired. */
  readonly closeExpired: boolean;
  /** The ICE servers that clients are told of. */
  readonly ice: IceSettings;
  /** Milliseconds until a client without a room token has to register. */
  readonly registerTimeoutMs: number;
  /** Seconds without a sign of life after which a peer is removed. */
  readonly idleTimeoutSeconds: number;
  /** Seconds after which each normal peer is told of peers of its room again. */
  readonly reintroduceSeconds: number;
  /** Seconds over which closes are spread. */
  readonly drainSeconds: number;
  /** The Redis that connects the instances, if there is one. */
  readonly redis: { readonly url: string; readonly prefix: string } | undefined;
  /** The limits that the environment sets. */
  readonly limits: Partial<Limits>;
}

/** Authentication is off, or on with everything that it needs. */
export type AuthConfig = {
  readonly enabled: false;
  /** Lets operators in, where it is set. */
  readonly adminSecret: string | undefined;
} | {
  readonly enabled: true;
  readonly privateKeyJwk: string;
  readonly publicKeyJwk: string | undefined;
  readonly verifyKeysJwk: string | undefined;
  readonly adminSecret: string;
};

/** What issuing a token by hand needs: the key that signs, and the longest time. */
export interface SigningConfig {
  /** Base64 of the private JWK. */
  readonly privateKeyJwk: string;
  /** How long a room token may be valid, if that is bounded. */
  readonly maxTokenTtl: string | undefined;
}

/** Megabytes that a server has when it has nothing to do, or a little more. */
const IDLE_MB = 70;

/** Bytes below which an admin secret is called short. */
const SHORT_SECRET_BYTES = 32;

/**
 * Reads a configuration.
 *
 * @param get Looks a setting up by name; empty counts as not set.
 * @param keygen The command that makes new keys, for the messages.
 * @returns The configuration.
 * @throws {ConfigError} Settings are missing or malformed.
 */
export function parseConfig(get: Lookup, keygen: string): Config {
  const environment = new EnvironmentReader(get, keygen);
  const host = environment.read(GENERAL.host);
  const first = {
    port: environment.read(GENERAL.port),
    internal: readInternal(environment),
    logLevel: environment.read(GENERAL.logLevel),
    logFormat: environment.read(GENERAL.logFormat),
    auth: readAuth(environment),
  };
  const config = {
    ...first,
    host: host ?? (first.auth.enabled ? DEFAULTS.host : DEFAULTS.openHost),
    playground: environment.read(GENERAL.playground),
    consumerAuth: readConsumerAuth(environment),
    allowedOrigins: environment.read(GENERAL.allowedOrigins),
    trustedProxies: environment.read(GENERAL.trustedProxies),
    maxTokenTtl: environment.read(GENERAL.maxTokenTtl),
    clockToleranceSeconds: environment.read(GENERAL.clockToleranceSeconds),
    closeExpired: environment.read(GENERAL.closeExpired),
    ice: readIce(environment, first.auth.enabled),
    registerTimeoutMs: environment.read(GENERAL.registerTimeoutMs),
    idleTimeoutSeconds: environment.read(GENERAL.idleTimeoutSeconds),
    reintroduceSeconds: environment.read(GENERAL.reintroduceSeconds),
    drainSeconds: environment.read(GENERAL.drainSeconds),
    redis: readRedis(environment),
    limits: readLimits(environment),
  };
  if (environment.problems.length > 0) throw new ConfigError(environment.problems);
  return { ...config, warnings: warningsOf(config) };
}

/**
 * Reads what issuing a token by hand needs.
 *
 * @param get Looks a setting up by name; empty counts as not set.
 * @param keygen The command that makes new keys, for the messages.
 * @returns The key and the limit; `undefined` if authentication is off.
 * @throws {ConfigError} One of these settings is missing or malformed.
 */
export function parseSigningConfig(get: Lookup, keygen: string): SigningConfig | undefined {
  const environment = new EnvironmentReader(get, keygen);
  const isDisabled = environment.read(GENERAL.authDisabled);
  if (isDisabled === true) return undefined;
  if (isDisabled === false) reportMissingKey(environment);
  const privateKey = environment.read(GENERAL.privateKeyJwk);
  const maxTokenTtl = environment.read(GENERAL.maxTokenTtl);
  if (environment.problems.length > 0) throw new ConfigError(environment.problems);
  return { privateKeyJwk: privateKey?.text ?? "", maxTokenTtl };
}

const OR_OFF = "or set AUTH_DISABLED=true for local development";

/** Reports that there is no private key; `false` if there is one. */
function reportMissingKey(environment: EnvironmentReader): boolean {
  if (environment.has(GENERAL.privateKeyJwk)) return false;
  const help = `Run: ${environment.keygen}, ${OR_OFF}`;
  environment.problem(GENERAL.privateKeyJwk, "is not set", help);
  return true;
}

/**
 * Reads the keys and the secret, unless authentication is off. Where it may be meant to be, they may
 * be missing, but not malformed.
 */
function readAuth(environment: EnvironmentReader): AuthConfig {
  const isDisabled = environment.read(GENERAL.authDisabled);
  if (isDisabled === true) {
    return { enabled: false, adminSecret: environment.read(GENERAL.adminSecret) };
  }
  const lacksKey = isDisabled === false && reportMissingKey(environment);
  if (isDisabled === false && !environment.has(GENERAL.adminSecret)) {
    // New keys would void the tokens of those that are there.
    const command = lacksKey
      ? environment.keygen
      : 'echo "ADMIN_SECRET=$(openssl rand -hex 32)" >> .env';
    environment.problem(GENERAL.adminSecret, "is not set", `Run: ${command}, ${OR_OFF}`);
  }
  const adminSecret = environment.read(GENERAL.adminSecret) ?? "";
  const privateKey = environment.read(GENERAL.privateKeyJwk);
  const publicKey = environment.read(GENERAL.publicKeyJwk);
  if (privateKey !== undefined && publicKey !== undefined) {
    const help = "Unset it: it is derived from PRIVATE_KEY_JWK";
    const check = () => assertPartners(privateKey.jwk, publicKey.jwk);
    environment.attempt(GENERAL.publicKeyJwk, check, help);
  }
  return {
    enabled: true,
    privateKeyJwk: privateKey?.text ?? "",
    publicKeyJwk: publicKey?.text,
    verifyKeysJwk: environment.read(GENERAL.verifyKeysJwk),
    adminSecret,
  };
}

/** `undefined` if there is no key of an identity provider, so that no consumer is let in by tokens. */
function readConsumerAuth(environment: EnvironmentReader): ConsumerAuthOptions | undefined {
  const problemsBefore = environment.problems.length;
  const jwks = environment.read(GENERAL.consumerPublicKeyJwk);
  const jwksUrl = environment.read(GENERAL.consumerJwksUrl);
  const issuer = environment.read(GENERAL.consumerIssuer);
  const audience = environment.read(GENERAL.consumerAudience);
  const algorithms = environment.read(GENERAL.consumerAlgorithms);
  const roomClaim = environment.read(GENERAL.consumerRoomClaim);
  if (jwks !== undefined && jwksUrl !== undefined) {
    const what = "and CONSUMER_PUBLIC_KEY_JWK exclude each other";
    environment.problem(GENERAL.consumerJwksUrl, what, "Unset one");
  }
  // Keys or algorithms that are malformed by themselves have been reported.
  if (jwks !== undefined && environment.problems.length === problemsBefore) {
    const check = () => decodeJwks(jwks, readAlgorithms(algorithms));
    const help = "Give keys for an algorithm of CONSUMER_ALGORITHMS";
    environment.attempt(GENERAL.consumerPublicKeyJwk, check, help);
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

/** `undefined` if operators have no port of their own. */
function readInternal(environment: EnvironmentReader): Config["internal"] {
  const port = environment.read(GENERAL.internalPort);
  const host = environment.read(GENERAL.internalHost);
  if (port === undefined) return undefined;
  if (port !== 0 && port === environment.read(GENERAL.port)) {
    environment.problem(GENERAL.internalPort, "is the same as PORT", "Choose another one");
  }
  return { port, host };
}

function readRedis(environment: EnvironmentReader): Config["redis"] {
  const url = environment.read(GENERAL.redisUrl);
  const prefix = environment.read(GENERAL.redisPrefix);
  return url === undefined ? undefined : { url, prefix };
}

/** The limits that the environment sets. */
function readLimits(environment: EnvironmentReader): Partial<Limits> {
  const limits: Partial<Record<keyof Limits, number>> = {};
  for (const setting of LIMIT_SETTINGS) {
    const value = environment.read(setting);
    if (value !== undefined) limits[setting.limit] = value;
  }
  return limits;
}

/** What an operator should change although the server starts, a sentence each. */
function warningsOf(
  { auth, consumerAuth, allowedOrigins, ice, limits }: Omit<Config, "warnings">,
): string[] {
  const warnings: string[] = [];
  if (!auth.enabled) {
    warnings.push(
      "AUTHENTICATION IS OFF: anyone can join any room. Never run like this in production",
    );
    if (allowedOrigins === undefined) {
      warnings.push(
        "ALLOWED_ORIGINS is not set: any web page in a browser that reaches this server can connect",
      );
    }
  }
  const bytes = auth.adminSecret?.length ?? Infinity; // ASCII: a byte each
  if (bytes < SHORT_SECRET_BYTES) {
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
  const turnSecretBytes = new TextEncoder().encode(ice.turn?.secret).length;
  if (turnSecretBytes > 0 && turnSecretBytes < SHORT_SECRET_BYTES) {
    warnings.push(
      `TURN_SECRET has ${turnSecretBytes} bytes: use ${SHORT_SECRET_BYTES} random ones or more, since ` +
        "each client can try texts against the credentials that it gets",
    );
  }
  if (!auth.enabled && ice.iceServers.some(({ credential }) => credential !== undefined)) {
    warnings.push("ICE_SERVERS has a credential: without authentication, anyone is told it");
  }
  const { maxMemoryMb = 0 } = limits;
  if (maxMemoryMb > 0 && maxMemoryMb < IDLE_MB) {
    warnings.push(
      `MAX_MEMORY_MB is ${maxMemoryMb}: an idle server has about ${IDLE_MB}, so nobody is let in`,
    );
  }
  return warnings;
}
