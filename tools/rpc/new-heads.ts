// News of new heads from an Ethereum node over WebSocket (geth's `eth_subscribe`, newHeads), where the node has that.
//
// Promises: says that there is something new, and nothing about what; connects again with growing delays; where the node does not
// speak it, or is silent for too long, `live` is false and whoever asks polls. Never: reads a message beyond `MESSAGE_BYTES_MAX`,
// believes what it reads, or tells a password.

import WebSocket from "ws";
import { Backoff, type BackoffLimits } from "../processes/backoff.js";

export const MESSAGE_BYTES_MAX = 1024 * 1024;
const RECONNECT: BackoffLimits = { firstMs: 1000, maxMs: 300_000 };
const HANDSHAKE_MS = 10_000;
/** A connection that says nothing for this long is taken for dead. */
const SILENCE_MS = 120_000;

export class NewHeads {
  readonly #url: string;
  readonly #onNews: () => void;
  readonly #backoff = new Backoff(RECONNECT);
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #live = false;
  #closed = false;

  /** @param url ws:// or wss:// */
  constructor(url: string, onNews: () => void) {
    this.#url = url;
    this.#onNews = onNews;
    this.#connect();
  }

  /** Whether the node has said that it will tell of new heads. */
  get live(): boolean {
    return this.#live;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #connect(): void {
    const socket = new WebSocket(this.#url, { handshakeTimeout: HANDSHAKE_MS, maxPayload: MESSAGE_BYTES_MAX });
    this.#socket = socket;
    const heard = (): void => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => socket.terminate(), SILENCE_MS);
    };
    socket.on("open", () => {
      heard();
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
    });
    socket.on("message", (data) => {
      heard();
      const message = messageOf(String(data));
      if (message?.method === "eth_subscription") this.#onNews();
      else if (typeof message?.result === "string") {
        this.#live = true;
        this.#backoff.succeeded();
        this.#onNews(); // what came before the subscription
      } else socket.terminate(); // it does not speak this
    });
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => {
      clearTimeout(this.#timer);
      const told = this.#live;
      this.#live = false;
      if (told) this.#onNews(); // from here on whoever listens has to look for himself
      if (!this.#closed) this.#timer = setTimeout(() => this.#connect(), this.#backoff.next());
    });
  }
}

function messageOf(text: string): { method?: unknown; result?: unknown } | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === "object" && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
}
