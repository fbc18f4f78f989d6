// What follows from the boards' files (firmware/boards), and must be a file of its own because mcconfig or a reader wants it so:
// partition tables, options of ESP-IDF, the boards in each manifest that is flashed, and the tables of docs/boards.md.
//
// Promises: the same boards give the same bytes; of a manifest and of a document only what is a board's is replaced. Never: writes.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type BoardKind, firstOfPlatform, type Partition, serviceOf } from "../../host-sim/boards.js";
import { burnsOf } from "./burns.js";
import { imageBytesMax } from "./slots.js";

export const PARTITIONS_FOLDER = "firmware/board/partitions";
/** Options of ESP-IDF, a folder for each board: what mcconfig's SDKCONFIGPATH names. */
export const OPTIONS_FOLDERS = {
  dev: "firmware/board/sdkconfig",
  production: "firmware/board/sdkconfig-production",
} as const;
export type Profile = keyof typeof OPTIONS_FOLDERS;
const PROFILES = Object.keys(OPTIONS_FOLDERS) as readonly Profile[];
const COMMON_OPTIONS = "firmware/boards/sdkconfig.defaults";
const PRODUCTION_OPTIONS = "firmware/boards/sdkconfig.production";
const DOCUMENT = "docs/boards.md";
/** What is flashed, besides examples; the application's library lies where npm puts it. */
const MANIFESTS = ["manifest.json", "firmware/manifest-bitcoin.json", "test/sdk/drivers/manifest.json"];
const LEDGER = "firmware/manifest-ledger.json";
const APPLICATION = "tools/new/application/manifest.json";
const APPLICATIONS_LIBRARY = "./node_modules/chainmote/";
/** Includes the first, and says in whose memory it measures. */
const BENCH = "test/bench/firmware/manifest.json";
const MADE = "# Made by `npm run boards` out of";
const LINE_WIDTH = 130;
const BAUD = "115,200";

/** What tells mcconfig of a board's flash and profile, whatever its manifest says. @param root the repository, or the package */
export function buildEnvironment(
  { name }: Pick<BoardKind, "name">,
  profile: Profile,
  root: string,
): { readonly SDKCONFIGPATH: string; readonly PARTITIONS_FILE: string } {
  return {
    SDKCONFIGPATH: join(root, OPTIONS_FOLDERS[profile], name),
    PARTITIONS_FILE: join(root, PARTITIONS_FOLDER, `${name}.csv`),
  };
}

type Json = Readonly<Record<string, unknown>>;
interface Manifest extends Json {
  readonly creation: { readonly main: string };
  readonly modules: Json;
  readonly platforms?: Json;
}

/** Every file by its path from `root`, and its text. @param root the repository, or a copy of it */
export function written(boards: readonly BoardKind[], root: string): ReadonlyMap<string, string> {
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  const files = new Map<string, string>();
  for (const board of boards) {
    files.set(`${PARTITIONS_FOLDER}/${board.name}.csv`, partitionTable(board));
    for (const profile of PROFILES) {
      const common = profile === "dev" ? "" : read(PRODUCTION_OPTIONS);
      const folder = `${OPTIONS_FOLDERS[profile]}/${board.name}`;
      files.set(`${folder}/sdkconfig.defaults`, alwaysOptions(board, profile, read(COMMON_OPTIONS) + common));
      files.set(`${folder}/sdkconfig.defaults.release`, releaseOptions(board));
    }
  }
  const examples = readdirSync(join(root, "examples")).map((name) => `examples/${name}/manifest.json`);
  for (const path of [...MANIFESTS, ...examples.filter((path) => existsSync(join(root, path)))])
    files.set(path, flashed(boards, JSON.parse(read(path)) as Manifest, `${relative(dirname(path), ".") || "."}/`));
  files.set(
    LEDGER,
    flashed(boards, JSON.parse(read(LEDGER)) as Manifest, "../", ({ ledgerMemory }) => ledgerMemory),
  );
  files.set(APPLICATION, flashed(boards, JSON.parse(read(APPLICATION)) as Manifest, APPLICATIONS_LIBRARY));
  files.set(BENCH, benched(boards, JSON.parse(read(BENCH)) as Manifest));
  files.set(DOCUMENT, documented(boards, read(DOCUMENT)));
  return files;
}

