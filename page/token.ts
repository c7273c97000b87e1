/** What a token says about itself. It is read and not verified: that is the server's task. */

/** Who issues room tokens. */
const ROOM_TOKEN_ISSUER = "aikofy:client-db-sync";

/** What the page shows of a token and explains refusals by. */
export interface TokenText {
  readonly isRoomToken: boolean;
  readonly issuer: string;
  readonly subject: string;
  /** The only name that it admits under, if it is bound to one. */
  readonly nodeId: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number | undefined;
}

/** Reads a token; `undefined` if it is none. */
export function readToken(token: string): TokenText | undefined {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token) ?? [];
  if (payload === undefined) return undefined;
  try {
    const bytes = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
    const claims: unknown = JSON.parse(text);
    if (typeof claims !== "object" || claims === null) return undefined;
    const { iss, sub, exp, nodeId }: Record<string, unknown> = { ...claims };
    return {
      isRoomToken: iss === ROOM_TOKEN_ISSUER,
      issuer: typeof iss === "string" ? iss : "nobody",
      subject: typeof sub === "string" ? sub : "",
      nodeId: typeof nodeId === "string" ? nodeId : undefined,
      expiresAt: typeof exp === "number" ? exp * 1000 : undefined,
    };
  } catch {
    return undefined;
  }
}
