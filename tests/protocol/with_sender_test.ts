import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { withSender } from "../../src/protocol/with_sender.ts";

const STAMP = { from: 'a"\\', fromRole: "normal" } as const;

function stamped(text: string): string {
  return withSender(text, STAMP.from, STAMP.fromRole);
}

Deno.test("withSender() puts the sender in place of whatever stood there, and leaves the rest as it came", () => {
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

Deno.test("withSender() finds names with escapes, and leaves every other member as it came, however many", () => {
  const tail = '"from":"a\\"\\\\","fromRole":"normal"}';
  const many = Array.from({ length: 100 }, (_, n) => `"n${n}":${n}`).join();
  for (
    const [text, kept] of [
      ['{"type":"offer","to":"b","\\u0066rom":"x"}', '{"type":"offer","to":"b",'],
      [
        '{"type":"offer","to":"b","from\\u0052ole":"x","sdp":1}',
        '{"type":"offer","to":"b","sdp":1,',
      ],
      ['{"type":"offer","to":"b","fr\\\\om":1}', '{"type":"offer","to":"b","fr\\\\om":1,'],
      ['{"type":"offer","to":"b","to":"c"}', '{"type":"offer","to":"b","to":"c",'],
      ['{"type":"offer","type":"answer","to":"b"}', '{"type":"offer","type":"answer","to":"b",'],
      [`{"type":"offer","to":"b",${many}}`, `{"type":"offer","to":"b",${many},`],
      [
        '{"\\u0074ype":"offer","to":"b","a":1e999,"b":-0,"c":123456789012345678901234567890}',
        '{"\\u0074ype":"offer","to":"b","a":1e999,"b":-0,"c":123456789012345678901234567890,',
      ],
    ] as const
  ) assertEquals(stamped(text), kept + tail, text);
});

Deno.test("withSender() keeps the text of every member but from and fromRole, whatever else there is", () => {
  const escaped = (name: string) =>
    [...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
  const name = fc.oneof(
    fc.constantFrom('"from"', '"fromRole"', '"to"', '"type"', '"__proto__"', '"from "'),
    fc.constantFrom("from", "fromRole", "to", "x").map((given) => `"${escaped(given)}"`),
    fc.string({ unit: "binary" }).map((given) => JSON.stringify(given)),
  );
  const value = fc.oneof(
    fc.constantFrom("1e999", "-0", "12345678901234567890", '"\\ud800"', '"}"', '{"from":[{}]}'),
    fc.json(),
  );
  const space = fc.constantFrom("", " ", "\n\t");
  const member = fc.tuple(space, name, space, space, value, space);
  fc.assert(
    fc.property(fc.array(member, { maxLength: 20 }), fc.nat(20), (given, at) => {
      const type = ["", '"type"', "", "", '"offer"', ""] as const;
      const members = [...given.slice(0, at), type, ...given.slice(at)];
      const write = (all: typeof members) =>
        all.map(([a, key, b, c, json, d]) => `${a}${key}${b}:${c}${json}${d}`).join();
      const kept = members.filter(([, key]) => !["from", "fromRole"].includes(JSON.parse(key)));
      const text = `{${write(members)}}`;
      const result = stamped(text);
      assertEquals(result, `{${write(kept)},"from":"a\\"\\\\","fromRole":"normal"}`);
      assertEquals(JSON.parse(result), { ...JSON.parse(text), ...STAMP });
    }),
    { seed: 20260101, numRuns: 3000 },
  );
});
