// One item that holds a record, its receipt, a header and the proof of the contract's slot: read back, refused when it is changed, and how large
// a state may be for it to fit. Tries and proofs are @ethereumjs/mpt's, RLP is @ethereumjs/rlp's.

import { createMerkleProof, MerklePatriciaTrie, verifyMerkleProof } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeHeader } from "../../../firmware/chain/ethereum/header.js";
import { anchorSlot } from "../../../firmware/ledger/anchors.js";
import { anchorDigest, encodeAnchorReceipt } from "../../../firmware/record/anchor-receipt.js";
import { digestOf } from "../../../firmware/record/cose.js";
import { encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";
import {
  ANCHORED_BYTES_MAX,
  decodeAnchored,
  encodeAnchored,
  type StateShown,
  verifyAnchored,
} from "../../../tools/verify/anchored.js";
import { signed, testKey } from "../record/signing.js";

type AnchoredItem = StateShown & { readonly record: Uint8Array; readonly receipt: Uint8Array };

const MOTE = testKey("a mote whose record is anchored");
const COLLECTOR = testKey("a collector that anchors");
const CONTRACT = new Uint8Array(20).fill(0xac);
const ANCHORED_IN = 77;
const ANCHORED_S = 1_767_225_700;
const HEAD_NUMBER = 90;
const RECORD: RecordFields = {
  ...{ stream: 0, seq: 7, prev: new Uint8Array(32), boot: 1, time: 1_767_225_600, timeQuality: 2 },
  head: { chain: "eip155:1337", number: 70, hash: new Uint8Array(32).fill(9) },
  measurements: [
    { n: "temperature", u: "Cel", v: 21 },
    { n: "humidity", u: "%RH", v: 45 },
  ],
  fleet: { registry: new Uint8Array(20).fill(5), chain: "eip155:1337" },
};
const code = (value: unknown): string => (value instanceof Rejection ? value.code : "taken");

/** What a node has: a state with `accounts` accounts besides the contract's, whose storage has `slots` slots besides ours. */
async function stateOf(accounts: number, slots: number, slot: Uint8Array, word: Uint8Array) {
  const storage = new MerklePatriciaTrie({ useKeyHashing: true });
  for (let i = 0; i < slots; i += 1)
    await storage.put(engine.keccak256(Uint8Array.of(1, i >> 8, i & 255)), RLP.encode(new Uint8Array(12).fill(7)));
  await storage.put(slot, RLP.encode(word.subarray(word.findIndex((byte) => byte !== 0))));
  const state = new MerklePatriciaTrie({ useKeyHashing: true });
  const account = (root: Uint8Array) =>
    RLP.encode([Uint8Array.of(1), new Uint8Array(9).fill(1), root, engine.keccak256(CONTRACT)]);
  for (let i = 0; i < accounts; i += 1)
    await state.put(engine.keccak256(Uint8Array.of(2, i >> 8, i & 255)).subarray(12), account(new Uint8Array(32)));
  await state.put(CONTRACT, account(storage.root()));
  return {
    root: state.root(),
    account: await createMerkleProof(state, CONTRACT),
    storage: await createMerkleProof(storage, slot),
  };
}

/** A header as post-London chains have it, with this state root. */
function headerOf(stateRoot: Uint8Array): Uint8Array {
  const hash = new Uint8Array(32).fill(1);
  const scalars = [
    Uint8Array.of(2),
    Uint8Array.of(HEAD_NUMBER),
    new Uint8Array(4).fill(1),
    Uint8Array.of(9),
    new Uint8Array(4).fill(0x69),
  ];
  return RLP.encode([
    hash,
    hash,
    CONTRACT,
    stateRoot,
    hash,
    hash,
    new Uint8Array(256),
    ...scalars,
    new Uint8Array(97),
    hash,
    new Uint8Array(8),
    Uint8Array.of(7),
  ]);
}

async function itemOf(accounts = 20, slots = 5, leaves = 9): Promise<AnchoredItem> {
  const record = signed(MOTE, encodeRecord(RECORD));
  const tree = new MerkleTree(engine);
  for (let i = 0; i < leaves; i += 1) tree.append(engine.sha256(Uint8Array.of(i >> 8, i & 255)));
  tree.append(digestOf(engine, MOTE.address, encodeRecord(RECORD)));
  const kid = COLLECTOR.address;
  const signature = COLLECTOR.sign(anchorDigest(engine, kid, tree.root()));
  const receipt = encodeAnchorReceipt({ kid, size: tree.size, index: leaves, path: tree.inclusionProof(leaves), signature });
  const word = new Uint8Array(32);
  new DataView(word.buffer).setUint32(28, ANCHORED_IN);
  new DataView(word.buffer).setUint32(22, ANCHORED_S);
  const state = await stateOf(accounts, slots, anchorSlot(engine, kid, tree.size, tree.root()), word);
  return { record, receipt, header: headerOf(state.root), account: state.account, storage: state.storage };
}

/** The verdict, with another implementation's tries under it. */
async function verdict(bytes: Uint8Array, contract = CONTRACT) {
  const item = decodeAnchored(bytes);
  if (item instanceof Rejection) return item;
  if ("evidence" in item) throw new Error("an item of Bitcoin");
  const header = decodeHeader(engine, item.header);
  const bad = new Rejection("trie", "no proof");
  let wanted: Uint8Array | undefined;
  const look = (slot: Uint8Array | Rejection) =>
    verifyAnchored(engine, bytes, {
      header: () => header,
      slot: (_root, which) => {
        wanted = which;
        return slot;
      },
      knows: () => true,
    });
  const first = look(bad);
  if (wanted === undefined || header instanceof Rejection) return first;
  try {
    const options = { root: header.stateRoot, useKeyHashing: true };
    const leaf = await verifyMerkleProof(contract, item.account as Uint8Array[], options);
    if (leaf === null) return bad;
    const root = (RLP.decode(leaf) as Uint8Array[])[2] as Uint8Array;
    const value = await verifyMerkleProof(wanted, item.storage as Uint8Array[], { root, useKeyHashing: true });
    const word = new Uint8Array(32);
    if (value !== null) word.set(RLP.decode(value) as Uint8Array, 32 - (RLP.decode(value) as Uint8Array).length);
    return look(word);
  } catch {
    return bad;
  }
}

function encoded(item: AnchoredItem): Uint8Array {
  const bytes = encodeAnchored(item);
  if (bytes instanceof Rejection) throw new Error(bytes.toString());
  return bytes;
}

test("it says who, what, not before and not after", async () => {
  const item = await itemOf();
  const bytes = encoded(item);
  assert.equal(decodeAnchored(bytes), item);
  const found = await verdict(bytes);
  if (found instanceof Rejection) throw new Error(found.toString());
  assert.equal([found.mote, found.collector], [MOTE.address, COLLECTOR.address]);
  assert.equal(found.record, RECORD);
  assert.equal(
    [found.record.head?.number, found.anchoredIn, found.anchoredS, found.provenAt],
    [70, ANCHORED_IN, ANCHORED_S, HEAD_NUMBER],
  );
});

test("parts of other items, other contracts, roots that nobody anchored: refused", async () => {
  const item = await itemOf();
  const other = await itemOf(21, 6, 12);
  assert.is(code(await verdict(encoded({ ...item, receipt: other.receipt }))), "anchored-absent");
  assert.is(
    code(await verdict(encoded({ ...item, record: signed(MOTE, encodeRecord({ ...RECORD, seq: 8 })) }))),
    "signature-invalid",
  );
  assert.is(code(await verdict(encoded({ ...item, header: other.header }))), "trie");
  assert.is(code(await verdict(encoded({ ...item, storage: other.storage }))), "trie");
  assert.is(code(await verdict(encoded({ ...item, account: other.account }))), "trie");
  assert.is(code(await verdict(encoded({ ...item, storage: [] }))), "trie");
  assert.is(code(await verdict(encoded(item), new Uint8Array(20))), "trie");
});

test("a byte changed anywhere: refused, and never by a crash", async () => {
  const bytes = encoded(await itemOf(3, 1, 3));
  for (let at = 0; at < bytes.length; at += 3) {
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ 0x10;
    const found = await verdict(changed);
    // What a header says besides its state root is for the checkpoint to judge, which is not here.
    if (!(found instanceof Rejection))
      assert.equal([found.mote, found.record, found.anchoredIn], [MOTE.address, RECORD, ANCHORED_IN], `byte ${at}`);
  }
  for (const wrong of [new Uint8Array(0), Uint8Array.of(0xa0), bytes.subarray(0, -1), Uint8Array.of(...bytes, 0)])
    assert.is(code(decodeAnchored(wrong)), "anchored-malformed");
  assert.is(code(decodeAnchored(new Uint8Array(ANCHORED_BYTES_MAX + 1))), "anchored-too-long");
  const { record, receipt, header } = await itemOf(3, 1, 3);
  const nodes = new Array(9).fill(new Uint8Array(532));
  assert.is(code(encodeAnchored({ record, receipt, header, account: nodes, storage: [] })), "anchored-too-long");
});

test("it fits for a private chain's state", async () => {
  // As docs/ledger.md says: beside a receipt out of a thousand leaves, and of these two the larger state out of a million, by ten hashes more.
  const sizes: number[] = [];
  for (const [accounts, slots] of [
    [15, 15],
    [200, 100],
    [200, 1_000],
    [15, 4_000],
  ] as const) {
    const item = await itemOf(accounts, slots, 999);
    sizes.push(encoded(item).length);
    assert.not.instance(await verdict(encoded(item)), Rejection);
  }
  assert.ok(
    (sizes[2] as number) + 10 * 34 <= ANCHORED_BYTES_MAX && (sizes[3] as number) + 10 * 34 <= ANCHORED_BYTES_MAX,
    sizes.join(" "),
  );
});

test.run();
