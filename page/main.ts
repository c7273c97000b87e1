/**
 * The page that the server answers at `/`: the form, the list of problems, and how a stay in a room
 * begins and ends. What happens in a room is in `session.ts`.
 */

import { isLongerThan, MAX_ROOM_LENGTH } from "../src/protocol/messages.ts";
import { Chat } from "./chat.ts";
import { byId, make, msText } from "./dom.ts";
import { FileReceiver, MAX_FILE_BYTES, sendFile } from "./files.ts";
import { targetsOf, testIceServers } from "./ice_tests.ts";
import type { Link } from "./link.ts";
import { plainName, plainText, timeText } from "./plain.ts";
import { type Problem, PROBLEMS } from "./problem.ts";
import {
  ask,
  askHealth,
  type Attempt,
  backplaneText,
  bearer,
  checkToken,
  type Health,
  isHealth,
} from "./refusal.ts";
import { Session } from "./session.ts";
import {
  askOpener,
  handOver,
  invitationTo,
  readInvitation,
  showInvitation,
  writeRoom,
} from "./share.ts";
import { Timeline } from "./timeline.ts";
import { readToken } from "./token.ts";

const DEFAULT_ROOM = "demo";

/** How often a server is asked that does not answer, in milliseconds. */
const RETRY_MS = 3000;

const form = byId("join", HTMLFormElement);
const roomField = byId("room", HTMLInputElement);
const tokenField = byId("token", HTMLInputElement);
const nameField = byId("name", HTMLInputElement);
const roleField = byId("role", HTMLSelectElement);
const relayField = byId("relay", HTMLInputElement);
const leaveButton = byId("leave", HTMLButtonElement);
const peerList = byId("peers", HTMLUListElement);
const cards = byId("cards", HTMLElement);
const messageField = byId("message", HTMLInputElement);
const fileField = byId("file", HTMLInputElement);
const testButton = byId("test", HTMLButtonElement);

const timeline = new Timeline(byId("timeline", HTMLElement));
const chat = new Chat(byId("chat", HTMLElement));
const receiver = new FileReceiver();
const problems = new Map<string, Problem>();
const ownName = `tab-${randomText()}`;
let session: Session | undefined;
let current: Attempt | undefined;

function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Shows the problem that says most: one of the server before one of a peer, errors before warnings. */
function setProblem(about: string, problem: Problem | undefined): void {
  if (problem === undefined) problems.delete(about);
  else problems.set(about, problem);
  const all = [...problems.values()].sort((a, b) => rank(a) - rank(b));
  const shown = problems.get("") ?? all[0];
  const box = byId("problem", HTMLElement);
  box.hidden = shown === undefined;
  if (shown === undefined) return box.replaceChildren();
  const why = plainText(shown.why);
  box.dataset["kind"] = shown.isWarning ? "warning" : "error";
  if (box.dataset["problem"] === shown.id && box.textContent?.includes(why)) return;
  box.dataset["problem"] = shown.id;
  box.replaceChildren(
    make("h2", {}, plainText(shown.title)),
    make("p", {}, why),
    make("p", {}, make("b", {}, "What to do: "), plainText(shown.advice)),
  );
}

/** The lower the rank, the more a problem says. */
function rank({ isWarning = false, isPassing = false }: Problem): number {
  return isPassing ? 2 : isWarning ? 1 : 0;
}

function setState(text: string, state: string): void {
  const status = byId("status", HTMLElement);
  status.textContent = plainText(text);
  status.dataset["state"] = state;
  leaveButton.hidden = state === "stopped";
  byId("share", HTMLElement).hidden = state !== "joined";
}

function readForm(): Attempt & { readonly isRelayOnly: boolean } {
  const token = tokenField.value.trim();
  const isConsumer = roleField.value === "consumer";
  const text = isConsumer ? undefined : readToken(token);
  return {
    token,
    isConsumer,
    // A room token says which room it is for.
    room: roomField.value.trim() || text?.subject || DEFAULT_ROOM,
    nodeId: nameField.value.trim() || text?.nodeId || ownName,
    isRelayOnly: relayField.checked,
  };
}

