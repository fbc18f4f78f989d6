// A slot of a contract, proven: eight nodes from the storage root, seven of them full branches.

import { fromHex } from "../../firmware/bytes.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { readSlot, slotKey } from "../../firmware/proof/account.js";
import { TrieWalk } from "../../firmware/proof/trie.js";
import { Rejection } from "../../firmware/rejection.js";

export interface ProofInputs {
  /** All in hexadecimal. */
  readonly root: string;
  readonly slot: string;
  readonly nodes: readonly string[];
}

function sure<T>(value: T | Rejection, what: string): T {
  if (value instanceof Rejection) throw new Error(`${what}: ${value.code}: ${value.detail}`);
  return value;
}

export function proofCase(engine: CryptoEngine, inputs: ProofInputs) {
  const root = sure(fromHex(inputs.root), "root");
  const slot = sure(fromHex(inputs.slot), "slot");
  const nodes = inputs.nodes.map((node) => sure(fromHex(node), "node"));
  return {
    name: "proof-storage-8",
    runs: 12,
    run() {
      const walk = new TrieWalk(engine, root, slotKey(engine, slot));
      for (const node of nodes) {
        const fault = walk.feed(node);
        if (fault !== undefined) throw new Error(`${fault.code}: ${fault.detail}`);
      }
      if (!walk.done) throw new Error("the proof does not end");
      return sure(readSlot(walk.value), "slot");
    },
  };
}
