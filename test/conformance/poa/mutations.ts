// The BFT part of eth-poa/mutations.json: each input judged by the firmware on a state that trusts what the input trusts.

import { RLP } from "@ethereumjs/rlp";
import { openBft } from "../../../firmware/chain/bft/checkpoint.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import type { BftKind } from "../../chains/bft-model.js";
import { bytesOf, hexOf } from "../../chains/clique-generator.js";
import type { Outcome } from "../set.js";

export interface MutationRow {
  name: string;
  expect: "accept" | "reject";
  input: { kind: string; parent_header?: string | null; validators: string[]; header: string };
}

export interface Mutations {
  controls: MutationRow[];
  cases: MutationRow[];
}

const KINDS: Readonly<Record<string, BftKind>> = { "ibft1-header": "ibft", "ibft2-header": "ibft2", "qbft-header": "qbft" };
const ANYBODY = `0x${"11".repeat(20)}`;

export function checkMutation(row: MutationRow): Outcome {
  const refusal = refusalOf(row.input);
  if (row.expect === "accept") return refusal === undefined ? undefined : `refused: ${refusal}`;
  return refusal === undefined ? "accepted" : undefined;
}

function refusalOf(input: MutationRow["input"]): Rejection | undefined {
  const kind = KINDS[input.kind];
  if (kind === undefined) throw new Error(`no such kind: ${input.kind}`);
  const raw = bytesOf(input.header);
  let fields: Uint8Array[];
  try {
    fields = RLP.decode(raw) as Uint8Array[];
  } catch {
    // What third-party RLP cannot read either gives no number and no parent to open a state with; ours has to refuse it, too.
    const header = open(kind, 1, `0x${"00".repeat(32)}`, 0, [ANYBODY]).decode(raw);
    return header instanceof Rejection ? header : undefined;
  }
  const parent = input.parent_header == null ? undefined : parentOf(kind, input.parent_header);
  const number = parent?.number ?? Math.max(0, numberOf(fields[8]) - 1);
  const hash = parent?.hash ?? hexOf((fields[0] ?? new Uint8Array(0)).subarray(0, 32));
  const sound = hash.length === 66 && Number.isSafeInteger(number) && number < 2 ** 48;
  const bft = open(kind, sound ? number : 1, sound ? hash : `0x${"00".repeat(32)}`, parent?.timeS ?? 0, input.validators);
  const header = bft.decode(raw);
  if (header instanceof Rejection) return header;
  const next = bft.verify(bft.checkpoint, header);
  return next instanceof Rejection ? next : undefined;
}

/** A verifier whose tally is known to be empty, so that the header has to list exactly `validators`. */
function open(kind: BftKind, number: number, hash: string, timeS: number, validators: readonly string[]) {
  const bft = openBft(fastEngine, {
    ...{ chain: "eip155:1", consensus: kind, genesisHash: hash, periodS: 0, epoch: 2 ** 47, trustingPeriodS: 1 },
    ...{ number, hash, timeS, validators, votes: [] },
  });
  if (bft instanceof Rejection) throw new Error(String(bft));
  return bft;
}

function parentOf(kind: BftKind, rlp: string): { number: number; hash: string; timeS: number } {
  const raw = bytesOf(rlp);
  const fields = RLP.decode(raw) as Uint8Array[];
  const number = numberOf(fields[8]);
  const timeS = numberOf(fields[11]);
  // A genesis block is hashed as it stands, and has no seals to read.
  if (number === 0) return { number, timeS, hash: hexOf(fastEngine.keccak256(raw)) };
  const header = open(kind, number - 1, hexOf(fields[0] as Uint8Array), 0, [ANYBODY]).decode(raw);
  if (header instanceof Rejection) throw new Error(`the parent: ${header}`);
  return { number, timeS, hash: hexOf(header.hash) };
}

function numberOf(field: Uint8Array | undefined): number {
  return field === undefined || field.length === 0 ? 0 : Number(hexOf(field));
}
