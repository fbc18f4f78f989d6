// bitcoin/mutations: real headers and proofs with single bits flipped or fields exchanged; all but the controls are refused.

import { readMerkleBlock } from "../../../firmware/proof/merkle-block.js";
import { Rejection } from "../../../firmware/rejection.js";
import { anchor, decoded, engine, openAt, rulesOf, shown, unhex } from "../bitcoin-anchor.js";
import type { ConformanceSet } from "../set.js";

const MUTATIONS = "bitcoin/mutations.json";

interface Row {
  name: string;
  expect: "accept" | "reject";
  input: HeaderInput | ProofInput;
}

interface HeaderInput {
  kind: "btc-header";
  network: string;
  height: number;
  prev_header: string;
  period_start_header: string | null;
  prev_times: number[];
  header: string;
}

interface ProofInput {
  kind: "btc-txoutproof";
  proof: string;
  block_hash: string;
  txids: string[];
}

export const set: ConformanceSet = {
  name: "bitcoin/mutations",
  paths: [MUTATIONS],
  async run(report) {
    await report.each(MUTATIONS, (file) => {
      const { controls, cases } = file.json() as { controls: Row[]; cases: Row[] };
      for (const { name, expect, input } of [...controls, ...cases])
        file.check(name, () => {
          if (input.kind !== "btc-header" && input.kind !== "btc-txoutproof") return "an unknown kind of input";
          const refusal = input.kind === "btc-header" ? headerRefusal(input) : proofRefusal(input);
          if (expect === "accept") return refusal === undefined ? undefined : `refused: ${refusal}`;
          return refusal === undefined ? "accepted" : undefined;
        });
    });
  },
};

function headerRefusal(input: HeaderInput): string | undefined {
  const rules = rulesOf(input.network);
  const parent = decoded(rules, unhex(input.prev_header));
  const times = input.prev_times;
  const tip = anchor(
    rules,
    { hash: parent.hash, bits: parent.bits, timeS: times[times.length - 1] ?? parent.timeS },
    {
      number: input.height - 1,
      times: times.slice(0, -1),
      ...(input.period_start_header === null ? {} : { periodStart: fieldsOf(unhex(input.period_start_header)) }),
    },
  );
  const bitcoin = openAt(rules, tip);
  const header = bitcoin.decode(unhex(input.header));
  const next = header instanceof Rejection ? header : bitcoin.verify(tip, header);
  return next instanceof Rejection ? String(next) : undefined;
}

/** Of a header that some cases turned into none: it is read, not judged. */
function fieldsOf(raw: Uint8Array): { timeS: number; bits: number } {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  return { timeS: view.getUint32(68, true), bits: view.getUint32(72, true) };
}

function proofRefusal(input: ProofInput): string | undefined {
  const block = readMerkleBlock(engine, unhex(input.proof));
  if (block instanceof Rejection) return String(block);
  if (shown(block.blockHash) !== input.block_hash) return "another block";
  const txids = block.matches.map(({ txid }) => shown(txid));
  return txids.join() === input.txids.join() ? undefined : "other transactions";
}
