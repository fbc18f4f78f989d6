// Server-sent events (WHATWG HTML, section 9.2) that resume: what changed, as numbered messages, to every page that listens.
//
// Promises: a page that was away for a moment and says the last number that it has seen gets what it missed; one that was away for longer, or
// comes from an earlier run, gets everything anew. At most `STREAMS_MAX` listen; one that does not read is cut off, and comes again. Never: keeps more than
// `KEPT_MAX` messages or `KEPT_BYTES_MAX` bytes of them.

import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { pause } from "../processes/backoff.js";

/** Pages that listen at once. */
export const STREAMS_MAX = 16;
const KEPT_MAX = 512;
const KEPT_BYTES_MAX = 4_194_304;
/** What one page may have unread. */
const UNREAD_BYTES_MAX = 4_194_304;
/** So often something is sent, if only that all is well. */
const BEAT_MS = 5000;
/** After this a browser connects again. */
const RETRY_MS = 1000;
const CLOSE_MS = 300;

export class Broadcast {
  /** No other run has it. */
  readonly #run = randomBytes(6).toString("hex");
  readonly #streams = new Set<ServerResponse>();
  readonly #kept: string[] = [];
  #keptBytes = 0;
  /** Number of the newest message. */
  #newest = 0;
  readonly #beat: NodeJS.Timeout;

  constructor() {
    this.#beat = setInterval(() => {
      for (const stream of this.#streams) this.#write(stream, "event: beat\ndata: 0\n\n");
    }, BEAT_MS);
    this.#beat.unref();
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Bytes of messages that are kept for those who come again. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Sends what changed to everybody. */
  send(change: object): void {
    this.#newest += 1;
    const message = this.#message(JSON.stringify(change));
    this.#kept.push(message);
    this.#keptBytes += message.length;
    while (this.#kept.length > KEPT_MAX || this.#keptBytes > KEPT_BYTES_MAX) this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    for (const stream of this.#streams) this.#write(stream, message);
  }

  /**
   * Begins a stream; false where there are too many.
   * @param last the number that the page saw last, as it says itself
   * @param all everything, for one that cannot go on from there
   */
  begin(stream: ServerResponse, last: string | undefined, all: () => object): boolean {
    if (this.#streams.size >= STREAMS_MAX) return false;
    stream.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    stream.on("error", () => this.#streams.delete(stream));
    const missed = this.#missed(last);
    const first = missed === undefined ? this.#message(JSON.stringify(all()), "all") : missed.join("");
    this.#write(stream, `retry: ${RETRY_MS}\n\n${first}`);
    return true;
  }

  /** Ends all streams, once what was sent last has left, or after a moment. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    const ended = [...this.#streams].map((stream) => new Promise<void>((resolve) => stream.end(resolve)));
    const over = new AbortController();
    await Promise.race([Promise.all(ended), pause(CLOSE_MS, over.signal)]);
    over.abort();
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  #message(data: string, event = "change"): string {
    return `id: ${this.#run}-${this.#newest}\nevent: ${event}\ndata: ${data}\n\n`;
  }

  /** What came after that number; undefined where that is not known any more, or never was. */
  #missed(last: string | undefined): readonly string[] | undefined {
    const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(last ?? "");
    if (match === null || match[1] !== this.#run) return undefined;
    const behind = this.#newest - Number(match[2]);
    if (behind < 0 || behind > this.#kept.length) return undefined;
    return behind === 0 ? [] : this.#kept.slice(-behind);
  }

  #write(stream: ServerResponse, text: string): void {
    if (stream.destroyed) return;
    stream.write(text);
    if (stream.writableLength > UNREAD_BYTES_MAX) stream.destroy();
  }
}
