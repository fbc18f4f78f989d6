// Images as a build leaves them, of bytes that mean nothing: headers, a partition table, and images.json.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOTLOADER_AT, CHIP_IDS } from "../../../../tools/image/app-image.js";
import {
  type ImageFolder,
  type ImagePart,
  type Profile,
  readImageFolder,
  writeImagesJson,
} from "../../../../tools/image/image-folder.js";

export interface Row {
  readonly name: string;
  readonly type: number;
  readonly subtype: number;
  readonly at: number;
  readonly bytes: number;
}

const TABLE_AT = 0xc000;
export const ROWS: readonly Row[] = [
  { name: "nvs", type: 1, subtype: 2, at: 0xd000, bytes: 0xe000 },
  { name: "otadata", type: 1, subtype: 0, at: 0x1b000, bytes: 0x2000 },
  { name: "phy_init", type: 1, subtype: 1, at: 0x1d000, bytes: 0x1000 },
  { name: "ota_0", type: 0, subtype: 0x10, at: 0x20000, bytes: 0x1c0000 },
  { name: "ota_1", type: 0, subtype: 0x11, at: 0x1e0000, bytes: 0x1c0000 },
  { name: "journal", type: 1, subtype: 6, at: 0x3b0000, bytes: 0x40000 },
];

export function tableBytes(rows: readonly Row[] = ROWS): Uint8Array {
  const bytes = Buffer.alloc(0xc00, 0xff);
  for (const [i, { name, type, subtype, at, bytes: length }] of rows.entries()) {
    const entry = bytes.subarray(32 * i, 32 * i + 32).fill(0);
    entry.set([0xaa, 0x50, type, subtype]);
    entry.writeUInt32LE(at, 4);
    entry.writeUInt32LE(length, 8);
    entry.write(name, 12, "latin1");
  }
  const end = 32 * rows.length;
  bytes.set([0xeb, 0xeb], end);
  bytes.set(createHash("md5").update(bytes.subarray(0, end)).digest(), end + 16);
  return new Uint8Array(bytes);
}

/** A header, and bytes in which SLIP's own come often. */
export function firmwareBytes(chip: string, length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = seed; i < length; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = i % 7 === 0 ? 0xc0 : i % 11 === 0 ? 0xdb : state >>> 24;
  }
  bytes.set([0xe9, 3, 2, 0x20]);
  bytes.set([CHIP_IDS[chip] as number, 0], 12);
  return bytes;
}

export function partsFor(chip: string, seed = 1): readonly ImagePart[] {
  return [
    {
      name: "bootloader",
      path: "bootloader.bin",
      offset: BOOTLOADER_AT[chip] as number,
      bytes: firmwareBytes(chip, 5_003, seed),
    },
    { name: "partition-table", path: "partition-table.bin", offset: TABLE_AT, bytes: tableBytes() },
    { name: "otadata", path: "otadata.bin", offset: 0x1b000, bytes: new Uint8Array(0x2000).fill(0xff) },
    { name: "app", path: "firmware.bin", offset: 0x20000, bytes: firmwareBytes(chip, 40_001, seed + 1) },
  ];
}

/** Writes parts and images.json as they are, right or not. */
export function writeImages(folder: string, chip: string, parts = partsFor(chip), profile: Profile = "dev"): void {
  mkdirSync(folder, { recursive: true });
  for (const { path, bytes } of parts) writeFileSync(join(folder, path), bytes);
  writeImagesJson({ folder, name: "my-mote", board: chip, chip, profile, flashBytes: 4 << 20, parts });
}

/** With a sector behind each image that looks like a signature. */
export function signedPartsFor(chip: string): readonly ImagePart[] {
  return partsFor(chip).map((part) => {
    if (part.name !== "bootloader" && part.name !== "app") return part;
    const at = Math.ceil(part.bytes.length / 0x1000) * 0x1000;
    const bytes = new Uint8Array(at + 0x1000).fill(0xff);
    bytes.set(part.bytes);
    bytes.set([0xe7, 2], at);
    return { ...part, bytes };
  });
}

export function imagesIn(folder: string, chip: string, profile: Profile = "dev"): ImageFolder {
  writeImages(folder, chip, profile === "dev" ? partsFor(chip) : signedPartsFor(chip), profile);
  return readImageFolder(folder);
}
