// A sample, and from samples to the SenML pack of a record (RFC 8428): names, units, decimal fractions, and when.
//
// Promises: values keep the resolution that they were measured with; what was taken before the record carries its time relative to
// the record's (RFC 8428 §4.5.3: negative seconds); several sensors keep their names apart. Never a float; never base fields that
// someone else's entries would inherit.
//
// Codes: those of senml.ts; senml-too-long.

import { Rejection } from "../rejection.js";
import { numericBytes, numericFault, wordOf } from "./decimal.js";
import {
  type Entry,
  isNameStart,
  isUnit,
  type Pack,
  type PackEntry,
  SENML_ENTRIES_MAX,
  SENML_NAME_BYTES_MAX,
  SENML_UNIT_BYTES_MAX,
} from "./senml.js";

/** What one sensor, or the application, gave at one time. */
export interface Sample {
  /** The sensor's name; empty where it needs none. */
  readonly name: string;
  readonly entries: readonly Entry[];
  /** In milliseconds of the board's monotonic clock. */
  readonly takenMs: number;
}

/** What the entries of one record may take at the most, in bytes: what the longest of its other fields leave. */
export const ENTRIES_BYTES_MAX = 776;
/** Of an entry besides its name, unit and value: the map's head, labels, heads of texts, a time. */
const ENTRY_BYTES = 1 + 2 + 2 + 1 + 6;
/** Label and head of a base name, and the slash. */
const BASE_NAME_BYTES = 4;

/**
 * @param samples in order of time
 * @param madeMs when the record is made, on the same clock
 */
export function packOf(samples: readonly Sample[], madeMs: number): Pack {
  const [first] = samples;
  // Most records: one sample, taken now.
  if (first !== undefined && samples.length === 1 && first.name === "" && madeMs - first.takenMs < 1000) return first.entries;
  const pack: PackEntry[] = [];
  let base = "";
  for (const { name, entries, takenMs } of samples) {
    const t = -Math.floor((madeMs - takenMs) / 1000);
    for (const entry of entries) {
      const timed = t < 0 ? { ...entry, t } : entry;
      pack.push(name === base ? timed : { ...timed, bn: name === "" ? "" : `${name}/` });
      base = name;
    }
  }
  return pack;
}

/** What is wrong with entries from outside the runtime, or undefined. */
export function entriesFault(entries: unknown): Rejection | undefined {
  if (!Array.isArray(entries)) return new Rejection("senml-malformed", "the entries are no list");
  if (entries.length < 1 || entries.length > SENML_ENTRIES_MAX)
    return new Rejection("senml-malformed", `${entries.length} entries; 1 to ${SENML_ENTRIES_MAX} make a record`);
  for (let i = 0; i < entries.length; i += 1) {
    const fault = entryFault(entries[i]);
    if (fault !== undefined) return new Rejection("senml-malformed", `entry ${i} ${fault}`);
  }
  const bytes = bytesOf(entries);
  if (bytes <= ENTRIES_BYTES_MAX) return undefined;
  return new Rejection(
    "senml-too-long",
    `entries of ${bytes} bytes, at most ${ENTRIES_BYTES_MAX} fit a record: fewer, or shorter names`,
  );
}

function entryFault(entry: unknown): string | undefined {
  if (typeof entry !== "object" || entry === null) return "is no object";
  const { n, u, v, ...others } = entry as Readonly<Record<string, unknown>>;
  if (typeof n !== "string" || !isNameStart(n))
    return `has no name that RFC 8428 allows: 1 to ${SENML_NAME_BYTES_MAX} letters, digits and - : . / _, a letter or digit first`;
  if (u !== undefined && (typeof u !== "string" || !isUnit(u)))
    return `(${n}) has a unit that is not 1 to ${SENML_UNIT_BYTES_MAX} printable ASCII characters`;
  const fault = numericFault(v);
  if (fault !== undefined) return `(${n}) has a value that is ${fault}`;
  for (const name in others) return `(${n}) has a field ${name}: n, u and v are all`;
  return undefined;
}

/** What entries take of a record at the most, in bytes, each with a time. */
export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { n, u = "", v } of entries) bytes += ENTRY_BYTES + n.length + u.length + numericBytes(v);
  return bytes;
}

/** How many of the first samples fit one record: 1 to `most`. */
export function countFitting(samples: readonly Sample[], most: number): number {
  let entries = 0;
  let bytes = 0;
  let base = "";
  for (let count = 0; count < samples.length && count < most; count += 1) {
    const next = samples[count] as Sample;
    entries += next.entries.length;
    bytes += bytesOf(next.entries) + (next.name === base ? 0 : BASE_NAME_BYTES + next.name.length);
    base = next.name;
    if (count > 0 && (entries > SENML_ENTRIES_MAX || bytes > ENTRIES_BYTES_MAX)) return count;
  }
  return Math.min(samples.length, most);
}

/** The entries in words: `temperature 21.30 Cel`. */
export function valuesOf(samples: readonly Sample[]): readonly string[] {
  const values: string[] = [];
  for (const { name, entries } of samples)
    for (const { n, u, v } of entries)
      values.push(`${name === "" ? n : `${name}/${n}`} ${wordOf(v)}${u === undefined ? "" : ` ${u}`}`);
  return values;
}
