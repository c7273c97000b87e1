/**
 * `GET /`, the page that tries connections, and `GET /client.js`, the client for browsers. Both are
 * loaded with the first request. What the page does is in `page/`, the folder it is built from.
 */

import type { Route } from "./admin_guard.ts";
import { NO_STORE } from "./responses.ts";

/** Hosts that can stand in a policy: what else `Host` may contain would end a directive. */
const PLAIN_HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?$/i;

/** Creates the routes to the page, by path. */
export function createPageRoutes(): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ["/", async (request) => {
      const { PAGE_HTML, SCRIPT_HASH, STYLE_HASH } = await import("../page/page_html.ts");
      const policy = contentPolicy(request.headers.get("host"), SCRIPT_HASH, STYLE_HASH);
      return new Response(PAGE_HTML, {
        headers: {
          ...NO_STORE,
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": policy,
          "cross-origin-opener-policy": "same-origin",
          "cross-origin-resource-policy": "same-origin",
          "referrer-policy": "no-referrer",
          "x-content-type-options": "nosniff",
          "x-frame-options": "DENY",
        },
      });
    }],
    ["/client.js", async () => {
      const { CLIENT_JS } = await import("../page/client_js.ts");
      return new Response(CLIENT_JS, {
        headers: {
          ...NO_STORE,
          "content-type": "text/javascript; charset=utf-8",
          // A page of any origin may import it: it is public code without anything of this server.
          "access-control-allow-origin": "*",
          "cross-origin-resource-policy": "cross-origin",
          "x-content-type-options": "nosniff",
        },
      });
    }],
  ]);
}

/**
 * What the page may do (CSP Level 3): run its own script and style, and connect to the server that it
 * came from. Old browsers do not count WebSockets as `'self'`, so they are named.
 */
function contentPolicy(host: string | null, script: string, style: string): string {
  const sockets = host !== null && PLAIN_HOST.test(host) ? ` ws://${host} wss://${host}` : "";
  return [
    "default-src 'none'",
    `script-src '${script}'`,
    `style-src '${style}'`,
    `connect-src 'self'${sockets}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
