// Records for verifiers of others: such as hold, and such as must be refused, each behind one that holds; and items with an anchor receipt
// (docs/ledger.md), of which each has to be taken or refused by itself.

import { toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { type AnchorReceipt, anchorDigest, encodeAnchorReceipt } from "../../../firmware/record/anchor-receipt.js";
import { digestOf, encodeSign1 } from "../../../firmware/record/cose.js";
import { MerkleTree } from "../../../tools/merkle/tree.js";
import { encodeAnchored } from "../../../tools/verify/anchored.js";
import { secp256k1Order, TestMote } from "../../unit/tools/records.js";

export interface Hostile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** How many records before the one that must be refused hold. */
  readonly holding: number;
}

export interface Good {
  readonly sign1: Uint8Array;
  readonly kid: Uint8Array;
  readonly digest: Uint8Array;
}

const PROTECTED_BYTES = 26;
/** d2 84 58 1a, before the protected header. */
const PROTECTED_AT = 4;
const KID_AT = PROTECTED_AT + 6;
const SIGNATURE_BYTES = 64;

/** What a program has to take, line by line, and what it has to refuse. */
export interface Inputs {
  readonly good: Uint8Array;
  readonly expected: string;
  readonly hostile: readonly Hostile[];
  readonly about: string;
}

export function records(): Inputs {
  const { good, hostile } = inputs();
  return {
    good: Buffer.concat(good.map(({ sign1 }) => sign1)),
    expected: good.map(({ kid, digest }) => `ok ${toHex(kid)} ${toHex(digest)}\n`).join(""),
    ...{ hostile, about: `${good.length} records` },
  };
}

/** Items by state, whose header and nodes are none: those are for a verifier of proofs. */
export function receipts(): Inputs {
  const [mote, collector] = [new TestMote(), new TestMote()];
  const [first, second] = [mote.next(), mote.next()];
  const tree = new MerkleTree(nobleEngine);
  for (let i = 0; i < 5; i += 1) tree.append(nobleEngine.sha256(Uint8Array.of(i)));
  tree.append(first.digest);
  for (let i = 6; i < 11; i += 1) tree.append(nobleEngine.sha256(Uint8Array.of(i)));
  const kid = collector.address;
  const signature = collector.sign(anchorDigest(nobleEngine, kid, tree.root()));
  const good: AnchorReceipt = { kid, size: tree.size, index: 5, path: tree.inclusionProof(5), signature };
  const itemOf = (record: Uint8Array, receipt: Uint8Array): Uint8Array =>
    encodeAnchored({ record, receipt, header: new Uint8Array(0), account: [], storage: [] }) as Uint8Array;
  const raw = encodeAnchorReceipt(good);
  const put = (at: number, bytes: Uint8Array): Uint8Array => {
    const changed = raw.slice();
    changed.set(bytes, at < 0 ? raw.length + at : at);
    return changed;
  };
  const bent = (at: number, bit = 1): Uint8Array => put(at, Uint8Array.of((raw.at(at) as number) ^ bit));
  const recordBit = first.sign1.map((byte, at) => (at === 60 ? byte ^ 1 : byte));
  const s = BigInt(`0x${toHex(signature.subarray(32))}`);
  const high = Buffer.from((secp256k1Order - s).toString(16).padStart(64, "0"), "hex");
  const foreign = mote.sign(anchorDigest(nobleEngine, kid, tree.root()));
  const receiptLies: readonly [string, Uint8Array][] = [
    ["r-bit", bent(-60)],
    ["s-bit", bent(-5)],
    ["high-s", put(-32, high)],
    ["kid-bit", bent(12)],
    ["kid-other-signed", encodeAnchorReceipt({ ...good, signature: foreign })],
    ["algorithm-es512", bent(7, 0x0d)],
    ["log-other", bent(33, 2)],
    ["index-other", encodeAnchorReceipt({ ...good, index: 4 })],
    ["size-other", encodeAnchorReceipt({ ...good, size: 6 })],
    ["path-bit", bent(-100)],
    ["path-short", encodeAnchorReceipt({ ...good, path: good.path.slice(0, -1) })],
    ["path-long", encodeAnchorReceipt({ ...good, path: [...good.path, new Uint8Array(32)] })],
    ["cut", raw.subarray(0, -9)],
    ["a-record", first.sign1],
  ];
  const lies = receiptLies.map(([name, receipt]): [string, Uint8Array] => [name, itemOf(first.sign1, receipt)]);
  lies.push(["record-other", itemOf(second.sign1, raw)], ["record-bit", itemOf(recordBit, raw)]);
  lies.push(["record-a-receipt", itemOf(raw, raw)]);
  return {
    good: itemOf(first.sign1, raw),
    expected: `ok ${[mote.address, first.digest, kid].map(toHex).join(" ")} ${tree.size} ${toHex(tree.root())}\n`,
    hostile: lies.map(([name, bytes]) => ({ name, bytes, holding: 0 })),
    about: "a receipt",
  };
}

