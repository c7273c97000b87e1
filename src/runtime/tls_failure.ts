/** Why a TLS handshake failed, in words. The library below Deno says it in its message alone. */

/** What the messages contain, and what they mean. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/UnknownIssuer/, "its certificate is not signed by an authority we trust"],
  [/CaUsedAsEndEntity/, "its certificate is signed by itself"],
  [/not valid for name|NotValidForName/, "its certificate is for another name"],
  [/NotValidYet|not valid yet/, "its certificate is not valid yet"],
  [/Expired|certificate expired/, "its certificate has expired"],
  [/corrupt message|InvalidContentType/, "this port does not speak TLS"],
  [/NoApplicationProtocol/, "it refuses HTTP/1.1, which WebSockets need"],
  [/HandshakeFailure|ProtocolVersion|PeerIncompatible/, "it offers no version or cipher in common"],
];

/**
 * Says what is wrong with TLS.
 *
 * @param error What the handshake threw.
 * @returns The end of a sentence, without any text of the server.
 */
export function tlsFailure(error: unknown): string {
  const text = error instanceof Error ? error.message : "";
  return REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? "the handshake failed";
}
