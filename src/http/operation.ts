/**
 * What a handler offers the operator: builds the parts that answer questions about rooms and peers, for
 * this instance and for others, and those that tell the host of joins and leaves.
 */

import { LocalAnswers } from "../admin/local_answers.ts";
import { Operator } from "../admin/operator.ts";
import { Presence } from "../admin/presence.ts";
import type { InstancesAnswer } from "../admin/requests.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { Limits } from "../access/limits.ts";
import type { Shards } from "../cluster/shards.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import type { Connections } from "../sessions/connections.ts";
import type {
  SignalingHandler,
  SignalingHandlerOptions,
  SignalingStats,
} from "./handler_options.ts";
import type { ResolvedOptions } from "./resolve_options.ts";
import { VERSION } from "./server_state.ts";

/** What `GET /admin/info` answers. */
export interface Description extends InstancesAnswer {
  /** The instance that answers. */
  readonly instance: string;
  readonly stats: SignalingStats;
  /** The limits of that instance; 0 is none. */
  readonly limits: Limits;
}

/** What an operator can do with a handler. */
export interface Operation {
  /** What a handler offers by itself. */
  readonly methods: Pick<SignalingHandler, "rooms" | "peers" | "disconnect">;
  /** The instances, and the state and the limits of this one. */
  describe(stats: SignalingStats): Promise<Description>;
  /** Tells the host what it has not been told yet. */
  close(): void;
}

/** Options of {@linkcode createOperation}. */
export interface OperationOptions extends Pick<ResolvedOptions, "clock" | "limits" | "logger"> {
  readonly instance: string;
  readonly onPeer: SignalingHandlerOptions["onPeer"];
  readonly registry: SignalingRegistry;
  readonly connections: Connections;
  readonly cluster: Shards | undefined;
  readonly refusals: RefusalLog;
  readonly isClosing: () => boolean;
}

/** Characters of the id of an instance: it is in every log line about a connection. */
const INSTANCE_ID_LENGTH = 6;

/** A new id for an instance. */
export function newInstanceId(): string {
  return crypto.randomUUID().slice(0, INSTANCE_ID_LENGTH);
}

/** Builds the parts, and lets other instances ask for this one's answers. */
export function createOperation(options: OperationOptions): Operation {
  const { instance, onPeer, registry, cluster, refusals, limits } = options;
  const local = new LocalAnswers({ ...options, version: VERSION, refusals: refusals.last });
  const operator = new Operator(local, cluster);
  cluster?.answer({
    info: () => local.info(),
    rooms: (question, isAsked) => local.rooms(question, isAsked),
    peers: (question) => local.peers(question),
    disconnect: (target) => local.disconnect(target),
  });
  const presence = onPeer && new Presence({ ...options, onPeer });
  if (presence !== undefined) registry.subscribe(presence.changed);
  return {
    methods: {
      rooms: (request) => operator.rooms(request),
      peers: (request) => operator.peers(typeof request === "string" ? { room: request } : request),
      disconnect: (request) => operator.disconnect(request),
    },
    async describe(stats) {
      return { instance, ...await operator.instances(), stats, limits: finite(limits) };
    },
    close: () => presence?.flush(),
  };
}

/** JSON has no infinity: as in the settings, 0 is no limit. */
function finite(limits: Limits): Limits {
  const result = { ...limits } as Record<keyof Limits, number>;
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    if (limits[name] === Infinity) result[name] = 0;
  }
  return result;
}
