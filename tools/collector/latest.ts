// Each mote's newest record on its `latest` topic, which only ever moves forward.
//
// Promises: nothing older is published than was published or is known to be stored, whatever order it is offered in, also while the
// store is read again after a reconnection; what the link did not take is published later. Memory for the places of at
// most `MOTES_MAX` motes, and for records of those whose newest is not out yet. Never: waits for a mote.

import { toHex } from "../../firmware/bytes.js";
import { pause } from "../processes/backoff.js";

const MOTES_MAX = 100_000;
/** Messages under way at once: the link bears more, and receipts go first. */
const UNDER_WAY_MAX = 64;
const RETRY_MS = 250;

interface Entry {
  readonly stream: number;
  readonly seq: number;
  /** Absent where it is out. */
  readonly waiting?: { readonly address: Uint8Array; readonly sign1: Uint8Array };
}

export interface NewestOffer {
  readonly address: Uint8Array;
  readonly stream: number;
  readonly seq: number;
  readonly sign1: Uint8Array;
}

export class Latest {
  /** In the order of last use. */
  readonly #motes = new Map<string, Entry>();
  readonly #waiting = new Set<string>();
  /** Resolves to false where the broker did not take it. */
  readonly #publish: (address: Uint8Array, sign1: Uint8Array) => Promise<boolean>;
  readonly #stop = new AbortController();
  #underWay = 0;

  constructor(publish: (address: Uint8Array, sign1: Uint8Array) => Promise<boolean>) {
    this.#publish = publish;
  }

  close(): void {
    this.#stop.abort();
  }

  knows(address: Uint8Array): boolean {
    return this.#motes.has(toHex(address));
  }

  /**
   * A record that is stored: published where it is newer than all before of its mote.
   * @param again where it is the newest one itself, too: the broker may have forgotten it
   */
  offer({ address, stream, seq, sign1 }: NewestOffer, again = false): void {
    const mote = toHex(address);
    const known = this.#motes.get(mote);
    if (known !== undefined) {
      const order = stream - known.stream || seq - known.seq;
      if (order < 0 || (order === 0 && !again)) return;
    }
    this.#motes.delete(mote);
    this.#motes.set(mote, { stream, seq, waiting: { address, sign1 } });
    this.#waiting.add(mote);
    if (this.#motes.size > MOTES_MAX) this.#forget();
    this.#pump();
  }

  #forget(): void {
    for (const mote of this.#motes.keys()) {
      if (this.#waiting.has(mote)) continue;
      this.#motes.delete(mote);
      return;
    }
  }

  #pump(): void {
    for (const mote of this.#waiting) {
      if (this.#underWay >= UNDER_WAY_MAX || this.#stop.signal.aborted) return;
      this.#waiting.delete(mote);
      const waiting = this.#motes.get(mote)?.waiting;
      if (waiting === undefined) continue;
      this.#underWay += 1;
      // One after the other on one connection: what is published first arrives first.
      void this.#publish(waiting.address, waiting.sign1).then(async (out) => {
        if (!out) {
          this.#waiting.add(mote);
          await pause(RETRY_MS, this.#stop.signal);
        } else {
          const now = this.#motes.get(mote);
          if (now?.waiting === waiting) this.#motes.set(mote, { stream: now.stream, seq: now.seq });
        }
        this.#underWay -= 1;
        this.#pump();
      });
    }
  }
}
