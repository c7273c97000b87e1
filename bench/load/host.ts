/**
 * A program that mounts the signaling handler on its own `Deno.serve`, for features that only the
 * library has. Its argument is the feature: `none`, `on-peer` or `revocations`.
 */

import { createSignalingHandler } from "../../mod.ts";
import { RAISED_HANDLER_LIMITS, REVOCATIONS } from "./host_options.ts";

const [feature] = Deno.args;
let changes = 0;

const signaling = await createSignalingHandler({
  privateKeyJwk: Deno.env.get("PRIVATE_KEY_JWK") ?? "",
  limits: RAISED_HANDLER_LIMITS,
  ...(feature === "on-peer" ? { onPeer: () => void changes++ } : {}),
});
if (feature === "revocations") {
  for (let number = 0; number < REVOCATIONS; number++) {
    await signaling.revoke({ jti: `revoked-${number}` });
  }
}

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} },
  async (request, info) => await signaling.fetch(request, info) ?? new Response("ok"),
);
