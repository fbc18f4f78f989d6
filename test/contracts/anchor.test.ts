// Anchors on a real EVM: the contract takes the consistency proofs that the rest of the world makes, and no other; a root of a tree that
// does not begin with the one before has no proof; one slot shows who anchored what, and when.

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, fromHex, toHex } from "../../firmware/bytes.js";
import { checkConsistency } from "../../firmware/record/merkle.js";
import { Rejection } from "../../firmware/rejection.js";
import { encodeCall, errorName } from "../../tools/contracts/abi.js";
import type { Account, Contract, Reverted } from "../../tools/contracts/account.js";
import { anchoredSize, anchorTree, deployAnchor } from "../../tools/contracts/anchor.js";
import { artifactOf } from "../../tools/contracts/artifacts.js";
import { ANCHOR_SLOTS, ANCHORED_FIELDS, anchorKey, fieldOf, mappingSlot } from "../../tools/contracts/layout.js";
import { engine } from "../../tools/crypto/engine.js";
import { MerkleTree } from "../../tools/merkle/tree.js";
import { RpcError } from "../../tools/rpc/json-rpc.js";
import { seedOr } from "../seed.js";
import { Anvil, signerOf } from "./anvil.js";

/** Made by another implementation; the file says by which. */
interface Proof {
  readonly first: number;
  readonly second: number;
  readonly firstRoot: string;
  readonly secondRoot: string;
  readonly proof: readonly string[];
}
const { proofs } = JSON.parse(readFileSync(new URL("consistency.json", import.meta.url), "utf8")) as {
  readonly proofs: readonly Proof[];
};
const { abi } = artifactOf("RecordAnchor");
const SEED = seedOr();
const CASES = 1_000;

const anvil = await Anvil.start();
test.after(() => anvil?.stop());
const onAnvil = anvil === undefined ? test.skip : test;
const bytes = (hex: string): Uint8Array => fromHex(hex) as Uint8Array;
const hex = (value: Uint8Array): string => `0x${toHex(value)}`;
let account: Account;
let contract: Contract;

test.before(async () => {
  if (anvil === undefined) return;
  account = await anvil.account(signerOf("collector"));
  contract = await deployAnchor(account);
});

/** Somebody whose newest tree is this one, as if he had anchored it. */
async function withLatest(size: number, root: Uint8Array): Promise<Uint8Array> {
  const who = signerOf(`anchors ${size} ${toHex(root)}`).address;
  const slot = mappingSlot(who, ANCHOR_SLOTS.latest);
  const { rpc } = anvil as Anvil;
  await rpc.call("anvil_setStorageAt", hex(contract.address), hex(slot), hex(root));
  const behind = `0x${(BigInt(hex(slot)) + 1n).toString(16).padStart(64, "0")}`;
  await rpc.call("anvil_setStorageAt", hex(contract.address), behind, `0x${size.toString(16).padStart(64, "0")}`);
  assert.is(await anchoredSize(contract, who), size, "the layout is as it is said to be");
  return who;
}

/** Which error anchoring would end with; undefined where it would be taken. */
async function outcomeOf(
  who: Uint8Array,
  root: Uint8Array,
  size: number | bigint,
  proof: readonly Uint8Array[],
): Promise<string | undefined> {
  try {
    const data = hex(encodeCall(abi, "anchor", [root, size, proof]));
    await (anvil as Anvil).rpc.call("eth_call", { from: hex(who), to: hex(contract.address), data }, "latest");
    return undefined;
  } catch (error) {
    const name = error instanceof RpcError ? errorName(abi, error.data) : undefined;
    if (name === undefined) throw error;
    return name;
  }
}

function flip(hash: Uint8Array, bit: number): void {
  hash[bit >> 3] = (hash[bit >> 3] as number) ^ (1 << (bit & 7));
}

onAnvil("proofs of another implementation are taken, by the contract and by the firmware", async () => {
  for (const { first, second, firstRoot, secondRoot, proof } of proofs) {
    const path = proof.map(bytes);
    const who = await withLatest(first, bytes(firstRoot));
    assert.is(await outcomeOf(who, bytes(secondRoot), second, path), undefined, `${first} to ${second}`);
    assert.is(checkConsistency(engine, first, second, bytes(firstRoot), bytes(secondRoot), path), undefined);
  }
});

