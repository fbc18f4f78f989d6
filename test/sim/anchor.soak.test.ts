// `npm start -- --anchor` whole: records that their mote has proven to be anchored, rechecked by code that is none of ours (cborg, noble,
// @ethereumjs/mpt and rlp; a COSE library, python-cwt, by the program of docs/verifying.md); and with plugs pulled at any moment.

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyMerkleProof } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { Point, recoverPublicKey } from "@noble/secp256k1";
import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../host-sim/world/prng.js";
import { HeaderSource } from "../../tools/ethereum/raw-header.js";
import { EthereumRpc } from "../../tools/ethereum/rpc.js";
import { pause } from "../patience.js";
import { type PythonResult, pythonWith } from "../python.js";
import { seedOr } from "../seed.js";
import { endAll, Program, type SystemLine } from "./system-run.js";
import "../unit/record/signing.js"; // gives noble its hashes

const RECORDS = 20;
const KILLS = 24;
const folder = mkdtempSync(join(tmpdir(), "chainmote-anchor-"));
const data = join(folder, "data");
const headersFile = join(folder, "headers.rlp");
const python = pythonWith("cwt", "cbor2", "coincurve", "Crypto.Hash.keccak");
const onPython = python === undefined ? test.skip : test;
let program: Program;

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const bytes = (hex: unknown): Buffer => Buffer.from(String(hex).replace(/^0x/, ""), "hex");
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

/** Whether this address has signed a Sig_structure. */
function signedBy(address: Uint8Array, header: Uint8Array, payload: Uint8Array, signature: Uint8Array): boolean {
  const digest = sha256(encode(["Signature1", header, new Uint8Array(0), payload], rfc8949EncodeOptions));
  return [0, 1].some((id) => {
    const key = Point.fromBytes(recoverPublicKey(new Uint8Array([id, ...signature]), digest, { prehash: false })).toBytes(false);
    return Buffer.from(keccak_256(key.subarray(1)).subarray(12)).equals(address);
  });
}

