// Measurements of records as one SenML pack in JSON (RFC 8428 §5), for programs that know no decimal fractions of CBOR (tag 4).
//
// Promises: every entry stands by itself: names are joined, base value and base time added, times count from the Unix epoch; a number
// has the very digits that were signed (21.30 stays 21.30, and nothing like 21.299999999999997 comes about). Never: gives a
// value a time that its record does not have: without one SenML means "now", so it is left out, and that is for the caller to say.

import { compareNumeric, numericText } from "../../firmware/record/decimal.js";
import type { RecordFields } from "../../firmware/record/record.js";
import { resolveSenml, SENML_ABSOLUTE_FROM_S } from "../../firmware/record/senml.js";
import type { Output } from "../terminal.js";

/** The entries of one record, as JSON objects. */
export function senmlEntries({ measurements, time, timeQuality }: RecordFields): { entries: string[]; timeless: number } {
  const resolved = resolveSenml(measurements, timeQuality > 0 ? time : undefined);
  const entries = resolved
    .filter((entry) => compareNumeric(entry.time, SENML_ABSOLUTE_FROM_S) >= 0)
    .map((entry) => {
      const unit = entry.unit === undefined ? "" : `,"u":${JSON.stringify(entry.unit)}`;
      return `{"n":${JSON.stringify(entry.name)}${unit},"v":${numericText(entry.value)},"t":${numericText(entry.time)}}`;
    });
  return { entries, timeless: resolved.length - entries.length };
}

/** Writes one pack, entry by entry, whatever their number. */
export class SenmlPack {
  readonly #output: Output;
  readonly #command: string;
  readonly #motes = new Set<string>();
  #entries = 0;

  /** @param command for the messages */
  constructor(output: Output, command: string) {
    this.#output = output;
    this.#command = command;
  }

  /** @param index of the record in its file, from 1; `mote` 0x… */
  add(index: number, mote: string, fields: RecordFields): void {
    const { entries, timeless } = senmlEntries(fields);
    for (const entry of entries) {
      this.#output.line(`${this.#entries === 0 ? "[" : ","}${entry}`);
      this.#entries += 1;
    }
    if (timeless > 0)
      this.#output.error(`${this.#command}: record ${index} does not tell its time: ${timeless} of its values left out`);
    this.#motes.add(mote);
  }

  end(): void {
    this.#output.line(this.#entries === 0 ? "[]" : "]");
    if (this.#motes.size > 1)
      this.#output.error(`${this.#command}: these are values of ${this.#motes.size} motes, whose names may be alike`);
  }
}
