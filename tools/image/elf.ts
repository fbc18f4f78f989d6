// What an ELF of 32 bits says of a board's static memory: its section headers alone (System V ABI, "Sections").
//
// Promises: every offset is held to the file's length; what is no such ELF is undefined.

import { textIn } from "./app-image.js";

/** Static memory of an ESP32's image, in bytes. */
export interface StaticMemory {
  /** Code that runs from RAM. */
  readonly iram: number;
  readonly data: number;
  readonly bss: number;
}

const MAGIC = 0x7f454c46;
const CLASS_32 = 1;
const LITTLE_ENDIAN = 1;
const HEADER_BYTES = 52;
const SECTION_BYTES = 40;
const FLAG_ALLOCATED = 2;
const NAME_BYTES_MAX = 64;

export function staticMemory(bytes: Uint8Array): StaticMemory | undefined {
  const sections = sectionsOf(bytes);
  if (sections === undefined) return undefined;
  const sum = (pattern: RegExp): number =>
    sections.filter(({ name }) => pattern.test(name)).reduce((total, section) => total + section.bytes, 0);
  return { iram: sum(/^\.iram0\./), data: sum(/^\.dram0\.data/), bss: sum(/^\.dram0\.(bss|noinit)/) };
}

function sectionsOf(bytes: Uint8Array): readonly { name: string; bytes: number }[] | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC || view.getUint8(4) !== CLASS_32 || view.getUint8(5) !== LITTLE_ENDIAN) return undefined;
  const [table, count, names] = [view.getUint32(32, true), view.getUint16(48, true), view.getUint16(50, true)];
  if (view.getUint16(46, true) !== SECTION_BYTES || names >= count || table + count * SECTION_BYTES > bytes.length)
    return undefined;
  const namesAt = view.getUint32(table + names * SECTION_BYTES + 16, true);
  const found: { name: string; bytes: number }[] = [];
  for (let at = table; at < table + count * SECTION_BYTES; at += SECTION_BYTES) {
    if ((view.getUint32(at + 8, true) & FLAG_ALLOCATED) === 0) continue;
    const name = textIn(bytes.subarray(namesAt + view.getUint32(at, true)).subarray(0, NAME_BYTES_MAX));
    found.push({ name, bytes: view.getUint32(at + 20, true) });
  }
  return found;
}
