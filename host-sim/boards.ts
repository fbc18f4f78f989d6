// The boards, each one file: firmware/boards/NAME.json. Everything that depends on a board reads it from here: the simulated boards,
// `--board`, the benchmarks, what a real SDK is asked to link; and `npm run boards` writes what mcconfig must have as files of its own.
//
// Promises: what is read is whole and fits together (pins that are not taken twice, partitions that lie in the flash), or an error
// names file and field and says what was expected. A field that nobody reads is such an error, too.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Fields, fieldsOf } from "../firmware/fields.js";
import { Rejection } from "../firmware/rejection.js";
import { REPOSITORY } from "./place.js";
import type { Creation } from "./xs/presets.js";

export interface Chip {
  /** As ESP-IDF names its target, and the SDK its ESP32_SUBCLASS. */
  readonly name: string;
  readonly isa: "xtensa" | "rv32imc";
  readonly cores: number;
  /** RTC memory that software can use: there a failure of the noise is kept until the power was off. */
  readonly rtcMemoryBytes: number;
  /** Whether the chip has a USB port of its own that shows the console (USB-Serial-JTAG). */
  readonly usbConsole: boolean;
  /** Whether the chip keeps a key for HMAC in its eFuses: NVS is encrypted by it; else by a partition `nvs_keys`. */
  readonly hmac: boolean;
}

/** Numbers of GPIOs. */
export interface BoardPins {
  readonly i2c: { readonly data: number; readonly clock: number };
  /** UART 0. */
  readonly console: { readonly transmit: number; readonly receive: number };
  /** The one that a person presses, to ground; on most boards that of the chip's boot mode. */
  readonly button: number;
  /** The LED that the SDK's target of the board names; absent where it names none. */
  readonly led?: number;
}

/** One line of ESP-IDF's partition table. */
export interface Partition {
  readonly name: string;
  readonly type: "app" | "data";
  readonly subtype: string;
  /** Bytes from the beginning of the flash. */
  readonly at: number;
  readonly bytes: number;
}

export interface Flash {
  readonly bytes: number;
  /** In the order of where they lie. */
  readonly partitions: readonly Partition[];
}

export interface BoardKind {
  /** The file's, without its ending. */
  readonly name: string;
  /** As people write it. */
  readonly label: string;
  /** What `mcconfig -p` takes. */
  readonly platform: string;
  readonly chip: Chip;
  /** Memory that XS gets, in the words of a manifest's `creation`. */
  readonly memory: object;
  readonly creation: Creation;
  /** The same for the mote with the ledger (firmware/manifest-ledger.json): what the file says of that besides. */
  readonly ledgerMemory: object;
  readonly ledgerCreation: Creation;
  readonly pins: BoardPins;
  readonly flash: Flash;
}

export const BOARD_FOLDER = "firmware/boards";
/** Whose memory and pins a simulated board has that is told no other. */
export const DEFAULT_BOARD = "esp32c3";

const GPIO_MAX = 54;
const CORES_MAX = 8;
/** Bytes, and slots, of an area of XS: no more than a chip's RAM. */
const XS_BYTES_MAX = 1 << 23;
/** XS numbers its keys with 16 bits. */
const XS_KEYS_MAX = 0xffff;
const RTC_BYTES_MAX = 1 << 20;
const FLASH_BYTES_MIN = 1 << 20;
const FLASH_BYTES_MAX = 1 << 26;
const PARTITIONS_MAX = 95; // ESP-IDF's
const PARTITION_NAME_BYTES_MAX = 15;
/** Where the partition table lies, on every board: a bootloader with secure boot needs the room before it. */
export const TABLE_AT = 0xc000;
/** The table takes a sector, with secure boot its signature, too. */
const PARTITIONS_AT = 0xd000;
const APP_ALIGNMENT = 0x10000;
const SECTOR_BYTES = 0x1000;
/** What ESP-IDF writes of the running slot: two copies, a sector each. */
const OTADATA_BYTES = 0x2000;
/** One slot for each image of an update. */
export const SLOTS = ["ota_0", "ota_1"] as const;

/** @param root the repository, or a copy of it */
export function readBoards(root: string): readonly BoardKind[] {
  const names = readdirSync(join(root, BOARD_FOLDER))
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
  const boards = names.map((name) => readBoard(name, readFileSync(join(root, BOARD_FOLDER, `${name}.json`), "utf8")));
  for (const board of boards) {
    const first = firstOfPlatform(boards, board);
    const differ = [board, first].map(({ chip, memory, pins }) => JSON.stringify([chip, memory, pins]));
    if (first !== board && (differ[0] !== differ[1] || JSON.stringify(board.flash) === JSON.stringify(first.flash)))
      throw new Error(
        `${BOARD_FOLDER}/${board.name}.json: platform ${board.platform} is ${first.name}'s already; mcconfig could not tell them by anything but their flash`,
      );
  }
  return boards;
}

/** The board of that platform which manifests name; others of it differ in their flash alone, and are told by the environment. */
export function firstOfPlatform(boards: readonly BoardKind[], { platform }: Pick<BoardKind, "platform">): BoardKind {
  return boards.find((board) => board.platform === platform) as BoardKind;
}