/** RFC 9162 §2.1.3.2. */
function rootOf(leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[]): Buffer {
  let [fn, sn] = [index, size - 1];
  let root = sha256(Uint8Array.of(0), leaf);
  for (const hash of path) {
    assert.ok(sn > 0);
    if (fn % 2 === 1 || fn === sn) {
      root = sha256(Uint8Array.of(1), hash, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else root = sha256(Uint8Array.of(1), root, hash);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  assert.is(sn, 0);
  return root;
}

interface Rechecked {
  readonly mote: string;
  readonly seq: number;
  readonly digest: string;
  readonly prev: string;
  readonly blockNumber: number;
  readonly header: Uint8Array;
}

/** What one item says, read and checked by nothing of ours. */
async function recheck(item: Uint8Array, contract: Uint8Array): Promise<Rechecked> {
  const map = decode(item, { useMaps: true }) as Map<number, unknown>;
  const [record, receipt, header] = [1, 2, 3].map((key) => map.get(key) as Uint8Array);
  const sign1 = decode(record as Uint8Array, { tags: Tagged.preserve(18), useMaps: true }) as Tagged;
  const [protectedBytes, , payload, signature] = sign1.value as [Uint8Array, unknown, Uint8Array, Uint8Array];
  const mote = (decode(protectedBytes, { useMaps: true }) as Map<number, Uint8Array>).get(4) as Uint8Array;
  assert.ok(signedBy(mote, protectedBytes, payload, signature), "the record's signature");
  const digest = sha256(encode(["Signature1", protectedBytes, new Uint8Array(0), payload], rfc8949EncodeOptions));
  const cose = decode(receipt as Uint8Array, { tags: Tagged.preserve(18), useMaps: true }) as Tagged;
  const [outer, unprotected, none, sealed] = cose.value as [Uint8Array, Map<number, Map<number, Uint8Array[]>>, null, Uint8Array];
  assert.is(none, null);
  const names = decode(outer, { useMaps: true }) as Map<number, unknown>;
  assert.equal([names.get(1), names.get(395)], [-47, 1]);
  const collector = names.get(4) as Uint8Array;
  const [proof] = (unprotected.get(396) as Map<number, Uint8Array[]>).get(-1) as Uint8Array[];
  const [size, index, path] = decode(proof as Uint8Array) as [number, number, Uint8Array[]];
  const root = rootOf(digest, index, size, path);
  assert.ok(signedBy(collector, outer, root, sealed), "the receipt's signature, over the root");
  // The contract's slot: keccak256(keccak256(account ‖ size ‖ root) ‖ 0).
  const sizeBytes = Buffer.alloc(8);
  sizeBytes.writeBigUInt64BE(BigInt(size));
  const key = keccak_256(Buffer.concat([collector, sizeBytes, root]));
  const slot = keccak_256(Buffer.concat([key, new Uint8Array(32)]));
  const fields = RLP.decode(header as Uint8Array) as Uint8Array[];
  const account = await verifyMerkleProof(contract, map.get(4) as Uint8Array[], {
    root: fields[3] as Uint8Array,
    useKeyHashing: true,
  });
  const storageRoot = (RLP.decode(account as Uint8Array) as Uint8Array[])[2] as Uint8Array;
  const value = await verifyMerkleProof(slot, map.get(5) as Uint8Array[], { root: storageRoot, useKeyHashing: true });
  const word = BigInt(`0x${hex(RLP.decode(value as Uint8Array) as Uint8Array)}`);
  const record1 = decode(payload, { tags: Tagged.preserve(4), useMaps: true }) as Map<number, unknown>;
  return {
    ...{ mote: hex(mote), seq: record1.get(1) as number, digest: hex(digest), prev: hex(record1.get(2) as Uint8Array) },
    ...{ blockNumber: Number(word & 0xffffffffffffn), header: header as Uint8Array },
  };
}

test(`--records ${RECORDS} --anchor ends with exit 0 once the mote has proven them`, async () => {
  const words = ["start", "--json", "--data", data, "--sample", "300", "--records", String(RECORDS), "--anchor"];
  program = new Program(words);
  assert.is(await program.ended, 0, program.errors.join("\n"));
  assert.equal(
    program.of("summary").map(({ ok, stored, anchored }) => [ok, stored, anchored]),
    [[true, RECORDS, RECORDS]],
  );
  assert.equal(program.of("refused"), []);
});

test("each receipt is named, and a program that shares no code of ours finds it good, as does the node", async () => {
  const contract = bytes((JSON.parse(readFileSync(join(data, "contracts.json"), "utf8")) as { anchor: string }).anchor);
  const told = program.of("anchored", "collector");
  assert.ok(told.length >= 1);
  const node = new Program(["node", "--data", join(data, "node"), "--json"]);
  await node.until("the node listens", () => node.events.length > 0);
  const source = new HeaderSource(new EthereumRpc(String(node.events[0]?.rpc)));
  const raws: Uint8Array[] = [];
  const digests = new Map(program.of("record", "mote").map(({ seq, digest }) => [Number(seq), String(digest)]));
  for (const line of told) {
    const found = await recheck(bytes(line.item), contract);
    assert.equal([found.seq, found.digest, found.blockNumber], [line.seq, line.digest, line.block]);
    assert.is(found.digest, digests.get(found.seq));
    if (found.seq > 1) assert.is(found.prev, digests.get(found.seq - 1), "and through it the one before");
    const number = Number(`0x${hex((RLP.decode(found.header) as Uint8Array[])[8] as Uint8Array)}`);
    const raw = (await source.header(number))?.raw as Uint8Array;
    assert.is(hex(keccak_256(found.header)), hex(keccak_256(raw)), "the node's own block");
    assert.is(line.receipt, hex((decode(bytes(line.item), { useMaps: true }) as Map<number, Uint8Array>).get(2) as Uint8Array));
    assert.equal(new Uint8Array(readFileSync(String(line.file))), new Uint8Array(bytes(line.item)));
    assert.ok(number >= found.blockNumber);
  }
  // Beyond the last item's block to those that settle it.
  for (let header = await source.header(1); header !== undefined; header = await source.header(raws.length + 1))
    raws.push(header.raw);
  writeFileSync(headersFile, Buffer.concat(raws));
  await node.stop();
});

onPython("a COSE library of others takes each record and each receipt, and finds the root that is anchored", () => {
  const file = join(folder, "receipt.py");
  const found = /\n```python receipt\n([\s\S]*?\n)```\n/.exec(
    readFileSync(new URL("../../docs/verifying.md", import.meta.url), "utf8"),
  );
  writeFileSync(file, found?.[1] ?? "");
  const check = (item: string): PythonResult => (python as NonNullable<typeof python>)(file, item);
  for (const line of program.of("anchored", "collector")) {
    const { stdout, stderr } = check(String(line.file));
    const collector = hex(
      ((decode(bytes(line.receipt), { tags: Tagged.preserve(18), useMaps: true }) as Tagged).value as [Uint8Array])[0].subarray(
        6,
        26,
      ),
    );
    const said = `ok ${String(line.mote).slice(2)} ${String(line.digest)} ${collector} ${Number(line.size)} ${String(line.root)}\n`;
    assert.is(stdout, said, stderr);
    const lie = new Uint8Array(bytes(line.item));
    const at = Buffer.from(lie).indexOf(bytes(line.receipt)) + bytes(line.receipt).length - 5;
    lie[at] = (lie[at] as number) ^ 1;
    writeFileSync(join(folder, "lie.cbor"), lie);
    assert.not.equal(check(join(folder, "lie.cbor")).status, 0);
  }
});

test("chainmote verify --receipt says who, what, not before and not after, without a node", async () => {
  const last = program.of("anchored", "collector").at(-1) as SystemLine;
  const { anchor } = JSON.parse(readFileSync(join(data, "contracts.json"), "utf8")) as { anchor: string };
  const checkpoint = join(data, "anchored/checkpoint.json");
  const words = ["verify", "--receipt", String(last.file), "--checkpoint", checkpoint, "--json"];
  const verify = async (...more: string[]): Promise<[number, Record<string, unknown>]> => {
    const verifying = new Program([...words, ...more]);
    return [await verifying.ended, verifying.events[0] as unknown as Record<string, unknown>];
  };
  const [code, said] = await verify("--contract", anchor, "--headers", headersFile);
  assert.is(code, 0, JSON.stringify(said));
  assert.equal([said.mote, said.seq, said.digest, said.notAfter], [last.mote, last.seq, last.digest, last.block]);
  assert.ok(Number(said.notBefore) <= Number(last.block) && Number(said.notAfterS) === last.timeS);
  assert.equal((await verify("--contract", anchor))[1].code, "anchored-header");
  assert.is((await verify("--contract", `0x${"11".repeat(20)}`, "--headers", headersFile))[0], 1);
  const lie = new Uint8Array(readFileSync(headersFile));
  lie[200] = (lie[200] as number) ^ 1;
  writeFileSync(join(folder, "lie.rlp"), lie);
  assert.is((await verify("--contract", anchor, "--headers", join(folder, "lie.rlp")))[0], 1);
});

test("plugs of collector and mote pulled at random moments: every record is anchored in the end", async () => {
  const prng = new Prng(seedOr());
  const words = ["start", "--json", "--data", data, "--sample", "300", "--anchor"];
  const running = new Program(words);
  await running.until("an anchor", () => running.of("anchored", "mote").length > 0);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(prng.below(4000));
    running.killPart(prng.below(2) === 0 ? "collector" : "board");
  }
  const last = Math.max(...running.of("record", "mote").map(({ seq }) => Number(seq)));
  const through = (): number => Math.max(...running.of("anchored", "mote").map((line) => Number(line.through)));
  await running.until("all of them are anchored", () => through() >= last);
  assert.is(await running.stop(), 0);
  const runs = [...program.of("anchored", "mote"), ...running.of("anchored", "mote")];
  for (const { seq } of running.of("record", "mote"))
    if (Number(seq) <= last)
      assert.ok(
        runs.some(({ from, through: to }) => Number(from) <= Number(seq) && Number(seq) <= Number(to)),
        `record ${String(seq)}`,
      );
  const leaves = new Map<number, unknown>();
  for (const line of [...program.of("anchored", "collector"), ...running.of("anchored", "collector")]) {
    const before = leaves.get(Number(line.leaf));
    assert.ok(before === undefined || before === line.digest, `leaf ${String(line.leaf)} is one record's`);
    leaves.set(Number(line.leaf), line.digest);
  }
  assert.ok(readdirSync(join(data, "anchored")).length > 1);
});

test.run();
