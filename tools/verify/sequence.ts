// Cuts a CBOR sequence (RFC 8742) into records, and finds the next one after damage.
//
// Promises: every byte of the input belongs to exactly one piece; a piece is a whole COSE_Sign1 of our profile or is
// called broken with its reason. After a broken piece it goes on at the next place that begins like a record (tag 18,
// array of 4, our protected header). Never: reads beyond the input.

import { decodeFirst } from "../../firmware/codec/cbor.js";
import { decodeSign1, SIGN1_BYTES_MAX, type Sign1 } from "../../firmware/record/cose.js";
import { Rejection } from "../../firmware/rejection.js";

/** How every record begins: d2 84, and the protected header up to the address. */
const BEGINNING = Buffer.from("d284581aa201382e0454", "hex");
const LIMITS = { depthMax: 4, bytesMax: SIGN1_BYTES_MAX, itemsMax: 16 };

export interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly parts: Sign1 | Rejection;
}

export function* pieces(input: Uint8Array): Generator<Piece> {
  const buffer = Buffer.from(input.buffer, input.byteOffset, input.length);
  for (let offset = 0; offset < input.length; ) {
    const end = itemEnd(input, offset);
    const parts = end instanceof Rejection ? end : decodeSign1(input.subarray(offset, end));
    if (!(parts instanceof Rejection)) {
      yield { offset, bytes: input.subarray(offset, end as number), parts };
      offset = end as number;
      continue;
    }
    const next = buffer.indexOf(BEGINNING, offset + 1);
    const until = next < 0 ? input.length : next;
    yield { offset, bytes: input.subarray(offset, until), parts };
    offset = until;
  }
}

function itemEnd(input: Uint8Array, offset: number): number | Rejection {
  const first = decodeFirst(input, offset, LIMITS);
  return first instanceof Rejection ? first : first.end;
}
