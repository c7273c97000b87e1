/**
 * What SIGHUP does: the settings are read again, and a changed `REDIS_URL` is applied while all clients
 * stay connected. Settings that differ otherwise are named and left for a restart. The signal itself is
 * left to `serve.ts`, moving the rooms to `Shards`.
 */

import type { RedisBackplanes } from "../cluster/redis/shards.ts";
import type { Config } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { GENERAL, SETTINGS } from "../config/settings.ts";
import type { SignalingServer } from "../http/server.ts";
import { systemClock } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import { readRedisUrl } from "../runtime/redis_url.ts";
import { Failure } from "./failure.ts";

const REDIS_URL = GENERAL.redisUrl.name;

/** The settings as they were read at one time. */
export interface ReadSettings {
  readonly environment: Environment;
  readonly config: Config;
}

/** The server whose settings are read again. */
export interface Running {
  readonly server: Pick<SignalingServer, "setBackplane">;
  /** The backplanes that it was started with. */
  readonly backplanes: RedisBackplanes;
  /** The settings that it was started with. */
  readonly settings: ReadSettings;
  readonly logger: Logger;
  /**
   * Reads the settings as at the start.
   *
   * @throws {Failure} There is a line for each of them to change.
   */
  read(): Promise<ReadSettings>;
}

/** Reads the settings again whenever it is asked to: one time after the other. */
export class Reloader {
  #running: Running | undefined;
  #backplanes: RedisBackplanes = new Map();
  /** The `REDIS_URL` that applies. */
  #redisUrl: string | undefined;
  #isAsked = false;
  #isReading = false;
  #isClosed = false;

  /** Reads the settings soon: once the server has started, and once a reading that goes on has ended. */
  ask(): void {
    this.#isAsked = true;
    this.#readWhileAsked();
  }

  /** The server has started. */
  use(running: Running): void {
    this.#running = running;
    this.#backplanes = running.backplanes;
    this.#redisUrl = textOf(running.settings.environment, REDIS_URL);
    this.#readWhileAsked();
  }

  /** The server stops: nothing is read or logged any more. */
  close(): void {
    this.#isClosed = true;
  }

  async #readWhileAsked(): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#isReading) return;
    this.#isReading = true;
    while (this.#isAsked && !this.#isClosed) {
      this.#isAsked = false;
      try {
        await this.#apply(running, await running.read());
      } catch (error) {
        if (!this.#isClosed) logFailure(running.logger, error);
      }
    }
    this.#isReading = false;
  }

  async #apply(running: Running, { environment, config }: ReadSettings): Promise<void> {
    const { settings: started, logger } = running;
    if (environment.fileProblem !== undefined) {
      throw new Failure({ lines: [environment.fileProblem] });
    }
    const known = new Set(started.config.warnings);
    for (const warning of config.warnings) if (!known.has(warning)) logger.warn(warning);
    const redisUrl = textOf(environment, REDIS_URL);
    const isMoved = redisUrl !== this.#redisUrl;
    const isPossible = started.config.redis !== undefined && config.redis !== undefined;
    const differing = SETTINGS.map(({ name }) => name).filter((name) =>
      name === REDIS_URL
        ? isMoved && !isPossible
        : textOf(environment, name) !== textOf(started.environment, name)
    );
    if (differing.length > 0) {
      logger.warn(`These settings have changed and need a restart: ${differing.join(", ")}`);
    }
    if (isMoved && isPossible && redisUrl !== undefined) await this.#move(running, redisUrl);
    else if (differing.length === 0) logger.info(`No setting has changed${hint(environment)}`);
  }

  /** Distributes the rooms over the shards of another URL, if those that are new work. */
  async #move({ server, settings, logger }: Running, url: string): Promise<void> {
    const prefix = settings.config.redis?.prefix ?? "";
    const before = this.#backplanes;
    const { problemsOfNewShards } = await import("../cluster/redis/check.ts");
    const problems = await problemsOfNewShards({ url, prefix }, (id) => before.has(id));
    if (problems.length > 0) {
      throw new Failure({
        lines: problems.map(({ which, message }) =>
          `${REDIS_URL}${which && `, ${which}`}: ${message}`
        ),
      });
    }
    const { redisBackplanes } = await import("../cluster/redis/shards.ts");
    const next = redisBackplanes(readRedisUrl(url), { prefix, clock: systemClock }, before);
    if (this.#isClosed) return;
    await server.setBackplane([...next.values()]);
    this.#backplanes = next;
    this.#redisUrl = url;
    logger.info(`${REDIS_URL} has changed: the rooms are distributed over its shards`, {
      shards: next.size,
      added: [...next.keys()].filter((id) => !before.has(id)).length,
      removed: [...before.keys()].filter((id) => !next.has(id)).length,
    });
  }
}

/** A setting as it is given: empty is not set. */
function textOf({ get }: Environment, name: string): string | undefined {
  return get(name)?.trim() || undefined;
}

/** Why a change may not be seen. */
function hint({ get, fromFile }: Environment): string {
  if (!get(REDIS_URL) || fromFile.has(REDIS_URL)) return "";
  return `. ${REDIS_URL} is in the environment of this process, which stays as it is: in .env it can change`;
}

/** Says what is wrong, a line each; everything stays as it was. */
function logFailure(logger: Logger, error: unknown): void {
  if (!(error instanceof Failure)) {
    return logger.error("The settings were not applied", failureFields(error));
  }
  for (const line of error.lines) logger.error(`The settings were not applied: ${line}`);
}