/** @param text of the file `name`.json; throws an `Error` that names file and field */
export function readBoard(name: string, text: string): BoardKind {
  try {
    if (!/^[a-z][a-z0-9_-]{0,31}$/.test(name)) throw new Error("a board's name has small letters, digits, - and _");
    return boardIn(name, fieldsOf(JSON.parse(text)));
  } catch (error) {
    const said = error instanceof Rejection ? error.detail : (error as Error).message;
    throw new Error(`${BOARD_FOLDER}/${name}.json: ${said}`);
  }
}

function boardIn(name: string, fields: Fields): BoardKind {
  only(fields, ["label", "platform", "chip", "memory", "ledgerMemory", "pins", "flash"]);
  const platform = fields.text("platform", 64);
  if (!/^esp32(\/[a-z0-9_]+)?$/.test(platform)) throw fields.wrong("platform", "esp32, or esp32/ and a target of the SDK");
  const memory = fields.section("memory");
  const more = fields.has("ledgerMemory") ? fields.section("ledgerMemory").json : {};
  const ledger = new Fields({ ...memory.json, ...more }, "ledgerMemory");
  return {
    name,
    label: fields.text("label", 32),
    platform,
    chip: chipIn(fields.section("chip")),
    memory: memory.json,
    creation: creationIn(memory),
    ledgerMemory: ledger.json,
    ledgerCreation: creationIn(ledger),
    pins: pinsIn(fields.section("pins")),
    flash: flashIn(fields.section("flash"), fields.section("chip").flag("hmac", false)),
  };
}

function chipIn(fields: Fields): Chip {
  only(fields, ["name", "isa", "cores", "rtcMemoryBytes", "usbConsole", "hmac"]);
  const isa = fields.text("isa", 16);
  if (isa !== "xtensa" && isa !== "rv32imc") throw fields.wrong("isa", "xtensa or rv32imc");
  return {
    name: fields.text("name", 16),
    isa,
    cores: fields.uint("cores", 1, CORES_MAX),
    rtcMemoryBytes: fields.uint("rtcMemoryBytes", SECTOR_BYTES, RTC_BYTES_MAX),
    usbConsole: flag(fields, "usbConsole"),
    hmac: flag(fields, "hmac"),
  };
}

/** As mcconfig reads a manifest's `creation`, in the words of the simulator. */
function creationIn(fields: Fields): Creation {
  only(fields, ["static", "chunk", "heap", "stack", "keys", "nativeStack"]);
  const [chunk, heap, keys] = [fields.section("chunk"), fields.section("heap"), fields.section("keys")];
  for (const area of [chunk, heap]) only(area, ["initial", "incremental"]);
  only(keys, ["initial", "incremental", "name", "symbol"]);
  return {
    staticBytes: fields.uint("static", 0, XS_BYTES_MAX),
    chunkInitialBytes: chunk.uint("initial", 1, XS_BYTES_MAX),
    chunkIncrementalBytes: chunk.uint("incremental", 0, XS_BYTES_MAX),
    heapInitialSlots: heap.uint("initial", 1, XS_BYTES_MAX),
    heapIncrementalSlots: heap.uint("incremental", 0, XS_BYTES_MAX),
    stackSlots: fields.uint("stack", 1, XS_BYTES_MAX),
    keysInitial: keys.uint("initial", 1, XS_KEYS_MAX),
    keysIncremental: keys.uint("incremental", 0, XS_KEYS_MAX),
    nameModulo: keys.uint("name", 1, XS_KEYS_MAX),
    symbolModulo: keys.uint("symbol", 1, XS_KEYS_MAX),
    nativeStackBytes: fields.uint("nativeStack", 1, XS_BYTES_MAX),
  };
}

function pinsIn(fields: Fields): BoardPins {
  only(fields, ["i2c", "console", "button", "led"]);
  const taken = new Map<number, string>();
  const pin = (section: Fields, name: string): number => {
    const number = section.uint(name, 0, GPIO_MAX);
    const path = section.path === fields.path ? name : `${section.path}.${name}`;
    const other = taken.get(number);
    if (other !== undefined) throw new Error(`${path}: GPIO ${number} is ${other} already`);
    taken.set(number, path);
    return number;
  };
  const [i2c, console] = [fields.section("i2c"), fields.section("console")];
  only(i2c, ["data", "clock"]);
  only(console, ["transmit", "receive"]);
  return {
    i2c: { data: pin(i2c, "data"), clock: pin(i2c, "clock") },
    console: { transmit: pin(console, "transmit"), receive: pin(console, "receive") },
    button: pin(fields, "button"),
    ...(fields.has("led") ? { led: pin(fields, "led") } : {}),
  };
}

