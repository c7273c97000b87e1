/**
 * What a setting is, and how its text is read: as it is, as a choice, a number, a list, or by a
 * function that throws. It collects every problem instead of stopping at the first, a line each, and
 * shows of a value only what is no secret.
 */

import { InvalidKeyError } from "../access/keys.ts";

/** One setting, as `--help` and the docs show it. */
export interface SettingText {
  /** The name of the environment variable. */
  readonly name: string;
  /** What applies when it is not set. */
  readonly default: string;
  /** What it does, in one sentence. */
  readonly summary: string;
  /** For a limit: what happens beyond it. */
  readonly whenExceeded?: string;
}

/** One setting, with how its value is read. */
export interface Setting<T> extends SettingText {
  /** Returns the value, or reports what is wrong with it. */
  read(reader: SettingReader): T;
}

/** A setting whose type is that of what `read` returns. */
export function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}

/** Settings are missing or malformed: all of them, a line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "ERR_CONFIG";
  /** A line for each setting that has to be changed, with what helps. */
  readonly problems: readonly string[];

  /** @param problems A line for each setting that has to be changed. */
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Looks the value of an environment variable up by name. */
export type Lookup = (name: string) => string | undefined;

/** Reads the settings of one environment, and collects what is wrong with them. */
export class EnvironmentReader {
  /** A line for each setting that has to be changed, with what helps. */
  readonly problems: string[] = [];
  /** The command that prints new keys, for the messages. */
  readonly keygen: string;
  readonly #get: Lookup;

  /**
   * @param get Looks a value up; empty counts as not set.
   * @param keygen The command that prints new keys.
   */
  constructor(get: Lookup, keygen: string) {
    this.#get = get;
    this.keygen = keygen;
  }

  /** Returns the value of a setting, or its default. */
  read<T>(setting: Setting<T>): T {
    return setting.read(
      new SettingReader({
        name: setting.name,
        text: this.#textOf(setting),
        environment: this,
      }),
    );
  }

  /** Whether the environment sets it. */
  has(setting: SettingText): boolean {
    return this.#textOf(setting) !== undefined;
  }

  /** Reports what is wrong with a setting, and what helps. */
  problem({ name }: Pick<SettingText, "name">, what: string, help: string): void {
    this.problems.push(`${name} ${what}. ${help}`);
  }

  /** Calls a function that throws when a value is malformed, with a message that can be shown. */
  attempt<T>(setting: Pick<SettingText, "name">, decode: () => T, help: string): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof InvalidKeyError || error instanceof TypeError)) throw error;
      this.problem(setting, `is not usable: ${error.message}`, help);
      return undefined;
    }
  }

  #textOf({ name }: SettingText): string | undefined {
    return this.#get(name)?.trim() || undefined;
  }
}

/** What a {@linkcode SettingReader} needs. */
interface SettingReaderOptions {
  readonly name: string;
  readonly text: string | undefined;
  readonly environment: EnvironmentReader;
}

/** Reads one setting, and reports what is wrong with it. */
export class SettingReader {
  /** The trimmed value; `undefined` if the setting is not set. */
  readonly text: string | undefined;
  readonly #name: string;
  readonly #environment: EnvironmentReader;

  constructor({ name, text, environment }: SettingReaderOptions) {
    this.text = text;
    this.#name = name;
    this.#environment = environment;
  }

  /** The command that prints new keys, for the messages. */
  get keygen(): string {
    return this.#environment.keygen;
  }

  /** Reports what is wrong with the setting, and what helps. */
  problem(what: string, help: string): void {
    this.#environment.problem({ name: this.#name }, what, help);
  }

  /** One of some words, in any case; `undefined` if the setting is not set or is malformed. */
  choice<T extends string>(values: readonly T[], example: T): T | undefined {
    const { text } = this;
    const value = values.find((candidate) => candidate === text?.toLowerCase());
    if (text !== undefined && value === undefined) {
      const wanted = `must be one of ${values.join(", ")}, not ${quote(text)}`;
      this.problem(wanted, `Try: ${this.#name}=${example}`);
    }
    return value;
  }

  /** A whole number from `min` to `max`; `undefined` if the setting is not set or is malformed. */
  integer(example: number, min: number, max: number): number | undefined {
    const { text } = this;
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const wanted = `must be a whole number from ${min} to ${max}, not ${quote(text)}`;
    this.problem(wanted, `Try: ${this.#name}=${example}`);
    return undefined;
  }

  /** The items between commas, without empty ones; `undefined` if the setting is not set. */
  list(): readonly string[] | undefined {
    return this.text?.split(",").map((item) => item.trim()).filter((item) => item !== "");
  }

  /** Calls a function that throws when the value is malformed. */
  attempt<T>(decode: () => T, help: string): T | undefined {
    return this.#environment.attempt({ name: this.#name }, decode, help);
  }
}

/** A value, safe to print: settings that contain a secret never get here. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
