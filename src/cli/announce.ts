/**
 * What a server that has started says: the address of its page first, then where it listens and how to
 * connect. Other lines wait until then.
 */

import metadata from "../../deno.json" with { type: "json" };
import { isLoopback, isOnDeploy, otherAddresses } from "../config/environment.ts";
import type { Config } from "../config/config.ts";
import type { ListenAddress } from "../http/server.ts";
import type { Logger } from "../runtime/logger.ts";

/** Lines of the log that can be kept back for a moment. */
export class HeldLines {
  readonly #print: (line: string) => void;
  #held: string[] | undefined;

  /**
   * @param print Prints a line.
   * @param isHeld Whether lines wait until {@linkcode release}.
   */
  constructor(print: (line: string) => void, isHeld: boolean) {
    this.#print = print;
    this.#held = isHeld ? [] : undefined;
  }

  write(line: string): void {
    if (this.#held === undefined) this.#print(line);
    else this.#held.push(line);
  }

  /** Prints what has waited, after the lines that `first` writes. */
  release(first?: () => void): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    first?.();
    for (const line of held) this.#print(line);
  }
}

/** Whether the server answers the page. */
export function hasPage({ auth, playground }: Config): boolean {
  return playground || !auth.enabled;
}

/** Says where the page is, for this machine and for others of its network. */
export function announcePage(
  logger: Logger,
  config: Config,
  { host, port, url }: ListenAddress,
): void {
  if (!hasPage(config) || isElsewhere(url)) return;
  const how = config.auth.enabled ? "and paste a room token: two tabs" : "in two tabs: they";
  logger.info(`Open ${url}/ ${how} connect and talk`);
  const addresses = otherAddresses(host);
  if (addresses === undefined) {
    logger.info(
      "The page's address for other devices is not known: run with --allow-sys=networkInterfaces",
    );
  }
  for (const address of addresses ?? []) {
    logger.info(`On another device of this network: http://${address}:${port}/`);
  }
}

/** Says where the server listens, and how to connect. */
export function announce(
  logger: Logger,
  { auth }: Config,
  { host, port, url, internalUrl }: ListenAddress,
  secretIsInFile: boolean,
): void {
  logger.info(`Listening on ${url}`, {
    host,
    port,
    auth: auth.enabled ? "enabled" : "disabled",
    version: metadata.version,
    deno: Deno.version.deno,
  });
  if (internalUrl !== undefined) logger.info(`Metrics on ${internalUrl}/metrics`);
  if (isElsewhere(url)) return;
  const webSocket = `${url.replace("http", "ws")}/signal`;
  if (!auth.enabled) {
    logger.info(`Connect to ${webSocket}?room=my-room`);
    if (isLoopback(host)) logger.info("Only this machine can connect: HOST=0.0.0.0 lets others in");
    return;
  }
  const source = secretIsInFile ? ". ./.env; " : "";
  logger.info(
    `Get a first token with: ${source}curl ${url}/token -H "x-admin-secret: $ADMIN_SECRET" ` +
      `-H "content-type: application/json" -d '{"ttl":"24h","subject":"my-room"}'`,
  );
  logger.info(`Connect to ${webSocket}?token=...`);
}

/** On Deploy and on a Unix socket, clients know another URL. */
function isElsewhere(url: string): boolean {
  return isOnDeploy() || !url.startsWith("http:");
}
