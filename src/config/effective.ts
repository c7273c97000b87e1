/**
 * What the settings amount to, for an operator to read: the value of each and where it comes from.
 * Secrets and keys are shown as set or not, URLs without their secrets. It judges no value.
 */

import { LIMIT_SETTINGS } from "./limit_settings.ts";
import type { Lookup, Setting } from "./setting_reader.ts";
import { GENERAL } from "./settings.ts";
import { shownRedisUrl } from "../runtime/redis_url.ts";

/** One setting as it applies. */
export interface EffectiveSetting {
  readonly name: string;
  /** What may be shown of its value. */
  readonly value: string;
  readonly source: "default" | "environment" | ".env";
}

/** Every setting, in the order of the docs. */
const ALL: readonly Setting<unknown>[] = [...Object.values(GENERAL), ...LIMIT_SETTINGS];

/**
 * Describes every setting.
 *
 * @param get Looks a setting up by name; empty counts as not set.
 * @param fromFile The settings that `.env` decides.
 */
export function effectiveSettings(
  get: Lookup,
  fromFile: ReadonlySet<string>,
): readonly EffectiveSetting[] {
  return ALL.map((setting) => {
    const { name } = setting;
    const text = get(name)?.trim();
    if (!text) return { name, value: defaultOf(setting), source: "default" };
    const source = fromFile.has(name) ? ".env" : "environment";
    return { name, value: shown(setting, text), source };
  });
}

function isHidden({ isSecret, isBase64 }: Setting<unknown>): boolean {
  return isSecret === true || isBase64 === true;
}

function defaultOf(setting: Setting<unknown>): string {
  return isHidden(setting) ? "not set" : setting.default;
}

function shown(setting: Setting<unknown>, text: string): string {
  if (isHidden(setting)) return "set";
  if (setting === GENERAL.redisUrl) return shownRedisUrl(text);
  return setting.isUrl === true ? withoutSecrets(text) : text;
}

/** A URL without user, password and query. */
function withoutSecrets(text: string): string {
  const url = URL.parse(text);
  if (url === null) return "set";
  const user = url.username === "" && url.password === "" ? "" : "***@";
  return `${url.protocol}//${user}${url.host}${url.pathname}${url.search === "" ? "" : "?***"}`;
}