/** Files of boards that are gone. */
export function leftover(boards: readonly BoardKind[], root: string): readonly string[] {
  const names = boards.map(({ name }) => name);
  const other = (folder: string, ending: string): string[] =>
    (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [])
      .filter((name) => !name.endsWith(ending) || !names.includes(name.slice(0, name.length - ending.length)))
      .map((name) => `${folder}/${name}`);
  return [...other(PARTITIONS_FOLDER, ".csv"), ...PROFILES.flatMap((profile) => other(OPTIONS_FOLDERS[profile], ""))];
}

const hex = (value: number): string => `0x${value.toString(16)}`;
const grouped = (value: number): string => value.toLocaleString("en-US");

/** A partition that flash encryption covers, where it is on, besides the slots and their state, which it always covers. */
const encrypted = ({ subtype }: Partition): boolean => subtype === "nvs_keys";

function partitionTable({ name, flash }: BoardKind): string {
  const flags = flash.partitions.some(encrypted);
  const columns = ["# Name", "Type", "SubType", "Offset", "Size", ...(flags ? ["Flags"] : [])];
  const rows = flash.partitions.map((row) => {
    const cells = [row.name, row.type, row.subtype, hex(row.at), hex(row.bytes)];
    return encrypted(row) ? [...cells, "encrypted"] : cells;
  });
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)) + 1);
  const lines = [columns, ...rows].map((row) =>
    row.map((cell, i) => (i < row.length - 1 ? `${cell},`.padEnd((widths[i] as number) + 1) : cell)).join(""),
  );
  return `${[`${MADE} firmware/boards/${name}.json.`, ...lines].join("\n")}\n`;
}

/** The eFuse block of the key by which NVS is encrypted: the last one, for secure boot and flash encryption take the first free ones. */
export const NVS_KEY_ID = 5;

/** What every build of a profile has: what is the same for all boards, then the board's own. */
function alwaysOptions({ name, chip, flash }: BoardKind, profile: Profile, common: string): string {
  const own = [`CONFIG_ESPTOOLPY_FLASHSIZE_${flash.bytes >> 20}MB=y`];
  // ESP-IDF has no memory protection for the first ESP32.
  if (chip.name !== "esp32") own.push("CONFIG_ESP_SYSTEM_MEMPROT=y");
  if (chip.hmac && profile === "dev") own.push("CONFIG_NVS_ENCRYPTION=n");
  if (profile === "production") {
    if (chip.hmac) own.push("CONFIG_NVS_SEC_KEY_PROTECT_USING_HMAC=y", `CONFIG_NVS_SEC_HMAC_EFUSE_KEY_ID=${NVS_KEY_ID}`);
    else own.push("CONFIG_NVS_SEC_KEY_PROTECT_USING_FLASH_ENC=y");
    // Before revision 3 that chip has no secure boot 2.
    if (chip.name === "esp32") own.push("CONFIG_ESP32_REV_MIN_3=y");
  }
  const from = profile === "dev" ? COMMON_OPTIONS : `${COMMON_OPTIONS}, ${PRODUCTION_OPTIONS}`;
  return `${MADE} firmware/boards/${name}.json and ${from}.\n${common}# This board.\n${own.join("\n")}\n`;
}

