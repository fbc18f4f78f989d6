// chainmote journal dump: what a raw image of a mote's flash holds, and the records in it as a file.

import { toHex } from "../../firmware/bytes.js";
import { encodeSign1, verifySign1 } from "../../firmware/record/cose.js";
import { decodeRecord } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { boardOf, DEFAULT_BOARD } from "../../host-sim/boards.js";
import { engine } from "../crypto/engine.js";
import { writeWhole } from "../files.js";
import { type DumpedRecord, dumpJournal, type JournalDump } from "../journal/dump.js";
import { findJournal } from "../journal/image.js";
import { readWords, type Words } from "../options.js";
import { CommandError, count, type Output, plainText, plural, UsageError } from "../terminal.js";
import { type InputKind, readInput } from "../verify/input.js";
import { dateText } from "./inspect.js";

export const usage = `chainmote journal dump IMAGE [--sectors] [--json] [--records FILE --mote ADDRESS]

Shows what the journal in a raw flash image holds ("-" reads stdin): of its partition alone, or of a whole chip, where it is
looked for. A board's is read by "esptool.py read_flash ${journalPlace()} IMAGE", a simulated board's is
DATA/boards/1/flash/journal.bin. The image of an encrypted partition is ciphertext and must be decrypted first.
That a record is stored elsewhere is marked every 8 records and at a clean end: marks lag behind receipts.

  --sectors       every sector that has a header, with its frames
  --json          one object per record (and sector), and one for the sum
  --records FILE  write the signed records there, as chainmote verify reads them
  --mote ADDRESS  whose they are: the journal does not say, and a signature does not hold without it

Exit code: 0 where all holds, 1 where anything is damaged, 2 for a mistake in the command line.

Examples:
  chainmote journal dump journal.bin --sectors
  chainmote journal dump journal.bin --records saved.cborseq --mote 0x893de31f904b73e99550792d5e6152991046081f`;

/** Where the journal of a board's flash is, and how long, as esptool.py takes it. */
function journalPlace(): string {
  const journal = boardOf(DEFAULT_BOARD).flash.partitions.find(({ name }) => name === "journal");
  return journal === undefined ? "AT BYTES" : `0x${journal.at.toString(16)} 0x${journal.bytes.toString(16)}`;
}

const IMAGE: InputKind = { name: "a flash image", is: "the bytes of a partition or a chip" };
const ADDRESS_BYTES = 20;

export function read(words: readonly string[]): Words {
  const [verb, ...rest] = words;
  if (verb !== "dump")
    throw new UsageError(verb === undefined ? "dump is missing" : `there is no "${plainText(verb, 40)}", only dump`);
  return readWords(
    rest,
    { sectors: { type: "boolean" }, json: { type: "boolean" }, records: { type: "string" }, mote: { type: "string" } },
    1,
  );
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const recordsPath = options.text("records");
  const mote = options.bytes("mote", ADDRESS_BYTES);
  if ((recordsPath === undefined) !== (mote === undefined)) throw new UsageError("--records and --mote go together");
  const path = options.others[0];
  const image = readInput(path, IMAGE);
  const { dump, offset } = dumpOf(image, path ?? "");
  if (options.has("json")) showJson(dump, offset, options.has("sectors"), output);
  else showText(dump, offset, options.has("sectors"), output);
  if (recordsPath !== undefined && mote !== undefined) {
    const written = await writeRecords(dump, recordsPath, mote);
    if (!options.has("json")) output.line(`${plural(written, "record")} in ${plainText(recordsPath)}`);
  }
  return dump.damage.length === 0 ? 0 : 1;
}

function dumpOf(image: Uint8Array, path: string): { dump: JournalDump; offset: number } {
  try {
    const { offset, bytes } = findJournal(image);
    return { dump: dumpJournal(bytes), offset };
  } catch (error) {
    throw new CommandError(`${path === "-" ? "stdin" : plainText(path, 200)}: ${(error as Error).message}`);
  }
}

function showText(dump: JournalDump, offset: number, sectors: boolean, output: Output): void {
  const { records, used, damage, retired } = dump;
  const row = (name: string, value: string): void => output.line(`${output.style("dim", name.padEnd(8))} ${value}`);
  const newest = used.at(-1);
  row("journal", `${plural(dump.sectors, "sector")} of 4,096 bytes${offset === 0 ? "" : `, from byte 0x${offset.toString(16)}`}`);
  row("records", recordsText(dump));
  const live = used.filter((sector) => sector.live).length;
  const gone = retired.length === 0 ? "none" : retired.join(", ");
  row("sectors", `${used.length} written, ${live} live; newest ${newest?.sector}, epoch ${newest?.epoch}; retired: ${gone}`);
  if (records.length > 0) {
    output.line();
    output.line(output.style("dim", "     seq  stream  bytes  sector unit  state"));
    for (const record of records) output.line(recordLine(record));
  }
  if (sectors) for (const sector of used) showSector(sector, output);
  output.line();
  if (damage.length === 0) output.line(output.style("green", "nothing is damaged"));
  for (const what of damage) output.line(`${output.style("red", "damaged")}  ${what}`);
}

