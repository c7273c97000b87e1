/**
 * The address that brings another tab or device into the room, also as a QR code, and how a tab that
 * this one has opened gets the token: by a message from window to window, never by the address.
 */

import encodeQR from "qr";
import { byId } from "./dom.ts";

/** What an address says: never a token, since addresses are kept and sent around. */
export interface Invitation {
  readonly room: string | undefined;
  /** The page that the address is from, which should be in the room. */
  readonly peer: string | undefined;
}

/** What a tab hands to one that it has opened. */
export interface Handover {
  readonly token: string;
  readonly isConsumer: boolean;
}

const ASK = "client-db-sync: what is the token?";

/** How long a page waits for what has opened it before it goes on without, in milliseconds. */
const HANDOVER_MS = 5000;

/** Pixels of a QR code's margin, in modules: what the standard asks for. */
const QUIET_ZONE = 4;

/** Reads the address of this page. */
export function readInvitation(): Invitation {
  const fragment = new URLSearchParams(location.hash.slice(1));
  return { room: fragment.get("room") || undefined, peer: fragment.get("peer") || undefined };
}

/** Writes the room into the address of this page, in place of what was there. */
export function writeRoom(room: string): void {
  history.replaceState(null, "", `#${new URLSearchParams({ room })}`);
}

/** The address for others. */
export function invitationTo(room: string, peer: string): string {
  return `${location.origin}${location.pathname}#${new URLSearchParams({ room, peer })}`;
}

/** Shows the address for others, and a QR code of it where another device can reach it. */
export function showInvitation(address: string): void {
  byId("another", HTMLAnchorElement).href = address;
  byId("address", HTMLInputElement).value = address;
  const isLocal = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
  byId("local", HTMLElement).hidden = !isLocal;
  byId("qr", HTMLElement).replaceChildren(...isLocal ? [] : [drawQr(address)]);
}

function drawQr(text: string): SVGElement {
  const rows = encodeQR(text, "raw", { border: QUIET_ZONE });
  const size = String(rows.length);
  const path = rows.flatMap((row, y) =>
    row.flatMap((isDark, x) => isDark ? [`M${x} ${y}h1v1h-1z`] : [])
  );
  const svg = shape("svg", {
    viewBox: `0 0 ${size} ${size}`,
    role: "img",
    "aria-label": "QR code of the address",
  });
  svg.append(
    shape("rect", { width: size, height: size, fill: "#fff" }),
    shape("path", { d: path.join(""), fill: "#000", "shape-rendering": "crispEdges" }),
  );
  return svg;
}

function shape(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Answers the tabs that this one opens. */
export function handOver(read: () => Handover): void {
  addEventListener("message", ({ origin, source, data }) => {
    if (origin !== location.origin || data !== ASK || !source) return;
    source.postMessage(read(), { targetOrigin: origin });
  });
}

/**
 * Asks the tab that has opened this one.
 *
 * @param onAnswer Is told what that hands over; before, `undefined` if there is none, or it is slow.
 */
export function askOpener(onAnswer: (handover: Handover | undefined) => void): void {
  const { opener } = globalThis;
  if (!opener) return onAnswer(undefined);
  const timer = setTimeout(onAnswer, HANDOVER_MS, undefined);
  const listener = ({ origin, source, data }: MessageEvent): void => {
    if (origin !== location.origin || source !== opener || typeof data !== "object") return;
    clearTimeout(timer);
    removeEventListener("message", listener);
    onAnswer({ token: String(data?.token ?? ""), isConsumer: data?.isConsumer === true });
  };
  addEventListener("message", listener);
  opener.postMessage(ASK, location.origin);
  globalThis.opener = null;
}