function releaseOptions({ name, pins, chip }: BoardKind): string {
  const console = `the log on UART 0 (GPIO ${pins.console.transmit}), ${BAUD} baud`;
  const release = [
    `${MADE} firmware/boards/${name}.json.`,
    `# Release builds: ${console}${chip.usbConsole ? ", and on the chip's own USB port" : ""}.`,
    "CONFIG_ESP_CONSOLE_UART_DEFAULT=y",
    ...(chip.usbConsole ? ["CONFIG_ESP_CONSOLE_SECONDARY_USB_SERIAL_JTAG=y"] : []),
  ];
  return `${release.join("\n")}\n`;
}

/** Platforms of mcconfig in the order in which a manifest has them: what is more special first. */
function platforms(boards: readonly BoardKind[], of: (board: BoardKind) => object, before: Json = {}): Json {
  const special = (board: BoardKind): number => (board.platform.includes("/") ? 0 : 1);
  const named = boards.filter((board) => firstOfPlatform(boards, board) === board);
  const ordered = named.sort((a, b) => special(a) - special(b));
  const others = before["..."] === undefined ? {} : { "...": before["..."] };
  return { ...Object.fromEntries(ordered.map((board) => [board.platform, of(board)])), ...others };
}

/** @param library how the manifest reaches the library's files */
function flashed(
  boards: readonly BoardKind[],
  manifest: Manifest,
  library: string,
  memoryOf: (board: BoardKind) => object = ({ memory }) => memory,
): string {
  const setUp = [...new Set(boards.filter(({ platform }) => platform.includes("/")).map(setUpOf))];
  const kept = (manifest.modules["~"] as readonly string[]).filter((module) => !/\/targets\/\w+\/setup-target$/.test(module));
  const of = (board: BoardKind) => ({
    creation: memoryOf(board),
    config: { board: board.name, i2c: board.pins.i2c, service: serviceOf(board) },
    build: {
      "PARTITIONS_FILE ?=": `${library}${PARTITIONS_FOLDER}/${board.name}.csv`,
      "SDKCONFIGPATH ?=": `${library}${OPTIONS_FOLDERS.dev}/${board.name}`,
    },
  });
  const { main } = manifest.creation;
  const modules = { ...manifest.modules, "~": [...setUp, ...kept] };
  return print({ ...manifest, creation: { main }, modules, platforms: platforms(boards, of, manifest.platforms) });
}

/** What the SDK's target runs before the firmware. */
function setUpOf({ platform }: BoardKind): string {
  return `$(BUILD)/devices/esp32/targets/${platform.split("/")[1]}/setup-target`;
}

function benched(boards: readonly BoardKind[], manifest: Manifest): string {
  return print({ ...manifest, platforms: platforms(boards, ({ name }) => ({ config: { bench: { memory: name } } })) });
}

