// The vectors of summa's bitcoin-spv and relays: header chains as a relay sees them, and the functions that the firmware has
// under another name.

import { meetsTarget } from "../../firmware/bytes/primitives.js";
import { requiredBits } from "../../firmware/chain/bitcoin/rules.js";
import { bitsOf, targetOf, workOf } from "../../firmware/chain/bitcoin/target.js";
import { rootOfBranch } from "../../firmware/proof/merkle-block.js";
import { Rejection } from "../../firmware/rejection.js";
import { advance, anchor, decoded, engine, headersOf, openAt, rulesOf, shown, unhex } from "./bitcoin-anchor.js";
import { sha256d } from "./bitcoin-blocks.js";
import { exactJson } from "./notation.js";
import { type Outcome, skip, type VectorFile } from "./set.js";

const rules = rulesOf("main");
/** The difficulty of summa's library is in units of this target. */
const DIFFICULTY_ONE = targetOf(0x1d00ffff);
/** A height inside a period, above all floors of versions, for chains whose own height is not given. */
const SOME_HEIGHT = rules.period * 300 + 1;

interface RelayHeader {
  hex: string;
  digest?: string;
  height: number;
}

interface RelayFile {
  genesis: RelayHeader;
  chain?: RelayHeader[];
  preRetargetChain?: RelayHeader[];
  postRetargetChain?: RelayHeader[];
  badHeader?: { hex: string };
  oldPeriodStart?: RelayHeader;
}

export function checkRelay(file: VectorFile): void {
  const json = file.json() as RelayFile & Record<string, RelayHeader>;
  const header = decoded(rules, unhex(json.genesis.hex));
  const start = json.oldPeriodStart === undefined ? undefined : decoded(rules, unhex(json.oldPeriodStart.hex));
  let trusted = anchor(rules, header, {
    number: json.genesis.height,
    ...(start === undefined ? {} : { periodStart: start }),
  });
  const bitcoin = openAt(rules, trusted);
  const states = new Map([[trusted.number, trusted]]);
  const chain = json.chain ?? [...(json.preRetargetChain ?? []), ...(json.postRetargetChain ?? [])];
  if (chain.length === 0) throw new Error("no chain after the genesis header");
  for (const { hex, height, digest } of chain)
    file.check(height, () => {
      const next = advance(bitcoin, trusted, unhex(hex));
      if (next instanceof Rejection) return String(next);
      trusted = next;
      states.set(next.number, next);
      if (next.number !== height) return `number ${next.number}`;
      return digest === undefined || `0x${shown(next.hash)}` === digest ? undefined : `hash ${shown(next.hash)}`;
    });
  for (const [name, orphan] of Object.entries(json).filter(([key]) => key.startsWith("orphan_")))
    file.check(name, () => {
      const parent = states.get(orphan.height - 1);
      if (parent === undefined) return "no header before it";
      const next = advance(bitcoin, parent, unhex(orphan.hex));
      if (next instanceof Rejection) return String(next);
      return next.totalDifficulty < trusted.totalDifficulty ? undefined : "it does not lose";
    });
  const bad = json.badHeader;
  if (bad !== undefined)
    file.check("badHeader", () => {
      decoded(rules, unhex(bad.hex)); // its own work is valid
      for (const state of states.values())
        if (!(advance(bitcoin, state, unhex(bad.hex)) instanceof Rejection)) return `accepted after ${state.number}`;
      return undefined;
    });
}

type Case = { input: unknown; output?: unknown };
type Function = (input: never, output: unknown) => Outcome;

const text = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const same = (found: unknown, expected: unknown): Outcome => {
  const plain = (value: unknown): string => String(value).toLowerCase();
  return plain(found) === plain(expected) ? undefined : `${found}, not ${expected}`;
};

/** By the library's names; `…Error` inputs go to the same function and must be refused. */
const FUNCTIONS: Readonly<Record<string, Function>> = {
  hash256: (input: string, output) => same(text(engine.sha256(engine.sha256(unhex(input)))), output),
  hash256MerkleStep: ([a, b]: [string, string], output) => same(text(engine.sha256(engine.sha256(unhex(a), unhex(b)))), output),
  extractMerkleRootLE: (input: string, output) => same(text(decoded(rules, unhex(input)).merkleRoot), output),
  extractPrevBlockLE: (input: string, output) => same(text(decoded(rules, unhex(input)).parentHash), output),
  extractTimestamp: (input: string, output) => same(decoded(rules, unhex(input)).timeS, output),
  extractTarget: (input: string, output) =>
    same(
      `0x${targetOf(decoded(rules, unhex(input)).bits)
        .toString(16)
        .padStart(64, "0")}`,
      output,
    ),
  workHash: (input: string, output) => same(text(decoded(rules, unhex(input)).hash), output),
  validateHeaderPrevHash: ({ header, prevHash }: { header: string; prevHash: string }, output) =>
    same(text(decoded(rules, unhex(header)).parentHash) === prevHash, output),
  validateHeaderWork: ({ digest, target }: { digest: string; target: string }, output) =>
    /^0x0+$/.test(digest)
      ? skip("a digest of zero: the library takes it for an error of its own")
      : same(meetsTarget(unhex(digest), bitsOf(BigInt(target))), output),
  verifyHash256Merkle: ({ proof, index }: { proof: string; index: number }, output) =>
    same(isProved(unhex(proof), index), output),
  prove: (input: { txIdLE: string; merkleRootLE: string; proof: string; index: number }, output) => {
    const whole = Buffer.concat([unhex(input.txIdLE), unhex(input.proof), unhex(input.merkleRootLE)]);
    const trivial = input.proof === "0x" && input.txIdLE === input.merkleRootLE;
    return same(trivial || isProved(new Uint8Array(whole), input.index), output);
  },
  validateHeaderChain: (input: string, output) => same(difficultyOf(unhex(input)), output),
  retargetAlgorithm: (input: [RelayHeader, RelayHeader, RelayHeader], output) => {
    const [start, last, next] = input.map(({ hex }) => decoded(rules, unhex(hex)));
    if (start === undefined || last === undefined || next === undefined) return "three headers";
    const tip = anchor(rules, last, { number: rules.period - 1, periodStart: start });
    if (requiredBits(rules, tip, next.timeS) !== next.bits) return "other bits";
    return same(DIFFICULTY_ONE / targetOf(next.bits), output);
  },
};

