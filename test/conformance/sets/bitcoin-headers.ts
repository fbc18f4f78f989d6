// bitcoin/headers: windows of real headers with their work, every retarget boundary, stale and competing headers, and the
// difficulty of testnet3, through the firmware's own decoder, verifier and follower.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bitcoin } from "../../../firmware/chain/bitcoin/consensus.js";
import { type BitcoinRules, medianOf, requiredBits } from "../../../firmware/chain/bitcoin/rules.js";
import type { BitcoinTrusted } from "../../../firmware/chain/bitcoin/state.js";
import { workOf } from "../../../firmware/chain/bitcoin/target.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { Rejection } from "../../../firmware/rejection.js";
import { MemoryStore } from "../../chains/follower-fixture.js";
import { advance, anchor, decoded, engine, headersOf, openAt, rulesOf, shown, sure, unhex } from "../bitcoin-anchor.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";

const INDEX = "bitcoin/headers/index.json";
const WINDOWS = "bitcoin/headers/*.bin";
const BOUNDARIES = "bitcoin/headers/retarget_boundaries.bin";
const STALE = "bitcoin/headers/stale_*.bin";
const FORK = "bitcoin/headers/testnet3_fork.json";
const DIFFICULTY = "bitcoin/testnet/*.json";
const BOUNDARY_BYTES = 84;

interface IndexEntry {
  file: string;
  network: string;
  first_height?: number;
  count: number;
  context_count?: number;
  height?: number;
  hash?: string;
  first_hash: string;
  last_hash: string;
  prev_hash: string;
  period_start: { height: number; header: string } | null;
  retargets_checkable: number[] | number;
  chainwork_first: string;
  chainwork_last: string;
}

export const set: ConformanceSet = {
  name: "bitcoin/headers",
  paths: [INDEX, WINDOWS, BOUNDARIES, STALE, FORK, DIFFICULTY],
  async run(report, root) {
    let index: IndexEntry[] = [];
    await report.each(INDEX, (file) => {
      index = file.json() as IndexEntry[];
      for (const { file: name } of index)
        file.check(name, () => (existsSync(join(root, "bitcoin", name)) ? undefined : skip("the file is not in this folder")));
      // Those alone can be walked.
      index = index.filter(({ file: name }) => existsSync(join(root, "bitcoin", name)));
    });
    const entryOf = (file: VectorFile): IndexEntry => {
      const entry = index.find(({ file: name }) => file.path === `bitcoin/${name}`);
      if (entry === undefined) throw new Error("no entry in headers/index.json");
      return entry;
    };
    await report.each(WINDOWS, (file) => {
      if (isOther(file.path)) {
        file.mayBeEmpty();
        return;
      }
      const entry = entryOf(file);
      if (entry.first_height === undefined || entry.context_count === undefined)
        throw new Error("the index does not say where it is");
      checkWindow(file, entry);
    });
    await report.each(BOUNDARIES, (file) => checkBoundaries(file, entryOf(file)));
    await report.each(STALE, (file) => file.check("stale", () => checkStale(file.bytes(), entryOf(file), index, root)));
    await report.each(FORK, (file) => checkFork(file, index, root));
    await report.each(DIFFICULTY, checkDifficulty);
  },
};

/** Headers that are no window, and that the other paths read. */
function isOther(path: string): boolean {
  return path === BOUNDARIES || /\/stale_[^/]*$/.test(path);
}

/** Walks a window from its last context header on; `visit` is told of every state, the anchor's included. */
class Window {
  readonly rules: BitcoinRules;
  readonly raws: readonly Uint8Array[];
  /** Index of the first header that is checked. */
  readonly from: number;
  readonly #entry: IndexEntry;
  #bitcoin: Bitcoin;
  trusted: BitcoinTrusted;

  /** @param before no header from this height on is taken as trusted, though it were context */
  constructor(bytes: Uint8Array, entry: IndexEntry, before = Number.POSITIVE_INFINITY) {
    this.#entry = entry;
    this.rules = rulesOf(entry.network);
    this.raws = headersOf(bytes);
    this.from = Math.max(1, Math.min(entry.context_count ?? 0, before - (entry.first_height ?? 0)));
    const context = this.raws.slice(0, this.from).map((raw) => decoded(this.rules, raw));
    const last = context[context.length - 1] as (typeof context)[0];
    const number = (entry.first_height as number) + this.from - 1;
    const start = this.#periodStart(number);
    const added = context.slice(1).reduce((sum, { bits }) => sum + workOf(bits), 0n);
    this.trusted = anchor(this.rules, last, {
      number,
      work: BigInt(`0x${entry.chainwork_first}`) + added,
      times: context.slice(0, -1).map(({ timeS }) => timeS),
      ...(start === undefined ? {} : { periodStart: start }),
      periodBits: this.#periodBits(number),
    });
    this.#bitcoin = openAt(this.rules, this.trusted);
  }

