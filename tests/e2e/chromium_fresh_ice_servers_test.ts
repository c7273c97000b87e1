/** The recipe of docs/turn.md that gives fresh TURN credentials to pages which client-db 2.1 runs in. */

import { assertEquals } from "@std/assert";
import type { IceServer } from "../../mod.ts";
import { browserTest } from "../helpers/browser.ts";
import { until } from "../helpers/client.ts";
import { MISSING_COTURN, startCoturn, turnUser } from "../helpers/coturn.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

const SECRET = "a-secret-that-this-server-and-coturn-share";

/** As in the docs. */
const REFRESH = `
  async function refresh() {
    let seconds = 60;
    try {
      const response = await fetch(url, { headers: { authorization: \`Bearer \${token}\` } });
      if (response.ok) {
        const fresh = await response.json();
        iceServers.splice(0, Infinity, ...fresh.iceServers);
        seconds = fresh.ttl / 2;
      }
    } finally {
      setTimeout(refresh, seconds * 1000);
    }
  }
`;

interface TokenAnswer {
  readonly token: string;
  readonly iceServers: readonly IceServer[];
}

/** What a backend asks for. */
async function requestToken({ url }: TestServer): Promise<TokenAnswer> {
  const response = await fetch(`${url}/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: JSON.stringify({ ttl: "1h", subject: "room", iceServers: true }),
  });
  return await response.json();
}

browserTest(
  "fresh ice servers: a page as of client-db 2.1 connects with those that it was given last",
  async (browser) => {
    await using coturn = await startCoturn({ secrets: [SECRET] });
    const urls = [`turn:127.0.0.1:${coturn.port}`];
    await using server = await startServer({ turn: { urls, secret: SECRET } });
    const open = async (nodeId: string, given?: readonly IceServer[]) => {
      const { token, iceServers } = await requestToken(server);
      const page = await browser.newPage();
      await page.addInitScript({
        content: `
          globalThis.url = ${JSON.stringify(`${server.url}/ice-servers`)};
          globalThis.token = ${JSON.stringify(token)};
          globalThis.iceServers = ${JSON.stringify(given ?? iceServers)};
          ${REFRESH}
          globalThis.refresh = refresh;
        `,
      });
      const file = new URL("../helpers/page.html", import.meta.url);
      const query = { server: server.signal(), room: "room", nodeId, token, policy: "relay" };
      file.search = new URLSearchParams(query).toString();
      await page.goto(file.href);
      return page;
    };

    const expired = turnUser(SECRET, { secondsLeft: -60 });
    const ada = await open("ada", [{ urls, ...expired }]);
    await until("the first page to join", () => server.stats().peers === 1);
    await ada.evaluate("refresh()");
    assertEquals(
      await ada.evaluate("iceServers[0].username !== " + JSON.stringify(expired.username)),
      true,
    );

    const ben = await open("ben");
    await until(
      "a connection",
      async () => String(await ben.evaluate("globalThis.peers?.()")) === "ada",
      30_000,
    );
  },
  MISSING_COTURN,
);
