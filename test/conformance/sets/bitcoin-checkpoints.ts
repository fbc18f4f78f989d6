// bitcoin/checkpoints: sums of work, hashes and targets that other programs ship, against each other and against the headers of
// the other files, by the firmware's own arithmetic.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { targetOf, workOf } from "../../../firmware/chain/bitcoin/target.js";
import { decoded, headersOf, rulesOf, shown, unhex } from "../bitcoin-anchor.js";
import { exactJson } from "../notation.js";
import { type ConformanceSet, skip, type VectorFile } from "../set.js";

const WORK = "bitcoin/checkpoints/chainwork_by_height.json";
const BITCOINJ = "bitcoin/checkpoints/bitcoinj_production.json";
const ELECTRUM = "bitcoin/checkpoints/electrum_*.json";
const PERIOD = 2016;
const BOUNDARY_BYTES = 84;

interface Seen {
  readonly hash: string;
  readonly bits: number;
  /** Sum of work with this block, where a file tells. */
  readonly work: bigint | undefined;
}

interface BitcoinjEntry {
  height: number;
  chainwork: string;
  header: string;
  hash: string;
}

export const set: ConformanceSet = {
  name: "bitcoin/checkpoints",
  paths: [WORK, BITCOINJ, ELECTRUM],
  async run(report, root) {
    const seen = headersSeen(root);
    const mainnet = seen.get("mainnet") ?? new Map<number, Seen>();
    const works = readJson<Record<string, string>>(join(root, WORK)) ?? {};
    await report.each(WORK, (file) => checkWorks(file, works, mainnet));
    await report.each(BITCOINJ, (file) => checkBitcoinj(file, works));
    await report.each(ELECTRUM, (file) => {
      const network = file.name.replace(/^electrum_|\.json$/g, "");
      checkElectrum(file, seen.get(network) ?? new Map<number, Seen>());
    });
  },
};

/** Undefined where there is no such file; one that cannot be read is named. */
function readJson<T>(path: string): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    throw new Error(`${path} cannot be read: ${String(error)}`);
  }
}

/** Every header of the header files and of bitcoinj's, by network and height. */
function headersSeen(root: string): Map<string, Map<number, Seen>> {
  const all = new Map<string, Map<number, Seen>>();
  const note = (network: string, height: number, raw: Uint8Array, before?: bigint): bigint | undefined => {
    const rules = rulesOf(network);
    const { hash, bits } = decoded(rules, raw);
    const work = before === undefined ? undefined : before + workOf(bits);
    const known = all.get(rules.network) ?? new Map<number, Seen>();
    all.set(rules.network, known);
    if (work !== undefined || !known.has(height)) known.set(height, { hash: shown(hash), bits, work });
    return work;
  };
  const index =
    readJson<
      {
        file: string;
        network: string;
        format?: string;
        first_height?: number;
        context_count?: number;
        chainwork_first?: string;
      }[]
    >(join(root, "bitcoin/headers/index.json")) ?? [];
  for (const entry of index) {
    const path = join(root, "bitcoin", entry.file);
    if (!path.endsWith(".bin") || !existsSync(path)) continue;
    const bytes = new Uint8Array(readFileSync(path));
    if (entry.context_count !== undefined && entry.first_height !== undefined) {
      const first = entry.first_height;
      let work: bigint | undefined;
      for (const [i, raw] of headersOf(bytes).entries()) {
        const before = i === 0 ? BigInt(`0x${entry.chainwork_first}`) - workOf(decoded(rulesOf(entry.network), raw).bits) : work;
        work = note(entry.network, first + i, raw, before);
      }
    } else if (entry.first_height !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < bytes.length; at += BOUNDARY_BYTES)
        note(entry.network, view.getUint32(at, true), bytes.subarray(at + 4, at + BOUNDARY_BYTES));
    }
  }
  for (const { height, header } of readJson<BitcoinjEntry[]>(join(root, BITCOINJ)) ?? []) note("main", height, unhex(header));
  return all;
}

/** A sum agrees with the windows, and with that of the other end of its period. */
function checkWorks(file: VectorFile, works: Readonly<Record<string, string>>, seen: ReadonlyMap<number, Seen>): void {
  for (const [key, digits] of Object.entries(works))
    file.check(key, () => {
      const height = Number(key);
      const work = BigInt(`0x${digits}`);
      const here = seen.get(height);
      let relations = 0;
      if (here?.work !== undefined) {
        relations += 1;
        if (here.work !== work) return `the window has ${here.work.toString(16)}`;
      }
      const first = height - (height % PERIOD);
      const other = works[height === first ? first + PERIOD - 1 : first];
      const bits = here?.bits ?? seen.get(first)?.bits;
      if (other !== undefined && bits !== undefined && (height === first || height === first + PERIOD - 1)) {
        relations += 1;
        const between = height === first ? BigInt(`0x${other}`) - work : work - BigInt(`0x${other}`);
        if (between !== BigInt(PERIOD - 1) * workOf(bits)) return `the period adds ${between}`;
      }
      const previous = height === first ? works[height - 1] : undefined;
      if (previous !== undefined && here !== undefined) {
        relations += 1;
        if (work - BigInt(`0x${previous}`) !== workOf(here.bits)) return "the block before it has another work";
      }
      const next = height % PERIOD === PERIOD - 1 ? works[height + 1] : undefined;
      const nextBits = seen.get(height + 1)?.bits;
      if (next !== undefined && nextBits !== undefined) {
        relations += 1;
        if (BigInt(`0x${next}`) - work !== workOf(nextBits)) return "the next block adds another work";
      }
      return relations > 0 ? undefined : skip("nothing in this folder to compare it with");
    });
}

function checkBitcoinj(file: VectorFile, works: Readonly<Record<string, string>>): void {
  const entries = file.json() as BitcoinjEntry[];
  const byHeight = new Map(entries.map((entry) => [entry.height, entry]));
  for (const entry of entries)
    file.check(entry.height, () => {
      const header = decoded(rulesOf("main"), unhex(entry.header));
      if (shown(header.hash) !== entry.hash) return `hash ${shown(header.hash)}`;
      const work = BigInt(`0x${entry.chainwork}`);
      const known = works[entry.height];
      if (known !== undefined && BigInt(`0x${known}`) !== work) return `chainwork_by_height has ${known}`;
      const next = byHeight.get(entry.height + PERIOD);
      if (next === undefined) return undefined;
      const added = BigInt(PERIOD - 1) * workOf(header.bits) + workOf(decoded(rulesOf("main"), unhex(next.header)).bits);
      return BigInt(`0x${next.chainwork}`) - work === added ? undefined : `the next one does not add ${added}`;
    });
}

/** Two values of an entry: the hash of a period's last block, and the target of the next period. */
function checkElectrum(file: VectorFile, seen: ReadonlyMap<number, Seen>): void {
  const entries = exactJson(file.text()) as [string | null, bigint | number | null][];
  for (const [i, [hash, target]] of entries.entries()) {
    const last = seen.get(PERIOD * (i + 1) - 1);
    const next = seen.get(PERIOD * (i + 1)) ?? seen.get(PERIOD * (i + 2) - 1);
    if (hash !== null)
      if (last === undefined) file.leaveOut("no header of this height in another file");
      else file.check(`hash ${i}`, () => (last.hash === hash ? undefined : `${hash}, the header has ${last.hash}`));
    if (target !== null)
      if (next === undefined) file.leaveOut("no header of this period in another file");
      else
        file.check(`target ${i}`, () =>
          targetOf(next.bits) === BigInt(target) ? undefined : `${target}, the header has ${targetOf(next.bits)}`,
        );
  }
}
