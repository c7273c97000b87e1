/**
 * Reads what a client sends: it never throws, and returns no field that it has not checked. What the
 * messages mean is `messages.ts`.
 */

import {
  isLongerThan,
  isObject,
  MAX_NODE_ID_LENGTH,
  type ParsedHeartbeat,
  type ParsedMessage,
  type ParsedRegister,
  type SignalMessage,
  type UnusableMessage,
} from "./messages.ts";

/**
 * Reads one text frame.
 *
 * @param text What the client sent.
 * @returns The message, with every field checked; `unknown` for a type that this server does not know
 * and that the caller must ignore; otherwise `invalid` with a sentence for the client.
 */
export function parseClientMessage(text: string): ParsedMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid("The message is not JSON");
  }
  if (!isObject(value)) return invalid("The message is not a JSON object");
  switch (value["type"]) {
    case "offer":
    case "answer":
    case "ice-candidate":
      return typeof value["to"] === "string" && !isLongerThan(value["to"], MAX_NODE_ID_LENGTH)
        ? value as unknown as SignalMessage
        : invalid("`to` must be the nodeId of a peer");
    case "register":
      return parseRegister(value);
    case "heartbeat":
      return parseHeartbeat(value);
    case "refresh":
      return { type: "refresh", token: toText(value["token"]) };
    default:
      return typeof value["type"] === "string"
        ? { type: "unknown" }
        : invalid("`type` must be a string");
  }
}

function parseRegister(value: Record<string, unknown>): ParsedRegister | UnusableMessage {
  const role = value["role"] ?? "normal";
  if (role !== "normal" && role !== "consumer") {
    return invalid('`role` must be "normal" or "consumer"');
  }
  const serveConsumers = value["serveConsumers"] ?? true;
  if (typeof serveConsumers !== "boolean") return invalid("`serveConsumers` must be a boolean");
  const capacity = value["capacity"] ?? undefined;
  if (!isCountOrAbsent(capacity)) return invalid("`capacity` must be a number, zero or more");
  // One that is no string, or empty, is as good as none: a consumer has to be told so before it is closed.
  const token = toText(value["token"]) || undefined;
  const refresh = value["refresh"] ?? false;
  if (typeof refresh !== "boolean") return invalid("`refresh` must be a boolean");
  const iceServers = value["iceServers"] ?? false;
  if (typeof iceServers !== "boolean") return invalid("`iceServers` must be a boolean");
  return { type: "register", role, serveConsumers, capacity, token, refresh, iceServers };
}

function parseHeartbeat(value: Record<string, unknown>): ParsedHeartbeat | UnusableMessage {
  const load = value["load"] ?? {};
  if (!isObject(load)) return invalid("`load` must be an object");
  const sessions = load["sessions"] ?? undefined;
  if (!isCountOrAbsent(sessions)) return invalid("`load.sessions` must be a number, zero or more");
  const serveConsumers = value["serveConsumers"] ?? undefined;
  if (serveConsumers !== undefined && typeof serveConsumers !== "boolean") {
    return invalid("`serveConsumers` must be a boolean");
  }
  const capacity = value["capacity"] ?? undefined;
  if (!isCountOrAbsent(capacity)) return invalid("`capacity` must be a number, zero or more");
  return { type: "heartbeat", sessions, serveConsumers, capacity };
}

function invalid(problem: string): UnusableMessage {
  return { type: "invalid", problem };
}

function toText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isCountOrAbsent(value: unknown): value is number | undefined {
  return value === undefined ||
    (typeof value === "number" && Number.isFinite(value) && value >= 0);
}
