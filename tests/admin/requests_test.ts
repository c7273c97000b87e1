/** What an operator may ask for. */

import { assertEquals, assertThrows } from "@std/assert";
import { AdminRequestError } from "../../src/admin/request_error.ts";
import {
  checkDisconnectRequest,
  checkPeersRequest,
  checkRoomsRequest,
  cursorAfter,
} from "../../src/admin/requests.ts";

const ODD_NAMES = ["a/b?c=d&e", "ä 🦆", "\u0000", "\u2028", "%2F", "__proto__", "\ufffd"];

Deno.test("admin requests: the cursor behind any room is read back, also behind an odd name", () => {
  for (const room of [...ODD_NAMES, "🦆".repeat(256), "half \ud83e"]) {
    assertEquals(checkRoomsRequest({ cursor: cursorAfter(room) }).after, room);
  }
});

Deno.test("admin requests: a cursor that no page has given is refused", () => {
  const valid = cursorAfter("todos");
  for (
    const cursor of [
      "",
      "todos",
      "1.",
      "2.InRvZG9zIg",
      `${valid}=`,
      `${valid}A`,
      "1.MQ",
      "x".repeat(9000),
    ]
  ) {
    assertThrows(() => checkRoomsRequest({ cursor }), AdminRequestError, "`cursor`");
  }
});

Deno.test("admin requests: a limit is a whole number from 1 to 1000", () => {
  assertEquals(checkRoomsRequest({}), { prefix: "", limit: 100 });
  assertEquals(checkRoomsRequest({ limit: 1000, prefix: "a" }), { prefix: "a", limit: 1000 });
  for (const limit of [0, -1, 1001, 1.5, NaN, Infinity]) {
    assertThrows(() => checkRoomsRequest({ limit }), AdminRequestError, "from 1 to 1000");
  }
});

Deno.test("admin requests: any name that a room or peer can have is accepted, and no other", () => {
  for (const name of ODD_NAMES) {
    assertEquals(checkPeersRequest({ room: name }), { room: name, nodeIds: [] });
    const nodeIds = [name, "b"];
    assertEquals(checkPeersRequest({ room: "r", nodeId: name, with: "b" }), { room: "r", nodeIds });
    assertEquals(checkDisconnectRequest({ room: "r", nodeId: name }), { room: "r", nodeId: name });
  }
  for (const name of ["", "half \ud83e", "x".repeat(257)]) {
    assertThrows(() => checkPeersRequest({ room: name }), AdminRequestError, "`room`");
    assertThrows(() => checkDisconnectRequest({ room: name }), AdminRequestError, "`room`");
    const request = { room: "r", nodeId: name };
    assertThrows(() => checkDisconnectRequest(request), AdminRequestError, "`nodeId`");
    assertThrows(() => checkPeersRequest(request), AdminRequestError, "`nodeId`");
  }
});

Deno.test("admin requests: a pair is two different names", () => {
  const room = "r";
  assertThrows(() => checkPeersRequest({ room, with: "b" }), AdminRequestError, "needs `nodeId`");
  const same = { room, nodeId: "b", with: "b" };
  assertThrows(() => checkPeersRequest(same), AdminRequestError, "another name");
});

Deno.test("admin requests: a misspelled field is refused, since without it more would match", () => {
  const request = { room: "todos", nodeID: "ada" };
  assertThrows(() => checkDisconnectRequest(request), AdminRequestError, '"nodeID"');
  for (const body of [{ room: 7 }, { room: "r", nodeId: null }, { room: ["r"] }, {}, []]) {
    assertThrows(() => checkDisconnectRequest(body), AdminRequestError);
  }
});
