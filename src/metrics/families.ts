/**
 * Every metric of a server: its name, its text, and where its numbers come from. `docs/metrics.md` says
 * what each is good for.
 */

import type { Role } from "../protocol/messages.ts";
import { by, byTwo, type Family, only, type Sample } from "./family.ts";
import type { Metrics } from "./metrics.ts";
import { processFamilies } from "./process.ts";

const PREFIX = "client_db_sync_";

/** What there is at the moment. */
export interface ServerState {
  /** Peers of this instance. */
  readonly peers: Readonly<Record<Role, number>>;
  readonly rooms: number;
  readonly sockets: Readonly<Record<"pending" | "joined" | "closing", number>>;
  /** Clients that have cost a file descriptor for good. */
  readonly lostDescriptors: number;
  readonly isDraining: boolean;
  /** Whether the process has more memory than it may. */
  readonly isOverloaded: boolean;
  /** Pairs whose last offer has no answer. */
  readonly waitingOffers: number;
  /** Lists that were sent because a pair had not negotiated. */
  readonly heals: number;
  /** Revocations of room tokens that are kept. */
  readonly revocations: number;
  readonly backplane: "none" | "up" | "down";
  /** How many backplanes share the rooms, and how many of them are up. */
  readonly backplaneShards: { readonly up: number; readonly total: number };
  /** Members that differed from what the backplane had. */
  readonly backplaneCorrections: number;
  /** The version of this server. */
  readonly version: string;
}

/** The metrics of a server as they are now. */
export function familiesOf(metrics: Metrics, state: ServerState): readonly Family[] {
  return [
    ...gauges(state),
    ...sockets(metrics),
    ...messages(metrics, state),
    ...access(metrics),
    ...(state.backplane === "none" ? [] : backplane(metrics, state)),
    ...processFamilies(PREFIX),
  ];
}

function gauges(state: ServerState): Family[] {
  return [
    gauge("peers", "Peers that have joined on this instance", by("role", state.peers)),
    gauge("rooms", "Rooms with a peer of this instance", only(state.rooms)),
    gauge("sockets", "Open sockets", by("state", state.sockets)),
    gauge(
      "lost_descriptors",
      "File descriptors lost to clients that reset their connection during the handshake",
      only(state.lostDescriptors),
    ),
    gauge("draining", "1 while the server stops", only(Number(state.isDraining))),
    gauge(
      "overloaded",
      "1 while the process has more memory than MAX_MEMORY_MB",
      only(Number(state.isOverloaded)),
    ),
    gauge(
      "waiting_offers",
      "Pairs of peers whose last offer, of the last 90 s, has no answer",
      only(state.waitingOffers),
    ),
    gauge("revocations", "Revocations of tokens that have not expired", only(state.revocations)),
    gauge("build_info", "1, with the versions of this server and of Deno as labels", [
      { labels: { version: state.version, deno: Deno.version.deno }, value: 1 },
    ]),
  ];
}

function sockets(metrics: Metrics): Family[] {
  return [
    counter("upgrades", "Requests for a socket, by outcome", by("result", metrics.upgrades)),
    counter("closes", "Sockets closed by the server, by close code", by("code", metrics.closes)),
    counter(
      "client_closes",
      "Sockets closed by the client or lost (1006), by close code",
      by("code", metrics.clientCloses),
    ),
    counter(
      "joins",
      "Peers that have joined, by role and by how",
      byTwo(["role", "how"], metrics.joins),
    ),
    histograms("join_seconds", "Time from upgrade to join, for clients that register", {
      auth: metrics.joinSeconds,
    }),
    histogram(
      "event_loop_lag_seconds",
      "How late a timer of one second was, while there are sockets",
      metrics.eventLoopLagSeconds,
    ),
  ];
}

