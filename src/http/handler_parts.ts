/** What a standalone server and its routes use of a handler; `handler.ts` builds the parts. */

import type { AddressReader } from "../access/address.ts";
import type { BearerOptions } from "../access/bearer.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { OriginCheck } from "../access/origins.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Connections } from "../sessions/connections.ts";
import type { SignalingHandler } from "./handler_options.ts";
import type { Description } from "./operation.ts";

/** A handler, with the parts that a standalone server uses beside it. */
export interface HandlerParts {
  readonly handler: SignalingHandler;
  /** Answers a request as `fetch` of the handler does, without a promise where none is needed. */
  readonly answer: (request: Request, info: unknown) => Response | Promise<Response> | null;
  readonly addressOf: AddressReader;
  readonly failures: FailureLimiter;
  readonly connections: Connections;
  readonly metrics: Metrics;
  /** Counts the lines that it writes. */
  readonly logger: Logger;
  readonly isAllowedOrigin: OriginCheck;
  /** How a request other than that for a socket is admitted. */
  readonly access: BearerOptions;
  readonly refusals: RefusalLog;
  /** Answers a request whose head is malformed, and leaves a line in the log. */
  readonly refuseMalformed: (remote: string | undefined, headers?: Headers) => Response;
  /** What `GET /admin/info` answers. */
  readonly describe: () => Promise<Description>;
  /** Says in the log, once, that clients have no address. */
  readonly warnOfNoAddresses: () => void;
}
