// eth-state, encodings: RLP, tries of any keys, and the oldest examples of keys, addresses, transactions and the genesis block. A root that a
// file names is led from by the firmware's own verifier: to each value that is there at the end, and to the absence of what was deleted.

import { RLP } from "@ethereumjs/rlp";
import { getPublicKey } from "@noble/secp256k1";
import { decode, encode, type RlpValue, scalarBytes } from "../../../firmware/codec/rlp.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { proveKey, TrieWalk } from "../../../firmware/proof/trie.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";
import { bytesOf, headerOf, hexOf } from "../state/blocks.js";

const TRIES = [
  "eth-state/trie/trietest*.json",
  "eth-state/trie/trieanyorder*.json",
  "eth-state/trie/hex_encoded_securetrie_test.json",
];
const NODE_BYTES_MAX = 65_536;

export const set: ConformanceSet = {
  name: "eth-state/encodings",
  paths: [...TRIES, "eth-state/rlp/rlptest.json", "eth-state/rlp/invalidRLPTest.json", "eth-state/basic/*.json"],
  async run(report) {
    for (const pattern of TRIES)
      await report.each(pattern, (file) => {
        const cases = Object.entries(file.json() as Record<string, TrieCase>);
        for (const [name, row] of cases)
          file.check(name, () =>
            row.root === undefined
              ? skip("the order of a trie's keys, which nobody asks a proof for")
              : checkTrie(row, /secure/i.test(file.name)),
          );
      });
    await report.each("eth-state/rlp/rlptest.json", (file) => {
      for (const [name, row] of Object.entries(file.json() as Record<string, { in: unknown; out: string }>))
        file.check(name, () => checkRlp(row.in, withPrefix(row.out)));
    });
    await report.each("eth-state/rlp/invalidRLPTest.json", (file) => {
      for (const [name, row] of Object.entries(file.json() as Record<string, { out: string }>))
        file.check(name, () => (decode(bytesOf(withPrefix(row.out))) instanceof Rejection ? undefined : "accepted"));
    });
    await report.each("eth-state/basic/*.json", checkBasic);
  },
};

interface TrieCase {
  in: [string, string | null][] | Record<string, string | null>;
  root?: string;
}

function withPrefix(hex: string): string {
  return (hex.startsWith("0x") ? hex : `0x${hex}`).toLowerCase();
}

/** Texts with 0x are hexadecimal, others are their characters. */
function bytesOfText(text: string): Uint8Array {
  return text.startsWith("0x") ? bytesOf(text) : new TextEncoder().encode(text);
}

function checkTrie({ in: steps, root = "" }: TrieCase, secure: boolean): Outcome {
  const values = new Map<string, Uint8Array>();
  for (const [key, value] of Array.isArray(steps) ? steps : Object.entries(steps)) {
    const name = bytesOfText(key);
    values.set(hexOf(secure ? fastEngine.keccak256(name) : name), value === null ? new Uint8Array(0) : bytesOfText(value));
  }
  const trie = new Trie([...values].map(([key, value]) => [bytesOf(key), value]));
  if (hexOf(trie.root) !== withPrefix(root)) return `root ${hexOf(trie.root)}`;
  for (const [key, value] of values) {
    const shown = proveKey(new TrieWalk(fastEngine, bytesOf(root), bytesOf(key), NODE_BYTES_MAX), trie.proof(bytesOf(key)));
    if (shown instanceof Rejection) return `${key}: ${shown}`;
    if (hexOf(shown.value ?? new Uint8Array(0)) !== hexOf(value)) return `${key}: another value is proven`;
  }
  return undefined;
}

function checkRlp(value: unknown, out: string): Outcome {
  const item = itemOf(value);
  if (hexOf(encode(item)) !== out) return `encodes to ${hexOf(encode(item))}`;
  const back = decode(bytesOf(out));
  return back instanceof Rejection ? String(back) : hexOf(encode(back)) === out ? undefined : "decodes to something else";
}

