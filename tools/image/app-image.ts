// The header of an ESP32 firmware image ("Firmware Image Format" of esptool's documentation): which chip it is for, and what it says of
// itself.
//
// Promises: reads no further than the header; what is no image is undefined.

/** The chip's number in an image's header, by the name that ESP-IDF has for its target. */
export const CHIP_IDS: Readonly<Record<string, number>> = { esp32: 0, esp32c3: 5, esp32s3: 9, esp32c6: 13 };
/** Where the ROM looks for the bootloader. */
export const BOOTLOADER_AT: Readonly<Record<string, number>> = { esp32: 0x1000, esp32c3: 0, esp32s3: 0, esp32c6: 0 };

export interface ImageHeader {
  readonly chipId: number;
  readonly segments: number;
  /** Size of the flash that it was linked for, in bytes. */
  readonly flashBytes: number;
  /** An application's own: ESP-IDF's `esp_app_desc_t`. */
  readonly application?: { readonly version: string; readonly name: string };
}

export const HEADER_BYTES = 24;
const MAGIC = 0xe9;
const CHIP_ID_AT = 12;
const SEGMENT_HEADER_BYTES = 8;
const DESCRIPTION_AT = HEADER_BYTES + SEGMENT_HEADER_BYTES;
const DESCRIPTION_MAGIC = 0xabcd5432;
const VERSION_AT = DESCRIPTION_AT + 16;
const NAME_AT = VERSION_AT + 32;
const TEXT_BYTES = 32;
const MEGABYTE = 1 << 20;

export function readImageHeader(bytes: Uint8Array): ImageHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = {
    chipId: view.getUint16(CHIP_ID_AT, true),
    segments: view.getUint8(1),
    flashBytes: MEGABYTE << (view.getUint8(3) >> 4),
  };
  if (bytes.length < NAME_AT + TEXT_BYTES || view.getUint32(DESCRIPTION_AT, true) !== DESCRIPTION_MAGIC) return header;
  const text = (at: number): string => textIn(bytes.subarray(at, at + TEXT_BYTES));
  return { ...header, application: { version: text(VERSION_AT), name: text(NAME_AT) } };
}

/** A text that ends with a zero, or with its field. */
export function textIn(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1").split("\0", 1)[0] as string;
}
