/**
 * What instances ask each other, and the text in which questions and answers travel. A new kind of
 * question is one more entry in `Exchanges` and in `CODECS`. Others may publish where the texts are
 * read, so that every field is checked. Who asks and who answers is left to the questioner.
 */

import { readRevocation, type Revocation } from "../access/revocations.ts";
import type {
  DisconnectTarget,
  InstancePeers,
  InstanceReport,
  InstanceRooms,
  PeersQuestion,
  RoomsQuestion,
} from "../rooms/report.ts";
import {
  isCount,
  readDisconnectTarget,
  readInstancePeers,
  readInstanceReport,
  readInstanceRooms,
  readPeersQuestion,
  readRoomsQuestion,
} from "./report_codec.ts";

/** UTF-16 units that a question or an answer has at most: as many as envelopes under way. */
export const MAX_TEXT = 262_144;

/** Whether the client of a peer answers a ping; `unknown` where its instance can send none. */
export type PingAnswer = "alive" | "dead" | "unknown";

/** Where a backplane is in the list of an instance. */
export interface ShardPlace {
  /** Counted from 1. */
  readonly shard: number;
  /** How many there are. */
  readonly shards: number;
}

/** Every question with its answer, by kind. Both consist of JSON values. */
export interface Exchanges {
  /** Does the member of the asked instance that has this number answer a ping? */
  readonly ping: {
    readonly question: { readonly number: number };
    readonly answer: PingAnswer;
  };
  /** Revoke these tokens as well. How many clients were disconnected for it? */
  readonly revoke: {
    readonly question: { readonly revocations: readonly Revocation[] };
    readonly answer: number;
  };
  /** Who is the asked instance? */
  readonly info: { readonly question: object; readonly answer: InstanceReport };
  /** Which of how many shards is this backplane for the asked instance? */
  readonly shard: { readonly question: object; readonly answer: ShardPlace };
  /** Which rooms have peers of the asked instance? */
  readonly rooms: { readonly question: RoomsQuestion; readonly answer: InstanceRooms };
  /** Which peers of a room are connected to the asked instance? */
  readonly peers: { readonly question: PeersQuestion; readonly answer: InstancePeers };
  /** Disconnect these; how many were there? */
  readonly disconnect: { readonly question: DisconnectTarget; readonly answer: number };
}

/** The kinds of questions. */
export type QuestionKind = keyof Exchanges;

/** A question of one kind, or of any. */
export type Question<K extends QuestionKind = QuestionKind> = {
  readonly [P in K]: { readonly kind: P } & Exchanges[P]["question"];
}[K];

/** The answer to a question of one kind, or of any. */
export type Answer<K extends QuestionKind = QuestionKind> = {
  readonly [P in K]: Exchanges[P]["answer"];
}[K];

/** Reads the fields of a question, and an answer; each returns `undefined` for what is malformed. */
interface Codec<K extends QuestionKind> {
  readonly question: (fields: Readonly<Record<string, unknown>>) => Question<K> | undefined;
  readonly answer: (value: unknown) => Answer<K> | undefined;
}

const CODECS: { readonly [K in QuestionKind]: Codec<K> } = {
  ping: {
    question: ({ number }) =>
      typeof number === "number" && Number.isSafeInteger(number)
        ? { kind: "ping", number }
        : undefined,
    answer: (value) =>
      value === "alive" || value === "dead" || value === "unknown" ? value : undefined,
  },
  revoke: {
    question: ({ revocations }) =>
      Array.isArray(revocations)
        ? { kind: "revoke", revocations: revocations.flatMap((one) => readRevocation(one) ?? []) }
        : undefined,
    answer: (value) => isCount(value) ? value : undefined,
  },
  info: { question: () => ({ kind: "info" }), answer: readInstanceReport },
  shard: { question: () => ({ kind: "shard" }), answer: readShardPlace },
  rooms: { question: as("rooms", readRoomsQuestion), answer: readInstanceRooms },
  peers: { question: as("peers", readPeersQuestion), answer: readInstancePeers },
  disconnect: {
    question: as("disconnect", readDisconnectTarget),
    answer: (value) => isCount(value) ? value : undefined,
  },
};

/** Reads the fields of a question of one kind by what reads them alone. */
function as<K extends QuestionKind, T extends object>(
  kind: K,
  read: (value: unknown) => T | undefined,
) {
  return (fields: Readonly<Record<string, unknown>>) => {
    const found = read(fields);
    return found === undefined ? undefined : { ...found, kind };
  };
}

function readShardPlace(value: unknown): ShardPlace | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("shard" in value) || !("shards" in value)) return undefined;
  const { shard, shards } = value;
  return isCount(shard) && isCount(shards) ? { shard, shards } : undefined;
}

/** A text that one instance sends another. */
export type QuestionMessage =
  | {
    readonly kind: "question";
    /** The number that the asking instance has given it. */
    readonly id: number;
    /** Absent where this instance does not know such a question. */
    readonly question: Question | undefined;
  }
  | {
    readonly kind: "answer";
    /** The number of the question. */
    readonly id: number;
    /** Not checked yet: `decodeAnswer` does that. */
    readonly value: unknown;
  };

/** A question as a text. */
export function encodeQuestion(id: number, question: { readonly kind: QuestionKind }): string {
  return JSON.stringify(["question", id, question]);
}

/** An answer as a text; without a value it says that there will be none. */
export function encodeAnswer(id: number, value?: Answer): string {
  return JSON.stringify(value === undefined ? ["answer", id] : ["answer", id, value]);
}

/** Reads a text; `undefined` for anything else than a message of this version. */
export function decodeQuestionMessage(text: string): QuestionMessage | undefined {
  if (text.length > MAX_TEXT) return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts)) return undefined;
  const [kind, id, value]: unknown[] = parts;
  if (typeof id !== "number" || !Number.isSafeInteger(id)) return undefined;
  if (kind === "question") return { kind, id, question: decodeQuestion(value) };
  return kind === "answer" ? { kind, id, value } : undefined;
}

/** Checks the answer to a question of this kind; `undefined` for none, and for a malformed one. */
export function decodeAnswer<K extends QuestionKind>(
  kind: K,
  value: unknown,
): Answer<K> | undefined {
  return CODECS[kind].answer(value);
}

function decodeQuestion(value: unknown): Question | undefined {
  if (value === null || typeof value !== "object" || !("kind" in value)) return undefined;
  return isQuestionKind(value.kind) ? CODECS[value.kind].question({ ...value }) : undefined;
}

function isQuestionKind(kind: unknown): kind is QuestionKind {
  return typeof kind === "string" && Object.hasOwn(CODECS, kind);
}
