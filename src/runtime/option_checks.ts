/**
 * Checks that options of every kind have in common: their names, the methods of what a host gives, and
 * lists of texts. What an option means is known to those who read it.
 */

import { findSimilar } from "./similar_names.ts";

/** Shorter names are similar to too many others. */
const MIN_LENGTH = 4;

/**
 * Checks the names of options. One that is not known is a slip, by which a check that its author relies
 * on would not take place. One whose value is `undefined` is absent.
 *
 * @param options What was given.
 * @param names The names that are known.
 * @param of What the options are of, for the message, where they are options of an option.
 * @throws {TypeError} They are no object, or a name is not known; the message names the likely one.
 */
export function checkOptionNames(options: unknown, names: readonly string[], of?: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${of ?? "The options"} must be an object`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (names.includes(name) || value === undefined) continue;
    const place = of === undefined ? "" : ` of ${of}`;
    const similar = findSimilar(name, names, MIN_LENGTH);
    const hint = similar === undefined ? "" : `: is ${similar} meant?`;
    throw new TypeError(`There is no option ${JSON.stringify(name)}${place}${hint}`);
  }
}

/**
 * Checks that an option has methods.
 *
 * @throws {TypeError} One is missing; the message says which.
 */
export function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  const missing = methods.find((method) =>
    typeof value !== "object" || value === null ||
    typeof Reflect.get(value, method) !== "function"
  );
  if (missing !== undefined) throw new TypeError(`${name} must have the method ${missing}()`);
}

/**
 * Checks that an option is an array of texts.
 *
 * @throws {TypeError} It is not.
 */
export function checkTexts(name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((text) => typeof text === "string")) return;
  throw new TypeError(`${name} must be an array of strings`);
}

/**
 * Checks that an option, if it is given, is a text that is not empty.
 *
 * @throws {TypeError} It is not.
 */
export function checkText(name: string, value: unknown): void {
  if (value === undefined || (typeof value === "string" && value !== "")) return;
  throw new TypeError(`${name} must be a non-empty string`);
}
