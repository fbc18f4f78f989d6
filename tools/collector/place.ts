// Where a record stands in its mote's stream, and how the tables tell it.

import { bytesOf, integerOf, type Row } from "./database.js";

/** A record by its place in a stream. */
export interface Place {
  readonly address: Uint8Array;
  readonly stream: number;
  readonly seq: number;
  readonly digest: Uint8Array;
}

export const PLACE_COLUMNS = "address, stream, seq, digest";

export function placeOf(row: Row): Place {
  return {
    address: bytesOf(row, "address"),
    stream: integerOf(row, "stream"),
    seq: integerOf(row, "seq"),
    digest: bytesOf(row, "digest"),
  };
}

export function inOrderOfPlace(a: Place, b: Place): number {
  return Buffer.compare(a.address, b.address) || a.stream - b.stream || a.seq - b.seq;
}