function itemOf(value: unknown): RlpValue {
  if (Array.isArray(value)) return value.map(itemOf);
  if (typeof value === "number") return scalarBytes(value);
  const text = value as string;
  return text.startsWith("#") ? integerBytes(BigInt(text.slice(1))) : Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** Beyond 256 bits, too. */
function integerBytes(value: bigint): Uint8Array {
  const digits = value === 0n ? "" : value.toString(16);
  return bytesOf(`0x${digits.length % 2 === 1 ? "0" : ""}${digits}`);
}

interface KeyRow {
  seed: string;
  key: string;
  addr: string;
}

interface TransactionRow {
  key: string;
  nonce: number;
  gasprice: number;
  startgas: number;
  to: string;
  value: number;
  data: string;
  unsigned: string;
  signed: string;
}

function checkBasic(file: VectorFile): void {
  const json = file.json();
  if (file.name === "keyaddrtest.json") {
    for (const row of json as KeyRow[]) file.check(row.seed, () => checkKey(row));
  } else if (file.name === "txtest.json") {
    for (const [i, row] of (json as TransactionRow[]).entries()) file.check(i, () => checkTransaction(row));
  } else if (file.name === "genesishashestest.json") file.check("genesis", () => checkGenesis(json as GenesisRow));
  else for (const name of Object.keys(json as object)) file.check(name, () => skip("AES and ECIES, which no mote has"));
}

interface GenesisRow {
  genesis_rlp_hex: string;
  genesis_state_root: string;
  genesis_hash: string;
}

function checkGenesis(row: GenesisRow): Outcome {
  const block = RLP.decode(bytesOf(withPrefix(row.genesis_rlp_hex))) as unknown as Uint8Array[][];
  const header = headerOf(RLP.encode(block[0] as Uint8Array[]));
  if (typeof header === "string") return header;
  if (hexOf(header.hash) !== withPrefix(row.genesis_hash)) return `hash ${hexOf(header.hash)}`;
  return hexOf(header.stateRoot) === withPrefix(row.genesis_state_root) ? undefined : `stateRoot ${hexOf(header.stateRoot)}`;
}

function addressOfKey(key: string): string {
  return hexOf(addressOf(fastEngine, getPublicKey(bytesOf(key), false)));
}

function checkKey({ seed, key, addr }: KeyRow): Outcome {
  if (hexOf(fastEngine.keccak256(new TextEncoder().encode(seed))) !== withPrefix(key)) return "the key is not the seed's hash";
  return addressOfKey(withPrefix(key)) === withPrefix(addr) ? undefined : "another address";
}

function checkSigner(digest: Uint8Array, recovery: number, r: bigint, s: bigint, address: string): Outcome {
  const signature = Uint8Array.from(Buffer.from(`${r.toString(16).padStart(64, "0")}${s.toString(16).padStart(64, "0")}`, "hex"));
  const key = fastEngine.secp256k1.recover(signature, recovery, digest);
  if (key === undefined) return "nobody's signature";
  const signer = hexOf(addressOf(fastEngine, key));
  return signer === address ? undefined : `signed by ${signer}`;
}

function checkTransaction(row: TransactionRow): Outcome {
  const fields = [
    ...[row.nonce, row.gasprice, row.startgas].map((value) => scalarBytes(value)),
    bytesOf(`0x${row.to}`),
    scalarBytes(row.value),
    bytesOf(`0x${row.data}`),
  ];
  const none = new Uint8Array(0);
  if (hexOf(encode([...fields, none, none, none])) !== withPrefix(row.unsigned)) return "the unsigned form";
  const signed = decode(bytesOf(withPrefix(row.signed)));
  if (signed instanceof Rejection) return String(signed);
  const [v, r, s] = (signed as Uint8Array[]).slice(6).map((item) => BigInt(`0x0${hexOf(item).slice(2)}`)) as [
    bigint,
    bigint,
    bigint,
  ];
  if (hexOf(encode([...fields, ...(signed as Uint8Array[]).slice(6)])) !== withPrefix(row.signed)) return "the signed form";
  return checkSigner(fastEngine.keccak256(encode(fields)), Number(v) - 27, r, s, addressOfKey(withPrefix(row.key)));
}
