// One suite for every engine that the firmware runs on: Node, XS 64-bit, XS 32-bit and XS on bare RISC-V. Nothing in it knows
// which one that is; what it works on was made by third-party code (inputs.ts).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeReply } from "../../../firmware/bus/wire.js";
import { concat, crc32, equal, fromHex, fromText, readUint, toHex, toText, writeUint } from "../../../firmware/bytes.js";
import { type CliqueCheckpoint, openClique } from "../../../firmware/chain/clique/checkpoint.js";
import { decodeHeader } from "../../../firmware/chain/ethereum/header.js";
import { Follower } from "../../../firmware/chain/follow/follower.js";
import { type CborValue, CborWriter, decode, encode, Tagged } from "../../../firmware/codec/cbor.js";
import { decode as decodeRlp, encode as encodeRlp } from "../../../firmware/codec/rlp.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { decodeProofRequest, PROVE_SLOT, type ProofRequest } from "../../../firmware/ledger/proof-wire.js";
import { type Proof, Prover } from "../../../firmware/ledger/prover.js";
import type { KeyHandle, Keys, KeyValueDomain } from "../../../firmware/ports.js";
import { type Account, accountKey, readAccount, readSlot, slotKey } from "../../../firmware/proof/account.js";
import { indexKey, logOf, type Receipt, readReceipt } from "../../../firmware/proof/envelope.js";
import { proveKey, TrieWalk } from "../../../firmware/proof/trie.js";
import { digestOf, encodeSign1, verifySign1 } from "../../../firmware/record/cose.js";
import { decimal } from "../../../firmware/record/decimal.js";
import { decodeRecord, encodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";

export interface PortableInputs {
  readonly clique: {
    readonly checkpoint: CliqueCheckpoint;
    readonly headers: readonly string[];
    readonly hashes: readonly string[];
  };
  /** Proofs out of one state, as @ethereumjs/rlp and a trie made of all its entries have them, hexadecimal. */
  readonly proofs: {
    readonly stateRoot: string;
    /** Raw, of a block with these roots. */
    readonly header: string;
    readonly address: string;
    /** From the state's root on. */
    readonly account: readonly string[];
    readonly balance: string;
    readonly slot: string;
    /** From the account's storageRoot on. */
    readonly storage: readonly string[];
    readonly word: string;
    readonly absent: { readonly address: string; readonly nodes: readonly string[] };
    readonly receipts: {
      readonly root: string;
      readonly index: number;
      readonly nodes: readonly string[];
      readonly topic: string;
    };
  };
  /** A record as cborg and noble made it, hexadecimal. */
  readonly record: { readonly sign1: string; readonly digest: string; readonly signer: string; readonly seq: number };
}

export interface UnderTest {
  /** Shown in the names of the suites. */
  readonly name: string;
  readonly engine: CryptoEngine;
  readonly keys: Keys;
}

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  assert.not.instance(decoded, Rejection);
  return decoded as Uint8Array;
}

function codeOf(value: unknown): string {
  return value instanceof Rejection ? value.code : "accepted";
}

