// chainmote inspect: prints records readably. It shows what they say; whether that holds is for `verify`.

import { toHex } from "../../firmware/bytes.js";
import { digestOf } from "../../firmware/record/cose.js";
import { numericText } from "../../firmware/record/decimal.js";
import { decodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { resolveSenml } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { readWords } from "../options.js";
import { type Output, plainText } from "../terminal.js";
import { readInput } from "../verify/input.js";
import { type Piece, pieces } from "../verify/sequence.js";

export const usage = `chainmote inspect FILE [--record N] [--json]

Prints the records of a file (a CBOR sequence; "-" reads stdin) readably. Nothing is verified: see chainmote verify.

  --record N  only record number N, from 1
  --json      one object per record`;

const QUALITY = ["none", "the mote's own clock", "NTP", "bounded by a verified header"] as const;
/** Units of SenML (RFC 8428 §12.1) as people write them. */
const UNITS: Readonly<Record<string, string>> = { Cel: "°C", "%RH": "% RH", "/": "" };

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = readWords(words, { json: { type: "boolean" }, record: { type: "string" } }, 1);
  const wanted = options.number("record", 1, Number.MAX_SAFE_INTEGER);
  const input = await readInput(options.others[0]);
  let index = 0;
  let shown = 0;
  let broken = 0;
  for (const piece of pieces(input)) {
    index += 1;
    if (wanted !== undefined && index !== wanted) continue;
    const described = describe(piece);
    if (described instanceof Rejection) {
      broken += 1;
      output.error(
        `chainmote inspect: record ${index}, at byte ${piece.offset}: ${plainText(described.detail)} (${described.code})`,
      );
      continue;
    }
    if (options.has("json")) output.line(JSON.stringify({ index, ...described.object }));
    else {
      if (shown > 0) output.line();
      output.line(output.style("bold", `${described.title} ${index}`));
      for (const [name, value] of described.rows) output.line(`  ${output.style("dim", name.padEnd(12))} ${value}`);
    }
    shown += 1;
  }
  if (wanted !== undefined && wanted > index) {
    output.error(`chainmote inspect: there is no record ${wanted}; the file holds ${index}`);
    return 1;
  }
  return broken === 0 ? 0 : 1;
}

interface Description {
  readonly title: string;
  readonly rows: readonly (readonly [string, string])[];
  readonly object: Readonly<Record<string, unknown>>;
}

function describe({ parts }: Piece): Description | Rejection {
  if (parts instanceof Rejection) return parts;
  const signer = `0x${toHex(parts.kid)}`;
  const digest = toHex(digestOf(engine, parts.kid, parts.payload));
  const fields = decodeRecord(parts.payload);
  if (!(fields instanceof Rejection)) return recordOf(signer, digest, fields);
  const receipt = decodeReceipt(parts.payload);
  if (receipt instanceof Rejection) return fields;
  const rows: [string, string][] = [
    ["collector", signer],
    ["mote", `0x${toHex(receipt.mote)}`],
    ["stream, seq", `${receipt.stream}, ${receipt.seq}`],
    ["stored", toHex(receipt.digest)],
  ];
  const object = {
    type: "receipt",
    collector: signer,
    mote: `0x${toHex(receipt.mote)}`,
    stream: receipt.stream,
    seq: receipt.seq,
  };
  return { title: "receipt", rows, object: { ...object, stored: toHex(receipt.digest) } };
}

function recordOf(mote: string, digest: string, fields: RecordFields): Description {
  const { head, fleet, gap } = fields;
  const values = resolveSenml(fields.measurements, fields.timeQuality > 0 ? fields.time : undefined).map((entry) => ({
    name: entry.name,
    value: numericText(entry.value),
    unit: entry.unit ?? "",
    time: numericText(entry.time),
    relative: entry.relative,
  }));
  const quality = QUALITY[fields.timeQuality] ?? `${fields.timeQuality}`;
  const rows: (readonly [string, string])[] = [
    ["mote", mote],
    ["fleet", `0x${toHex(fleet.registry)} on ${plainText(fleet.chain)}`],
    ["stream, seq", `${fields.stream}, ${fields.seq}`],
    ["boot", `${fields.boot}`],
    ["time", fields.timeQuality === 0 ? "none" : `${dateText(fields.time)} (${quality})`],
    ["head", head === undefined ? "none" : `block ${head.number} of ${plainText(head.chain)}, 0x${toHex(head.hash)}`],
    ["digest", digest],
    ["prev", /[1-9a-f]/.test(toHex(fields.prev)) ? toHex(fields.prev) : "none (the first of its stream)"],
    ...(gap === undefined ? [] : [["gap", `${gap} sample${gap === 1 ? "" : "s"} lost before it`] as const]),
    ...values.map(({ name, value, unit, time, relative }, i) => {
      const own = relative || time !== String(fields.time) ? `  ${relative ? `${time} s after it` : `at ${time}`}` : "";
      return [i === 0 ? "values" : "", `${plainText(name)}  ${value} ${plainText(UNITS[unit] ?? unit)}`.trimEnd() + own] as const;
    }),
  ];
  const object = {
    type: "record",
    mote,
    digest,
    fleet: { registry: `0x${toHex(fleet.registry)}`, chain: fleet.chain },
    stream: fields.stream,
    seq: fields.seq,
    prev: toHex(fields.prev),
    boot: fields.boot,
    time: fields.time,
    timeQuality: fields.timeQuality,
    ...(head === undefined ? {} : { head: { chain: head.chain, number: head.number, hash: `0x${toHex(head.hash)}` } }),
    ...(gap === undefined ? {} : { gap }),
    values,
  };
  return { title: "record", rows, object };
}

/** `2026-01-01 00:00:00 UTC` */
export function dateText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace("T", " ").replace(".000Z", " UTC");
}
