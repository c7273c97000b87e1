/**
 * How the clients of a handler are authenticated, by its options: not at all, by room tokens, or by the
 * host. It checks no token itself.
 */

import {
  type AuthPolicy,
  type ConsumerAuthorizer,
  createConsumerAuthorizer,
} from "../access/admission.ts";
import type { ConsumerVerifier } from "../access/consumer_tokens.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import { type KeyPair, loadKeyPair } from "../access/keys.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { Revocations } from "../access/revocations.ts";
import { TokenCache } from "../access/token_cache.ts";
import { VerificationLimiter } from "../access/verification_limiter.ts";
import type { VerificationKeys } from "../access/verification_keys.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import type { SignalingHandlerOptions } from "./handler_options.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

/** Creates the policy of a handler; `keys` verify room tokens, where those are used. */
export function createPolicy(
  { authorize }: SignalingHandlerOptions,
  keys: VerificationKeys | null,
  options: ResolvedOptions & {
    failures: FailureLimiter;
    metrics: Metrics;
    revocations: Revocations;
    revocationsKnown: () => Promise<void> | undefined;
  },
): AuthPolicy {
  const { authEnabled, clock, registerTimeoutMs, failures, revocations, revocationsKnown } =
    options;
  const { roomTokens } = options.metrics;
  if (!authEnabled) return { kind: "none" };
  if (authorize !== undefined) {
    const timeoutMs = registerTimeoutMs || DEFAULTS.registerTimeoutMs;
    return { kind: "host", authorize, timeoutMs, clock };
  }
  if (keys === null) return { kind: "none" };
  return {
    kind: "room token",
    keys,
    options,
    limiter: new VerificationLimiter(failures, roomTokens),
    cache: new TokenCache(clock, roomTokens),
    revocations,
    revocationsKnown,
  };
}

/** How consumers are admitted. */
export interface ConsumerPolicy {
  readonly authorizeConsumer: ConsumerAuthorizer;
  /** Whether their tokens are verified, so that clients without a room token may come as consumers. */
  readonly areVerified: boolean;
}

/** Loads what verifies the tokens of consumers; `undefined` where none are. */
async function loadConsumerVerifier(
  { consumerAuth }: SignalingHandlerOptions,
  { clock, logger, clockToleranceSeconds }: ResolvedOptions,
): Promise<ConsumerVerifier | undefined> {
  if (consumerAuth === undefined) return undefined;
  const { makeConsumerVerifier } = await import("../access/consumer_tokens.ts");
  return makeConsumerVerifier({ clockToleranceSeconds, ...consumerAuth }, { clock, logger });
}

/** Decides how consumers are admitted, as a handler's options say. */
export async function createConsumerPolicy(
  given: SignalingHandlerOptions,
  options: ResolvedOptions & {
    readonly failures: FailureLimiter;
    readonly metrics: Metrics;
    readonly refusals: RefusalLog;
  },
): Promise<ConsumerPolicy> {
  const { authEnabled, failures, metrics } = options;
  const verify = await loadConsumerVerifier(given, options);
  const authorizeConsumer = createConsumerAuthorizer({
    verify,
    isOpen: !authEnabled,
    limiter: new VerificationLimiter(failures, metrics.consumerTokens),
    refusals: options.refusals,
  });
  return { authorizeConsumer, areVerified: verify !== undefined };
}

/** Loads the keys of room tokens. */
export function loadKeys(options: SignalingHandlerOptions): Promise<KeyPair> {
  if (options.privateKeyJwk === undefined) {
    throw new TypeError(
      "`privateKeyJwk` is required: make one with generateKeyPairJwk(), or set `authEnabled` to " +
        "false for local development",
    );
  }
  return loadKeyPair(options.privateKeyJwk, options.publicKeyJwk);
}
