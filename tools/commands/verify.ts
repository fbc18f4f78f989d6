// chainmote verify: checks a file of records without any network, and says for each what holds and what does not.

import { engine } from "../crypto/engine.js";
import { writeWhole } from "../files.js";
import { readWords, type Words } from "../options.js";
import { Progress } from "../progress.js";
import { CommandError, type Output, plainText, plural, shortHex, UsageError } from "../terminal.js";
import { checked, THREADS_MAX } from "../verify/checking.js";
import { evidenceFile, evidenceLines, evidenceObject } from "../verify/evidence.js";
import { Input } from "../verify/input.js";
import { CHECKS, Judge, type Verdict } from "../verify/judge.js";
import { verifyReceipt } from "../verify/receipt.js";
import { SenmlPack } from "../verify/senml-json.js";
import { pieces } from "../verify/sequence.js";

export const usage = `chainmote verify FILE [--json | --senml] [--quiet] [--evidence FILE] [--threads N]
chainmote verify --receipt FILE --checkpoint FILE [--contract ADDRESS] [--headers FILE|URL] [--json]

Checks a file of records (a CBOR sequence, RFC 8742; "-" reads stdin) without any network. For each record:
  form       one COSE_Sign1 of our profile, deterministically encoded
  signature  ES256K, low s, by the key of the address in its header
  payload    every field is of its kind and range
  seq        rises within its stream; no number is used for two payloads; boots rise with the streams
  chain      prev is the digest of the record before

Two signed records that contradict each other (one place with two payloads: equivocation; one record with two successors: a
fork of the chain; a lower stream with a higher boot: escape) are shown as evidence: both signatures hold, so their mote, or who has its key, made both.

  --json           one object per record, and one for the sum, with the evidence
  --senml          the measurements of the records that hold, and of no others, as SenML in JSON (RFC 8428); what does not hold
                   is said on stderr
  --quiet          only what does not hold, and the sum
  --evidence FILE  write both records of each piece of evidence there, once each: a file that shows it by itself
  --threads N      how many threads check signatures besides, 0 to ${THREADS_MAX}; one for each processor where absent, none for a
                   short file

--receipt checks an item that shows a record to be anchored, as start --anchor leaves them in anchored/, without a node: who measured, what,
not before and not after which block, as far as the checkpoint is trusted and, on chains with contracts, the --contract that anchors.
--headers leads from the checkpoint to the item's block and on to those that settle it: a file, or the URL of a node, which is not
believed; not needed where the checkpoint is of the item's block.

Of a long file stderr shows how far it is, but not with --json.

Exit code: 0 where all hold, 1 where any does not, 2 for a mistake in the command line.

Examples:
  chainmote verify records.cborseq
  chainmote verify records.cborseq --quiet --evidence evidence.cborseq
  chainmote verify --receipt anchored/item.cbor --checkpoint anchored/checkpoint.json --contract 0x6f40be2f146c269ecabd7330236d499997dd194e`;

export function read(words: readonly string[]): Words {
  const spec = {
    json: { type: "boolean" },
    senml: { type: "boolean" },
    quiet: { type: "boolean" },
    evidence: { type: "string" },
    threads: { type: "string" },
    receipt: { type: "string" },
    checkpoint: { type: "string" },
    contract: { type: "string" },
    headers: { type: "string" },
  } as const;
  return readWords(words, spec, 1);
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  if (options.has("senml") && options.has("json")) throw new UsageError("--senml is JSON already: leave --json out");
  const receipt = options.text("receipt");
  if (receipt !== undefined) return verifyReceipt(receipt, options, output);
  const threads = options.number("threads", 0, THREADS_MAX);
  const input = Input.open(options.others[0]);
  try {
    return await verify(input, options, threads, output);
  } finally {
    input.close();
  }
}

