// Anchoring a Merkle tree of records on a chain (RecordAnchor.sol, docs/ledger.md).

import type { MerkleTree } from "../merkle/tree.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { type Account, Contract, type Outcome } from "./account.js";
import { artifactOf } from "./artifacts.js";

export function deployAnchor(account: Account): Promise<Contract & Outcome> {
  return Contract.deploy(account, artifactOf("RecordAnchor"));
}

export function openAnchor(rpc: JsonRpc, address: Uint8Array): Contract {
  return new Contract(rpc, address, artifactOf("RecordAnchor"));
}

/** How many leaves the account's newest anchored tree has; 0 where it has none. */
export async function anchoredSize(contract: Contract, account: Uint8Array): Promise<number> {
  const [, size] = await contract.read("latest", account);
  return Number(size);
}

/** Anchors the first `size` leaves of `tree`, with the proof that they begin with what this account anchored last. */
export async function anchorTree(contract: Contract, account: Account, tree: MerkleTree, size = tree.size): Promise<Outcome> {
  const before = await anchoredSize(contract, account.address);
  const proof = before > 0 && before < size ? tree.consistencyProof(before, size) : [];
  return contract.send(account, "anchor", tree.root(size), size, proof);
}