function recordsText({ records, storedThrough, anchoredThrough }: JournalDump): string {
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return "none kept";
  const unsigned = records.filter((record) => record.signature === undefined).length;
  const parts = [`${count(records.length)} kept, seq ${first.seq} to ${last.seq}`];
  parts.push(storedThrough === 0 ? "none marked as stored" : `stored through ${storedThrough}`);
  if (anchoredThrough > 0) parts.push(`anchored through ${anchoredThrough}`);
  parts.push(unsigned === 0 ? "all signed" : `${unsigned} not signed`);
  return parts.join("; ");
}

function stateOf(record: DumpedRecord): string {
  if (record.signature === undefined) return "not signed";
  if (record.passed) return "passed over";
  return record.anchored ? "anchored" : record.stored ? "stored" : "kept";
}

function recordLine(record: DumpedRecord): string {
  const { seq, stream, payload, sector, unit } = record;
  const columns = [String(seq).padStart(8), String(stream).padStart(6), String(payload.length).padStart(5)];
  columns.push(String(sector).padStart(6), String(unit).padStart(3), stateOf(record).padEnd(10));
  const fields = decodeRecord(payload);
  if (fields instanceof Rejection) return `${columns.join("  ")}  no record: ${plainText(fields.code)}`;
  const time = fields.timeQuality === 0 ? "no time" : dateText(fields.time);
  const head = fields.head === undefined ? "no head" : `after block ${fields.head.number}`;
  const gap = fields.gap === undefined ? "" : `, gap ${fields.gap}`;
  return `${columns.join("  ")}  boot ${fields.boot}, ${time}, ${head}${gap}`;
}

function showSector(sector: JournalDump["used"][number], output: Output): void {
  output.line();
  const life = sector.live ? "live" : "dead";
  output.line(`sector ${sector.sector}: epoch ${sector.epoch}, ${life}; before it ${plural(sector.records, "record")}`);
  for (const { unit, units, kind, seq, holds } of sector.frames) {
    const what = kind === "mark" || kind === "clean" ? `stored through ${seq}` : `record ${seq}`;
    const place = units === 1 ? `${unit}` : `${unit} to ${unit + units - 1}`;
    output.line(`  unit ${place.padEnd(10)}  ${kind.padEnd(7)}  ${what}${holds ? "" : "  torn or damaged"}`);
  }
}

function showJson(dump: JournalDump, offset: number, sectors: boolean, output: Output): void {
  for (const { payload, signature, ...record } of dump.records) {
    const bytes = { payload: toHex(payload), ...(signature === undefined ? {} : { signature: toHex(signature) }) };
    output.line(JSON.stringify({ kind: "record", ...record, ...bytes }));
  }
  if (sectors)
    for (const { frames, ...sector } of dump.used) {
      const shown = frames.map(({ body, ...frame }) => ({ ...frame, bodyBytes: body.length }));
      output.line(JSON.stringify({ kind: "sector", ...sector, frames: shown }));
    }
  const { storedThrough, anchoredThrough, retired, damage } = dump;
  const sum = { sectors: dump.sectors, offset, records: dump.records.length, storedThrough, anchoredThrough, retired, damage };
  output.line(JSON.stringify({ kind: "journal", ...sum, ok: damage.length === 0 }));
}

/** Writes those that are signed; throws where a signature does not hold under the address. */
function writeRecords(dump: JournalDump, path: string, mote: Uint8Array): number {
  const messages: Uint8Array[] = [];
  for (const { seq, payload, signature } of dump.records) {
    if (signature === undefined) continue;
    const message = encodeSign1(mote, payload, signature);
    if (verifySign1(engine, message) instanceof Rejection)
      throw new CommandError(`the signature of record ${seq} does not hold under 0x${toHex(mote)}: is it another mote's?`);
    messages.push(message);
  }
  try {
    writeWhole(path, Buffer.concat(messages), "umask");
  } catch (error) {
    throw new CommandError(`${plainText(path, 200)}: ${plainText((error as Error).message)}`);
  }
  return messages.length;
}
