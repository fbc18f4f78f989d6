// Anchor receipts: against a tree and a check that share nothing with ours (RFC 9162's definitions, cborg, OpenSSL), against each byte changed,
// and against the example of docs/record-format.md.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { decode as cborgDecode, encode as cborgEncode, rfc8949EncodeOptions, Tagged } from "cborg";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import {
  ANCHOR_PATH_MAX,
  ANCHOR_RECEIPT_BYTES_MAX,
  ANCHOR_TREE_SIZE_MAX,
  type AnchorReceipt,
  anchorDigest,
  decodeAnchorReceipt,
  encodeAnchorReceipt,
  verifyAnchorReceipt,
} from "../../../firmware/record/anchor-receipt.js";
import { decodeSign1, SIGN1_BYTES_MAX, verifySign1 } from "../../../firmware/record/cose.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";
import { signed, type TestKey, testKey } from "./signing.js";

const DOCUMENT = readFileSync(new URL("../../../docs/record-format.md", import.meta.url), "utf8");
const COLLECTOR = testKey("a collector in the documentation");
/** Of a receipt with a proof of 24 to 255 bytes. */
const SIZE_AT = 44;
const code = (value: unknown): string => (value instanceof Rejection ? value.code : "taken");

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
const leaf = (i: number): Uint8Array => sha256(new Uint8Array(Buffer.from(`record ${i}`)));

/** MTH, RFC 9162 §2.1.1, from its definition alone. */
function mth(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0] as Uint8Array);
  const middle = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha256(Uint8Array.of(1), mth(leaves.slice(0, middle)), mth(leaves.slice(middle)));
}

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree(nobleEngine);
  for (let i = 0; i < size; i += 1) tree.append(leaf(i));
  return tree;
}

function receiptOf(tree: MerkleTree, index: number, key: TestKey = COLLECTOR): Uint8Array {
  const signature = key.sign(anchorDigest(nobleEngine, key.address, tree.root()));
  return encodeAnchorReceipt({ kid: key.address, size: tree.size, index, path: tree.inclusionProof(index), signature });
}

/** What a program of RFC 9942 and RFC 9052 makes of a receipt, by other libraries: the root, if all holds. */
function elsewhere(bytes: Uint8Array, data: Uint8Array, key: TestKey): Uint8Array | undefined {
  const item = cborgDecode(bytes, { tags: Tagged.preserve(18), useMaps: true, strict: true }) as Tagged;
  const [protectedBytes, unprotected, payload, signature] = item.value as [Uint8Array, Map<number, unknown>, null, Uint8Array];
  const header = cborgDecode(protectedBytes, { useMaps: true, strict: true }) as Map<number, unknown>;
  assert.equal([...header.keys()], [1, 4, 395]);
  assert.equal([header.get(1), header.get(395), payload], [-47, 1, null]);
  assert.equal(header.get(4), key.address);
  assert.equal([...unprotected.keys()], [396]);
  const proofs = unprotected.get(396) as Map<number, Uint8Array[]>;
  assert.equal([...proofs.keys()], [-1]);
  assert.is(proofs.get(-1)?.length, 1);
  const [size, index, path] = cborgDecode(proofs.get(-1)?.[0] as Uint8Array, { strict: true }) as [number, number, Uint8Array[]];
  // Upwards from the leaf, by the shape of the tree alone: which halves it lies in.
  const turns: boolean[] = [];
  for (let from = 0, to = size; to - from > 1; ) {
    const middle = from + 2 ** Math.floor(Math.log2(to - from - 1));
    turns.unshift(index >= middle);
    if (index >= middle) from = middle;
    else to = middle;
  }
  assert.is(path.length, turns.length);
  let root = sha256(Uint8Array.of(0), data);
  for (const [i, isRight] of turns.entries()) {
    const sibling = path[i] as Uint8Array;
    root = isRight ? sha256(Uint8Array.of(1), sibling, root) : sha256(Uint8Array.of(1), root, sibling);
  }
  const structure = cborgEncode(["Signature1", protectedBytes, new Uint8Array(0), root], rfc8949EncodeOptions);
  const x = Buffer.from(key.publicKey.subarray(1, 33)).toString("base64url");
  const y = Buffer.from(key.publicKey.subarray(33)).toString("base64url");
  const openssl = createPublicKey({ key: { kty: "EC", crv: "secp256k1", x, y }, format: "jwk" });
  return verify("sha256", structure, { key: openssl, dsaEncoding: "ieee-p1363" }, signature) ? root : undefined;
}

