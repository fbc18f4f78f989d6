// What the SDK's modules take as bytes, as one view.

import type { ByteBuffer } from "../../firmware/ports.js";

/** A view, not a copy. Throws a `TypeError` for anything that is no buffer. */
export function bytesOf(buffer: ByteBuffer): Uint8Array {
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  throw new TypeError("no buffer");
}

/** An `ArrayBuffer` of its own with the same bytes. */
export function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}
