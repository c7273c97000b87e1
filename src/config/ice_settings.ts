/**
 * The settings of ICE servers, and what they say together. Static servers and those with a secret go
 * side by side; a URL, a user name, a credential or the secret is never shown.
 */

import { parseDuration } from "../access/duration.ts";
import {
  checkIceList,
  checkTurnUrls,
  MAX_ICE_TTL_SECONDS,
  type TurnOptions,
} from "../ice/ice_options.ts";
import type { IceServer } from "../ice/ice_url.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { type EnvironmentReader, setting } from "./setting_reader.ts";

/** The ICE servers that clients are told of. */
export interface IceSettings {
  readonly iceServers: readonly IceServer[];
  /** Servers for which each peer gets credentials of its own, if there are some. */
  readonly turn: TurnOptions | undefined;
  /** How long those are valid. */
  readonly iceTtl: string;
}

const EXAMPLE = 'Try: ICE_SERVERS=[{"urls":"stun:stun.example.com"}]';
const URLS_EXAMPLE = "Try: TURN_URLS=turn:turn.example.com,turns:turn.example.com?transport=tcp";

/** The settings of ICE servers, in the order of the docs. */
export const ICE = {
  iceServers: setting({
    name: "ICE_SERVERS",
    isSecret: true,
    default: "none",
    summary:
      "STUN and TURN servers that clients are told of, the same for all: a JSON array of RTCIceServer",
    read: (reader) => {
      const { text } = reader;
      return (text && reader.attempt(() => checkIceList(parseJson(text)), EXAMPLE)) || [];
    },
  }),
  turnUrls: setting({
    name: "TURN_URLS",
    default: "none",
    summary:
      "URLs of TURN servers for which each peer gets credentials of its own, with commas between",
    read(reader) {
      const urls = reader.list();
      if (urls !== undefined) reader.attempt(() => checkTurnUrls(urls), URLS_EXAMPLE);
      return urls;
    },
  }),
  turnSecret: setting({
    name: "TURN_SECRET",
    isSecret: true,
    default: "none",
    summary: "The secret that these servers share with this one: coturn's static-auth-secret",
    read: ({ text }) => text,
  }),
  turnTtl: setting({
    name: "TURN_TTL",
    default: DEFAULTS.turnTtl,
    summary: "How long such credentials are valid, 48h at most",
    read(reader) {
      const { text = DEFAULTS.turnTtl } = reader;
      const seconds = reader.attempt(
        () => parseDuration(text),
        `Try: TURN_TTL=${DEFAULTS.turnTtl}`,
      );
      if (seconds !== undefined && seconds > MAX_ICE_TTL_SECONDS) {
        reader.problem("must be 48h at most", `Try: TURN_TTL=${DEFAULTS.turnTtl}`);
      }
      return text;
    },
  }),
} as const;

/**
 * Reads the settings of ICE servers.
 *
 * @param authEnabled Whether clients are authenticated; without, a secret would serve anyone.
 */
export function readIce(environment: EnvironmentReader, authEnabled: boolean): IceSettings {
  const iceServers = environment.read(ICE.iceServers);
  const urls = environment.read(ICE.turnUrls);
  const secret = environment.read(ICE.turnSecret);
  const iceTtl = environment.read(ICE.turnTtl);
  const hasUrls = environment.has(ICE.turnUrls);
  const hasSecret = environment.has(ICE.turnSecret);
  if (hasUrls && !hasSecret) {
    const help = "Set it to coturn's static-auth-secret, or unset TURN_URLS";
    environment.problem(ICE.turnSecret, "is needed with TURN_URLS", help);
  }
  if (hasSecret && !hasUrls) {
    environment.problem(ICE.turnUrls, "is needed with TURN_SECRET", URLS_EXAMPLE);
  }
  if (hasSecret && !authEnabled) {
    const what = "and AUTH_DISABLED=true exclude each other: anyone could use the TURN servers";
    const help =
      "Unset one. To try TURN by the page, unset AUTH_DISABLED, set PLAYGROUND=true, and " +
      `where there are no keys yet, run: ${environment.keygen}`;
    environment.problem(ICE.turnSecret, what, help);
  }
  const turn = urls === undefined || secret === undefined ? undefined : { urls, secret };
  return { iceServers, turn, iceTtl };
}

/** A parser's own message shows what it has read. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError("It is no JSON");
  }
}
