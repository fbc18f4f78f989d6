// Frames of the provisioning protocol on a serial port that carries the log as well (docs/provisioning.md, "Frames").
//
// 0x00, COBS (Cheshire and Baker, 1999) of [version, kind, number, payload…, CRC-32 of all that, big-endian], 0x00. The log is text and has
// no zero byte, so whatever stands between two zeros and is no frame is log, or damage; a terminal shows the lines of the log as they are.
//
// Promises: bounded; a frame fits the 128 bytes of a UART's buffer whole, in either direction, so that nothing is lost between two reads
// and no line of the log comes within one. Never: keeps bytes of what is no frame.

import { crc32, readUint, writeUint } from "../bytes.js";
import { assert } from "../rejection.js";

const VERSION = 1;
const DELIMITER = 0;
const HEAD_BYTES = 3;
const CRC_BYTES = 4;
/** What a frame takes on the wire at most: both delimiters, and the one byte by which COBS lengthens what is shorter than 254. */
export const FRAME_BYTES_MAX = 112;
export const PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX - 3 - HEAD_BYTES - CRC_BYTES;

export interface Frame {
  readonly kind: number;
  /** 0 to 255; an answer has its question's. */
  readonly number: number;
  readonly payload: Uint8Array;
}

export function encodeFrame({ kind, number, payload }: Frame): Uint8Array {
  assert(payload.length <= PAYLOAD_BYTES_MAX, "a payload that fits its frame");
  const end = HEAD_BYTES + payload.length;
  const plain = new Uint8Array(end + CRC_BYTES);
  plain[0] = VERSION;
  plain[1] = kind;
  plain[2] = number;
  plain.set(payload, HEAD_BYTES);
  writeUint(plain, crc32(plain, 0, end) >>> 0, end, CRC_BYTES);
  const wire = new Uint8Array(plain.length + 3);
  let code = 1;
  for (let i = 0; i < plain.length; i += 1) {
    const byte = plain[i] as number;
    wire[i + 2] = byte;
    if (byte !== 0) continue;
    wire[code] = i + 2 - code;
    code = i + 2;
  }
  wire[code] = wire.length - 1 - code;
  return wire;
}

/** Finds frames in whatever comes. */
export class FrameReader {
  readonly #bytes = new Uint8Array(FRAME_BYTES_MAX - 2);
  #length = 0;

  /** The frame that this byte ended; undefined where it ended none. */
  take(byte: number): Frame | undefined {
    if (byte !== DELIMITER) {
      if (this.#length < this.#bytes.length) this.#bytes[this.#length] = byte;
      // One more than fits marks it as too long.
      if (this.#length <= this.#bytes.length) this.#length += 1;
      return undefined;
    }
    const length = this.#length;
    this.#length = 0;
    return length > this.#bytes.length ? undefined : decodeFrame(this.#bytes, length);
  }
}

function decodeFrame(wire: Uint8Array, length: number): Frame | undefined {
  if (length < 1 + HEAD_BYTES + CRC_BYTES) return undefined;
  const plain = new Uint8Array(length - 1);
  let next = wire[0] as number;
  for (let i = 1; i < length; i += 1) {
    next -= 1;
    if (next !== 0) plain[i - 1] = wire[i] as number;
    else next = wire[i] as number;
  }
  const end = plain.length - CRC_BYTES;
  if (next !== 1 || plain[0] !== VERSION || readUint(plain, end, CRC_BYTES) !== crc32(plain, 0, end) >>> 0) return undefined;
  return { kind: plain[1] as number, number: plain[2] as number, payload: plain.slice(HEAD_BYTES, end) };
}
