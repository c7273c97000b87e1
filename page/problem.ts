/**
 * What can be wrong on the way to the server and in its rooms, in words: one problem each with its
 * reason and what to change. When one of them applies is decided in `refusal.ts`. What can be wrong on
 * the way to a peer is in `path_problem.ts`.
 */

/** A problem as the page shows it. */
export interface Problem {
  /** Its name, for tests and for links. */
  readonly id: string;
  /** What is wrong, in a few words. */
  readonly title: string;
  /** Why. */
  readonly why: string;
  /** What to change. */
  readonly advice: string;
  /** Whether connections may work all the same. */
  readonly isWarning?: boolean;
  /** Whether it is only a question of time until more is known. */
  readonly isPassing?: boolean;
}

/** The Redis servers that connect the instances of a server: how many work, and how many there are. */
export interface Backplanes {
  readonly up: number;
  readonly total: number;
}

const TOKEN_HELP = "Your backend gets one by POST /token. By hand, where .env has the keys: " +
  "deno run -N -E --allow-read=.env jsr:@aikofy/client-db-sync token --subject ROOM --ttl 1h";

const REDIS_HELP =
  "Start Redis again, or correct REDIS_URL. Instances and peers find each other by themselves then.";

/** Every problem with the server or a room. */
export const PROBLEMS = {
  noWebRtc: (): Problem => ({
    id: "no-webrtc",
    title: "This browser has no WebRTC",
    why: "RTCPeerConnection is missing: it is too old, or an extension or policy turns it off.",
    advice: "Use Chrome 84, Firefox 113 or Safari 15.4, or newer, and allow WebRTC.",
  }),
  longRoom: (length: number, max: number): Problem => ({
    id: "long-room",
    title: "The room's name is too long",
    why: `It has ${length} characters; at most ${max} are allowed.`,
    advice: "Write a shorter name into the field Room. If an address has led here, correct it.",
  }),
  unreachable: (origin: string): Problem => ({
    id: "unreachable",
    title: "The server does not answer",
    why: `Nothing answers at ${origin}.`,
    advice:
      "Check that the server runs, and that this device reaches its address and port. The page " +
      "tries again by itself.",
  }),
  stopping: (): Problem => ({
    id: "stopping",
    title: "The server is stopping",
    why: "It closes all sockets and accepts no new ones.",
    advice: "Wait until it has started again: the page tries by itself.",
    isWarning: true,
  }),
  overloaded: (): Problem => ({
    id: "overloaded",
    title: "The server is short of memory",
    why: "Its process uses more than MAX_MEMORY_MB, so it accepts no new sockets.",
    advice: "Raise MAX_MEMORY_MB, give the machine more memory, or run another instance.",
  }),
  gateway: (origin: string, status: number): Problem => ({
    id: "gateway",
    title: "Something answers in place of the server",
    why: `${origin}/health is answered with ${status}, but not by this server.`,
    advice: status === 404
      ? "If there is a proxy in front, let it forward every path to the server, not /signal alone."
      : "If there is a proxy in front, it does not reach the server: check that the server runs, and " +
        "to which host and port the proxy forwards.",
  }),
  origin: (origin: string): Problem => ({
    id: "origin",
    title: "The server refuses pages of this origin",
    why: `ALLOWED_ORIGINS is set and does not contain ${origin}, where this page is from.`,
    advice:
      `Add ${origin} to ALLOWED_ORIGINS, with a comma between origins, and restart the server.`,
  }),
  noSocket: (): Problem => ({
    id: "no-socket",
    title: "The server answers, but no WebSocket opens",
    why: "HTTP requests are answered, and the WebSocket to /signal is refused.",
    advice:
      "If there is a proxy in front, let it pass WebSockets (Upgrade and Connection). If not, a " +
      "limit of the server is reached, such as MAX_CONNECTIONS or MAX_CONNECTIONS_PER_IP: its log " +
      "says which.",
  }),
  throttled: (): Problem => ({
    id: "throttled",
    title: "Too many tokens from this address were invalid",
    why: "The server refuses this address for up to a minute (MAX_FAILED_AUTH_PER_MINUTE).",
    advice: "Wait a minute, then use a valid token.",
  }),
  noToken: (): Problem => ({
    id: "no-token",
    title: "This server needs a token",
    why: "Authentication is on, and no token was given.",
    advice: `Paste a room token into the field Token. ${TOKEN_HELP}`,
  }),
  malformedToken: (): Problem => ({
    id: "malformed-token",
    title: "This is not a token",
    why: "A token is a JWT: three parts of letters, digits, - and _ with dots between them.",
    advice: `Paste the whole token and nothing else. ${TOKEN_HELP}`,
  }),
  expiredToken: (when: string): Problem => ({
    id: "expired-token",
    title: "The token has expired",
    why: `It was valid until ${when}.`,
    advice: `Get a new one, with a longer ttl if visits last longer. ${TOKEN_HELP}`,
  }),
  unknownToken: (): Problem => ({
    id: "bad-token",
    title: "The server does not accept the token",
    why:
      "It has not expired. So its signature does not match: it was signed with another key, or " +
      "was changed.",
    advice:
      "Get a token from this server. If another server signs the tokens, add its public key to " +
      "VERIFY_KEYS_JWK. If PRIVATE_KEY_JWK was replaced, all tokens of the old key are invalid.",
  }),
  foreignToken: (issuer: string): Problem => ({
    id: "foreign-token",
    title: "This is no room token",
    why: `It was issued by ${issuer}, not by a server like this one.`,
    advice:
      "If it is a token of your identity provider for a consumer, choose Consumer in Join as. " +
      `Otherwise use a room token. ${TOKEN_HELP}`,
  }),
  revokedToken: (): Problem => ({
    id: "revoked-token",
    title: "The token has been revoked",
    why: "It, or all tokens of this room that are as old, was revoked by POST /revoke.",
    advice: `Get a new one. ${TOKEN_HELP}`,
  }),
  wrongRoom: (room: string, own: string): Problem => ({
    id: "wrong-room",
    title: "The token is for another room",
    why: `It admits to the room ${own} alone, and the room here is ${room}.`,
    advice: `Write ${own} into the field Room, or get a token with "subject": ${
      JSON.stringify(room)
    }.`,
  }),
  wrongName: (own: string): Problem => ({
    id: "wrong-name",
    title: "The token is for another name",
    why: `It is bound to the nodeId ${own}.`,
    advice: `Write ${own} into the field Name. Only one tab at a time can use it.`,
  }),
  refusedByHost: (): Problem => ({
    id: "not-authorized",
    title: "The server's own check refuses this page",
    why:
      "The program that runs the server admits clients by itself (authorize), and refuses this one.",
    advice: "Sign in to that program first, or look at what its authorize function returns.",
  }),
  consumersOff: (): Problem => ({
    id: "consumers-off",
    title: "This server admits no consumers",
    why: "It has no keys of an identity provider, so it cannot check a consumer token.",
    advice: "Set CONSUMER_JWKS_URL or CONSUMER_PUBLIC_KEY_JWK, or join as a peer.",
  }),
  consumerToken: (): Problem => ({
    id: "consumer-token",
    title: "The server does not accept the consumer token",
    why:
      "It is missing, malformed or signed with an unknown key, or its claims are not as required.",
    advice:
      "Check that CONSUMER_JWKS_URL or CONSUMER_PUBLIC_KEY_JWK is that of the issuer, and that iss, " +
      "aud and the room fit CONSUMER_ISSUER, CONSUMER_AUDIENCE and CONSUMER_ROOM_CLAIM. The server's " +
      "log says what is wrong.",
  }),
  provider: (): Problem => ({
    id: "provider",
    title: "The identity provider's keys cannot be fetched",
    why: "The server needs them to check the consumer token.",
    advice: "Check CONSUMER_JWKS_URL, and that the server may reach that host (--allow-net).",
  }),
  noServers: (room: string): Problem => ({
    id: "no-servers",
    title: "Nobody serves consumers here",
    why: `A consumer connects to peers alone, and the room ${room} has none that serves consumers.`,
    advice: "Open this page in another tab, and join the same room there as a peer.",
    isWarning: true,
  }),
  nameInUse: (name: string): Problem => ({
    id: "name-in-use",
    title: "Another tab has this name",
    why: `A name is used once in a room, and ${name} is used by another tab or device.`,
    advice: "Write another name into the field Name, or leave it empty, and join again.",
  }),
  roomFull: (): Problem => ({
    id: "room-full",
    title: "The room is full",
    why: "It has as many members as it may.",
    advice: "Raise MAX_PEERS_PER_ROOM or MAX_CONSUMERS_PER_ROOM, or use another room.",
  }),
  identityFull: (): Problem => ({
    id: "identity-full",
    title: "Too many consumers of one user",
    why: "The room has as many consumers with the issuer and subject of this token as it may.",
    advice: "Close other pages of this user, or raise MAX_CONSUMERS_PER_IDENTITY.",
  }),
  disconnected: (): Problem => ({
    id: "disconnected",
    title: "The operator has closed the connection",
    why: "It was closed by POST /admin/disconnect, or by the program that runs the server.",
    advice: "Ask the operator why. Nothing is wrong here: Join connects again.",
  }),
  tooBig: (): Problem => ({
    id: "too-big",
    title: "A message was too long",
    why: "The server accepts no message that is longer than MAX_MESSAGE_BYTES.",
    advice: "Raise MAX_MESSAGE_BYTES: descriptions of browsers have up to some 10,000 bytes.",
  }),
  tooFast: (): Problem => ({
    id: "too-fast",
    title: "This page has sent too much",
    why: "The server has limits of messages and bytes for each client.",
    advice: "Raise MAX_MESSAGES_PER_SECOND or MAX_BYTES_PER_SECOND, or use a smaller room.",
  }),
  closed: (code: number, reason: string): Problem => ({
    id: "closed",
    title: "The server has closed the connection",
    why: `Its reason: ${reason || "none"} (${code}).`,
    advice: "The server's log may say more.",
  }),
  instances: (peer: string, hasBackplane: boolean): Problem => ({
    id: "instances",
    title: "The page that you were invited by is not in this room",
    why: `Either ${peer} has left, or it is on another instance of the server: ` + (
      hasBackplane
        ? "the one that answers here is connected to Redis, but perhaps not to the same."
        : "the one that answers here is connected to no other."
    ),
    advice:
      "If several instances run behind one address, give all of them the same REDIS_URL and " +
      "REDIS_PREFIX.",
    isWarning: true,
  }),
  backplane: (): Problem => ({
    id: "backplane",
    title: "The server has lost Redis",
    why:
      "Redis connects the instances of the server, and this instance cannot reach it: peers of " +
      "other instances are not seen here.",
    advice: REDIS_HELP,
    isWarning: true,
  }),
  someBackplanes: ({ up, total }: Backplanes): Problem => ({
    id: "some-backplanes",
    title: `The server has lost ${total - up} of ${total} Redis servers`,
    why:
      "Each room belongs to one of them. In the rooms of those that this instance cannot reach, " +
      "perhaps in this one, peers of other instances are not seen here. All other rooms work.",
    advice: REDIS_HELP,
    isWarning: true,
  }),
} as const;
