/**
 * What a handler offers the operator: builds the parts that answer questions about rooms and peers, for
 * this instance and for others, and those that tell the host of joins and leaves. Code that is not
 * needed to start is loaded when it is.
 */

import type { LocalAnswers } from "../admin/local_answers.ts";
import type { Operator } from "../admin/operator.ts";
import type { Presence } from "../admin/presence.ts";
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
export async function createOperation(options: OperationOptions): Promise<Operation> {
  const { instance, cluster, limits } = options;
  const startedAt = options.clock.elapsed();
  const local = () => loadLocalAnswers(options, startedAt);
  const operator = async () => await loadOperator(await local(), cluster);
  if (cluster !== undefined) answerOthers(cluster, await local());
  const presence = await loadPresence(options);
  return {
    methods: {
      rooms: async (request) => (await operator()).rooms(request),
      async peers(request) {
        return (await operator()).peers(typeof request === "string" ? { room: request } : request);
      },
      disconnect: async (request) => (await operator()).disconnect(request),
    },
    async describe(stats) {
      const instances = await (await operator()).instances();
      return { instance, ...instances, stats, limits: finite(limits) };
    },
    close: () => presence?.flush(),
  };
}

async function loadLocalAnswers(
  options: OperationOptions,
  startedAt: number,
): Promise<LocalAnswers> {
  const { LocalAnswers } = await import("../admin/local_answers.ts");
  const { refusals } = options;
  return new LocalAnswers({ ...options, startedAt, version: VERSION, refusals: refusals.last });
}

async function loadOperator(local: LocalAnswers, cluster: Shards | undefined): Promise<Operator> {
  const { Operator } = await import("../admin/operator.ts");
  return new Operator(local, cluster);
}

function answerOthers(cluster: Shards, local: LocalAnswers): void {
  cluster.answer({
    info: () => local.info(),
    rooms: (question, isAsked) => local.rooms(question, isAsked),
    peers: (question) => local.peers(question),
    disconnect: (target) => local.disconnect(target),
  });
}

/** Tells the host of joins and leaves, where it has a function for them. */
async function loadPresence(
  { onPeer, ...options }: OperationOptions,
): Promise<Presence | undefined> {
  if (onPeer === undefined) return undefined;
  const { Presence } = await import("../admin/presence.ts");
  const presence = new Presence({ ...options, onPeer });
  options.registry.subscribe(presence.changed);
  return presence;
}

/** JSON has no infinity: as in the settings, 0 is no limit. */
function finite(limits: Limits): Limits {
  const result = { ...limits } as Record<keyof Limits, number>;
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    if (limits[name] === Infinity) result[name] = 0;
  }
  return result;
}