function inputs(): { readonly good: readonly Good[]; readonly hostile: readonly Hostile[] } {
  const motes = [new TestMote(), new TestMote()] as const;
  const good = [motes[0].next(), motes[0].next(), motes[1].next(), motes[0].next()].map((record, i) => ({
    ...{ sign1: record.sign1, digest: record.digest, kid: (i === 2 ? motes[1] : motes[0]).address },
  }));
  const first = (good[0] as Good).sign1;
  const victim = motes[0].next();
  const { sign1 } = victim;
  const bent = (at: number, bit = 1): Uint8Array => sign1.map((byte, i) => (i === at ? byte ^ bit : byte));
  const signatureAt = sign1.length - SIGNATURE_BYTES;
  const put = (at: number, bytes: Uint8Array): Uint8Array => {
    const changed = sign1.slice();
    changed.set(bytes, at);
    return changed;
  };
  const s = BigInt(`0x${Buffer.from(sign1.subarray(signatureAt + 32)).toString("hex")}`);
  const high = Buffer.from((secp256k1Order - s).toString(16).padStart(64, "0"), "hex");
  const kid = motes[1].address;
  // Signed by one mote, under the address of another: the signature holds, by a key that is not kid's.
  const payload = sign1.subarray(PROTECTED_AT + PROTECTED_BYTES + 1 + headBytes(sign1), signatureAt - 2);
  const signature = motes[0].sign(digestOf(nobleEngine, kid, payload));
  const hostile: readonly [string, Uint8Array][] = [
    ["payload-bit", bent(signatureAt - 10)],
    ["seq-bit", bent(PROTECTED_AT + PROTECTED_BYTES + 1 + headBytes(sign1) + 4)],
    ["r-bit", bent(signatureAt + 5)],
    ["s-bit", bent(signatureAt + 50)],
    ["kid-bit", bent(KID_AT + 3)],
    ["kid-other", put(KID_AT, kid)],
    ["kid-other-signed", encodeSign1(kid, payload, signature)],
    ["high-s", put(signatureAt + 32, high)],
    ["s-zero", put(signatureAt + 32, new Uint8Array(32))],
    ["r-zero", put(signatureAt, new Uint8Array(32))],
    ["r-max", put(signatureAt, new Uint8Array(32).fill(0xff))],
    ["algorithm-es512", bent(PROTECTED_AT + 3, 0x0d)],
    ["tag-mac0", bent(0, 3)],
    ["self-described", Buffer.concat([Buffer.from("d9d9f7", "hex"), sign1])],
    ["cut", sign1.subarray(0, sign1.length - 9)],
    ["behind", Buffer.concat([sign1, sign1.subarray(0, 40)])],
  ];
  return {
    good,
    hostile: hostile.map(([name, bytes]) => ({
      ...{ name, bytes: Buffer.concat([first, bytes]), holding: name === "behind" ? 2 : 1 },
    })),
  };
}

/** Of the payload's byte string. */
function headBytes(sign1: Uint8Array): number {
  const lead = sign1[PROTECTED_AT + PROTECTED_BYTES + 1] as number;
  return lead < 0x58 ? 1 : lead === 0x58 ? 2 : 3;
}