/** Values and their one encoding: RFC 8949, appendix A, as far as the subset goes. */
const CBOR: readonly (readonly [CborValue, string])[] = [
  [0, "00"],
  [23, "17"],
  [24, "1818"],
  [1_000_000, "1a000f4240"],
  [1_000_000_000_000, "1b000000e8d4a51000"],
  [18_446_744_073_709_551_615n, "1bffffffffffffffff"],
  [-1, "20"],
  [-1000, "3903e7"],
  [-9_223_372_036_854_775_808n, "3b7fffffffffffffff"],
  [false, "f4"],
  [null, "f6"],
  ["", "60"],
  ["IETF", "6449455446"],
  ["ü水𐅑", "69c3bce6b0b4f0908591"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [new Tagged(4, [-2, 27_315]), "c48221196ab3"],
];
const CBOR_REFUSED: readonly (readonly [string, string])[] = [
  ["1817", "cbor-not-shortest"],
  ["9f01ff", "cbor-indefinite"],
  ["a202000100", "cbor-unsorted"],
  ["a201000100", "cbor-duplicate-key"],
  ["61ff", "cbor-utf8"],
  ["0000", "cbor-trailing"],
  ["1a0000", "cbor-truncated"],
  ["f93c00", "cbor-unsupported"],
];

function codecSuite(name: string): void {
  const test = suite(`codec, ${name}`);

  test("numbers, texts and checksums in bytes", () => {
    const field = new Uint8Array(8);
    for (const value of [0, 1, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 48 - 1]) {
      writeUint(field, value, 1, 6);
      assert.is(readUint(field, 1, 6), value);
    }
    assert.throws(() => writeUint(field, 256, 0, 1));
    assert.is(crc32(fromText("123456789")), 0xcbf43926);
    assert.is(toHex(fromText("ü水𐅑")), "c3bce6b0b4f0908591");
    assert.is(toText(bytes("c3bce6b0b4f0908591")), "ü水𐅑");
    for (const malformed of ["c0af", "eda080", "f4908080", "c3"]) assert.is(codeOf(toText(bytes(malformed))), "utf8-malformed");
  });

  test("CBOR: each value has one encoding, and comes back from it", () => {
    for (const [value, hex] of CBOR) {
      assert.is(toHex(encode(value)), hex);
      const decoded = decode(bytes(hex));
      assert.not.instance(decoded, Rejection);
      assert.is(toHex(encode(decoded as CborValue)), hex);
    }
    const map = new Map<CborValue, CborValue>([
      [100, 1],
      [10, 2],
      [-1, 3],
      ["z", 4],
    ]);
    assert.is(toHex(encode(map)), "a40a02186401200361" + "7a04");
  });

  test("CBOR: what has another form is refused with its reason", () => {
    for (const [hex, code] of CBOR_REFUSED) assert.is(codeOf(decode(bytes(hex))), code, hex);
    assert.is(codeOf(decode(new Uint8Array(40).fill(0x81))), "cbor-too-deep");
  });

  test("CBOR: a writer writes what encode does, and refuses what passes its limit", () => {
    const writer = new CborWriter(64);
    for (const value of [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      writer.reset();
      writer.uint(1, value);
      writer.int(value);
      writer.decimal(-2, value);
      assert.is(
        toHex(writer.finish()),
        `01${toHex(encode(value))}${toHex(encode(value))}${toHex(encode(new Tagged(4, [-2, value])))}`,
      );
    }
    writer.bytes(new Uint8Array(65));
    assert.throws(() => writer.finish());
  });

  test("RLP: nested lists, and the forms that are not canonical", () => {
    for (const [item, hex] of [
      [bytes(""), "80"],
      [bytes("0f"), "0f"],
      [bytes("0400"), "820400"],
      [[], "c0"],
      [[[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"],
    ] as const) {
      assert.is(toHex(encodeRlp(item)), hex);
      assert.is(toHex(encodeRlp(decodeRlp(bytes(hex)) as typeof item)), hex);
    }
    for (const wrong of ["8100", "b800", "f800", "c180" + "00", "81", "bf0000000000000001"])
      assert.instance(decodeRlp(bytes(wrong)), Rejection, wrong);
  });

  test.run();
}

/** The part that a slow engine can be asked for alone. */
export function cryptoSuite({ name, engine, keys }: UnderTest): void {
  const test = suite(`crypto, ${name}`);
  const { verify, recover } = engine.secp256k1;

  test("hashes of the standards' own examples", () => {
    const abc = fromText("abc");
    assert.is(toHex(engine.sha256(abc)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.is(toHex(engine.sha256(abc.subarray(0, 1), abc.subarray(1))), toHex(engine.sha256(abc)));
    assert.is(toHex(engine.keccak256()), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert.is(
      toHex(engine.hmacSha256(fromText("Jefe"), fromText("what do ya want "), fromText("for nothing?"))),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  test("a signature of somebody else: verified, recovered, and refused where one bit differs", () => {
    // RFC 6979 over SHA-256("Satoshi Nakamoto") with the key 1, whose public key is the generator.
    const signature = bytes(
      "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
    );
    const digest = engine.sha256(fromText("Satoshi Nakamoto"));
    const generator = bytes(
      "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    );
    assert.ok(verify(signature, digest, generator));
    assert.ok([0, 1].some((id) => toHex(recover(signature, id, digest) ?? digest) === toHex(generator)));
    for (const [part, at] of [
      [signature, 5],
      [signature, 63],
      [digest, 0],
      [generator, 40],
    ] as const) {
      part[at] = (part[at] as number) ^ 1;
      assert.not(verify(signature, digest, generator));
      part[at] = (part[at] as number) ^ 1;
    }
    assert.not(verify(signature.slice(1), digest, generator));
    assert.is(recover(new Uint8Array(64), 0, digest), undefined);
  });

  test("keys: made once, signing the same bytes each time, low s, and gone when closed", async () => {
    const key = keys.create("portable") as KeyHandle;
    assert.is(codeOf(keys.create("portable")), "key-slot-taken");
    const publicKey = keys.publicKey(key);
    const digest = engine.sha256(fromText("portable"));
    const signature = await keys.sign(key, digest);
    assert.is(toHex(await keys.sign(key, digest)), toHex(signature));
    assert.ok(verify(signature, digest, publicKey));
    assert.ok([0, 1].some((id) => equal(recover(signature, id, digest) ?? digest, publicKey)));
    keys.close(key);
    let refused = false;
    try {
      await keys.sign(key, digest);
    } catch {
      refused = true;
    }
    assert.ok(refused, "a closed handle signs nothing");
    assert.is(toHex(keys.publicKey(keys.open("portable") as KeyHandle)), toHex(publicKey));
  });

  test.run();
}

function recordSuite({ name, engine, keys }: UnderTest, inputs: PortableInputs["record"]): void {
  const test = suite(`record, ${name}`);
  const fields: RecordFields = {
    stream: 1,
    seq: 70_000,
    prev: new Uint8Array(32).fill(9),
    boot: 3,
    time: 1_700_000_000,
    timeQuality: 2,
    head: { chain: "eip155:1337", number: 19_000_000, hash: new Uint8Array(32).fill(7) },
    measurements: [
      { n: "temperature", u: "Cel", v: decimal(-5, -2) },
      { n: "humidity", u: "%RH", v: decimal(4821, -2), t: -60 },
    ],
    gap: 2,
    fleet: { registry: new Uint8Array(20).fill(1), chain: "eip155:1337" },
  };

  test("a record that others made and signed holds, and reads as they meant it", () => {
    const verified = verifySign1(engine, bytes(inputs.sign1));
    assert.not.instance(verified, Rejection);
    const { digest, kid, payload } = verified as Exclude<typeof verified, Rejection>;
    assert.equal([toHex(digest), toHex(kid)], [inputs.digest, inputs.signer]);
    const record = decodeRecord(payload) as RecordFields;
    assert.is(record.seq, inputs.seq);
    assert.is(toHex(encodeRecord(record)), toHex(payload));
  });

  test("a record of ours: written, signed, verified, read back; one bit anywhere breaks it", async () => {
    const key = keys.create("record") as KeyHandle;
    const address = addressOf(engine, keys.publicKey(key));
    const payload = encodeRecord(fields);
    const signature = await keys.sign(key, digestOf(engine, address, payload));
    const sign1 = encodeSign1(address, payload, signature);
    assert.not.instance(verifySign1(engine, sign1), Rejection);
    assert.equal(decodeRecord(payload), fields);
    for (let at = 0; at < sign1.length; at += 13) {
      sign1[at] = (sign1[at] as number) ^ 0x10;
      assert.instance(verifySign1(engine, sign1), Rejection, `byte ${at}`);
      sign1[at] = (sign1[at] as number) ^ 0x10;
    }
  });

  test("payloads that no mote writes are refused", () => {
    const payload = encodeRecord(fields);
    assert.instance(decodeRecord(payload.slice(0, -1)), Rejection);
    assert.instance(decodeRecord(concat(payload, Uint8Array.of(0))), Rejection);
    assert.throws(() => encodeRecord({ ...fields, time: 0 }));
    assert.throws(() => encodeRecord({ ...fields, seq: -1 }));
  });

  test.run();
}

function headerSuite({ name, engine }: UnderTest, inputs: PortableInputs["clique"]): void {
  const test = suite(`header, ${name}`);

  test("each header of a Clique chain: decoded, its hash that of the generator, sealed by whom it may be", () => {
    const clique = openClique(engine, inputs.checkpoint);
    assert.not.instance(clique, Rejection);
    const consensus = clique as Exclude<typeof clique, Rejection>;
    let trusted = consensus.checkpoint;
    for (const [i, raw] of inputs.headers.entries()) {
      const header = consensus.decode(bytes(raw));
      const next = header instanceof Rejection ? header : consensus.verify(trusted, header);
      assert.is(codeOf(next), "accepted", next instanceof Rejection ? next.detail : "");
      trusted = next as typeof trusted;
      assert.is(toHex(trusted.hash), inputs.hashes[i]);
    }
    assert.is(trusted.number, inputs.headers.length);
  });

  test("a header with one bit turned is refused, wherever it is", () => {
    const consensus = openClique(engine, inputs.checkpoint) as Exclude<ReturnType<typeof openClique>, Rejection>;
    const raw = bytes(inputs.headers[0] as string);
    for (let at = 0; at < raw.length; at += 37) {
      raw[at] = (raw[at] as number) ^ 0x04;
      const header = consensus.decode(raw);
      const next = header instanceof Rejection ? header : consensus.verify(consensus.checkpoint, header);
      assert.instance(next, Rejection, `byte ${at}`);
      raw[at] = (raw[at] as number) ^ 0x04;
    }
    assert.instance(decodeHeader(engine, raw.slice(1)), Rejection);
  });

  test("a follower moves along the chain, takes no block twice, and finds its head again after a restart", () => {
    const consensus = openClique(engine, inputs.checkpoint) as Exclude<ReturnType<typeof openClique>, Rejection>;
    const values = new Map<string, ArrayBuffer>();
    const store: KeyValueDomain = {
      read: (key) => values.get(key),
      write: (key, value) => void values.set(key, new Uint8Array(value).slice().buffer as ArrayBuffer),
      delete: (key) => void values.delete(key),
      close() {},
    };
    const options = { consensus, engine, store, clock: { ticksMs: () => 0 } };
    const follower = new Follower(options);
    for (const raw of inputs.headers) {
      const outcome = follower.offer(bytes(raw), undefined);
      assert.is(outcome instanceof Rejection ? outcome.toString() : outcome.kind, "advanced");
    }
    const again = follower.offer(bytes(inputs.headers[inputs.headers.length - 1] as string), undefined);
    assert.is(again instanceof Rejection ? again.toString() : again.kind, "known");
    follower.persist();
    const restarted = new Follower(options);
    assert.ok(restarted.restored);
    assert.is(toHex(restarted.head.hash), inputs.hashes[inputs.hashes.length - 1]);
  });

  test.run();
}

function proofSuite({ name, engine }: UnderTest, inputs: PortableInputs["proofs"]): void {
  const test = suite(`proof, ${name}`);
  const { stateRoot, header, address, account, balance, slot, storage, word, absent, receipts } = inputs;
  /** What the nodes prove, or the code of the refusal. */
  const walk = (root: Uint8Array, key: Uint8Array, nodes: readonly Uint8Array[], bytesMax?: number): Uint8Array | string => {
    const shown = proveKey(new TrieWalk(engine, root, key, bytesMax), nodes);
    return shown instanceof Rejection ? shown.code : (shown.value ?? "absent");
  };
  const state = (of: string, nodes: readonly Uint8Array[]): Uint8Array | string =>
    walk(bytes(stateRoot), accountKey(engine, bytes(of)), nodes);

  test("an account, a slot of it, and the absence of another account", () => {
    const read = readAccount(state(address, account.map(bytes)) as Uint8Array) as Account;
    assert.is(read.balance.toString(), balance);
    const leaf = walk(read.storageRoot, slotKey(engine, bytes(slot)), storage.map(bytes));
    assert.is(toHex(readSlot(leaf as Uint8Array) as Uint8Array), word);
    assert.is(state(absent.address, absent.nodes.map(bytes)), "absent");
  });

  test("a prover asks for a slot at a settled block, in pieces, and takes no lie for an answer", () => {
    const raw = bytes(header);
    const hash = engine.keccak256(raw);
    const items = [raw, ...account.map(bytes), ...storage.map(bytes)];
    const window = { base: { number: 7 }, hashAt: () => hash };
    const follower = {
      consensus: { decode: (of: Uint8Array) => decodeHeader(engine, of) },
      head: { number: 7 },
      settled: 7,
      fork: undefined,
      window,
    };
    const results: (Proof | Rejection)[] = [];
    const refused: string[] = [];
    const sent: ProofRequest[] = [];
    let ticksMs = 0;
    const prover = new Prover({
      ...{
        engine,
        follower,
        own: bytes(address),
        clock: { ticksMs: () => ticksMs },
        trustedNowS: () => undefined,
        requestId: () => 9,
      },
      sendProof: (request) => sent.push(decodeProofRequest(request) as ProofRequest) > 0,
      onProofRefused: ({ code }) => refused.push(code),
    });
    prover.ask({ kind: PROVE_SLOT, subject: bytes(address), slot: bytes(slot), answered: (proof) => void results.push(proof) });
    for (let step = 0; step < 20 && results.length === 0; step += 1) {
      prover.step(true);
      const { id, from } = sent[sent.length - 1] as ProofRequest;
      const wrong = step === 1;
      prover.replied(encodeReply({ id, from, headers: wrong ? [items[0] as Uint8Array] : items.slice(from, from + 2) }));
      prover.step(true);
      ticksMs += 1_000;
    }
    assert.equal(refused, ["trie-hash-wrong"]);
    const proof = results[0] as Proof;
    assert.is(codeOf(proof), "accepted");
    assert.is(toHex(proof.value as Uint8Array), word);
    assert.is(proof.number, 7);
    assert.is(prover.ageS(proof), undefined);
  });

  test("a receipt and the log in it", () => {
    const value = walk(bytes(receipts.root), indexKey(receipts.index), receipts.nodes.map(bytes), 4_096) as Uint8Array;
    const receipt = readReceipt(value) as Receipt;
    assert.ok(receipt.succeeded);
    assert.is(toHex(logOf(value, receipt, 0)?.topics[0] as Uint8Array), receipts.topic);
  });

  test("a node left out, doubled, turned by a bit, or of another key is refused", () => {
    const nodes = account.map(bytes);
    for (const [i, node] of nodes.entries()) {
      assert.type(state(address, [...nodes.slice(0, i), ...nodes.slice(i + 1)]), "string", `without ${i}`);
      assert.type(state(address, [...nodes.slice(0, i + 1), ...nodes.slice(i)]), "string", `${i} doubled`);
      for (let at = 0; at < node.length; at += 71) {
        node[at] = (node[at] as number) ^ 0x20;
        assert.is(state(address, nodes), i > 0 && node.length < 32 ? "trie-node-size" : "trie-hash-wrong", `byte ${at} of ${i}`);
        node[at] = (node[at] as number) ^ 0x20;
      }
    }
    assert.is(state(absent.address, nodes), "trie-hash-wrong");
  });

  test.run();
}

/** Declares all suites; whoever calls sees to it that uvu runs them. */
export function portableSuites(under: UnderTest, inputs: PortableInputs): void {
  codecSuite(under.name);
  cryptoSuite(under);
  recordSuite(under, inputs.record);
  headerSuite(under, inputs.clique);
  proofSuite(under, inputs.proofs);
}
