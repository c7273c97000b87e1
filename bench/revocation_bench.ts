/** What it costs that tokens can be revoked: admission by a known token, without and with the check. */

import { type Admission, admit, recheckAdmission } from "../src/access/admission.ts";
import { FailureLimiter } from "../src/access/failure_limiter.ts";
import { generateKeyPairJwk, loadKeyPair } from "../src/access/keys.ts";
import { RefusalLog } from "../src/access/refusal_log.ts";
import { MAX_REVOCATIONS, Revocations } from "../src/access/revocations.ts";
import { issueToken } from "../src/access/room_tokens.ts";
import { TokenCache } from "../src/access/token_cache.ts";
import { createVerificationKeys } from "../src/access/verification_keys.ts";
import { VerificationLimiter } from "../src/access/verification_limiter.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLogger } from "../src/runtime/logger.ts";

const pair = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
const keys = await createVerificationKeys(pair);
const { token } = await issueToken(pair.privateKey, { ttl: "1h", subject: "room" });
const request = new Request("http://localhost/signal");
const query = new URLSearchParams("room=room&nodeId=a");

const full = new Revocations(systemClock);
for (let number = 0; number < MAX_REVOCATIONS; number++) {
  const expiresAt = systemClock.now() + 3_600_000;
  full.add({ kind: "token", jti: `revoked token ${number}`, expiresAt });
}
const KINDS = {
  "without revocation": { has: () => false },
  "none revoked": new Revocations(systemClock),
  [`${MAX_REVOCATIONS} revoked`]: full,
};

for (const [name, revocations] of Object.entries(KINDS)) {
  const options = {
    policy: {
      kind: "room token" as const,
      keys,
      options: {},
      limiter: new VerificationLimiter(new FailureLimiter(systemClock, Infinity)),
      cache: new TokenCache(systemClock),
      revocations,
    },
    allowsConsumers: false,
    refusals: new RefusalLog({ clock: systemClock, logger: silentLogger }),
  };
  const present = () => admit(options, { query, token, address: undefined, request });
  await present(); // From now on it is known.
  const known = (): Admission => {
    const admission = present();
    if (admission instanceof Promise) throw new Error("The token is not known");
    return recheckAdmission(admission, revocations);
  };
  const baseline = name === "without revocation";
  Deno.bench(`admit by a known token, ${name}`, { group: "admit", baseline }, () => {
    known();
  });
}