async function verify(input: Input, options: Words, threads: number | undefined, output: Output): Promise<number> {
  const [senml, json] = [options.has("senml"), options.has("json")];
  const progress = json ? undefined : new Progress("chainmote verify");
  const judge = new Judge(engine, (offset, length) => input.read(offset, length));
  // In the place of stdout, which is SenML alone.
  const say = (text: string): void => {
    if (senml) output.error(text);
    else output.line(text);
  };
  const pack = new SenmlPack(output, "chainmote verify");
  const shown = new Set<string>();
  const sum = { records: 0, hold: 0, fail: 0 };
  const checking = { length: input.length, ...(threads === undefined ? {} : { threads }) };
  for await (const { piece, signed } of checked(pieces(input.parts()), checking)) {
    const verdict = judge.judge(piece, signed);
    progress?.counted(sum.records, "records", input.length > 0 ? piece.offset / input.length : undefined);
    sum.records += 1;
    if (verdict.fault === undefined) sum.hold += 1;
    else sum.fail += 1;
    const { digest, fault, fields, index, mote } = verdict;
    if (
      senml &&
      fault === undefined &&
      fields !== undefined &&
      mote !== undefined &&
      digest !== undefined &&
      !shown.has(digest)
    ) {
      shown.add(digest); // a record that is in the file twice was measured once
      pack.add(index, mote, fields);
    }
    if ((senml || options.has("quiet")) && fault === undefined) continue;
    if (json) output.line(JSON.stringify(verdictObject(verdict)));
    else for (const line of verdictLines(verdict, output)) say(line);
  }
  progress?.clear();
  if (senml) pack.end();
  const { evidence } = judge;
  const evidencePath = options.text("evidence");
  if (evidencePath !== undefined && evidence.length > 0) writeEvidence(evidencePath, evidenceFile(evidence));
  if (json)
    output.line(JSON.stringify({ ...sum, motes: judge.motes, ok: sum.fail === 0, evidence: evidence.map(evidenceObject) }));
  else {
    for (const line of evidenceLines(evidence, output)) say(line);
    if (evidencePath !== undefined)
      say(evidence.length > 0 ? `evidence in ${plainText(evidencePath)}` : "no evidence: nothing is written");
    const whose = judge.motes === 0 ? "" : ` of ${plural(judge.motes, "mote")}`;
    const result = sum.fail === 0 ? "all hold" : sum.hold === 0 ? "none holds" : `${plural(sum.fail, "record")} not valid`;
    const style = sum.fail === 0 ? "green" : "red";
    say(`${plural(sum.records, "record")}${whose}: ${output.style(style, result)}`);
  }
  return sum.fail === 0 ? 0 : 1;
}

function writeEvidence(path: string, bytes: Uint8Array): void {
  try {
    writeWhole(path, bytes, "umask");
  } catch (error) {
    throw new CommandError(`${plainText(path, 200)}: ${plainText((error as Error).message)}`);
  }
}

function verdictLines(verdict: Verdict, output: Output): string[] {
  const { fault, fields } = verdict;
  const number = String(verdict.index).padStart(5);
  const mark = fault === undefined ? output.style("green", "ok  ") : output.style("red", "FAIL");
  const who = verdict.mote === undefined ? `byte ${verdict.offset}` : shortHex(verdict.mote);
  const claims = verdict.mote !== undefined && (fault?.check === "signature" || fault?.check === "form") ? "claims " : "";
  const where = fields === undefined ? "" : `${fields.stream === 0 ? "" : `stream ${fields.stream} `}seq ${fields.seq}`;
  const head = fields?.head === undefined ? "" : output.style("dim", `after block ${fields.head.number}`);
  const open = CHECKS.filter((check) => fault === undefined && !verdict.holds.includes(check)).map((check) => `(${check} open)`);
  const holds = output.style("dim", [...verdict.holds, ...open].join(" "));
  const lines = [
    `${number}  ${mark}  ${claims}${who}  ${where.padEnd(9)}  ${[holds, head].filter((part) => part !== "").join("  ")}`.trimEnd(),
  ];
  const indent = " ".repeat(13);
  if (fault !== undefined)
    lines.push(`${indent}${output.style("red", `not ${fault.check}`)}: ${plainText(fault.detail)} (${fault.code})`);
  for (const note of verdict.notes) lines.push(`${indent}${output.style("yellow", "note")}: ${note}`);
  return lines;
}

function verdictObject(verdict: Verdict): Readonly<Record<string, unknown>> {
  const { fields, fault } = verdict;
  return {
    index: verdict.index,
    offset: verdict.offset,
    length: verdict.length,
    ok: fault === undefined,
    holds: verdict.holds,
    ...(fault === undefined ? {} : { fault }),
    ...(verdict.mote === undefined ? {} : { mote: verdict.mote }),
    ...(fields === undefined ? {} : { stream: fields.stream, seq: fields.seq, boot: fields.boot, time: fields.time }),
    ...(verdict.digest === undefined ? {} : { digest: verdict.digest }),
    notes: verdict.notes,
  };
}