test("a receipt for each leaf of trees of 2 to 40 leaves: ours, and by other libraries", () => {
  for (let size = 2; size <= 40; size += 1) {
    const tree = treeOf(size);
    const root = mth(Array.from({ length: size }, (_, i) => leaf(i)));
    const signature = COLLECTOR.sign(anchorDigest(nobleEngine, COLLECTOR.address, root));
    for (let index = 0; index < size; index += 1) {
      const bytes = encodeAnchorReceipt({ kid: COLLECTOR.address, size, index, path: tree.inclusionProof(index), signature });
      const verified = verifyAnchorReceipt(engine, bytes, leaf(index));
      if (verified instanceof Rejection) throw new Error(`${size}, ${index}: ${verified}`);
      assert.equal([verified.root, verified.kid, verified.size, verified.index], [root, COLLECTOR.address, size, index]);
      if (index % 7 === 0) assert.equal(elsewhere(bytes, leaf(index), COLLECTOR), root);
      assert.equal(encodeAnchorReceipt(verified), bytes);
    }
  }
});

test("the longest receipt is within its limit, and one hash more would not be", () => {
  assert.is(ANCHOR_TREE_SIZE_MAX, 2 ** 26);
  const kid = COLLECTOR.address;
  const path = Array.from({ length: ANCHOR_PATH_MAX }, (_, i) => leaf(i));
  const fields = {
    kid,
    size: ANCHOR_TREE_SIZE_MAX,
    index: ANCHOR_TREE_SIZE_MAX - 1,
    path,
    signature: new Uint8Array(64).fill(1),
  };
  const longest = encodeAnchorReceipt(fields);
  assert.is(longest.length, 1_008);
  assert.ok(longest.length + 34 > ANCHOR_RECEIPT_BYTES_MAX);
  assert.equal(decodeAnchorReceipt(longest), fields);
  // A tree as large as that, of which only the path is known: its root is what the path leads to.
  const signature = COLLECTOR.sign(
    anchorDigest(
      nobleEngine,
      kid,
      path.reduce((hash, sibling) => sha256(Uint8Array.of(1), sibling, hash), sha256(Uint8Array.of(0), leaf(7))),
    ),
  );
  assert.is(code(verifyAnchorReceipt(engine, encodeAnchorReceipt({ ...fields, signature }), leaf(7))), "taken");
  for (const wrong of [
    { size: 1, index: 0 },
    { size: 2 ** 26 + 1 },
    { index: 2 ** 26 },
    { path: [] },
    { path: [...path, leaf(9)] },
    { path: [new Uint8Array(31)] },
  ])
    assert.throws(() => encodeAnchorReceipt({ ...fields, ...wrong }), /broken assumption/);
});

test("a byte changed, cut off or added anywhere: refused", () => {
  const tree = treeOf(11);
  const bytes = receiptOf(tree, 6);
  assert.is(bytes[SIZE_AT], 11);
  assert.is(code(verifyAnchorReceipt(engine, bytes, leaf(6))), "taken");
  const codes = new Set<string>();
  for (let at = 0; at < bytes.length; at += 1)
    for (let bit = 0; bit < 8; bit += 1) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ (1 << bit);
      const verified = verifyAnchorReceipt(engine, changed, leaf(6));
      codes.add(code(verified));
      if (verified instanceof Rejection) continue;
      // The size is not signed: where another fits the path, it leads to the same root, and the chain has that under its own size.
      assert.is(at, SIZE_AT, `byte ${at}, bit ${bit}`);
      assert.equal([verified.root, verified.index, verified.path], [tree.root(), 6, tree.inclusionProof(6)]);
    }
  for (let end = 0; end < bytes.length; end += 1)
    assert.instance(verifyAnchorReceipt(engine, bytes.slice(0, end), leaf(6)), Rejection);
  assert.is(code(verifyAnchorReceipt(engine, Uint8Array.of(...bytes, 0), leaf(6))), "anchor-malformed");
  for (const expected of ["anchor-header", "anchor-malformed", "signature-invalid", "signature-high-s"])
    assert.ok(codes.has(expected), `${expected} among ${[...codes]}`);
});

