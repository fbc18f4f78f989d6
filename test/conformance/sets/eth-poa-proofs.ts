// eth-poa/proofs: a transaction and a receipt of a Clique block, each proven from its root by the firmware's own verifier.

import { type NestedUint8Array, RLP } from "@ethereumjs/rlp";
import { lowerHex } from "../poa/lower-hex.js";
import type { ConformanceSet, Outcome } from "../set.js";
import { bytesOf, checkProven, hexOf } from "../state/blocks.js";

interface Row {
  block: { transactionsRoot: string; receiptsRoot: string };
  /** RLP of the place in the block. */
  tx_path: string;
  tx_value_rlp: string;
  tx_nodes_rlp: string;
  receipt_value_rlp: string;
  receipt_nodes_rlp: string;
}

export const set: ConformanceSet = {
  name: "eth-poa/proofs",
  paths: ["eth-poa/clique/*_tx_receipt_proof.json"],
  async run(report) {
    await report.each("eth-poa/clique/*_tx_receipt_proof.json", (file) => {
      const row = lowerHex<Row>(file.json());
      file.check("transaction", () => check(row, row.block.transactionsRoot, row.tx_value_rlp, row.tx_nodes_rlp));
      file.check("receipt", () => check(row, row.block.receiptsRoot, row.receipt_value_rlp, row.receipt_nodes_rlp));
    });
  },
};

function check({ tx_path }: Row, root: string, value: string, nodes: string): Outcome {
  const index = Number(`0x0${hexOf(RLP.decode(bytesOf(tx_path)) as Uint8Array).slice(2)}`);
  const proof = (RLP.decode(bytesOf(nodes)) as NestedUint8Array).map((node) =>
    node instanceof Uint8Array ? node : RLP.encode(node),
  );
  return checkProven(bytesOf(root), index, bytesOf(value), proof);
}
