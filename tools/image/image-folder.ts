// A folder of images that is flashed as it is, without SDK and without ESP-IDF: the files and `images.json`, which says what each is, where
// it lies in flash and what its SHA-256 is.
//
// Promises: what is read is whole and fits together before anything is written to a board: digests, the chip in each image's header, the
// bootloader where the ROM looks for it, an application at the beginning of a partition that holds it, no two over one another; else one line
// that names the file and what is amiss. Never: a file outside the folder.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { writeWhole } from "../files.js";
import { CommandError, plainText } from "../terminal.js";
import { BOOTLOADER_AT, CHIP_IDS, readImageHeader } from "./app-image.js";
import { readPartitionTable, SUBTYPE_OTADATA, type TableEntry, TYPE_APP, TYPE_DATA } from "./partition-table.js";

export const IMAGES_FILE = "images.json";
export const PROFILES = ["dev", "production"] as const;
export type Profile = (typeof PROFILES)[number];

export interface ImagePart {
  /** bootloader, partition-table, otadata, app. */
  readonly name: string;
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface ImageFolder {
  readonly folder: string;
  readonly name: string;
  readonly board: string;
  /** As ESP-IDF names it. */
  readonly chip: string;
  readonly profile: Profile;
  readonly flashBytes: number;
  /** In the order of where they lie. */
  readonly parts: readonly ImagePart[];
  readonly partitions: readonly TableEntry[];
  /** The ELF beside them, that a crash is made readable with. */
  readonly elf?: string;
  /** For an emulator alone: no board takes them. */
  readonly emulated?: boolean;
}

const JSON_BYTES_MAX = 65_536;
const PART_BYTES_MAX = 1 << 26;
const PARTS_MAX = 16;
const SECTOR_BYTES = 0x1000;
const SIGNATURE_MAGIC = 0xe7;
const SIGNATURE_VERSION = 2;

const hex = (value: number): string => `0x${value.toString(16)}`;

/** @throws CommandError in one line */
export function readImageFolder(folder: string): ImageFolder {
  const file = join(folder, IMAGES_FILE);
  const shown = plainText(file, 200);
  if (!existsSync(file))
    throw new CommandError(`${plainText(folder, 200)} has no ${IMAGES_FILE}: chainmote build BOARD writes such a folder`);
  const wrong = (what: string): CommandError => new CommandError(`${shown}: ${what}`);
  if (statSync(file).size > JSON_BYTES_MAX) throw wrong(`more than ${JSON_BYTES_MAX} bytes`);
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch {
    throw wrong("it is no JSON");
  }
  const text = (of: Record<string, unknown>, field: string): string => {
    const value = of[field];
    if (typeof value !== "string" || value === "" || value.length > 200) throw wrong(`${field} is to be a text`);
    return value;
  };
  const chip = text(json, "chip");
  const profile = text(json, "profile");
  if (CHIP_IDS[chip] === undefined) throw wrong(`chip is to be one of ${Object.keys(CHIP_IDS).join(", ")}`);
  if (!isProfile(profile)) throw wrong(`profile is to be ${PROFILES.join(" or ")}`);
  const listed = json.parts;
  if (!Array.isArray(listed) || listed.length === 0 || listed.length > PARTS_MAX)
    throw wrong(`parts are to be 1 to ${PARTS_MAX}`);
  const parts = listed.map((row) => readPart(folder, row as Record<string, unknown>, text, wrong));
  const flashBytes = json.flashBytes;
  if (typeof flashBytes !== "number" || !Number.isSafeInteger(flashBytes) || flashBytes <= 0)
    throw wrong("flashBytes is to be a number of bytes");
  parts.sort((a, b) => a.offset - b.offset);
  const elf = typeof json.elf === "string" ? inside(folder, json.elf, wrong) : undefined;
  const partitions = partitionsOf(parts, wrong);
  const read: ImageFolder = {
    ...{ folder, name: text(json, "name"), board: text(json, "board"), chip, profile, flashBytes, parts, partitions },
    ...(elf !== undefined && existsSync(elf) ? { elf } : {}),
    ...(json.emulated === true ? { emulated: true } : {}),
  };
  const fault = layoutFault(read);
  if (fault !== undefined) throw wrong(fault);
  return read;
}

export function isProfile(text: string): text is Profile {
  return (PROFILES as readonly string[]).includes(text);
}

function readPart(
  folder: string,
  row: Record<string, unknown>,
  text: (of: Record<string, unknown>, field: string) => string,
  wrong: (what: string) => CommandError,
): ImagePart {
  if (typeof row !== "object" || row === null) throw wrong("a part is to be an object");
  const [name, path, sha256] = [text(row, "name"), text(row, "path"), text(row, "sha256")];
  const { offset } = row;
  if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0 || offset % SECTOR_BYTES !== 0)
    throw wrong(`${plainText(name, 40)}: offset is to be a multiple of ${SECTOR_BYTES}`);
  const file = inside(folder, path, wrong);
  if (!existsSync(file)) throw wrong(`${plainText(path, 100)} is not there`);
  if (statSync(file).size > PART_BYTES_MAX) throw wrong(`${plainText(path, 100)} has more than ${PART_BYTES_MAX} bytes`);
  const bytes = new Uint8Array(readFileSync(file));
  if (bytes.length === 0) throw wrong(`${plainText(path, 100)} is empty`);
  if (sha256Of(bytes) !== sha256) throw wrong(`${plainText(path, 100)} is not the file that was built: its SHA-256 is another`);
  return { name, path, offset, bytes };
}