test("a receipt of another record, another place, another size, another tree, another signer: refused", () => {
  const tree = treeOf(11);
  const bytes = receiptOf(tree, 6);
  const receipt = decodeAnchorReceipt(bytes) as AnchorReceipt;
  const other = (change: Partial<AnchorReceipt>, data = leaf(6)) =>
    code(verifyAnchorReceipt(engine, encodeAnchorReceipt({ ...receipt, ...change }), data));
  assert.is(other({}), "taken");
  assert.is(other({}, leaf(5)), "signature-invalid");
  assert.is(other({ index: 5 }), "signature-invalid");
  assert.is(other({ index: 10 }), "merkle-proof");
  assert.is(other({ size: 7 }), "merkle-proof");
  assert.is(other({ size: 40 }), "merkle-proof");
  assert.is(other({ path: receipt.path.slice(1) }), "merkle-proof");
  assert.is(other({ path: [...receipt.path, leaf(0)] }), "merkle-proof");
  assert.is(other({ path: [...receipt.path].reverse() }), "signature-invalid");
  assert.is(other({ path: treeOf(12).inclusionProof(6) }), "signature-invalid");
  assert.is(other({ kid: testKey("somebody else").address }), "signature-invalid");
  assert.is(other({ signature: new Uint8Array(64) }), "signature-invalid");
  // A node of the tree in the place of a record: a leaf is hashed with another prefix.
  const inner = sha256(Uint8Array.of(1), sha256(Uint8Array.of(0), leaf(0)), sha256(Uint8Array.of(0), leaf(1)));
  const above = { size: 6, index: 0, path: tree.inclusionProof(0).slice(1) };
  assert.is(other(above, inner), "signature-invalid");
});

test("whatever comes is refused by name", () => {
  const bytes = receiptOf(treeOf(5), 2);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 1_100 }),
        fc.uint8Array({ maxLength: 200 }).map((tail) => Uint8Array.of(...bytes.subarray(0, 41), ...tail)),
      ),
      (input) => assert.instance(decodeAnchorReceipt(input), Rejection),
    ),
    { numRuns: 2_000 },
  );
  assert.is(code(decodeAnchorReceipt(new Uint8Array(ANCHOR_RECEIPT_BYTES_MAX + 1))), "anchor-too-long");
});

