// Finds the journal in a raw image of flash: of its partition alone, or of a whole chip.
//
// Promises: the partition's bytes and where they begin, or one Error that says what the image is instead: erased, noise
// (ciphertext of an encrypted partition), cut short, or something else. Never: a guess between two journals.

import { count } from "../terminal.js";
import { isSuperblock, SECTOR_BYTES } from "./dump.js";

/** By how many bits a byte the entropy of noise may fall short of 8, besides what a short image costs. */
const NOISE_MARGIN_BITS = 0.35;
/** Too few bytes to call noise. */
const NOISE_BYTES_MIN = 256;
const UNIT_BYTES = 32;

export interface JournalImage {
  /** Byte of the image where the partition begins. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Throws where there is no journal, or more than one. */
export function findJournal(image: Uint8Array): JournalImage {
  const partitions = new Map<number, number>();
  for (let at = 0; at + SECTOR_BYTES <= image.length; at += SECTOR_BYTES) {
    const bytes = image.subarray(at, at + SECTOR_BYTES);
    if (!isSuperblock(bytes)) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const offset = at - view.getUint16(10) * SECTOR_BYTES;
    partitions.set(offset, Math.max(partitions.get(offset) ?? 0, view.getUint16(8)));
  }
  const [first, second] = [...partitions].sort(([a], [b]) => a - b);
  if (first === undefined) throw new Error(describe(image));
  const [offset, sectors] = first;
  if (second !== undefined)
    throw new Error(`the image holds journals that begin at bytes ${hex(offset)} and ${hex(second[0])}: cut out the one to read`);
  const end = offset + sectors * SECTOR_BYTES;
  if (offset < 0 || end > image.length)
    throw new Error(
      `the image is cut: the journal has ${sectors} sectors, ${count(sectors * SECTOR_BYTES)} bytes, and would lie from byte ` +
        `${offset} to ${end} of the image's ${count(image.length)}`,
    );
  return { offset, bytes: image.subarray(offset, end) };
}

/** What an image without a journal is. */
function describe(image: Uint8Array): string {
  const written = writtenUnits(image);
  if (written.length === 0) return "it is erased flash: no journal was ever begun here, or it has been erased";
  const bytes = count(image.length);
  if (isNoise(written))
    return (
      "no journal header, and what is written reads as noise: the image of an encrypted partition holds ciphertext, of which " +
      "neither records nor their number or states can be read; decrypt it first with the chip's key (espsecure.py decrypt_flash_data)"
    );
  if (image.length % SECTOR_BYTES !== 0)
    return `no journal header in ${bytes} bytes, which are no whole number of ${SECTOR_BYTES}-byte sectors either`;
  return `no journal header in any of its ${count(image.length / SECTOR_BYTES)} sectors: it is the image of something else`;
}

/** All units of the image that are not erased. */
function writtenUnits(image: Uint8Array): Uint8Array {
  const units: Uint8Array[] = [];
  for (let at = 0; at < image.length; at += UNIT_BYTES) {
    const unit = image.subarray(at, at + UNIT_BYTES);
    if (unit.some((byte) => byte !== 0xff)) units.push(unit);
  }
  return Buffer.concat(units);
}

/** Whether bytes are as unlike each other as ciphertext: entropy of their histogram, with the bias of a short sample taken off. */
function isNoise(bytes: Uint8Array): boolean {
  if (bytes.length < NOISE_BYTES_MIN) return false;
  const histogram = new Uint32Array(256);
  for (const byte of bytes) histogram[byte] = (histogram[byte] as number) + 1;
  let bits = 0;
  for (const times of histogram) if (times > 0) bits -= (times / bytes.length) * Math.log2(times / bytes.length);
  return bits > 8 - 255 / (2 * bytes.length * Math.LN2) - NOISE_MARGIN_BITS;
}

function hex(offset: number): string {
  return `${offset < 0 ? "-" : ""}0x${Math.abs(offset).toString(16)}`;
}
