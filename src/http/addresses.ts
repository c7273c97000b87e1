/** How the addresses of a handler's clients are read, with a warning where a proxy is not named. */

import { type AddressReader, createAddressReader } from "../access/address.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

/** Creates the reader of addresses. */
export function readAddresses({ trustedProxies, logger }: ResolvedOptions): AddressReader {
  return createAddressReader(trustedProxies, (proxy) =>
    logger.warn(
      "X-Forwarded-For comes from a proxy that TRUSTED_PROXIES does not name: limits per address " +
        "count all of its clients as one",
      { proxy },
    ));
}
