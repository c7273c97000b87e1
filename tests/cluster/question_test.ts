/** What instances ask and answer is read as it was written, and nothing else is. */

import { assertEquals } from "@std/assert";
import {
  decodeAnswer,
  decodeQuestionMessage,
  encodeAnswer,
  encodeQuestion,
  MAX_TEXT,
} from "../../src/cluster/question.ts";

Deno.test("question: a question and its answers are read as they were written", () => {
  const question = { kind: "ping", number: 7 } as const;
  assertEquals(decodeQuestionMessage(encodeQuestion(3, question)), {
    kind: "question",
    id: 3,
    question,
  });
  for (const value of ["alive", "dead", "unknown"] as const) {
    assertEquals(decodeQuestionMessage(encodeAnswer(3, value)), { kind: "answer", id: 3, value });
    assertEquals(decodeAnswer("ping", value), value);
  }
  const none = { kind: "answer", id: 3, value: undefined } as const;
  assertEquals(decodeQuestionMessage(encodeAnswer(3)), none);
  assertEquals(decodeAnswer("ping", none.value), undefined);
});

Deno.test("question: one that is malformed or of a later version is known as such", () => {
  const questions = [
    '{"kind":"of a later version"}',
    '{"kind":"toString"}',
    '{"kind":7}',
    '{"kind":"ping"}',
    '{"kind":"ping","number":"7"}',
    '{"kind":"ping","number":7.5}',
    '{"kind":"ping","number":1e999}',
    "[]",
    "null",
    '"ping"',
  ];
  for (const question of questions) {
    const message = decodeQuestionMessage(`["question",3,${question}]`);
    assertEquals(message, { kind: "question", id: 3, question: undefined }, question);
  }
  for (const value of [null, true, 7, "", "Alive", {}, ["alive"]]) {
    assertEquals(decodeAnswer("ping", value), undefined);
  }
});

Deno.test("question: the place of a shard is two numbers", () => {
  const place = { shard: 2, shards: 3 };
  assertEquals(decodeAnswer("shard", { ...place, more: 1 }), place);
  for (const value of [null, "2 of 3", {}, { shard: 2 }, { shard: 2, shards: "3" }]) {
    assertEquals(decodeAnswer("shard", value), undefined);
  }
});

Deno.test("question: what is no message of this version is ignored", () => {
  const texts = [
    "",
    "not JSON",
    "null",
    "{}",
    "[]",
    '["question"]',
    '["question","3",{"kind":"ping","number":7}]',
    '["answer",null,"alive"]',
    '["of a later version",3]',
    `["answer",3,"${"x".repeat(MAX_TEXT)}"]`,
  ];
  for (const text of texts) assertEquals(decodeQuestionMessage(text), undefined, text.slice(0, 60));
});