test("what a receipt's form leaves open elsewhere is closed here: heads, more proofs, an attached root, other labels", () => {
  const tree = treeOf(5);
  const bytes = receiptOf(tree, 2);
  const item = cborgDecode(bytes, { tags: Tagged.preserve(18), useMaps: true }) as Tagged;
  const [protectedBytes, , , signature] = item.value as [Uint8Array, unknown, unknown, Uint8Array];
  const proof = cborgEncode([5, 2, tree.inclusionProof(2)], rfc8949EncodeOptions);
  const form = (unprotected: Map<number, unknown>, payload: unknown = null, header = protectedBytes) =>
    Uint8Array.of(0xd2, ...cborgEncode([header, unprotected, payload, signature], rfc8949EncodeOptions));
  const proofs = (...list: Uint8Array[]) => new Map([[396, new Map([[-1, list]])]]);
  assert.equal(form(proofs(proof)), bytes);
  const refused: [string, Uint8Array][] = [
    ["two proofs", form(proofs(proof, proof))],
    ["no proof", form(proofs())],
    ["a consistency proof", form(new Map([[396, new Map([[-2, [proof]]])]]))],
    [
      "another label beside",
      form(
        new Map<number, unknown>([
          [4, COLLECTOR.address],
          [396, new Map([[-1, [proof]]])],
        ]),
      ),
    ],
    ["an attached root", form(proofs(proof), tree.root())],
    ["an empty header", form(new Map())],
    ["another structure", form(proofs(proof), null, Uint8Array.of(...protectedBytes.subarray(0, -1), 2))],
    ["an index beyond 2^32", form(proofs(cborgEncode([5, 2 ** 33, tree.inclusionProof(2)], rfc8949EncodeOptions)))],
    ["an index of the size", form(proofs(cborgEncode([5, 5, tree.inclusionProof(2)], rfc8949EncodeOptions)))],
    ["a tree of one", form(proofs(cborgEncode([1, 0, []], rfc8949EncodeOptions)))],
    ["four items", form(proofs(cborgEncode([5, 2, tree.inclusionProof(2), 0], rfc8949EncodeOptions)))],
    ["no hash", form(proofs(cborgEncode([5, 2, []], rfc8949EncodeOptions)))],
    ["bytes behind the proof", form(proofs(Uint8Array.of(...proof, 0)))],
    ["a hash of 31 bytes", form(proofs(cborgEncode([5, 2, [new Uint8Array(31)]], rfc8949EncodeOptions)))],
  ];
  for (const [what, changed] of refused) assert.match(code(decodeAnchorReceipt(changed)), /^anchor-(header|malformed)$/, what);
});

test("records and receipts never pass for each other", () => {
  const bytes = receiptOf(treeOf(11), 6);
  assert.is(code(decodeSign1(bytes)), "cose-header");
  const record = signed(COLLECTOR, treeOf(11).root());
  assert.ok(record.length <= SIGN1_BYTES_MAX);
  assert.is(code(decodeAnchorReceipt(record)), "anchor-header");
  // The very root, signed as a record's payload is, signs no receipt; nor the other way round.
  const { signature } = decodeSign1(record) as { signature: Uint8Array };
  const receipt = decodeAnchorReceipt(bytes) as AnchorReceipt;
  assert.is(code(verifyAnchorReceipt(engine, encodeAnchorReceipt({ ...receipt, signature }), leaf(6))), "signature-invalid");
  const forged = record.slice();
  forged.set(receipt.signature, record.length - 64);
  assert.is(code(verifySign1(engine, forged)), "signature-invalid");
});

test("the example of the document is what the code makes, and holds", () => {
  const block = (name: string): Uint8Array => {
    const text = new RegExp(`\`\`\`${name}\n([^\`]*)\`\`\``).exec(DOCUMENT)?.[1] ?? "-";
    return fromHex(text.replace(/;.*$/gm, "").replace(/\s/g, "")) as Uint8Array;
  };
  const digest = block("digest");
  const tree = new MerkleTree(nobleEngine);
  for (const data of [leaf(0), leaf(1), digest]) tree.append(data);
  const receipt = receiptOf(tree, 2);
  assert.is(toHex(block("anchor-receipt")), toHex(receipt));
  const verified = verifyAnchorReceipt(engine, receipt, digest);
  assert.is(verified instanceof Rejection ? "" : toHex(verified.root), toHex(block("anchor-root")));
  assert.equal(elsewhere(receipt, digest, COLLECTOR), block("anchor-root"));
  for (const [what, text] of [
    ["limit", `at most ${ANCHOR_RECEIPT_BYTES_MAX.toLocaleString("en")} bytes`],
    ["path", `${ANCHOR_PATH_MAX} hashes`],
    ["tree", ANCHOR_TREE_SIZE_MAX.toLocaleString("en")],
  ] as const)
    assert.ok(DOCUMENT.includes(text), `${what}: ${text}`);
  const source = readFileSync(new URL("../../../firmware/record/anchor-receipt.ts", import.meta.url), "utf8");
  for (const [, name] of source.matchAll(/Rejection\("((?:anchor|signature)-[a-z-]+)"/g))
    assert.ok(DOCUMENT.includes(`\`${name}\``), name);
});

test.run();
