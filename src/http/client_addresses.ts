/**
 * The addresses of a handler's clients, and the warnings to an operator whose limits per address do not
 * work. How an address is read behind proxies is decided in `access/address.ts`.
 */

import { type AddressReader, createAddressReader, remoteAddressOf } from "../access/address.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

const NO_INFO = "Limits per address are off: fetch(request, info) needs the info of Deno.serve";
const NO_ADDRESSES = "Limits per address are off: the listener's socket tells no client addresses";

/** The addresses of the clients of one handler. */
export class ClientAddresses {
  readonly addressOf: AddressReader;
  readonly #logger: ResolvedOptions["logger"];
  #hasWarned = false;

  constructor({ trustedProxies, logger }: ResolvedOptions) {
    this.#logger = logger;
    this.addressOf = createAddressReader(trustedProxies, (proxy) =>
      logger.warn(
        "X-Forwarded-For comes from a proxy that TRUSTED_PROXIES does not name: limits per address " +
          "count all of its clients as one",
        { proxy },
      ));
  }

  /** The remote address in what a host passes along with a request for a socket. */
  readonly remoteOf = (info: unknown): string | undefined => {
    const remote = remoteAddressOf(info);
    if (remote === undefined) this.warnOfNoAddresses(info === undefined ? NO_INFO : NO_ADDRESSES);
    return remote;
  };

  /** Says in the log, once, that clients have no address. */
  readonly warnOfNoAddresses = (message = NO_ADDRESSES): void => {
    if (!this.#hasWarned) this.#logger.warn(message);
    this.#hasWarned = true;
  };
}
