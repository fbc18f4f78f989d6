// chainmote inspect: prints records readably: what they say, what does not hold of it, and what changed since the record before.

import { toHex } from "../../firmware/bytes.js";
import { OUTCOMES, REASONS } from "../../firmware/command/commands.js";
import { statusName } from "../../firmware/ledger/registry-slots.js";
import { digestOf, verifySign1 } from "../../firmware/record/cose.js";
import { numericText } from "../../firmware/record/decimal.js";
import { decodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { resolveSenml } from "../../firmware/record/senml.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { readWords, type Words } from "../options.js";
import { hashText } from "../rpc/chain.js";
import { type Output, plainText, UsageError } from "../terminal.js";
import { Input } from "../verify/input.js";
import { Judge, type Verdict } from "../verify/judge.js";
import { SenmlPack } from "../verify/senml-json.js";
import { type Piece, pieces } from "../verify/sequence.js";

export const usage = `chainmote inspect FILE [--record N] [--json | --senml]

Prints the records of a file (a CBOR sequence; "-" reads stdin) readably, and what does not hold of them. chainmote verify says
it for all in short, and writes evidence.

  --record N  only record number N, from 1
  --json      one object per record
  --senml     the measurements as SenML in JSON (RFC 8428), also of records that do not hold, which is said on stderr; chainmote
              verify --senml prints verified ones alone

Exit code: 0 where all that is shown holds, 1 where any does not, 2 for a mistake in the command line.

Examples:
  chainmote inspect records.cborseq
  chainmote inspect records.cborseq --record 2 --json`;

const QUALITY = ["none", "the mote's own clock", "NTP", "bounded by a verified header"] as const;
/** Units of SenML (RFC 8428 §12.1) as people write them. */
const UNITS: Readonly<Record<string, string>> = { Cel: "°C", "%RH": "% RH", "/": "" };

export function read(words: readonly string[]): Words {
  return readWords(words, { json: { type: "boolean" }, senml: { type: "boolean" }, record: { type: "string" } }, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const wanted = options.number("record", 1, Number.MAX_SAFE_INTEGER);
  if (options.has("senml") && options.has("json")) throw new UsageError("--senml is JSON already: leave --json out");
  const input = Input.open(options.others[0]);
  try {
    return inspect(input, wanted, options, output);
  } finally {
    input.close();
  }
}

function inspect(input: Input, wanted: number | undefined, options: Words, output: Output): number {
  const senml = options.has("senml");
  const pack = new SenmlPack(output, "chainmote inspect");
  const judge = new Judge(engine, (offset, length) => input.read(offset, length));
  let index = 0;
  let shown = 0;
  let broken = 0;
  for (const piece of pieces(input.parts())) {
    index += 1;
    const verdict = judge.judge(piece); // also of those that are not shown: the others are held against them
    if (wanted !== undefined && index !== wanted) continue;
    const described = describe(piece);
    if (described instanceof Rejection) {
      broken += 1;
      output.error(
        `chainmote inspect: record ${index}, at byte ${piece.offset}: ${plainText(described.detail)} (${described.code})`,
      );
      continue;
    }
    const { fault, notes } = described.title === "record" ? verdict : { fault: signatureFault(piece), notes: [] };
    if (fault !== undefined) broken += 1;
    if (senml) {
      const { fields, mote } = verdict;
      if (fields !== undefined && mote !== undefined) pack.add(index, mote, fields);
      if (fault !== undefined)
        output.error(
          `chainmote inspect: record ${index} does not hold, not ${fault.check}: ${plainText(fault.detail)} (${fault.code})`,
        );
    } else if (options.has("json")) {
      const checked = { holds: fault === undefined, ...(fault === undefined ? {} : { fault }), notes };
      output.line(JSON.stringify({ index, ...described.object, ...checked }));
    } else {
      if (shown > 0) output.line();
      output.line(output.style("bold", `${described.title} ${index}`));
      for (const [name, value] of described.rows) output.line(`  ${output.style("dim", name.padEnd(12))} ${value}`);
      const fails =
        fault === undefined ? "" : output.style("red", `not ${fault.check}: ${plainText(fault.detail)} (${fault.code})`);
      if (fault !== undefined) output.line(`  ${output.style("dim", "check".padEnd(12))} ${fails}`);
      for (const note of notes)
        if (!note.endsWith("(gap)")) output.line(`  ${output.style("dim", "note".padEnd(12))} ${output.style("yellow", note)}`);
    }
    shown += 1;
  }
  if (senml) pack.end();
  if (wanted !== undefined && wanted > index) {
    output.error(`chainmote inspect: there is no record ${wanted}; the file holds ${index}`);
    return 1;
  }
  return broken === 0 ? 0 : 1;
}

/** What is wrong with the signature of a receipt. */
function signatureFault({ bytes }: Piece): Verdict["fault"] {
  const verified = verifySign1(engine, bytes);
  return verified instanceof Rejection ? { check: "signature", code: verified.code, detail: verified.detail } : undefined;
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
  const { head, fleet, gap, answer, status } = fields;
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
    [
      "head",
      head === undefined ? "none" : `block ${head.number} of ${plainText(head.chain)}, ${hashText(head.chain, head.hash)}`,
    ],
    ["digest", digest],
    ["prev", /[1-9a-f]/.test(toHex(fields.prev)) ? toHex(fields.prev) : "none (the first of its stream)"],
    ...(answer === undefined ? [] : [["answer", answerText(answer)] as const]),
    ...(status === undefined
      ? []
      : [
          [
            "status",
            `${statusName(status.status)} in its registry, proven at block ${status.block}, ${toHex(status.hash)}`,
          ] as const,
        ]),
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
    ...(head === undefined ? {} : { head: { chain: head.chain, number: head.number, hash: hashText(head.chain, head.hash) } }),
    ...(gap === undefined ? {} : { gap }),
    ...(answer === undefined ? {} : { answer: { ...answer, commander: `0x${toHex(answer.commander)}` } }),
    ...(status === undefined ? {} : { status: { ...status, hash: toHex(status.hash) } }),
    values,
  };
  return { title: "record", rows, object };
}

function answerText({ commander, counter, outcome, reason, skipped }: NonNullable<RecordFields["answer"]>): string {
  const why = reason === 0 ? "" : ` (${REASONS[reason] ?? `reason ${reason}`})`;
  const missed = skipped === 0 ? "" : `; ${skipped} before it never came`;
  return `${OUTCOMES[outcome] ?? `outcome ${outcome}`}${why}: command ${counter} of 0x${toHex(commander)}${missed}`;
}

/** `2026-01-01 00:00:00 UTC` */
export function dateText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace("T", " ").replace(".000Z", " UTC");
}
