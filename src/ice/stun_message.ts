/**
 * STUN messages as bytes (RFC 8489, with the attributes of RFC 8656 that an allocation needs): writing
 * requests, reading answers, and their two checks, MESSAGE-INTEGRITY by the long-term credential and
 * FINGERPRINT. Reading never throws. Sending is `stun_link.ts`.
 */

import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The methods that a probe needs (RFC 8489 section 18.2, RFC 8656 section 17). */
export const METHOD = { binding: 0x001, allocate: 0x003, refresh: 0x004 } as const;

/** The attributes that a probe needs (RFC 8489 section 18.3, RFC 8656 section 18). */
export const ATTRIBUTE = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedTransport: 0x0019,
  xorMappedAddress: 0x0020,
  fingerprint: 0x8028,
} as const;

/** Octets before the attributes. */
export const HEADER_BYTES = 20;

const MAGIC_COOKIE = 0x2112a442;
const COOKIE_OFFSET = 4;
const TRANSACTION_OFFSET = 8;
const INTEGRITY_BYTES = 24;
const FINGERPRINT_BYTES = 8;
const FINGERPRINT_XOR = 0x5354554e;

/** Whether a message asks, or how it answers. */
export type StunClass = "request" | "indication" | "success" | "error";

const CLASSES: readonly StunClass[] = ["request", "indication", "success", "error"];

/** A message that was read. */
export interface StunMessage {
  readonly method: number;
  readonly class: StunClass;
  /** Twelve bytes in hexadecimal. */
  readonly transactionId: string;
  /** The first value of each attribute. */
  readonly attributes: ReadonlyMap<number, Uint8Array>;
  /** Whether MESSAGE-INTEGRITY is there and made with this key. */
  isSignedWith(key: Uint8Array): boolean;
}

/** A request to write. */
export interface StunRequest {
  readonly method: number;
  /** Twelve random bytes. */
  readonly transactionId: Uint8Array;
  /** In the order in which they are sent; a `Map` keeps it. */
  readonly attributes: ReadonlyMap<number, Uint8Array>;
  /** Signs the request. */
  readonly key?: Uint8Array;
  /** Default: true. */
  readonly fingerprint?: boolean;
}

/** An address of a peer, as the server sees or gives it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * The key of the long-term credential (RFC 8489, section 9.2.2).
 *
 * @param user The credential, and the realm that the server has sent.
 * @returns MD5 of `username:realm:credential`.
 */
export function longTermKey(
  { username, realm, credential }: { username: string; realm: string; credential: string },
): Uint8Array {
  return createHash("md5").update(`${username}:${realm}:${credential}`).digest();
}

/** Writes a request. */
export function encodeStun(request: StunRequest): Uint8Array {
  const { key, fingerprint = true } = request;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(request.method, 0); // Below 0x10: the class bits of a request are zero.
  header.writeUInt32BE(MAGIC_COOKIE, COOKIE_OFFSET);
  header.set(request.transactionId, TRANSACTION_OFFSET);
  const parts = [...request.attributes].map(([type, value]) => encodeAttribute(type, value));
  let message = Buffer.concat([header, ...parts]);
  if (key !== undefined) {
    const value = integrityOf(message, message.length, key);
    message = Buffer.concat([message, encodeAttribute(ATTRIBUTE.messageIntegrity, value)]);
  }
  if (fingerprint) {
    const value = uint32(fingerprintOf(message, message.length));
    message = Buffer.concat([message, encodeAttribute(ATTRIBUTE.fingerprint, value)]);
  }
  message.writeUInt16BE(message.length - HEADER_BYTES, 2);
  return message;
}

function encodeAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4 + padded(value.length));
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  bytes.set(value, 4);
  return bytes;
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}

/** A number as four bytes. */
export function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * The length of the message that begins with these bytes.
 *
 * @param header At least {@linkcode HEADER_BYTES}.
 * @returns `undefined` if no STUN message begins so.
 */
export function stunLength(header: Uint8Array): number | undefined {
  const view = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  const length = view.readUInt16BE(2);
  const isStun = view.readUInt16BE(0) < 0x4000 && length % 4 === 0 &&
    view.readUInt32BE(COOKIE_OFFSET) === MAGIC_COOKIE;
  return isStun ? HEADER_BYTES + length : undefined;
}