/** Joins the room of the form, after leaving the one before. */
async function join(): Promise<void> {
  leave();
  problems.clear();
  setProblem("", undefined);
  timeline.restart();
  if (!("RTCPeerConnection" in globalThis)) return setProblem("", PROBLEMS.noWebRtc());
  const attempt = current = readForm();
  const { room, nodeId, token } = attempt;
  const { peer: inviter } = readInvitation();
  if (isLongerThan(room, MAX_ROOM_LENGTH)) {
    return setProblem("", PROBLEMS.longRoom([...room].length, MAX_ROOM_LENGTH));
  }
  document.title = `${plainText(room)} · client-db-sync`;
  const health = await reachServer(attempt);
  if (health === undefined || current !== attempt) return;
  if (health.auth === "enabled" && token === "") {
    // A server that admits clients by its own means may need none.
    timeline.add("token", "none given", "wait");
  } else if (token === "") timeline.add("token", "not needed: authentication is off");
  else if (readToken(token) === undefined) return refuseToken();
  else showToken(attempt, health);
  showInvitation(invitationTo(room, nodeId));
  session = new Session({
    ...attempt,
    inviter,
    timeline,
    onState: (text, state) => {
      setState(text, state);
      if (state === "joined") writeRoom(room);
    },
    onProblem: setProblem,
    onIceServers: (servers) => void testServers(servers),
    onLink: showLink,
    onLinks: showPeers,
    onLeft: (link) => link.card.remove(),
  });
}

/** Such a text cannot even be sent. */
function refuseToken(): void {
  timeline.add("token", PROBLEMS.malformedToken().title, "bad");
  setProblem("", PROBLEMS.malformedToken());
  setState("Not in a room", "stopped");
}

function showToken(attempt: Attempt, { clockOffsetMs }: Health): void {
  const text = readToken(attempt.token);
  const problem = checkToken(attempt, Date.now() + clockOffsetMs);
  const until = text?.expiresAt === undefined ? "" : `, valid until ${timeText(text.expiresAt)}`;
  if (problem !== undefined) timeline.add("token", problem.title, "bad");
  else timeline.add("token", `for ${text?.subject}${until}`);
}