/** JSON as `biome format` leaves it: a list on one line where it fits. */
function print(value: unknown, indent = "", lead = 0): string {
  const more = `${indent}  `;
  if (Array.isArray(value)) {
    const line = `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
    if (indent.length + lead + line.length + 1 <= LINE_WIDTH) return line;
    return `[\n${value.map((item) => more + print(item, more)).join(",\n")}\n${indent}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => {
    const key = `${JSON.stringify(name)}: `;
    return `${more}${key}${print(field, more, key.length)}`;
  });
  return `{\n${fields.join(",\n")}\n${indent}}${indent === "" ? "\n" : ""}`;
}

/** The document with its tables made anew, each between two comments that a reader does not see. */
function documented(boards: readonly BoardKind[], text: string): string {
  const tables: Readonly<Record<string, string>> = {
    boards: boardTable(boards),
    partitions: flashTables(boards),
    console: consoleTable(boards),
    burns: burnTable(boards),
  };
  return text.replace(
    /(<!-- npm run boards: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      const table = tables[name];
      if (table === undefined) throw new Error(`${DOCUMENT}: there is no table ${name}, only ${Object.keys(tables).join(", ")}`);
      return `${begin}${table}\n${end}`;
    },
  );
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(head).replace("|  |", "| |"), `|${"---|".repeat(head.length)}`, ...rows.map(row)].join("\n");

function boardTable(boards: readonly BoardKind[]): string {
  const of = (name: string, cell: (board: BoardKind) => string | number) => [name, ...boards.map(cell)];
  return table(
    ["", ...boards.map(({ label }) => label)],
    [
      of("`mcconfig -p`", ({ platform }) => `\`${platform}\``),
      of("cores", ({ chip }) => `${chip.cores} × ${chip.isa === "xtensa" ? "Xtensa" : `RISC-V (${chip.isa})`}`),
      of("memory for JavaScript", ({ creation }) => {
        const { staticBytes, chunkInitialBytes, heapInitialSlots } = creation;
        const slots = `${grouped(heapInitialSlots)} × 16`;
        return staticBytes > 0
          ? `one block of ${grouped(staticBytes)} bytes for all three, of which chunks begin with ${grouped(chunkInitialBytes)} bytes and slots with ${slots}`
          : `chunks ${grouped(chunkInitialBytes)} bytes, slots ${slots}`;
      }),
      of("XS stack, slots", ({ creation }) => grouped(creation.stackSlots)),
      of("C stack of the task, bytes", ({ creation }) => grouped(creation.nativeStackBytes)),
      of("RTC memory, bytes", ({ chip }) => grouped(chip.rtcMemoryBytes)),
      of("I²C data, clock (GPIO)", ({ pins }) => `${pins.i2c.data}, ${pins.i2c.clock}`),
      of("button that opens provisioning (GPIO)", ({ pins }) => pins.button),
      of("LED of the SDK's target (GPIO)", ({ pins }) => pins.led ?? "none"),
      of("flash", ({ flash }) => `${flash.bytes / (1 << 20)} MB`),
    ],
  );
}

function consoleTable(boards: readonly BoardKind[]): string {
  return table(
    ["", ...boards.map(({ label }) => label)],
    [
      ["UART 0 transmits, receives (GPIO)", ...boards.map(({ pins }) => `${pins.console.transmit}, ${pins.console.receive}`)],
      ["the chip's own USB port (USB-Serial-JTAG)", ...boards.map(({ chip }) => (chip.usbConsole ? "also" : "none"))],
    ],
  );
}

/** What the profile production burns, and on which boards. */
function burnTable(boards: readonly BoardKind[]): string {
  const rows = new Map<string, { readonly cells: readonly string[]; readonly on: string[] }>();
  for (const board of boards)
    for (const { what, eFuse, by, after } of burnsOf(board)) {
      const cells = [what, eFuse.map((name) => `\`${name}\``).join(", "), by, after];
      const row = rows.get(cells.join()) ?? { cells, on: [] };
      row.on.push(board.label);
      rows.set(cells.join(), row);
    }
  return table(
    ["what is burnt", "eFuse", "by", "what can never be again", "on"],
    [...rows.values()].map(({ cells, on }) => [...cells, on.length === boards.length ? "all" : on.join(", ")]),
  );
}

/** One table for each layout, with the boards that have it. */
function flashTables(boards: readonly BoardKind[]): string {
  const layouts = new Map<string, BoardKind[]>();
  for (const board of boards) {
    const key = JSON.stringify(board.flash);
    layouts.set(key, [...(layouts.get(key) ?? []), board]);
  }
  return [...layouts.values()]
    .map((same) => {
      const { flash } = same[0] as BoardKind;
      const cells = (part: Partition) => [`\`${part.name}\``, part.type, part.subtype, hex(part.at), grouped(part.bytes)];
      const most = grouped(imageBytesMax(same[0] as BoardKind));
      const intro = `${flash.bytes / (1 << 20)} MB: ${same.map(({ label }) => label).join(", ")}. An image has at most ${most} bytes before it is signed.`;
      return `${intro}\n\n${table(["partition", "type", "subtype", "at", "bytes"], flash.partitions.map(cells))}`;
    })
    .join("\n\n");
}
