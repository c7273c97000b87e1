/**
 * A key set that an identity provider publishes: fetching it, keeping the last good one, and leaving a
 * provider that has just failed alone.
 */

import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import { JWKSMultipleMatchingKeys, JWKSNoMatchingKey } from "jose/errors";
import { createRemoteJWKSet, customFetch, type FetchImplementation } from "jose/jwks/remote";
import { isObject } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { InvalidTokenError } from "./invalid_token.ts";
import { withNamelessKeys } from "./key_lookup.ts";
import { KeySetError } from "./key_set_error.ts";

const FETCH_TIMEOUT_MS = 5000;
const FETCH_COOLDOWN_MS = 30_000;
const CACHE_MS = 600_000;
/** How long a provider that has failed is left alone. */
const FAILURE_COOLDOWN_MS = 5000;
/** Characters that a fetched key set has at most. */
const MAX_JWKS_LENGTH = 131_072;

/** What fetching keys depends on. */
export interface FetchedKeysOptions {
  readonly clock: Pick<Clock, "elapsed">;
  readonly logger: Logger;
}

/**
 * Looks keys up in a set that is fetched. `jose` caches the set and limits how often an unknown key
 * causes a fetch.
 *
 * @returns The look-up. It rejects with {@linkcode KeySetError} if no set can be had, and with the
 * reason `unknown key` if the set lacks a key but was not fetched for this look-up.
 */
export function createFetchedKeys(url: URL, options: FetchedKeysOptions): JWTVerifyGetKey {
  let keySet: JSONWebKeySet | undefined;
  let fetches = 0;
  const fetched = createRemoteJWKSet(url, {
    cooldownDuration: FETCH_COOLDOWN_MS,
    timeoutDuration: FETCH_TIMEOUT_MS,
    cacheMaxAge: CACHE_MS,
    [customFetch]: keepLastGood(options, (fresh) => {
      keySet = fresh;
      fetches++;
    }),
  });
  const getKey = withNamelessKeys(fetched, () => keySet);
  return async (header, token) => {
    const fetchesBefore = fetches;
    try {
      return await getKey(header, token);
    } catch (cause) {
      if (cause instanceof JWKSNoMatchingKey && fetches === fetchesBefore) {
        const message =
          "The token's key (kid) is not in the key set, which is not fetched again yet";
        throw new InvalidTokenError(message, { reason: "unknown key", cause });
      }
      if (cause instanceof JWKSNoMatchingKey || cause instanceof JWKSMultipleMatchingKeys) {
        throw cause;
      }
      throw new KeySetError("The identity provider's keys cannot be used at the moment", { cause });
    }
  };
}

/**
 * A fetch that answers with the last good key set when the provider fails, accepts no set that is too
 * long, and leaves a provider that has just failed alone.
 */
function keepLastGood(
  { clock, logger }: FetchedKeysOptions,
  onKeySet: (keySet: JSONWebKeySet) => void,
): FetchImplementation {
  let lastGood: string | undefined;
  let failedAt = -Infinity;
  return async (url, options) => {
    if (clock.elapsed() - failedAt < FAILURE_COOLDOWN_MS) {
      if (lastGood === undefined) throw new Error("The last fetch of the key set has just failed");
      return new Response(lastGood);
    }
    try {
      const { text, keySet } = await fetchText(url, options);
      if (keySet.keys.length === 0) {
        logger.warn("The consumers' key set is empty: every consumer token is refused");
      }
      lastGood = text;
      onKeySet(keySet);
    } catch (error) {
      failedAt = clock.elapsed();
      logger.warn("The consumers' key set cannot be fetched", { cause: String(error) });
      if (lastGood === undefined) throw error;
    }
    return new Response(lastGood);
  };
}

/**
 * Fetches a key set once.
 *
 * @throws What `fetch` throws; or an error whose message is `Status` and the status of another answer.
 */
export async function fetchKeySet(url: string, options: RequestInit): Promise<JSONWebKeySet> {
  return (await fetchText(url, options)).keySet;
}

async function fetchText(
  url: string,
  options: RequestInit,
): Promise<{ text: string; keySet: JSONWebKeySet }> {
  const response = await fetch(url, options);
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`Status ${response.status}`);
  }
  const text = await readText(response);
  return { text, keySet: parseKeySet(text) };
}

async function readText(response: Response): Promise<string> {
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.length > MAX_JWKS_LENGTH) throw new Error("The key set is too long");
  }
  return text;
}

function parseKeySet(text: string): JSONWebKeySet {
  const value: unknown = JSON.parse(text);
  if (!isObject(value) || !isKeys(value["keys"])) throw new Error("The answer is not a key set");
  return { keys: value["keys"] };
}

function isKeys(value: unknown): value is JSONWebKeySet["keys"] {
  return Array.isArray(value) && value.every(isObject);
}
