/**
 * Reads single settings: texts, choices, numbers, lists. It collects every problem instead of
 * stopping at the first, a line each, and shows of a value only what is no secret.
 */

import { InvalidKeyError } from "../access/keys.ts";

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

/** Reads settings by name, and keeps what is wrong with them. */
export class SettingReader {
  /** A line for each setting that has to be changed, with what helps. */
  readonly problems: string[] = [];
  readonly #get: (name: string) => string | undefined;

  /** `get` looks a setting up by name. */
  constructor(get: (name: string) => string | undefined) {
    this.#get = get;
  }

  /** The text of a setting; empty counts as not set. */
  text(name: string): string | undefined {
    return this.#get(name)?.trim() || undefined;
  }

  /** Notes what is wrong with a setting, and what helps. */
  problem(name: string, what: string, help: string): void {
    this.problems.push(`${name} ${what}. ${help}`);
  }

  /** One of some words. */
  choice<T extends string>(name: string, values: readonly T[], example: T): T | undefined {
    const text = this.text(name);
    const value = values.find((candidate) => candidate === text?.toLowerCase());
    if (text !== undefined && value === undefined) {
      const wanted = `must be one of ${values.join(", ")}, not ${quote(text)}`;
      this.problem(name, wanted, `Try: ${name}=${example}`);
    }
    return value;
  }

  /** A whole number from `min` to `max`. */
  integer(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = `must be a whole number from ${min} to ${max}`;
    this.problem(name, `${range}, not ${quote(text)}`, `Try: ${name}=${fallback}`);
    return fallback;
  }

  /** What commas separate. */
  list(name: string): readonly string[] | undefined {
    return this.text(name)?.split(",").map((item) => item.trim()).filter((item) => item !== "");
  }

  /** Reads what throws when it is wrong, with a message that can be shown. */
  attempt<T>(name: string, decode: () => T, help: string): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof InvalidKeyError || error instanceof TypeError)) throw error;
      this.problem(name, `is not usable: ${error.message}`, help);
      return undefined;
    }
  }
}

/** What came, safe to print: settings that hold a secret never get here. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
