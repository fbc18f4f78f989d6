// Each mote's newest record, so that the retained one only ever moves forward.
//
// Promises: memory for at most `MOTES_MAX` motes; what is forgotten is read from the store again when the collector
// reconnects. Never: answers a record that is not newer than what it knows.

import { toHex } from "../../firmware/bytes.js";
import type { CheckedRecord } from "./store.js";

const MOTES_MAX = 100_000;

export class Newest {
  readonly #places = new Map<string, { readonly stream: number; readonly seq: number }>();

  /** Notes that a mote has got this far; true where that is further than known. */
  note(address: Uint8Array, stream: number, seq: number): boolean {
    const mote = toHex(address);
    const known = this.#places.get(mote);
    if (known !== undefined && (stream < known.stream || (stream === known.stream && seq <= known.seq))) return false;
    this.#places.delete(mote);
    this.#places.set(mote, { stream, seq });
    if (this.#places.size > MOTES_MAX) {
      const oldest = this.#places.keys().next();
      if (oldest.done !== true) this.#places.delete(oldest.value);
    }
    return true;
  }

  /** Of a batch, the newest record of each mote that is further than known. */
  forward(batch: readonly CheckedRecord[]): readonly CheckedRecord[] {
    const further = new Map<string, CheckedRecord>();
    for (const record of batch)
      if (this.note(record.address, record.fields.stream, record.fields.seq)) further.set(toHex(record.address), record);
    return [...further.values()];
  }
}
