// Where a record stands in its mote's stream, and how the tables tell it.

import { bytesOf, integerOf, type Row, type SqlValue, textOf } from "./database.js";

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

/** The order in which records are exported: each mote's own, and for every page the same. */
export const EXPORT_ORDER = "address, registry, fleet_chain, stream, seq, digest";

/**
 * The condition that a page of records begins behind `row`, and its values.
 * @param row the last of the page before, with the columns of `EXPORT_ORDER`; undefined for the first page
 * @param from number of the first of the parameters that the values take
 */
export function behind(row: Row | undefined, from: number): { where: string; values: readonly SqlValue[] } {
  if (row === undefined) return { where: "WHERE true", values: [] };
  const values = [
    bytesOf(row, "address"),
    bytesOf(row, "registry"),
    textOf(row, "fleet_chain"),
    integerOf(row, "stream"),
    integerOf(row, "seq"),
    bytesOf(row, "digest"),
  ];
  return { where: `WHERE (${EXPORT_ORDER}) > (${values.map((_, i) => `$${from + i}`).join(", ")})`, values };
}

export function inOrderOfPlace(a: Place, b: Place): number {
  return Buffer.compare(a.address, b.address) || a.stream - b.stream || a.seq - b.seq;
}