/** Leaf, siblings from the bottom up, root, all joined. */
function isProved(proof: Uint8Array, position: number): boolean {
  if (proof.length === 0 || proof.length % 32 !== 0) return false;
  const hashes = Array.from({ length: proof.length / 32 }, (_, i) => proof.subarray(32 * i, 32 * i + 32));
  const root = hashes[hashes.length - 1] as Uint8Array;
  const found = rootOfBranch(engine, hashes[0] as Uint8Array, { position, siblings: hashes.slice(1, -1) });
  return !(found instanceof Rejection) && text(found) === text(root);
}

/** The sum of the difficulties of headers that stand on each other; throws where they do not. */
function difficultyOf(bytes: Uint8Array): bigint {
  const raws = headersOf(bytes);
  const first = decoded(rules, raws[0] as Uint8Array);
  let trusted = anchor(rules, first, { number: SOME_HEIGHT, work: workOf(first.bits) });
  const bitcoin = openAt(rules, trusted);
  let sum = DIFFICULTY_ONE / targetOf(first.bits);
  for (const raw of raws.slice(1)) {
    const next = advance(bitcoin, trusted, raw);
    if (next instanceof Rejection) throw new Error(String(next));
    trusted = next;
    sum += DIFFICULTY_ONE / targetOf(next.bits);
  }
  return sum;
}

export function checkSummaFunctions(file: VectorFile): void {
  const json = exactJson(file.text()) as Record<string, Case[]>;
  for (const [name, cases] of Object.entries(json)) {
    const wrong = name.endsWith("Error");
    const call = FUNCTIONS[wrong ? name.slice(0, -"Error".length) : name];
    if (call === undefined) {
      file.leaveOut("functions of scripts, addresses, transactions and bytes that the firmware has not", cases.length);
      continue;
    }
    for (const [i, { input, output }] of cases.entries())
      file.check(`${name} ${i}`, () => (wrong ? refused(call, input) : call(input as never, output)));
  }
}

function refused(call: Function, input: unknown): Outcome {
  try {
    return `answered ${call(input as never, undefined)}`;
  } catch {
    return undefined;
  }
}

interface SpvHeader {
  hash: string;
  raw: string;
  merkle_root: string;
  prevhash: string;
}

interface SpvProof {
  version: string;
  vin: string;
  vout: string;
  locktime: string;
  tx_id: string;
  index: number;
  intermediate_nodes: string;
  confirming_header: SpvHeader;
}

export function checkSpvProofs(file: VectorFile): void {
  const json = file.json() as Record<string, unknown>;
  for (const [name, value] of Object.entries(json))
    for (const [i, item] of (Array.isArray(value) ? (value as unknown[]) : [value]).entries())
      file.check(`${name} ${i}`, () => {
        const fault = spvFault(item);
        if (name === "valid" || name === "validHeader") return fault;
        return fault === undefined ? "accepted" : undefined;
      });
}

function spvFault(item: unknown): Outcome {
  try {
    const plain = (typeof item === "string" ? JSON.parse(item) : item) as Record<string, unknown>;
    const inner = plain.header ?? plain.proof ?? plain;
    return Object.hasOwn(inner as object, "confirming_header") ? proofFault(inner as SpvProof) : headerFault(inner as SpvHeader);
  } catch (error) {
    return String(error);
  }
}

function headerFault({ raw, hash, merkle_root: root, prevhash }: SpvHeader): Outcome {
  const header = decoded(rules, unhex(raw));
  const found = [header.hash, header.merkleRoot, header.parentHash].map(text).join();
  return same(found, [hash, root, prevhash].join());
}

function proofFault(proof: SpvProof): Outcome {
  const fault = headerFault(proof.confirming_header);
  if (fault !== undefined) return fault;
  const raw = Buffer.concat([proof.version, proof.vin, proof.vout, proof.locktime].map(unhex));
  const txid = sha256d(raw);
  if (text(txid) !== proof.tx_id) return "another transaction";
  const root = unhex(proof.confirming_header.merkle_root);
  return isProved(new Uint8Array(Buffer.concat([txid, unhex(proof.intermediate_nodes), root])), proof.index)
    ? undefined
    : "the branch does not lead to the root";
}
