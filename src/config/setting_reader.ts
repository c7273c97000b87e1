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
  /** Whether the value is base64, which may be wrapped: line breaks in it are left out. */
  readonly isBase64?: true;
  /** Whether the value is, or contains, a secret: of base64 nothing is shown in any case. */
  readonly isSecret?: true;
  /** Whether the value is a URL, which may contain a secret. */
  readonly isUrl?: true;
  /** Returns the value, or reports what is wrong with it. */
  read(reader: SettingReader): T;
}

/** A setting by its name alone. */
type Named = Pick<SettingText, "name">;

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
  /** The command that makes new keys, for the messages. */
  readonly keygen: string;
  readonly #get: Lookup;

  /**
   * @param get Looks a value up; empty counts as not set.
   * @param keygen The command that makes new keys.
   */
  constructor(get: Lookup, keygen: string) {
    this.#get = get;
    this.keygen = keygen;
  }

  /** Returns the value of a setting, or its default. */
  read<T>(setting: Setting<T>): T {
    let text = this.#textOf(setting);
    if (setting.isBase64 && text !== undefined && WRAPPED_BASE64.test(text)) {
      text = text.replaceAll(/\s/g, "");
    }
    const problem = text && problemOf(text);
    if (problem) this.#report(setting, problem);
    const { name } = setting;
    return setting.read(
      new SettingReader({ name, text: problem ? undefined : text, environment: this }),
    );
  }

  /** Whether the environment sets it. */
  has(setting: SettingText): boolean {
    return this.#textOf(setting) !== undefined;
  }

  /** Reports what is wrong with a setting, and what helps. */
  problem(setting: Named, what: string, help: string): void {
    this.#report(setting, `${what}. ${help}`);
  }

  /** Calls a function that throws when a value is malformed, with a message that can be shown. */
  attempt<T>(setting: Named, decode: () => T, help: string): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof InvalidKeyError || error instanceof TypeError)) throw error;
      const message = hideValues(error.message, this.#textOf(setting) ?? "", help);
      this.problem(setting, `is not usable: ${message}`, help);
      return undefined;
    }
  }

  #report({ name }: Named, problem: string): void {
    this.problems.push(`${name} ${problem}`);
  }

  #textOf({ name }: Named): string | undefined {
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
  /** The name of the setting. */
  readonly name: string;
  readonly #environment: EnvironmentReader;

  constructor({ name, text, environment }: SettingReaderOptions) {
    this.text = text;
    this.name = name;
    this.#environment = environment;
  }

  /** The command that makes new keys, for the messages. */
  get keygen(): string {
    return this.#environment.keygen;
  }

  /** Reports what is wrong with the setting, and what helps. */
  problem(what: string, help: string): void {
    this.#environment.problem({ name: this.name }, what, help);
  }

  /** One of some words, in any case; `undefined` if the setting is not set or is malformed. */
  choice<T extends string>(values: readonly T[], example: T): T | undefined {
    const { text } = this;
    const value = values.find((candidate) => candidate === text?.toLowerCase());
    if (text !== undefined && value === undefined) {
      const wanted = `must be one of ${values.join(", ")}, not ${quote(text)}`;
      this.problem(wanted, `Try: ${this.name}=${example}`);
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
    this.problem(wanted, `Try: ${this.name}=${example}`);
    return undefined;
  }

  /** The items between commas, without empty ones; `undefined` if the setting is not set. */
  list(): readonly string[] | undefined {
    return this.text?.split(",").map((item) => item.trim()).filter((item) => item !== "");
  }

  /** Calls a function that throws when the value is malformed. */
  attempt<T>(decode: () => T, help: string): T | undefined {
    return this.#environment.attempt({ name: this.name }, decode, help);
  }
}

/** Base64 with line breaks in it. It has no `=` but at its end, unlike a line of `.env`. */
const WRAPPED_BASE64 = /^[A-Za-z0-9+/\s]+=*$/;

/** Characters that draw nothing, or draw on what stands around them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** What is wrong with any value of this text, or `undefined`. */
function problemOf(text: string): string | undefined {
  if (/[\r\n]/.test(text)) return "contains a line break: is a quote not closed?";
  if (UNPRINTABLE.test(text)) return "contains a character that cannot be seen. Write it again";
  if (/^(["'`]).*\1$/.test(text)) {
    return "is in quotes that became part of its value, as with docker --env-file. Write it " +
      "without quotes";
  }
  return undefined;
}

/** A value of at most this many characters is shown in messages. */
const SHOWN_LENGTH = 8;

/** What is shown of a longer value. */
const START_LENGTH = 4;

/** The start of a value: any may be a secret that stands in the wrong place. */
export function shorten(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, START_LENGTH)}…` : text;
}

function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

/**
 * A message without the long values in it: of a list, its items as well. A value that `help` shows as
 * an example stays, because the message may show the same example.
 */
export function hideValues(message: string, text: string, help = ""): string {
  const values = [text, ...text.split(",").map((item) => item.trim())];
  const longFirst = values.filter((value) => value.length > SHOWN_LENGTH && !help.includes(value))
    .flatMap((value) => [JSON.stringify(value).slice(1, -1), value])
    .sort((one, other) => other.length - one.length);
  return longFirst.reduce((shown, value) => shown.replaceAll(value, () => shorten(value)), message);
}
