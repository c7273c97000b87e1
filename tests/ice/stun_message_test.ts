import { assert, assertEquals } from "@std/assert";
import {
  ATTRIBUTE,
  decodeStun,
  encodeStun,
  longTermKey,
  METHOD,
  readAddress,
  readErrorCode,
  readText,
} from "../../src/ice/stun_message.ts";

/** The test vectors of RFC 5769. */
const REQUEST = bytes(
  "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff",
  "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249",
  "c1b571a280280004e57a3bcf",
);
const IPV4_RESPONSE = bytes(
  "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643",
  "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
);
const IPV6_RESPONSE = bytes(
  "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa",
  "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
);
const LONG_TERM_REQUEST = bytes(
  "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c",
  "662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014",
  "f67024656dd64a3e02b8e0712e85c9a28ca89666",
);
const FINGERPRINT_BYTES = 8;
const PASSWORD = new TextEncoder().encode("VOkJxbRl1RmTxUk/WvJxBt");

function bytes(...hex: string[]): Uint8Array {
  return Uint8Array.fromHex(hex.join(""));
}

Deno.test("decodeStun() reads the test vectors of RFC 5769 and checks their signatures", () => {
  const request = decodeStun(REQUEST);
  assert(request !== undefined);
  assertEquals([request.method, request.class], [METHOD.binding, "request"]);
  assertEquals(request.transactionId, "b7e7a701bc34d686fa87dfae");
  assertEquals(readText(request, ATTRIBUTE.username), "evtj:h6vY");
  assert(request.isSignedWith(PASSWORD));
  assert(!request.isSignedWith(PASSWORD.slice(1)));

  for (
    const [vector, address] of [
      [IPV4_RESPONSE, "192.0.2.1"],
      [IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677"],
    ] as const
  ) {
    const response = decodeStun(vector);
    assert(response !== undefined);
    assertEquals([response.method, response.class], [METHOD.binding, "success"]);
    const mapped = readAddress(response, ATTRIBUTE.xorMappedAddress);
    assertEquals(mapped, { address, port: 32853 });
    assert(response.isSignedWith(PASSWORD));
  }
});

Deno.test("encodeStun() writes the long-term request of RFC 5769 to the byte", () => {
  const encoder = new TextEncoder();
  const user = { username: "マトリックス", realm: "example.org", credential: "TheMatrIX" };
  const request = encodeStun({
    method: METHOD.binding,
    transactionId: bytes("78ad3433c6ad72c029da412e"),
    attributes: new Map([
      [ATTRIBUTE.username, encoder.encode(user.username)],
      [ATTRIBUTE.nonce, encoder.encode("f//499k954d6OL34oL9FSTvy64sA")],
      [ATTRIBUTE.realm, encoder.encode(user.realm)],
    ]),
    key: longTermKey(user),
    fingerprint: false,
  });
  assertEquals(new Uint8Array(request).toHex(), LONG_TERM_REQUEST.toHex());
});

Deno.test("encodeStun() signs and adds a fingerprint that decodeStun() accepts", () => {
  const transactionId = crypto.getRandomValues(new Uint8Array(12));
  const attributes = new Map([[ATTRIBUTE.realm, bytes("616263")]]);
  const request = encodeStun({ method: METHOD.refresh, transactionId, attributes, key: PASSWORD });
  const message = decodeStun(request);
  assertEquals([message?.method, message?.class], [METHOD.refresh, "request"]);
  assertEquals(message?.transactionId, transactionId.toHex());
  assert(message?.isSignedWith(PASSWORD));
});

Deno.test("decodeStun() refuses whatever is cut, lengthened or changed, and never throws", () => {
  for (const vector of [REQUEST, IPV4_RESPONSE, IPV6_RESPONSE, LONG_TERM_REQUEST]) {
    for (let length = 0; length < vector.length; length++) {
      assertEquals(decodeStun(vector.slice(0, length)), undefined);
    }
    assertEquals(decodeStun(new Uint8Array([...vector, 0, 0, 0, 0])), undefined);
    for (let index = 0; index < vector.length; index++) {
      const message = decodeStun(vector.with(index, (vector[index] ?? 0) ^ 0x55));
      // Of the fingerprint itself the type may change: then there is none.
      const isProtected = vector !== LONG_TERM_REQUEST && index < vector.length - FINGERPRINT_BYTES;
      if (isProtected) assertEquals(message, undefined, `byte ${index}`);
      if (message !== undefined) readAddress(message, ATTRIBUTE.xorMappedAddress);
    }
  }
  for (let round = 0; round < 1000; round++) {
    const random = crypto.getRandomValues(new Uint8Array(4 * Math.floor(Math.random() * 20)));
    const header = bytes("010100002112a442");
    random.set(header.subarray(0, random.length));
    if (random.length >= 20) new DataView(random.buffer).setUint16(2, random.length - 20);
    const message = decodeStun(random);
    if (message === undefined) continue;
    readAddress(message, ATTRIBUTE.xorMappedAddress);
    readErrorCode(message);
    message.isSignedWith(PASSWORD);
  }
});

Deno.test("decodeStun() leaves out what follows the signature, which anybody may have added", () => {
  const signed = encodeStun({
    method: METHOD.allocate,
    transactionId: new Uint8Array(12),
    attributes: new Map(),
    key: PASSWORD,
    fingerprint: false,
  });
  const longer = new Uint8Array([...signed, 0, 0x0d, 0, 4, 0, 0, 0, 9]);
  new DataView(longer.buffer).setUint16(2, longer.length - 20);
  const message = decodeStun(longer);
  assert(message?.isSignedWith(PASSWORD));
  assertEquals(message?.attributes.get(ATTRIBUTE.lifetime), undefined);
});