  /** The first block of the period of block `number`: in the file, or beside it; undefined where neither has it. */
  #periodStart(number: number): { timeS: number; bits: number } | undefined {
    const { first_height: first = 0, period_start: beside } = this.#entry;
    const height = number - (number % this.rules.period);
    if (height >= first) return decoded(this.rules, this.raws[height - first] as Uint8Array);
    return beside?.height === height ? decoded(this.rules, unhex(beside.header)) : undefined;
  }

  /** What the exceptions of a test network fall back to: the newest block before that is none, or where the file has none, the next. */
  #periodBits(number: number): number {
    const first = this.#entry.first_height as number;
    const { limitBits, period } = this.rules;
    const bitsAt = (height: number): number => decoded(this.rules, this.raws[height - first] as Uint8Array).bits;
    if (this.rules.easyAfterS === undefined) return bitsAt(number);
    for (let height = number; height >= first; height -= 1)
      if (bitsAt(height) !== limitBits || height % period === 0) return bitsAt(height);
    const end = Math.min(first + this.raws.length, number - (number % period) + period);
    for (let height = number + 1; height < end; height += 1) if (bitsAt(height) !== limitBits) return bitsAt(height);
    return limitBits;
  }

  /** Index of the first header behind `at` whose bits cannot be computed from what there is, or of the end. */
  endAfter(at: number): number {
    const { first_height: first = 0, retargets_checkable: checkable } = this.#entry;
    for (let i = at + 1; i < this.raws.length; i += 1) {
      const height = first + i;
      if (height % this.rules.period === 0 && Array.isArray(checkable) && !checkable.includes(height)) return i;
    }
    return this.raws.length;
  }

  step(i: number): Outcome {
    const number = (this.#entry.first_height as number) + i;
    const raw = this.raws[i] as Uint8Array;
    const next = advance(this.#bitcoin, this.trusted, raw);
    const { retargets_checkable: checkable } = this.#entry;
    if (next instanceof Rejection) {
      const unknown = number % this.rules.period === 0 && Array.isArray(checkable) && !checkable.includes(number);
      if (next.code !== "bits-wrong" || !unknown) return String(next);
      // The period's first header is not among the vectors: this one's bits are taken as they are, all else is checked.
      const header = decoded(this.rules, raw);
      const parent = this.trusted;
      if (header.timeS <= medianOf(parent.times)) return `time ${header.timeS}`;
      this.trusted = anchor(this.rules, header, {
        number,
        work: parent.totalDifficulty + workOf(header.bits),
        times: parent.times,
      });
      this.#bitcoin = openAt(this.rules, this.trusted);
      return shown(header.parentHash) === shown(parent.hash) ? undefined : "no link";
    }
    if (next.number !== number) return `number ${next.number}`;
    this.trusted = next;
    return undefined;
  }
}

function checkWindow(file: VectorFile, entry: IndexEntry): void {
  const window = new Window(file.bytes(), entry);
  const { raws, rules, from } = window;
  file.check("the index", () => {
    const first = decoded(rules, raws[0] as Uint8Array);
    const found = [raws.length, shown(first.hash), shown(first.parentHash)].join();
    const expected = [entry.count, entry.first_hash, entry.prev_hash].join();
    return found === expected ? undefined : `count, first and previous hash: ${found}, expected ${expected}`;
  });
  for (let i = from; i < raws.length; i += 1) file.check((entry.first_height as number) + i, () => window.step(i));
  file.check("the last header", () => {
    const work = window.trusted.totalDifficulty.toString(16).padStart(64, "0");
    const found = `${shown(window.trusted.hash)} with work ${work}`;
    const expected = `${entry.last_hash} with work ${entry.chainwork_last}`;
    return found === expected ? undefined : `${found}, expected ${expected}`;
  });
}

function checkBoundaries(file: VectorFile, entry: IndexEntry): void {
  const rules = rulesOf(entry.network);
  const bytes = file.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const byHeight = new Map<number, ReturnType<typeof decoded>>();
  for (let at = 0; at < bytes.length; at += BOUNDARY_BYTES) {
    const height = view.getUint32(at, true);
    file.check(height, () => {
      byHeight.set(height, decoded(rules, bytes.subarray(at + 4, at + BOUNDARY_BYTES)));
      return undefined;
    });
  }
  let checked = 0;
  for (const [height, header] of byHeight) {
    const start = byHeight.get(height - rules.period);
    const last = byHeight.get(height - 1);
    if (height % rules.period !== 0 || start === undefined || last === undefined) continue;
    checked += 1;
    file.check(`retarget ${height}`, () => {
      const tip = anchor(rules, last, { number: height - 1, periodStart: start });
      const bits = requiredBits(rules, tip, header.timeS);
      if (bits !== header.bits) return `0x${header.bits.toString(16)}, computed 0x${bits.toString(16)}`;
      const next = openAt(rules, tip).verify(tip, header);
      return next instanceof Rejection ? String(next) : undefined;
    });
  }
  file.check("the index", () =>
    checked === entry.retargets_checkable ? undefined : `${checked} retargets, not ${entry.retargets_checkable}`,
  );
}

/** The window that has the blocks before, at and after `height`, those before trusted as far as they are context. */
function windowOf(entries: readonly IndexEntry[], root: string, network: string, height: number): Window | undefined {
  const entry = entries.find(
    ({ first_height: first, context_count: context, count, network: name }) =>
      name === network && first !== undefined && context !== undefined && first < height && height + 1 < first + count,
  );
  if (entry === undefined) return undefined;
  return new Window(new Uint8Array(readFileSync(join(root, "bitcoin", entry.file))), entry, height);
}

/** The stale header comes first and is left for the window's own as soon as that is heavier. */
function checkStale(raw: Uint8Array, entry: IndexEntry, index: readonly IndexEntry[], root: string): Outcome {
  const height = entry.height as number;
  const window = windowOf(index, root, entry.network, height);
  if (window === undefined) return `no window holds ${height}`;
  const first = window.trusted.number - window.from + 1;
  const at = height - first;
  for (let i = window.from; i < at; i += 1) {
    const fault = window.step(i);
    if (fault !== undefined) return `before it: ${fault}`;
  }
  const consensus = openAt(window.rules, window.trusted);
  const follower = new Follower({ consensus, engine, store: new MemoryStore(), clock: { ticksMs: () => 0 } });
  const stale = sure(follower.offer(raw, undefined));
  if (stale.kind !== "advanced" || shown(follower.head.hash) !== entry.hash) return `the stale header: ${stale.kind}`;
  // Up to where the bits follow from a block that nobody has.
  const rest = window.raws.slice(at, window.endAfter(at));
  const outcomes = rest.map((header) => sure(follower.offer(header, undefined)).kind);
  if (outcomes[0] !== "side" || outcomes[1] !== "reorg") return `the window's headers: ${outcomes.slice(0, 3)}`;
  const tip = decoded(window.rules, rest[rest.length - 1] as Uint8Array);
  return shown(follower.head.hash) === shown(tip.hash) ? undefined : "another tip";
}

function checkFork(file: VectorFile, index: readonly IndexEntry[], root: string): void {
  const { headers_hex: headers, hashes, prev } = file.json() as { headers_hex: string[]; hashes: string[]; prev: string[] };
  const entry = index.find(({ network, first_height: first }) => network === "testnet3" && first !== undefined);
  if (entry === undefined) {
    file.leaveOut("no window of testnet3 in this folder", headers.length);
    return;
  }
  const window = new Window(new Uint8Array(readFileSync(join(root, "bitcoin", entry.file))), entry);
  const states = new Map([[shown(window.trusted.hash), window.trusted]]);
  for (let i = window.from; i < window.raws.length; i += 1) {
    window.step(i);
    states.set(shown(window.trusted.hash), window.trusted);
  }
  for (const [i, header] of headers.entries())
    file.check(i, () => {
      const parent = states.get(prev[i] as string);
      if (parent === undefined) return "its parent is not known";
      const next = advance(openAt(window.rules, parent), parent, unhex(header));
      if (next instanceof Rejection) return String(next);
      if (shown(next.hash) !== hashes[i]) return `hash ${shown(next.hash)}`;
      states.set(shown(next.hash), next);
      return next.totalDifficulty < window.trusted.totalDifficulty ? undefined : "it does not lose by work";
    });
}

/** Times and bits without headers: the state goes on by steps, which need none. */
function checkDifficulty(file: VectorFile): void {
  const {
    network,
    first_height: first,
    times,
    bits,
  } = file.json() as {
    network: string;
    first_height: number;
    times: number[];
    bits: number[];
  };
  const rules = rulesOf(network);
  const hash = new Uint8Array(32);
  let trusted = anchor(rules, { hash, timeS: times[0] as number, bits: bits[0] as number }, { number: first });
  const bitcoin = openAt(rules, trusted);
  // Before the first block that is no exception, what exceptions fall back to is not in the file.
  let known = first % rules.period === 0 || bits[0] !== rules.limitBits;
  for (let i = 1; i < times.length; i += 1) {
    const [timeS, claimed] = [times[i] as number, bits[i] as number];
    const starts = (first + i) % rules.period === 0;
    const exceptional = timeS > (times[i - 1] as number) + (rules.easyAfterS ?? 0);
    if (starts ? i < rules.period : !known && !exceptional) file.leaveOut("it needs what is before the file");
    else
      file.check(first + i, () => {
        const required = requiredBits(rules, trusted, timeS);
        return required === claimed ? undefined : `${claimed}, computed ${required}`;
      });
    known ||= starts || claimed !== rules.limitBits;
    const step = Buffer.alloc(40);
    step.writeUInt32LE(timeS, 32);
    step.writeUInt32LE(claimed, 36);
    trusted = sure(bitcoin.replay(trusted, new Uint8Array(step)));
  }
}