/** Asks the server how it is until it answers, or another attempt begins. */
async function reachServer(attempt: Attempt): Promise<Health | undefined> {
  setState("Connecting…", "connecting");
  while (current === attempt) {
    const health = await askHealth();
    if (current !== attempt) return undefined;
    if (isHealth(health)) {
      const { auth, backplane, tookMs } = health;
      const redis = backplane === undefined ? "" : `, ${backplaneText(backplane)}`;
      timeline.add("server", `answers after ${msText(tookMs)}, authentication is ${auth}${redis}`);
      setProblem("", undefined);
      return health;
    }
    timeline.add("server", "does not answer", "bad");
    setProblem("", health);
    setState("Not connected: trying again in 3 s", "waiting");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return undefined;
}

function leave(): void {
  current = undefined;
  session?.end();
  session = undefined;
  cards.replaceChildren();
  peerList.replaceChildren();
  setState("Not in a room", "stopped");
}

function showLink(link: Link): void {
  const { peer, id } = link;
  cards.append(link.card);
  peer.channel.addEventListener("open", () => chat.note(`${id} is connected`));
  peer.channel.addEventListener("message", ({ data }) => {
    chat.message(id, typeof data === "string" ? data : `sends ${data.byteLength} bytes`);
  });
  peer.addEventListener("channel", ({ detail: channel }) => {
    receiver.accept(channel, (file) => {
      timeline.add("file", `a transfer from ${id}`);
      return chat.transfer(id, file, false);
    });
  });
  peer.addEventListener("close", () => {
    if (link.hasBeenOpen) chat.note(`${id} is not connected any more`);
  });
}

function showPeers(): void {
  const links = [...session?.links.values() ?? []];
  peerList.replaceChildren(
    ...links.map(({ id, state }) =>
      make("li", { "data-state": state, "data-id": id }, plainText(`${id}: ${state}`))
    ),
  );
  const count = links.filter(({ isOpen }) => isOpen).length;
  const text = count === 1 ? "1 peer is connected" : `${count} peers are connected`;
  byId("count", HTMLElement).textContent = session?.isJoined || count > 0 ? text : "";
  byId("send", HTMLButtonElement).disabled = count === 0;
  fileField.disabled = count === 0;
}

function openLinks(): Link[] {
  return [...session?.links.values() ?? []].filter(({ isOpen }) => isOpen);
}

/** The servers that are tested at the moment; later ones make them obsolete. */
let testing: object = {};

async function testServers(servers: readonly RTCIceServer[]): Promise<void> {
  const run = testing = {};
  const rows = byId("servers", HTMLElement);
  const targets = targetsOf(servers);
  const cells = new Map<string, HTMLElement>();
  rows.replaceChildren(...targets.map(({ url }) => {
    const cell = make("td", {}, "testing…");
    cells.set(url, cell);
    return make("tr", { "data-url": url }, make("th", { scope: "row" }, url), cell);
  }));
  byId("no-servers", HTMLElement).hidden = targets.length > 0;
  byId("results", HTMLElement).hidden = targets.length === 0;
  setProblem("turn", undefined);
  testButton.disabled = true;
  await testIceServers(targets, ({ url, isGood, text, problem }) => {
    if (run !== testing) return;
    const cell = cells.get(url);
    if (cell !== undefined) {
      cell.textContent = text;
      cell.dataset["outcome"] = isGood ? "ok" : "bad";
    }
    timeline.add("ICE servers", `${url}: ${text}`, isGood ? "ok" : "bad");
    // Connections within one network need none: it is the wide area that does not work.
    if (problem !== undefined) setProblem("turn", { ...problem, isWarning: true });
  });
  if (run === testing) testButton.disabled = false;
}

/** Asks the server for ICE servers with fresh credentials. */
async function testFreshServers(): Promise<void> {
  const { room, nodeId, token } = current ?? readForm();
  const query = new URLSearchParams({ room, nodeId });
  const response = await ask(`/ice-servers?${query}`, { headers: bearer(token) });
  if (response === undefined) return setProblem("", PROBLEMS.unreachable(location.origin));
  const body = await response.json();
  if (response.ok) await testServers(body.iceServers);
  else timeline.add("ICE servers", String(body.error), "bad");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void join();
});
leaveButton.addEventListener("click", () => {
  leave();
  showPeers();
});
testButton.addEventListener("click", () => void testFreshServers());
byId("talk", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const text = messageField.value;
  if (text === "") return;
  for (const { peer } of openLinks()) peer.channel.send(text);
  chat.message(current?.nodeId ?? ownName, text, true);
  messageField.value = "";
});
fileField.addEventListener("change", () => {
  const [file] = fileField.files ?? [];
  fileField.value = "";
  if (file === undefined) return;
  if (file.size > MAX_FILE_BYTES) {
    return chat.note(`${plainName(file.name)} is too large: 100 MB at most`);
  }
  for (const { peer, id } of openLinks()) {
    timeline.add("file", `${plainName(file.name)} to ${id}`);
    void sendFile(peer, file, chat.transfer(`to ${id}`, file, true));
  }
});
addEventListener("hashchange", () => {
  const { room } = readInvitation();
  if (room === undefined || room === current?.room) return;
  roomField.value = room;
  void join();
});
byId("address", HTMLInputElement).addEventListener("focus", ({ target }) => {
  if (target instanceof HTMLInputElement) target.select();
});

/** Joins at once where no token is needed, or the tab that has opened this one has handed one over. */
function begin(): void {
  nameField.placeholder = ownName;
  roomField.value = readInvitation().room ?? "";
  handOver(() => ({ token: tokenField.value.trim(), isConsumer: roleField.value === "consumer" }));
  // From then on it is the user who decides.
  let isUsed = false;
  for (const type of ["input", "submit"]) form.addEventListener(type, () => isUsed = true);
  leaveButton.addEventListener("click", () => isUsed = true);
  let hasBegun = false;
  askOpener((handover) => {
    if (isUsed || session?.isJoined || (hasBegun && !handover?.token)) return;
    hasBegun = true;
    if (handover?.token) {
      tokenField.value = handover.token;
      roleField.value = handover.isConsumer ? "consumer" : "normal";
    }
    void join();
  });
}

setState("Not in a room", "stopped");
showPeers();
begin();
