/** Whole numbers within bounds, which options and settings have in common. */

/** The longest that a timer can wait, in milliseconds; no number in an option is greater. */
export const MAX_INTEGER = 2_147_483_647;

/**
 * Checks a number.
 *
 * @param name The name of the option, for the message.
 * @param value The number.
 * @param max The greatest number that is accepted.
 * @returns The number.
 * @throws {TypeError} It is not a whole number from 0 to `max`.
 */
export function checkInteger(name: string, value: unknown, max = MAX_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) {
    return value;
  }
  throw new TypeError(`${name} must be a whole number from 0 to ${max}`);
}
