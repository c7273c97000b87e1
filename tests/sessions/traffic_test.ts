/** What is counted of a peer's signals. */

import { assertEquals } from "@std/assert";
import { MAX_PARTNERS, Traffic } from "../../src/sessions/traffic.ts";

Deno.test("traffic: signals are counted by type and direction, in all and for each partner", () => {
  const traffic = new Traffic();
  traffic.sentTo("b", "offer", "sent");
  traffic.sentTo("b", "ice-candidate", "sent");
  traffic.sentTo("b", "ice-candidate", "busy");
  traffic.sentTo("c", "offer", "not found");
  traffic.receivedFrom("b", "answer");
  traffic.receivedFrom("b", "ice-candidate");
  traffic.sentTo("c", "answer", "duplicate");
  assertEquals(traffic.total(), {
    sent: { offers: 1, answers: 0, candidates: 1, undelivered: 3 },
    received: { offers: 0, answers: 1, candidates: 1 },
  });
  assertEquals(traffic.partners("b"), [{
    nodeId: "b",
    sent: { offers: 1, answers: 0, candidates: 1, undelivered: 1 },
    received: { offers: 0, answers: 1, candidates: 1 },
  }]);
  assertEquals(traffic.partners().map(({ nodeId }) => nodeId), ["c", "b"]);
  assertEquals(traffic.partners("d"), []);
});

Deno.test("traffic: the last partners are kept, whatever number there was", () => {
  const traffic = new Traffic();
  for (let n = 0; n < 500; n++) {
    traffic.sentTo(`peer-${n}`, "offer", "sent");
    traffic.receivedFrom("always", "answer");
  }
  const names = traffic.partners().map(({ nodeId }) => nodeId);
  assertEquals(names.length, MAX_PARTNERS);
  assertEquals(names.slice(0, 3), ["always", "peer-499", "peer-498"]);
  assertEquals(traffic.partners("always")[0]?.received.answers, 500);
  assertEquals(traffic.total().sent.offers, 500);
});
