// What an answer of eth_getProof shows, by the firmware's own verifier, and whether what the answer says besides is the same.

import { accountKey, readAccount, readSlot, slotKey } from "../../../firmware/proof/account.js";
import { proveKey, TrieWalk } from "../../../firmware/proof/trie.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bytesOf, hexOf } from "../../chains/clique-generator.js";
import type { Outcome } from "../set.js";

const EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
const EMPTY_CODE = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";

export interface SlotAnswer {
  key: string;
  value: string | null;
  proof: string[];
}

export interface ProofAnswer {
  address: string;
  nonce: string | null;
  balance: string | null;
  storageHash: string | null;
  codeHash: string | null;
  accountProof: string[];
  storageProof: SlotAnswer[];
}

/** An account as its leaf has it, with the names of eth_getProof. */
export interface ShownAccount {
  nonce: string;
  balance: string;
  storageHash: string;
  codeHash: string;
}

/** The root of the trie that a proof's first node is of. */
export function rootOf(proof: readonly string[]): string {
  return proof.length === 0 ? EMPTY_ROOT : hexOf(fastEngine.keccak256(bytesOf(proof[0] as string)));
}

/** The account that the nodes show; null where they show that there is none. */
export function shownAccount(stateRoot: string, address: string, proof: readonly string[]): ShownAccount | null | Rejection {
  const root = bytesOf(stateRoot);
  const account = bytesOf(address);
  if (root.length !== 32 || account.length !== 20)
    return new Rejection("input-malformed", "a root or an address of another width");
  const shown = proveKey(new TrieWalk(fastEngine, root, accountKey(fastEngine, account)), proof.map(bytesOf));
  if (shown instanceof Rejection) return shown;
  if (shown.value === undefined) return null;
  const read = readAccount(shown.value);
  if (read instanceof Rejection) return read;
  const { nonce, balance, storageRoot, codeHash } = read;
  return {
    nonce: `0x${nonce.toString(16)}`,
    balance: `0x${balance.toString(16)}`,
    storageHash: hexOf(storageRoot),
    codeHash: hexOf(codeHash),
  };
}

/** The integer that the nodes show in a slot. */
export function shownSlot(storageRoot: string, key: string, proof: readonly string[]): bigint | Rejection {
  const slot = bytesOf(`0x${key.slice(2).padStart(64, "0")}`);
  const root = bytesOf(storageRoot);
  if (root.length !== 32 || slot.length !== 32) return new Rejection("input-malformed", "a root or a slot of another width");
  const shown = proveKey(new TrieWalk(fastEngine, root, slotKey(fastEngine, slot)), proof.map(bytesOf));
  const word = shown instanceof Rejection ? shown : readSlot(shown.value);
  return word instanceof Rejection ? word : BigInt(hexOf(word));
}

/** Holds where the nodes lead from `stateRoot` to what the answer says. */
export function checkAnswer(answer: ProofAnswer, stateRoot = rootOf(answer.accountProof)): Outcome {
  const shown = shownAccount(stateRoot, answer.address, answer.accountProof);
  if (shown instanceof Rejection) return String(shown);
  const wrong = shown === null ? checkAbsent(answer) : checkPresent(answer, shown);
  if (wrong !== undefined) return wrong;
  for (const { key, value, proof } of answer.storageProof) {
    const slot = shownSlot(shown?.storageHash ?? EMPTY_ROOT, key, proof);
    if (slot instanceof Rejection) return `slot ${key}: ${slot}`;
    if (slot !== quantity(value)) return `slot ${key} holds ${slot}, not ${value}`;
  }
  return undefined;
}

function checkPresent(answer: ProofAnswer, shown: ShownAccount): Outcome {
  if (BigInt(shown.nonce) !== quantity(answer.nonce)) return `nonce ${shown.nonce}, not ${answer.nonce}`;
  if (BigInt(shown.balance) !== quantity(answer.balance)) return `balance ${shown.balance}, not ${answer.balance}`;
  if (shown.storageHash !== answer.storageHash) return `storageHash ${shown.storageHash}, not ${answer.storageHash}`;
  return shown.codeHash === answer.codeHash ? undefined : `codeHash ${shown.codeHash}, not ${answer.codeHash}`;
}

/** Of an account that is not there nodes say zeros, nothing, or what an empty account would have. */
function checkAbsent({ nonce, balance, storageHash, codeHash }: ProofAnswer): Outcome {
  if (quantity(nonce) !== 0n || quantity(balance) !== 0n)
    return `there is no account, and the answer has ${nonce} and ${balance}`;
  const empty = (hash: string | null, none: string): boolean => hash == null || hash === none || /^0x0*$/.test(hash);
  return empty(storageHash, EMPTY_ROOT) && empty(codeHash, EMPTY_CODE)
    ? undefined
    : "there is no account, and the answer has hashes";
}

export function quantity(text: string | null): bigint {
  return text == null || text === "0x" ? 0n : BigInt(text);
}