function messages(metrics: Metrics, state: ServerState): Family[] {
  return [
    counter(
      "messages_received",
      "Messages received from clients, by type",
      by("type", metrics.messages),
    ),
    counter(
      "signals",
      "Signals sent by peers of this instance, by type and outcome",
      byTwo(["type", "outcome"], metrics.signals),
    ),
    counter("received_bytes", "Bytes of messages received", only(metrics.receivedBytes)),
    counter("sent_bytes", "Bytes of messages sent", only(metrics.sentBytes)),
    histogram(
      "answer_seconds",
      "Time from an offer to its answer, for offers of this instance's peers",
      metrics.answerSeconds,
    ),
    counter(
      "heals",
      "Peer lists sent because an offer had no answer or neither peer had offered",
      only(state.heals),
    ),
    counter(
      "rotation_lists",
      "Peer lists sent in turn, every REINTRODUCE_SECONDS",
      only(metrics.rotationLists),
    ),
    counter("server_lists", "Server lists sent to consumers", only(metrics.serverLists)),
  ];
}

function access(metrics: Metrics): Family[] {
  const { roomTokens: room, consumerTokens: consumer } = metrics;
  return [
    counter(
      "tokens_verified",
      "Tokens presented by clients, by kind and result",
      byTwo(["kind", "result"], { room, consumer }),
    ),
    counter(
      "refreshes",
      "New tokens sent by connected peers, by result",
      by("result", metrics.refreshes),
    ),
    counter("tokens_issued", "Room tokens issued", only(metrics.tokensIssued)),
    counter("ice_credentials", "TURN credentials made", only(metrics.iceCredentials)),
    counter(
      "ice_answers",
      "Questions for ICE servers, by whether every source has answered",
      by("result", metrics.iceAnswers),
    ),
    counter(
      "admin_requests",
      "Requests to paths that need the admin secret, by path and status; no series before the first",
      [...metrics.adminRequests].flatMap(([route, statuses]) =>
        [...statuses].map(([status, value]) => ({
          labels: { route, status: String(status) },
          value,
        }))
      ),
    ),
    counter("log_lines", "Lines given to the logger, by level", by("level", metrics.logLines)),
  ];
}

function backplane(metrics: Metrics, state: ServerState): Family[] {
  const { backplaneShards: shards } = state;
  return [
    gauge(
      "backplane_up",
      "1 while peers of other instances can be reached, in every room",
      only(Number(state.backplane === "up")),
    ),
    gauge("backplane_shards", "Backplanes that share the rooms", only(shards.total)),
    gauge("backplane_shards_up", "Those of them that are up", only(shards.up)),
    counter(
      "backplane_commands",
      "What was asked of the backplane, by operation",
      by("op", metrics.backplaneCommands),
    ),
    counter(
      "backplane_errors",
      "What of that has failed, by operation",
      by("op", metrics.backplaneErrors),
    ),
    histogram(
      "backplane_seconds",
      "Time until the backplane has answered",
      metrics.backplaneSeconds,
    ),
    counter(
      "backplane_reconnects",
      "Times that the backplane, or one of several, was reached again",
      only(metrics.backplaneReconnects),
    ),
    counter(
      "backplane_corrections",
      "Members that differed from what the backplane had, and were corrected",
      only(state.backplaneCorrections),
    ),
    counter(
      "letters",
      "Signals received from other instances, by outcome",
      by("outcome", metrics.letters),
    ),
    counter(
      "asks",
      "Questions to other instances, by whether all have answered",
      by("result", metrics.asks),
    ),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { kind: "gauge", name: PREFIX + name, help, samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { kind: "counter", name: `${PREFIX}${name}_total`, help, samples };
}

type HistogramSamples = Extract<Family, { kind: "histogram" }>["samples"];
type AnyHistogram = HistogramSamples[number]["histogram"];

function histogram(name: string, help: string, one: AnyHistogram): Family {
  const samples = [{ labels: {}, histogram: one }];
  return { kind: "histogram", name: PREFIX + name, help, samples };
}

/** A histogram for each value of one label. */
function histograms(
  name: string,
  help: string,
  labelled: Readonly<Record<string, Readonly<Record<string, AnyHistogram>>>>,
): Family {
  const samples = Object.entries(labelled).flatMap(([label, all]) =>
    Object.entries(all).map(([text, one]) => ({ labels: { [label]: text }, histogram: one }))
  );
  return { kind: "histogram", name: PREFIX + name, help, samples };
}
