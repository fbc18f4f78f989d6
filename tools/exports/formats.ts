// Values as lines of a file that the tools of others read: SenML in JSON (RFC 8428 §5), CSV (RFC 4180), JSON lines.
//
// Promises: numbers are plain numbers in the digits that were signed; every value has its record's digest, and whether it is verified, bounded
// and anchored; whatever a name or a unit holds, a cell stays a cell, and no spreadsheet takes it for a formula. A line at a time. Never: gives a
// value without a time to SenML, where that means "now".

import type { ShownRecord } from "../collector/shown.js";
import { type ExportedValue, TIME_QUALITIES } from "./values.js";

export const FORMATS = ["senml", "csv", "jsonl"] as const;
export type Format = (typeof FORMATS)[number];

/** Writes one file. */
export interface FormatWriter {
  /** What stands before the first value. */
  readonly head: readonly string[];
  /** One line; undefined where the format cannot say the value. */
  line(value: ExportedValue, record: ShownRecord): string | undefined;
  /** What stands behind the last one. */
  end(): readonly string[];
}

/** Columns of CSV, and names in JSON lines: what each is of a value, as JSON has it. */
const COLUMNS: Readonly<Record<string, (value: ExportedValue, record: ShownRecord) => string>> = {
  time: ({ time }) => text(time),
  time_s: ({ timeS }) => timeS ?? "null",
  mote: ({ mote }) => text(mote),
  name: ({ name }) => text(name),
  value: ({ value }) => value,
  unit: ({ unit }) => text(unit),
  verified: (_, { verified }) => String(verified),
  bounded: (_, { bounded }) => String(bounded),
  anchored: (_, { anchored }) => String(anchored),
  after_block: (_, { bounded, fields }) => (bounded ? String(fields.head?.number ?? "null") : "null"),
  chain: (_, { fields }) => text(fields.head?.chain),
  time_quality: (_, { fields }) => text(TIME_QUALITIES[fields.timeQuality]),
  stream: (_, { fields }) => String(fields.stream),
  seq: (_, { fields }) => String(fields.seq),
  digest: (_, { digest }) => text(digest),
};
const NAMES = Object.keys(COLUMNS);

export function formatWriter(format: Format): FormatWriter {
  if (format === "senml") return new Senml();
  if (format === "jsonl") return { head: [], line: jsonLine, end: () => [] };
  return { head: [NAMES.join(",")], line: csvLine, end: () => [] };
}

/** The columns of a value as one JSON object. */
function jsonLine(value: ExportedValue, record: ShownRecord): string {
  return `{${NAMES.map((name) => `"${name}":${COLUMNS[name]?.(value, record)}`).join(",")}}`;
}

function csvLine(value: ExportedValue, record: ShownRecord): string {
  return NAMES.map((name) => cellOf(COLUMNS[name]?.(value, record) as string)).join(",");
}

/** @param json a text, a number, a word, or null */
function cellOf(json: string): string {
  if (json === "null") return "";
  if (!json.startsWith('"')) return json;
  const plain = JSON.parse(json) as string;
  const harmless = /^[=+\-@'\t\r]/.test(plain) ? `'${plain}` : plain;
  return /[",\r\n']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function text(value: string | undefined): string {
  return value === undefined ? "null" : JSON.stringify(value);
}

/** A pack of entries that each stand by themselves: the mote's address begins the name, which makes it the only one of its kind. */
class Senml implements FormatWriter {
  readonly head = [];
  #entries = 0;

  line(
    { mote, name, unit, value, timeS }: ExportedValue,
    { digest, verified, bounded, anchored }: ShownRecord,
  ): string | undefined {
    if (timeS === undefined) return undefined;
    this.#entries += 1;
    const u = unit === undefined ? "" : `,"u":${JSON.stringify(unit)}`;
    const more = `"digest":"${digest}","verified":${verified},"bounded":${bounded},"anchored":${anchored}`;
    return `${this.#entries === 1 ? "[" : ","}{"n":${JSON.stringify(`${mote}/${name}`)}${u},"v":${value},"t":${timeS},${more}}`;
  }

  end(): readonly string[] {
    return [this.#entries === 0 ? "[]" : "]"];
  }
}