/** A name in the folder itself: nothing leads out of it. */
function inside(folder: string, path: string, wrong: (what: string) => CommandError): string {
  if (basename(path) !== path || path.includes("\\") || path === "..")
    throw wrong(`${plainText(path, 100)} is to be a file's name in this folder`);
  return join(folder, path);
}

function partitionsOf(parts: readonly ImagePart[], wrong: (what: string) => CommandError): readonly TableEntry[] {
  const table = parts.find(({ name }) => name === "partition-table");
  if (table === undefined) throw wrong("there is no part partition-table");
  try {
    return readPartitionTable(table.bytes);
  } catch (error) {
    throw wrong(`${table.path}: ${(error as Error).message}`);
  }
}

/** What does not fit together, in one sentence. */
function layoutFault({
  chip,
  flashBytes,
  parts,
  partitions,
}: Omit<ImageFolder, "folder" | "name" | "board">): string | undefined {
  for (const [i, part] of parts.entries()) {
    const { name, path, offset, bytes } = part;
    const end = offset + bytes.length;
    if (end > flashBytes) return `${path} ends at ${hex(end)}, behind the flash of ${hex(flashBytes)} bytes`;
    const next = parts[i + 1];
    if (next !== undefined && end > next.offset)
      return `${path} ends at ${hex(end)}, and ${next.path} begins at ${hex(next.offset)}`;
    if (name === "partition-table") continue;
    const fault = name === "bootloader" ? bootloaderFault(chip, part) : partitionFault(partitions, part);
    if (fault !== undefined) return fault;
    if (name !== "bootloader" && name !== "app") continue;
    const header = readImageHeader(bytes);
    if (header === undefined) return `${path} is no firmware image`;
    if (header.chipId !== CHIP_IDS[chip]) return `${path} is for another chip (${chipNamed(header.chipId)}) than ${chip}`;
  }
  return parts.some(({ name }) => name === "app") ? undefined : "there is no part app";
}

function bootloaderFault(chip: string, { path, offset }: ImagePart): string | undefined {
  const at = BOOTLOADER_AT[chip] as number;
  return offset === at ? undefined : `${path} is to lie at ${hex(at)}, where an ${chip} looks for it, not at ${hex(offset)}`;
}

function partitionFault(partitions: readonly TableEntry[], { name, path, offset, bytes }: ImagePart): string | undefined {
  const partition = partitions.find(({ at }) => at === offset);
  if (partition === undefined) return `${path} is to lie where a partition begins; none does at ${hex(offset)}`;
  const fits =
    name === "app"
      ? partition.type === TYPE_APP
      : name === "otadata" && partition.type === TYPE_DATA && partition.subtype === SUBTYPE_OTADATA;
  if (!fits) return `${path} at ${hex(offset)} would overwrite the partition ${plainText(partition.name, 16)}`;
  if (bytes.length > partition.bytes)
    return `${path} has ${bytes.length} bytes, and the partition ${plainText(partition.name, 16)} ${partition.bytes}`;
  return undefined;
}

/** The name of a chip by the number in an image's header. */
function chipNamed(id: number): string {
  return Object.entries(CHIP_IDS).find(([, number]) => number === id)?.[0] ?? `number ${id}`;
}

/** The first image that nobody has signed. */
export function unsignedPart({ parts }: ImageFolder): ImagePart | undefined {
  return parts.find(({ name, bytes }) => (name === "bootloader" || name === "app") && !isSigned(bytes));
}

/** Whether there is a sector with a signature behind an image (ESP-IDF, "Secure Boot v2", signature block): whose is not looked at. */
function isSigned(bytes: Uint8Array): boolean {
  const at = bytes.length - SECTOR_BYTES;
  return at > 0 && at % SECTOR_BYTES === 0 && bytes[at] === SIGNATURE_MAGIC && bytes[at + 1] === SIGNATURE_VERSION;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Writes `images.json` beside files that are there. */
export function writeImagesJson(images: Omit<ImageFolder, "partitions">): void {
  const { folder, name, board, chip, profile, flashBytes, parts, elf, emulated } = images;
  const rows = parts.map((part) => ({
    ...{ name: part.name, path: part.path, offset: part.offset },
    ...{ bytes: part.bytes.length, sha256: sha256Of(part.bytes) },
  }));
  const json = {
    ...{ name, board, chip, profile, flashBytes, parts: rows },
    ...(elf === undefined ? {} : { elf: basename(elf) }),
    ...(emulated === true ? { emulated } : {}),
  };
  writeWhole(join(folder, IMAGES_FILE), `${JSON.stringify(json, null, 2)}\n`, "umask");
}
