/**
 * Servers whose every HTTP answer is checked against `docs/protocol/openapi.yaml`, whoever asks: the
 * test that has caused another answer fails when its server is closed.
 */

import type { SignalingServer } from "../../mod.ts";
import { splitUrl } from "../../src/http/url.ts";
import { assertAnswer } from "./openapi.ts";

/** The same server, checked. What listens again after the system had no more descriptors is not. */
export function checked(server: SignalingServer): SignalingServer {
  const problems: unknown[] = [];

  function checkedFetch<I>(
    fetch: (request: Request, info: I) => Response | Promise<Response>,
    isInternal = false,
  ): (request: Request, info: I) => Promise<Response> {
    return async (request, info) => {
      // A request that is upgraded cannot be read any more.
      const { method, url } = request;
      const answer = await fetch(request, info);
      const { status, headers } = answer;
      // An upgrade has to be answered with Deno's own response.
      const body = answer.body === null ? null : await answer.text();
      try {
        const { pathname: path } = splitUrl(url);
        assertAnswer({ method, path, isInternal, status, headers, body: body ?? "" });
      } catch (problem) {
        problems.push(problem);
      }
      return body === null ? answer : new Response(body, { status, headers });
    };
  }

  async function close(options?: { drainMs?: number }): Promise<void> {
    await server.close(options);
    if (problems.length > 0) throw problems[0];
  }

  return {
    ...server,
    fetch: checkedFetch(server.fetch),
    // Both of its listeners start before it waits for anything: that for clients first.
    listen(options) {
      const { serve } = Deno;
      let listeners = 0;
      const checkedServe = (
        options: Deno.ServeTcpOptions,
        fetch: Deno.ServeHandler<Deno.NetAddr>,
      ) => serve(options, checkedFetch(fetch, listeners++ > 0));
      Object.assign(Deno, { serve: checkedServe });
      try {
        return server.listen(options);
      } finally {
        Object.assign(Deno, { serve });
      }
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
