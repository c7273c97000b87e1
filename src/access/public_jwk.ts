/**
 * Whether a public key can ever verify a token, found out before any token comes: its type and
 * purpose, its members (RFC 7518, section 6), and for a point whether it is on its curve. Importing a
 * key would tell less, and later.
 */

/** A short Weierstrass curve y² = x³ − 3x + b over a prime field (FIPS 186-5, SP 800-186). */
interface Curve {
  readonly bytes: number;
  readonly prime: bigint;
  readonly b: bigint;
  readonly algorithm: string;
}

const CURVES: Readonly<Record<string, Curve>> = {
  "P-256": {
    bytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    algorithm: "ES256",
  },
  "P-384": {
    bytes: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: BigInt(
      "0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    ),
    algorithm: "ES384",
  },
  "P-521": {
    bytes: 66,
    prime: 2n ** 521n - 1n,
    b: BigInt(
      "0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
    ),
    algorithm: "ES512",
  },
};

const RSA_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

/** RFC 7518, section 3.3: a smaller key must not be used. */
const MIN_RSA_BITS = 2048;

/**
 * Finds out why a key cannot verify tokens.
 *
 * @param jwk The members of the key.
 * @param accepted The names of the algorithms that tokens may have.
 * @returns What is wrong, as the end of a sentence about the key; `undefined` if nothing is.
 */
export function findKeyProblem(
  jwk: Readonly<Record<string, unknown>>,
  accepted: readonly string[],
): string | undefined {
  const { kty, use, key_ops: operations, alg } = jwk;
  if (kty === "oct") return "is symmetric: give the public keys of key pairs only";
  if (jwk["d"] !== undefined) return "has the private member d: give public keys only";
  const algorithms = algorithmsOf(jwk);
  if (algorithms === undefined) {
    return "needs the kty EC (crv P-256, P-384 or P-521), RSA, or OKP (crv Ed25519)";
  }
  if (use !== undefined && use !== "sig") return 'is not for signatures: its use must be "sig"';
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    return 'is not for verifying: its key_ops must contain "verify"';
  }
  if (alg !== undefined && !algorithms.some((name) => name === alg)) {
    return `has an alg that does not fit it: it is for ${algorithms.join(", ")}`;
  }
  const usable = alg === undefined ? algorithms : [String(alg)];
  if (!usable.some((name) => accepted.includes(name))) {
    return `is for ${usable.join(", ")}, but the accepted algorithms are ${accepted.join(", ")}`;
  }
  return findMemberProblem(jwk);
}

function algorithmsOf({ kty, crv }: Readonly<Record<string, unknown>>): string[] | undefined {
  if (kty === "RSA") return RSA_ALGORITHMS;
  if (kty === "OKP" && crv === "Ed25519") return ["EdDSA", "Ed25519"];
  const curve = kty === "EC" && typeof crv === "string" ? curveOf(crv) : undefined;
  return curve && [curve.algorithm];
}

function curveOf(crv: string): Curve | undefined {
  return Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined;
}

function findMemberProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const names = jwk["kty"] === "RSA" ? ["n", "e"] : jwk["kty"] === "EC" ? ["x", "y"] : ["x"];
  const members: string[] = [];
  for (const name of names) {
    if (jwk[name] === undefined) return `has no member ${name}`;
    const bytes = decodeBase64url(jwk[name]);
    if (bytes === undefined) return `has a member ${name} that is not base64url without padding`;
    members.push(bytes);
  }
  const [first = "", second = ""] = members;
  if (jwk["kty"] === "RSA") {
    const bits = toInteger(first).toString(2).length;
    if (bits < MIN_RSA_BITS) return `has ${bits} bits: ${MIN_RSA_BITS} are needed`;
    return toInteger(second) % 2n === 1n && toInteger(second) > 1n
      ? undefined
      : "has an exponent e that is none";
  }
  const curve = curveOf(String(jwk["crv"]));
  if (curve === undefined) {
    return first.length === 32 ? findEd25519Problem(first) : "has an x that is not 32 bytes";
  }
  if (first.length !== curve.bytes || second.length !== curve.bytes) {
    return `has an x or y that is not ${curve.bytes} bytes`;
  }
  return isOnCurve(toInteger(first), toInteger(second), curve)
    ? undefined
    : "has an x and y that are no point of its curve";
}

function isOnCurve(x: bigint, y: bigint, { prime, b }: Curve): boolean {
  return x < prime && y < prime && (x * x * x - 3n * x + b - y * y) % prime === 0n;
}

/** Edwards25519, −x² + y² = 1 + d·x²·y² with d = −D / E modulo P (RFC 8032, section 5.1). */
const P = 2n ** 255n - 19n;
const D = 121665n;
const E = 121666n;

/**
 * What is wrong with an Ed25519 key. Signatures for a point of small order can be made by anyone, and
 * importing such a key succeeds: 32 bytes of zero are one.
 */
function findEd25519Problem(bytes: string): string | undefined {
  const reversed = [...bytes].reverse().join("");
  const y = toInteger(reversed) & (2n ** 255n - 1n); // The highest bit is the sign of x.
  const y2 = y * y % P;
  // Times 8, a point of small order is the neutral element: y is 0, or 1 or -1, or 2·(x, y) has y = 0.
  const isSmall = y2 === 0n || y2 === 1n || (2n * E * y2 - D * y2 * y2 - E) % P === 0n;
  if (isSmall) return "has an x of small order, for which anyone can sign";
  // x² = (y² − 1) / (d·y² + 1): a square by Euler's criterion.
  const isPoint = y < P && power(E * (y2 - 1n) * (E - D * y2), (P - 1n) / 2n) === 1n;
  return isPoint ? undefined : "has an x that is no point of its curve";
}

/** A power modulo P. */
function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, ((base % P) + P) % P];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = result * square % P;
    square = square * square % P;
  }
  return result;
}

/** The number that a text of one character per byte stands for, most significant byte first. */
function toInteger(bytes: string): bigint {
  const hex = Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
  return BigInt(`0x0${hex.join("")}`);
}

/** A text of one character per byte. As in tokens, the spare bits have to be 0. */
function decodeBase64url(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^[\w-]+$/.test(value)) return undefined;
  const base64 = value.replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = atob(base64);
    return btoa(bytes).replaceAll("=", "") === base64 ? bytes : undefined;
  } catch {
    return undefined;
  }
}
