/** Durations as people write them, such as "30m" or "7 days": one grammar for all of them. */

const UNITS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  y: 31_557_600, // 365.25 days
};

const UNIT_NAME =
  /^(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|y|yrs?|years?)$/i;

/**
 * Reads a duration: a number and a unit, as in `"90s"`, `"30m"`, `"24h"`, `"7 days"` or
 * `"1.5 hours from now"`; what `-` precedes or `ago` follows is negative. The texts are those that
 * `jose` accepts for `setExpirationTime`.
 *
 * @returns Whole seconds, which may be zero or negative.
 * @throws {TypeError} The text is something else.
 */
export function parseSignedDuration(text: string): number {
  const [, sign, count = "", unit = "", direction] =
    /^([+-])? ?(\d+(?:\.\d+)?) ?([a-z]+)(?: (ago|from now))?$/i.exec(text) ?? [];
  const seconds = Math.round(Number(count) * (UNITS[unit.charAt(0).toLowerCase()] ?? NaN));
  const isContradictory = sign !== undefined && direction !== undefined;
  if (!UNIT_NAME.test(unit) || isContradictory || !Number.isFinite(seconds)) {
    throw new TypeError('A duration is a number and a unit, such as "30m", "24h" or "7d"');
  }
  return sign === "-" || direction?.toLowerCase() === "ago" ? -seconds : seconds;
}

/**
 * Reads a duration that must last.
 *
 * @returns Whole seconds, more than 0.
 * @throws {TypeError} The text is no duration, or it is zero or negative.
 */
export function parseDuration(text: string): number {
  const seconds = parseSignedDuration(text);
  if (seconds <= 0) throw new TypeError("The duration must be longer than 0 seconds");
  return seconds;
}
