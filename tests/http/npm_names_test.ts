/** A program that was written for the npm package and changed nothing but its import. */

import { assertEquals } from "@std/assert";
import {
  type AnswerMessage,
  type AuthErrMessage,
  type ClientRole,
  type ConsumerAuthConfig,
  createSignalingHandler,
  type HeartbeatMessage,
  type IceCandidateMessage,
  type IssueTokenRequest,
  type OfferMessage,
  type PeerListMessage,
  type RegisterMessage,
  type ServerConfig,
  type ServerListMessage,
  type SignalingHandlerConfig,
  type SignalingHandlerStats,
  type SignalingMessage,
  type TokenPayload,
} from "../../mod.ts";

Deno.test("the npm package's types fit what the server accepts and sends", async () => {
  const role: ClientRole = "consumer";
  const register: RegisterMessage = { type: "register", nodeId: "a", role, protocolVersion: 1 };
  const heartbeat: HeartbeatMessage = { type: "heartbeat", load: { sessions: 1 }, capacity: 5 };
  const offer: OfferMessage = { type: "offer", to: "b", from: "a", sdp: {}, fromRole: role };
  const answer: AnswerMessage = { type: "answer", to: "a", from: "b", sdp: {} };
  const candidate: IceCandidateMessage = { type: "ice-candidate", to: "b", candidate: null };
  const peerList: PeerListMessage = { type: "peer-list", peers: ["b"] };
  const serverList: ServerListMessage = { type: "server-list", servers: [] };
  const error: AuthErrMessage = { type: "auth-err", status: "UNAUTHENTICATED", message: "no" };
  const messages: SignalingMessage[] = [
    ...[register, heartbeat, offer, answer, candidate],
    ...[peerList, serverList, error],
  ];
  assertEquals(new Set(messages.map(({ type }) => type)).size, messages.length);

  const consumerAuth: ConsumerAuthConfig = { jwksUrl: "https://idp.example.com/jwks.json" };
  const config: SignalingHandlerConfig = { authEnabled: false, consumerAuth, path: null };
  const server: ServerConfig = { port: 8080, authEnabled: false };
  assertEquals(server.port, 8080);
  await using handler = await createSignalingHandler(config);
  const stats: SignalingHandlerStats = handler.stats();
  assertEquals([stats.auth, stats.peers, stats.rooms], ["disabled", 0, 0]);
  const request: IssueTokenRequest = { ttl: "1h" };
  const claims: Pick<TokenPayload, "sub"> = { sub: request.subject ?? "default" };
  assertEquals(claims.sub, "default");
});
