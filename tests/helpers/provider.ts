/** An identity provider whose tokens consumers come with. */

import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** Where an app's users get their tokens. */
export interface Provider {
  jwks: string;
  token(claims?: Record<string, unknown>): Promise<string>;
}

export async function newProvider(): Promise<Provider> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  return {
    jwks: btoa(JSON.stringify(await exportJWK(publicKey))),
    token: (claims = {}) =>
      new SignJWT({ exp: Date.now() / 1000 + 60, rooms: ["room"], ...claims })
        .setProtectedHeader({ alg: "ES256" }).sign(privateKey),
  };
}
