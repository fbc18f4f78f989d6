// Evidence as people, programs and other verifiers take it: two signed records of one mote that contradict each other.
//
// Promises: what is written holds all that a verifier needs, the two messages as they were signed. Never: a claim about
// who made them, besides that the mote's key did.

import { concat, toHex } from "../../firmware/bytes.js";
import type { RecordFields } from "../../firmware/record/record.js";
import type { Output } from "../terminal.js";
import { plainText, plural } from "../text.js";
import type { Evidence, Seen } from "./judge.js";

const SHOWN_MAX = 10;

/** The records of all pieces, each once, as a CBOR sequence. */
export function evidenceFile(evidence: readonly Evidence[]): Uint8Array {
  const records = new Map<string, Uint8Array>();
  for (const piece of evidence) for (const { digest, bytes } of piece.records) records.set(toHex(digest), bytes);
  return concat(...records.values());
}

export function evidenceLines(evidence: readonly Evidence[], output: Output): string[] {
  const lines: string[] = [];
  for (const { kind, mote, records } of evidence.slice(0, SHOWN_MAX)) {
    const [a, b] = records;
    const { fleet } = a.fields;
    lines.push("", `${output.style("red", kind)} of ${mote}: ${placeOf(kind, a.fields, b.fields)}`);
    lines.push(`  fleet      0x${toHex(fleet.registry)} on ${plainText(fleet.chain)}`);
    for (const one of records)
      lines.push(`  ${`record ${one.index}`.padEnd(10)} ${toHex(one.digest)}${kind === "fork" ? ` seq ${one.fields.seq}` : ""}`);
    lines.push(`  they differ in ${differences(a.fields, b.fields).join(", ")}; both signatures hold`);
  }
  const more = evidence.length - SHOWN_MAX;
  if (more > 0) lines.push("", `and ${plural(more, "piece")} of evidence more (--json shows all)`);
  return lines.length === 0 ? [] : [...lines, ""];
}

function placeOf(kind: Evidence["kind"], a: RecordFields, b: RecordFields): string {
  if (kind === "escape") return `boot ${a.boot} in stream ${a.stream}, boot ${b.boot} in stream ${b.stream}`;
  return `${kind === "equivocation" ? `two payloads with seq ${a.seq}` : "two records after the same one"} in stream ${a.stream}`;
}

/** With the messages themselves, in hexadecimal. */
export function evidenceObject({ kind, mote, records }: Evidence): Readonly<Record<string, unknown>> {
  const { fleet, stream } = records[0].fields;
  const both = <T>(of: (record: Seen) => T): readonly T[] => records.map(of);
  return {
    kind,
    mote,
    fleet: { registry: `0x${toHex(fleet.registry)}`, chain: fleet.chain },
    stream,
    seqs: both(({ fields }) => fields.seq),
    records: both(({ index }) => index),
    digests: both(({ digest }) => toHex(digest)),
    sign1: both(({ bytes }) => toHex(bytes)),
  };
}

/** Names of the fields that are not the same in both. */
function differences(a: RecordFields, b: RecordFields): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof RecordFields>;
  return [...names].filter((name) => text(a[name]) !== text(b[name]));
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part instanceof Uint8Array ? toHex(part) : typeof part === "bigint" ? `${part}` : part,
  );
}
