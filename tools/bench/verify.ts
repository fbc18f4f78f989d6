// How many records a second `chainmote verify` checks: the command itself on a file of chained records of several motes, with no
// thread besides, with one for each processor, and its judge on the reference engine. A busy machine gives less; the processor's own time
// for a record, all threads together, says what an idle one would.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { decimal } from "../../firmware/record/decimal.js";
import { encodeRecord } from "../../firmware/record/record.js";
import { curve, fastEngine } from "../../host-sim/crypto/engine-fast.js";
import type { BuildProgress } from "../../host-sim/xs/build.js";
import { run as verifyCommand } from "../commands/verify.js";
import { CommandError, count, type Output } from "../terminal.js";
import { Input } from "../verify/input.js";
import { Judge } from "../verify/judge.js";
import { pieces } from "../verify/sequence.js";

export const VERIFY_RECORDS = 50_000;
/** The reference takes some milliseconds for each. */
const NOBLE_RECORDS = 500;
const MOTES = 20;
const WRITTEN_AT_ONCE = 1000;
const T = 1_800_000_000;

export interface VerifyRate {
  /** Engine, and threads besides the command's own. */
  readonly name: string;
  readonly records: number;
  readonly recordsPerSecond: number;
  /** Of all threads together, in microseconds for each record. */
  readonly cpuMicros: number;
  /** The reference's processor time by this one's. */
  readonly ratio: number;
}

export async function benchVerify(records: number, progress: BuildProgress): Promise<readonly VerifyRate[]> {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-bench-"));
  try {
    const path = join(folder, "records.cborseq");
    progress(`verify: ${count(records)} records are signed`);
    writeRecords(path, records);
    const runs = new Set([0, 1, availableParallelism()]);
    const all = runs.size + 2;
    progress("verify: the reference", 1 / all);
    const noble = await timed("noble", Math.min(records, NOBLE_RECORDS), async () => byReference(path));
    const rates: VerifyRate[] = [noble];
    for (const threads of runs) {
      progress(`verify: ${threads} threads`, (rates.length + 1) / all);
      const words = [path, "--json", "--threads", String(threads)];
      const rate = await timed(`${fastEngine.name}, ${threads} threads`, records, async () => {
        const code = await verifyCommand(words, SILENT);
        if (code !== 0) throw new CommandError(`verify ends with ${code} on records that hold`);
      });
      rates.push({ ...rate, ratio: Math.round((10 * noble.cpuMicros) / rate.cpuMicros) / 10 });
    }
    return rates;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function printVerify(rates: readonly VerifyRate[], output: Output): void {
  const width = Math.max(...rates.map(({ name }) => name.length));
  const column = (text: string, cells: number): string => text.padStart(cells);
  output.line(output.style("bold", `${"".padEnd(width)}  records a second  processor, µs a record  by noble's`));
  for (const { name, recordsPerSecond, cpuMicros, ratio } of rates) {
    const cells = [column(count(recordsPerSecond), 16), column(count(cpuMicros), 22), column(`${ratio.toFixed(1)} ×`, 10)];
    output.line(`${name.padEnd(width)}  ${cells.join("  ")}`);
  }
}

const SILENT: Output = { line: () => undefined, error: () => undefined, style: (_style, text) => text };

async function timed(name: string, records: number, work: () => Promise<void>): Promise<VerifyRate> {
  const [beginMs, beganCpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(beganCpu);
  const recordsPerSecond = Math.round((records * 1000) / (performance.now() - beginMs));
  return { name, records, recordsPerSecond, cpuMicros: Math.round((user + system) / records), ratio: 1 };
}

function byReference(path: string): void {
  const input = Input.open(path);
  const judge = new Judge(nobleEngine, (offset, length) => input.read(offset, length));
  let judged = 0;
  for (const piece of pieces(input.parts())) {
    if (judged === NOBLE_RECORDS) break;
    judged += 1;
    if (judge.judge(piece).fault !== undefined) throw new CommandError("the reference refuses a record that holds");
  }
  input.close();
}

/** Chained records of `MOTES` motes in turn. */
function writeRecords(path: string, records: number): void {
  const motes = Array.from({ length: MOTES }, (_, number) => {
    const secret = fastEngine.sha256(Uint8Array.of(number));
    return { secret, address: addressOf(fastEngine, curve.publicKey(secret)), prev: new Uint8Array(32) as Uint8Array };
  });
  const file = openSync(path, "w", 0o600);
  let waiting: Uint8Array[] = [];
  for (let i = 0; i < records; i += 1) {
    const mote = motes[i % MOTES] as (typeof motes)[number];
    const seq = Math.floor(i / MOTES);
    const payload = encodeRecord({
      ...{ stream: 0, seq, prev: mote.prev, boot: 1, time: T + 60 * seq, timeQuality: 3 },
      head: { chain: "eip155:31337", number: seq, hash: new Uint8Array(32).fill(7) },
      measurements: [
        { n: "temperature", u: "Cel", v: decimal(2130 + (seq % 100), -2) },
        { n: "humidity", u: "%RH", v: decimal(4550 - (seq % 100), -2) },
      ],
      fleet: { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:31337" },
    });
    mote.prev = digestOf(fastEngine, mote.address, payload);
    waiting.push(encodeSign1(mote.address, payload, curve.sign(mote.prev, mote.secret)));
    if (waiting.length < WRITTEN_AT_ONCE && i + 1 < records) continue;
    writeSync(file, Buffer.concat(waiting));
    waiting = [];
  }
  closeSync(file);
}
