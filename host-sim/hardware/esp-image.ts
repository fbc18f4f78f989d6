// Images of applications as ESP-IDF has them (esp_image_header_t, segments, checksum, SHA-256 at the end; esp_app_desc_t at the
// beginning of the first segment), and those that the simulator can boot: such an image whose second segment says, as JSON, which
// firmware it is.
//
// Promises: what the bootloader would refuse is refused, by name: another magic byte, another chip, a segment that leaves the
// image, a wrong checksum or digest. Never: runs anything, or looks at a signature behind the image.

import { createHash } from "node:crypto";

/** What of an image its reader asks about. */
export interface EspImage {
  /** ESP-IDF's number of the chip. */
  readonly chip: number;
  readonly secureVersion: number;
  readonly version: string;
  readonly project: string;
  /** Bytes of the image, its digest included; what follows is padding or a signature. */
  readonly bytes: number;
  /** What the simulator is to run; undefined in an image of a chip. */
  readonly program: SimulatedProgram | undefined;
}

export interface SimulatedProgram {
  /** Main module of the firmware, absolute. */
  readonly firmware: string;
}

/** ESP-IDF's numbers of chips (esp_chip_id_t). */
export const CHIP_IDS: Readonly<Record<string, number>> = { esp32: 0, esp32s2: 2, esp32c3: 5, esp32s3: 9, esp32c6: 13 };

const MAGIC = 0xe9;
const HEADER_BYTES = 24;
const SEGMENT_HEADER_BYTES = 8;
const SEGMENTS_MAX = 16;
const DESCRIPTION_MAGIC = 0xabcd5432;
const DESCRIPTION_BYTES = 256;
const CHECKSUM_SEED = 0xef;
const CHECKSUM_ALIGN = 16;
const DIGEST_BYTES = 32;
/** Of an image that is told no other length. */
const IMAGE_BYTES = 12_288;
/** Of our own: where on a chip there would be code. */
const PROGRAM_ADDRESS = 0x4d4f_5445;

/** What the bytes are, or why the bootloader would not load them. `bytes` may be a whole slot. */
export function readImage(bytes: Uint8Array): EspImage | { readonly fault: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES + SEGMENT_HEADER_BYTES + DESCRIPTION_BYTES || bytes[0] !== MAGIC)
    return { fault: "it does not begin as an image of ESP-IDF's does" };
  const segments = bytes[1] as number;
  if (segments < 1 || segments > SEGMENTS_MAX) return { fault: `${segments} segments` };
  let at = HEADER_BYTES;
  let checksum = CHECKSUM_SEED;
  let program: SimulatedProgram | undefined;
  for (let i = 0; i < segments; i += 1) {
    if (at + SEGMENT_HEADER_BYTES > bytes.length) return { fault: "it ends within a segment" };
    const [address, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const from = at + SEGMENT_HEADER_BYTES;
    if (length % 4 !== 0 || from + length > bytes.length) return { fault: "it ends within a segment" };
    const data = bytes.subarray(from, from + length);
    for (const byte of data) checksum ^= byte;
    if (address === PROGRAM_ADDRESS) program = programIn(data);
    at = from + length;
  }
  at += CHECKSUM_ALIGN - (at % CHECKSUM_ALIGN);
  if (at > bytes.length || bytes[at - 1] !== checksum) return { fault: "its checksum is another" };
  if (bytes[23] === 1) {
    const digest = createHash("sha256").update(bytes.subarray(0, at)).digest();
    if (!digest.equals(bytes.subarray(at, at + DIGEST_BYTES))) return { fault: "its digest is another" };
    at += DIGEST_BYTES;
  }
  const described = HEADER_BYTES + SEGMENT_HEADER_BYTES;
  if (view.getUint32(described, true) !== DESCRIPTION_MAGIC) return { fault: "it has no description of an application" };
  return {
    chip: view.getUint16(12, true),
    secureVersion: view.getUint32(described + 4, true),
    version: textIn(bytes, described + 16),
    project: textIn(bytes, described + 48),
    bytes: at,
    program,
  };
}

export interface ImageOptions {
  /** Name of a chip. */
  readonly chip: string;
  readonly version: string;
  readonly secureVersion?: number;
  readonly program: SimulatedProgram;
  /** The image is filled up to so many bytes. */
  readonly bytes?: number;
}

/** An image that the simulator boots. */
export function writeImage({ chip, version, secureVersion = 0, program, bytes = IMAGE_BYTES }: ImageOptions): Uint8Array {
  const description = Buffer.alloc(DESCRIPTION_BYTES);
  description.writeUInt32LE(DESCRIPTION_MAGIC, 0);
  description.writeUInt32LE(secureVersion, 4);
  description.write(version.slice(0, 31), 16);
  description.write("chainmote", 48);
  const text = Buffer.from(JSON.stringify(program));
  const code = Buffer.alloc(Math.max(Math.ceil(text.length / 4) * 4, Math.floor((bytes - 512) / 4) * 4), 0x20);
  text.copy(code);
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = MAGIC;
  header[1] = 2;
  header.writeUInt16LE(CHIP_IDS[chip] ?? 0xffff, 12);
  header[23] = 1;
  const body = Buffer.concat([header, segment(0x3c00_0020, description), segment(PROGRAM_ADDRESS, code)]);
  const padded = Buffer.alloc(body.length + CHECKSUM_ALIGN - (body.length % CHECKSUM_ALIGN));
  body.copy(padded);
  let checksum = CHECKSUM_SEED;
  for (const byte of Buffer.concat([description, code])) checksum ^= byte;
  padded[padded.length - 1] = checksum;
  return new Uint8Array(Buffer.concat([padded, createHash("sha256").update(padded).digest()]));
}

function segment(address: number, data: Buffer): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.writeUInt32LE(address, 0);
  header.writeUInt32LE(data.length, 4);
  return Buffer.concat([header, data]);
}

function textIn(bytes: Uint8Array, at: number): string {
  const text = Buffer.from(bytes.subarray(at, at + 32)).toString("latin1");
  return text.slice(0, text.indexOf("\0") < 0 ? 32 : text.indexOf("\0"));
}

function programIn(data: Uint8Array): SimulatedProgram | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
    const named = typeof value === "object" && value !== null && "firmware" in value && typeof value.firmware === "string";
    return named ? (value as SimulatedProgram) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