function flashIn(fields: Fields, hmac: boolean): Flash {
  only(fields, ["bytes", "partitions"]);
  const bytes = fields.uint("bytes", FLASH_BYTES_MIN, FLASH_BYTES_MAX);
  if ((bytes & (bytes - 1)) !== 0) throw fields.wrong("bytes", "a power of two, as flash chips have it");
  let end = PARTITIONS_AT;
  const partitions: Partition[] = [];
  for (const row of fields.sections("partitions", PARTITIONS_MAX) ?? []) {
    const partition = partitionIn(row);
    if (partition.at < end) throw row.wrong("at", `0x${end.toString(16)} or more, behind what lies there`);
    end = partition.at + partition.bytes;
    if (end > bytes) throw row.wrong("bytes", `no more than is left of ${bytes} bytes of flash`);
    if (partitions.some(({ name }) => name === partition.name)) throw row.wrong("name", "a name that no other partition has");
    partitions.push(partition);
  }
  const has = (name: string, type: Partition["type"], subtype: string): Partition => {
    const found = partitions.find((row) => row.name === name && row.type === type && row.subtype === subtype);
    if (found === undefined) throw fields.wrong("partitions", `a partition ${name} of the type ${type}, subtype ${subtype}`);
    return found;
  };
  for (const [name, subtype] of [
    ["nvs", "nvs"],
    ["phy_init", "phy"],
    ["journal", "undefined"],
  ] as const)
    has(name, "data", subtype);
  if (has("otadata", "data", "ota").bytes !== OTADATA_BYTES)
    throw fields.wrong("partitions", `otadata of ${OTADATA_BYTES} bytes`);
  const [first, second] = SLOTS.map((name) => has(name, "app", name)) as [Partition, Partition];
  if (first.bytes !== second.bytes) throw fields.wrong("partitions", "two slots of the same size: each image has to fit both");
  if (partitions.some(({ subtype }) => subtype === "factory"))
    throw fields.wrong("partitions", "no partition of the subtype factory: nothing could ever roll an image in it back");
  if (!hmac) has("nvs_keys", "data", "nvs_keys");
  return { bytes, partitions };
}

function partitionIn(row: Fields): Partition {
  only(row, ["name", "type", "subtype", "at", "bytes"]);
  const name = row.text("name", PARTITION_NAME_BYTES_MAX);
  if (!/^[a-z0-9_]+$/.test(name)) throw row.wrong("name", "small letters, digits and _");
  const type = row.text("type", 4);
  if (type !== "app" && type !== "data") throw row.wrong("type", "app or data");
  const subtype = row.text("subtype", 16);
  if (!/^[a-z0-9_]+$/.test(subtype)) throw row.wrong("subtype", "a word of ESP-IDF's");
  const hex = (field: string, multiple: number): number => {
    const value = /^0x[0-9a-f]{1,8}$/.test(row.text(field, 10)) ? Number(row.text(field, 10)) : Number.NaN;
    if (!(value > 0) || value % multiple !== 0) throw row.wrong(field, `a multiple of 0x${multiple.toString(16)}, as "0x1000"`);
    return value;
  };
  return { name, type, subtype, at: hex("at", type === "app" ? APP_ALIGNMENT : SECTOR_BYTES), bytes: hex("bytes", SECTOR_BYTES) };
}

function flag(fields: Fields, name: string): boolean {
  if (!fields.has(name)) throw fields.wrong(name, "true or false");
  return fields.flag(name, false);
}

/** Refuses what nobody reads: a word that is spelt wrong would be passed over. */
function only(fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields.json))
    if (!names.includes(name))
      throw new Error(`${fields.path === "" ? name : `${fields.path}.${name}`}: no such field; there are ${names.join(", ")}`);
}

/** What the manifest's `config` has of a board as `service`: its name, its button and its serial ports (firmware/board/service-port.ts). */
export function serviceOf({ name, pins, chip }: BoardKind): object {
  return { board: name, button: pins.button, ...pins.console, usb: chip.usbConsole };
}

export const BOARDS: readonly BoardKind[] = readBoards(REPOSITORY);
export const BOARD_NAMES: readonly string[] = BOARDS.map(({ name }) => name);

/** The board of that name; throws a `RangeError` that names those that there are. */
export function boardOf(name: string): BoardKind {
  const board = BOARDS.find((one) => one.name === name);
  if (board === undefined) throw new RangeError(`no board "${name}": ${BOARD_FOLDER} has ${BOARD_NAMES.join(", ")}`);
  return board;
}

/**
 * Partitions that a simulated chip has, and how many bytes each has: those that a firmware can open by their names, which are ESP-IDF's `data` of no
 * kind that it uses itself, and the places of images with what the bootloader notes of them.
 */
export function dataPartitions({ flash }: BoardKind): Readonly<Record<string, number>> {
  const own = flash.partitions.filter(({ type, subtype }) =>
    type === "data" ? subtype === "undefined" || subtype === "ota" : subtype.startsWith("ota_"),
  );
  return Object.fromEntries(own.map(({ name, bytes }) => [name, bytes]));
}

/** Bytes of the partition of that name; throws where there is none. */
export function partitionBytes({ name, flash }: BoardKind, partition: string): number {
  const found = flash.partitions.find((row) => row.name === partition);
  if (found === undefined) throw new RangeError(`board ${name} has no partition "${partition}"`);
  return found.bytes;
}
