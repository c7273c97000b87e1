/**
 * Files over a data channel of their own: first a name and a size, then the bytes, then a word from the
 * receiver. A received file is kept in memory, offered for download, and never opened.
 */

import { type Peer, sendWhenReady } from "../src/client/mod.ts";
import { plainName } from "./plain.ts";

/** Bytes that a file may have. */
export const MAX_FILE_BYTES = 100 * 1000 * 1000;

/** Bytes of received files that are kept; the oldest are given up. */
const MAX_KEPT_BYTES = 2 * MAX_FILE_BYTES;

/** Received files that are kept, however small they are. */
const MAX_KEPT_FILES = 200;

/** Files that arrive at the same time. */
const MAX_ARRIVING = 4;

const CHUNK_BYTES = 16_384;
const LABEL = "file";
const RECEIVED = "received";

/** How a transfer shows itself. */
export interface TransferView {
  progress(bytes: number): void;
  /** It has arrived: at the other side, or at `url` here. */
  done(url?: string): void;
  failed(reason: string): void;
  /** The received file has been given up for newer ones. */
  dropped(): void;
}

/** Makes the view of a file that begins to arrive. */
export type ArrivalViewer = (
  file: { readonly name: string; readonly size: number },
) => TransferView;

/** Sends a file. */
export async function sendFile(peer: Peer, file: File, view: TransferView): Promise<void> {
  const channel = peer.openChannel(LABEL);
  const answered = new Promise<string>((resolve) => {
    channel.addEventListener("message", ({ data }) => resolve(String(data)));
    channel.addEventListener("close", () => resolve("the other side has ended the transfer"));
  });
  try {
    await sendWhenReady(channel, JSON.stringify({ name: file.name, size: file.size }));
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      await sendWhenReady(channel, await file.slice(at, at + CHUNK_BYTES).arrayBuffer());
      view.progress(Math.min(at + CHUNK_BYTES, file.size));
    }
    const answer = await answered;
    if (answer === RECEIVED) view.done();
    else view.failed(answer);
  } catch {
    // The channel was closed, or the file has changed meanwhile.
    const reason = channel.readyState === "open" ? "the file cannot be read" : await answered;
    view.failed(reason);
  } finally {
    channel.close();
  }
}

/** Receives the files of all peers. */
export class FileReceiver {
  readonly #kept: { readonly url: string; readonly size: number; readonly view: TransferView }[] =
    [];
  #arriving = 0;

  /** Receives what a channel brings; other channels than those of files are not touched. */
  accept(channel: RTCDataChannel, createView: ArrivalViewer): void {
    if (channel.label !== LABEL) return;
    // What is still on its way when a channel is closed arrives all the same.
    let isRefused = false;
    const answer = (text: string): void => {
      if (channel.readyState === "open") channel.send(text);
    };
    const refuse = (reason: string): void => {
      isRefused = true;
      answer(reason);
      channel.close();
    };
    let arrival: Arrival | undefined;
    channel.addEventListener("message", ({ data }) => {
      if (isRefused) return;
      if (arrival === undefined) {
        const file = typeof data === "string" ? readHead(data) : undefined;
        if (file === undefined) return refuse("the file was not announced");
        if (file.size > MAX_FILE_BYTES) return refuse("the file is too large");
        if (this.#arriving >= MAX_ARRIVING) {
          return refuse("too many files at once: try again later");
        }
        this.#arriving++;
        arrival = { ...file, parts: [], received: 0, isDone: false, view: createView(file) };
      } else if (arrival.isDone) return;
      else if (!(data instanceof ArrayBuffer)) return refuse("bytes were expected");
      else {
        arrival.received += data.byteLength;
        if (arrival.received > arrival.size) return refuse("the file is larger than announced");
        arrival.parts.push(data);
        arrival.view.progress(arrival.received);
      }
      if (arrival.received === arrival.size) {
        arrival.isDone = true;
        this.#arriving--;
        this.#keep(arrival);
        answer(RECEIVED);
      }
    });
    channel.addEventListener("close", () => {
      if (arrival === undefined || arrival.isDone) return;
      arrival.isDone = true;
      this.#arriving--;
      arrival.view.failed("the transfer was ended");
    });
  }

  #keep({ parts, size, view }: Arrival): void {
    // Of no type that a browser would show.
    const url = URL.createObjectURL(new Blob([...parts], { type: "application/octet-stream" }));
    this.#kept.push({ url, size, view });
    parts.length = 0;
    view.done(url);
    let total = this.#kept.reduce((sum, each) => sum + each.size, 0);
    while (total > MAX_KEPT_BYTES || this.#kept.length > MAX_KEPT_FILES) {
      const oldest = this.#kept.shift();
      if (oldest === undefined) return;
      total -= oldest.size;
      URL.revokeObjectURL(oldest.url);
      oldest.view.dropped();
    }
  }
}

interface Arrival {
  readonly name: string;
  readonly size: number;
  readonly view: TransferView;
  readonly parts: ArrayBuffer[];
  received: number;
  isDone: boolean;
}

/** What the other side says of its file: the name may contain anything. */
function readHead(text: string): { name: string; size: number } | undefined {
  try {
    const { name, size }: Record<string, unknown> = JSON.parse(text);
    if (typeof name !== "string" || !Number.isSafeInteger(size) || Number(size) < 0) {
      return undefined;
    }
    return { name: plainName(name), size: Number(size) };
  } catch {
    return undefined;
  }
}