/**
 * Reads a message.
 *
 * @param bytes One whole message.
 * @returns `undefined` if they are none, or the FINGERPRINT is wrong.
 */
export function decodeStun(bytes: Uint8Array): StunMessage | undefined {
  if (bytes.length < HEADER_BYTES || stunLength(bytes) !== bytes.length) return undefined;
  const message = Buffer.from(bytes);
  const attributes = new Map<number, Uint8Array>();
  let integrityOffset: number | undefined;
  for (let offset = HEADER_BYTES; offset < message.length;) {
    if (offset + 4 > message.length) return undefined;
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 2);
    const end = offset + 4 + padded(length);
    if (end > message.length) return undefined;
    const value = message.subarray(offset + 4, offset + 4 + length);
    if (type === ATTRIBUTE.fingerprint) {
      const isRight = end === message.length && length === 4 &&
        value.readUInt32BE() === fingerprintOf(message, offset);
      if (!isRight) return undefined;
    } else if (integrityOffset === undefined) { // What follows it is not protected: left out.
      if (type === ATTRIBUTE.messageIntegrity) integrityOffset = offset;
      if (!attributes.has(type)) attributes.set(type, value);
    }
    offset = end;
  }
  const type = message.readUInt16BE(0);
  return {
    method: (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2),
    class: CLASSES[((type & 0x0010) >> 4) | ((type & 0x0100) >> 7)] ?? "request",
    transactionId: message.toString("hex", TRANSACTION_OFFSET, HEADER_BYTES),
    attributes,
    isSignedWith(key) {
      const value = attributes.get(ATTRIBUTE.messageIntegrity);
      if (value === undefined || integrityOffset === undefined) return false;
      const expected = integrityOf(message, integrityOffset, key);
      return value.length === expected.length && timingSafeEqual(value, expected);
    },
  };
}

/** HMAC-SHA1 over what comes before it, with a length as if it were the last attribute. */
function integrityOf(message: Buffer, offset: number, key: Uint8Array): Uint8Array {
  const text = upTo(message, offset, INTEGRITY_BYTES);
  return createHmac("sha1", key).update(text).digest();
}

function fingerprintOf(message: Buffer, offset: number): number {
  return (crc32(upTo(message, offset, FINGERPRINT_BYTES)) ^ FINGERPRINT_XOR) >>> 0;
}

function upTo(message: Buffer, offset: number, following: number): Buffer {
  const text = Buffer.from(message.subarray(0, offset));
  text.writeUInt16BE(offset + following - HEADER_BYTES, 2);
  return text;
}

/** CRC-32 of ITU V.42, as in gzip. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ -1) >>> 0;
}

/** Reads XOR-MAPPED-ADDRESS or XOR-RELAYED-ADDRESS; `undefined` if it is absent or malformed. */
export function readAddress(
  { attributes, transactionId }: StunMessage,
  type: number,
): Endpoint | undefined {
  const value = attributes.get(type);
  const bytes = value?.[1] === 1 ? 4 : value?.[1] === 2 ? 16 : 0;
  if (value === undefined || bytes === 0 || value.length !== 4 + bytes) return undefined;
  const mask = Buffer.concat([uint32(MAGIC_COOKIE), Buffer.from(transactionId, "hex")]);
  const clear = Buffer.from(value.subarray(4).map((byte, index) => byte ^ (mask[index] ?? 0)));
  const port = Buffer.from(value).readUInt16BE(2) ^ (MAGIC_COOKIE >>> 16);
  if (bytes === 4) return { address: clear.join("."), port };
  const groups = Array.from(
    { length: 8 },
    (_, index) => clear.readUInt16BE(index * 2).toString(16),
  );
  const { hostname } = new URL(`http://[${groups.join(":")}]`); // The short form of RFC 5952.
  return { address: hostname.slice(1, -1), port };
}

/** Reads ERROR-CODE, such as 401; 0 if it is absent or malformed. */
export function readErrorCode({ attributes }: StunMessage): number {
  const [, , hundreds = 0, rest = 0] = attributes.get(ATTRIBUTE.errorCode) ?? [];
  return (hundreds & 0x07) * 100 + rest;
}

/** Reads an attribute that is text; `undefined` if it is absent. */
export function readText({ attributes }: StunMessage, type: number): string | undefined {
  const value = attributes.get(type);
  return value && new TextDecoder().decode(value);
}