onAnvil(`${CASES} proofs changed in one thing are refused by name, as the firmware refuses them`, async () => {
  let state = SEED;
  const below = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const seen = new Map<string, number>();
  for (let i = 0; i < CASES; i += 1) {
    const { first, second, firstRoot, secondRoot, proof } = proofs[below(proofs.length)] as Proof;
    const who = await withLatest(first, bytes(firstRoot));
    const path = proof.map(bytes);
    let root = bytes(secondRoot);
    let size = second;
    const at = below(path.length);
    const noise = engine.sha256(Uint8Array.of(i & 255, i >> 8));
    const changes: (() => void)[] = [
      () => path.splice(at, 1),
      () => path.splice(at, 0, noise),
      () => path.splice(at, 0, path[at] as Uint8Array),
      () => path.push(noise),
      () => flip(path[at] as Uint8Array, below(256)),
      () => flip(root, below(256)),
      () => {
        root = noise;
      },
      () => {
        size = second + 1 + below(second);
      },
      () => {
        size = below(first + 1);
      },
      () => path.reverse(),
      () => void path.splice(0, path.length),
      () => void path.push(...Array.from({ length: 50 }, () => noise)),
    ];
    changes[below(changes.length)]?.();
    const ours =
      size <= first ? new Rejection("merkle-range", "") : checkConsistency(engine, first, size, bytes(firstRoot), root, path);
    const outcome = await outcomeOf(who, root, size, path);
    assert.is(outcome === undefined, ours === undefined, `seed ${SEED}, case ${i}: ${outcome}, ${ours}`);
    seen.set(String(outcome), (seen.get(String(outcome)) ?? 0) + 1);
  }
  for (const name of ["SizeOutOfRange", "ProofLength", "OtherFirstTree", "OtherSecondTree"])
    assert.ok((seen.get(name) ?? 0) >= 20, `${name}: ${JSON.stringify([...seen])}`);
});

onAnvil("a tree that forgot or changed a leaf cannot be anchored after the true one", async () => {
  const grown = new MerkleTree(engine);
  const forged = new MerkleTree(engine);
  for (let i = 0; i < 40; i += 1) {
    grown.append(engine.sha256(Uint8Array.of(i)));
    forged.append(engine.sha256(Uint8Array.of(i === 3 ? 99 : i)));
  }
  for (const first of [1, 4, 5, 8, 20]) {
    const who = await withLatest(first, grown.root(first));
    const outcome = await outcomeOf(who, forged.root(), forged.size, forged.consistencyProof(first));
    if (first < 4) assert.is(outcome, undefined, "what differs came later");
    else assert.match(String(outcome), /^Other(First|Second)Tree$/, `${first} leaves before`);
    assert.is(await outcomeOf(who, grown.root(), grown.size, grown.consistencyProof(first)), undefined);
  }
});

onAnvil("one slot shows who anchored which root of how many leaves, and when; the trees of others do not matter", async () => {
  const tree = new MerkleTree(engine);
  const { rpc } = anvil as Anvil;
  const other = await (anvil as Anvil).account(signerOf("another collector"));
  const slotOf = async (who: Uint8Array, size: number, root: Uint8Array): Promise<bigint> =>
    BigInt(
      (await rpc.call(
        "eth_getStorageAt",
        hex(contract.address),
        hex(mappingSlot(anchorKey(who, size, root), ANCHOR_SLOTS.anchors)),
        "latest",
      )) as string,
    );
  for (const size of [1, 2, 7, 64, 100]) {
    while (tree.size < size) tree.append(engine.sha256(Uint8Array.of(tree.size)));
    const { blockNumber } = await anchorTree(contract, account, tree);
    const block = (await rpc.call("eth_getBlockByNumber", `0x${blockNumber.toString(16)}`, false)) as { timestamp: string };
    const word = await slotOf(account.address, size, tree.root());
    assert.is(fieldOf(word, ANCHORED_FIELDS.blockNumber), BigInt(blockNumber));
    assert.is(fieldOf(word, ANCHORED_FIELDS.time), BigInt(block.timestamp));
    const [key] = await contract.read("keyOf", account.address, size, tree.root());
    assert.ok(equal(anchorKey(account.address, size, tree.root()), bytes((key as bigint).toString(16).padStart(64, "0"))));
    assert.is(await slotOf(other.address, size, tree.root()), 0n);
    assert.is(await slotOf(account.address, size + 1, tree.root()), 0n);
  }
  await anchorTree(contract, other, tree, 3);
  assert.is(await anchoredSize(contract, account.address), 100);
  try {
    await anchorTree(contract, account, tree);
    assert.unreachable("the same tree again");
  } catch (error) {
    assert.is((error as Reverted).error, "SizeOutOfRange");
  }
  assert.is(await outcomeOf(other.address, tree.root(), 2n ** 48n, []), "SizeOutOfRange");
  assert.is(await outcomeOf(signerOf("new").address, tree.root(), 5, [tree.root()]), "ProofLength");
});

test.run();
