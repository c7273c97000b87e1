import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { withSender } from "../../src/protocol/with_sender.ts";

const STAMP = { from: 'a"\\', fromRole: "normal" } as const;

function stamped(text: string): string | undefined {
  return withSender(text, STAMP.from, STAMP.fromRole);
}

Deno.test("stamp() puts the sender in place of whatever stood there, and leaves the rest as it came", () => {
  const tail = '"from":"a\\"\\\\","fromRole":"normal"}';
  for (
    const [text, kept] of [
      ['{"type":"offer","to":"b"}', '{"type":"offer","to":"b",'],
      ['{"from":"x","type":"offer","to":"b"}', '{"type":"offer","to":"b",'],
      ['{"type":"offer","from":"x","to":"b"}', '{"type":"offer","to":"b",'],
      ['{"type":"offer","to":"b","from":"x"}', '{"type":"offer","to":"b",'],
      ['{"from":1,"fromRole":[{"from":{}}],"type":"offer","to":"b"}', '{"type":"offer","to":"b",'],
      ['{"type":"offer","to":"b","fromRole":null,"from":"}"}', '{"type":"offer","to":"b",'],
      ['{"from":"x","from":"y","type":"offer","to":"b"}', '{"type":"offer","to":"b",'],
      [' {"type" : "offer" , "from" : "x" , "to":"b" } \n', '{"type" : "offer" , "to":"b" ,'],
      [
        '{"type":"offer","to":"b","n":12345678901234567890,"sdp":{"from":"in","x":"\\\\\\""}}',
        '{"type":"offer","to":"b","n":12345678901234567890,"sdp":{"from":"in","x":"\\\\\\""},',
      ],
    ] as const
  ) assertEquals(stamped(text), kept + tail, text);
});

Deno.test("stamp() gives up on names with escapes and on a type or target that stands there twice", () => {
  for (
    const text of [
      '{"type":"offer","to":"b","\\u0066rom":"x"}',
      '{"type":"offer","to":"b","to":"c"}',
      '{"type":"offer","type":"answer","to":"b"}',
    ]
  ) assertEquals(stamped(text), undefined, text);
});

Deno.test("stamp() says what reading and writing the message anew would say", () => {
  const name = fc.oneof(
    fc.constantFrom("from", "fromRole", "sdp", "x", "__proto__", "fro", "from ", "to\\"),
    fc.string({ unit: "binary" }),
  );
  const message = fc.array(fc.tuple(name, fc.jsonValue()), { maxLength: 6 }).map((pairs) =>
    new Map<string, unknown>([...pairs, ["type", "offer"], ["to", "b"]])
  );
  const space = fc.constantFrom("", " ", "\n\t");
  fc.assert(
    fc.property(message, space, fc.integer({ min: 0, max: 7 }), (members, gap, turn) => {
      const written = [...members].map(([key, value]) =>
        `${gap}${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(value, null, gap.length)}${gap}`
      );
      const text = `${gap}{${[...written.slice(turn), ...written.slice(0, turn)].join(",")}}${gap}`;
      const result = stamped(text);
      const hasEscapes = [...members.keys()].some((key) => JSON.stringify(key).includes("\\"));
      assertEquals(result === undefined, hasEscapes);
      if (result === undefined) return;
      assertEquals(JSON.parse(result), { ...JSON.parse(text), ...STAMP });
      const again = JSON.stringify(JSON.parse(result));
      if (gap === "") assertEquals(again.length, result.length, "no name twice");
    }),
    { seed: 20260101, numRuns: 3000 },
  );
});
