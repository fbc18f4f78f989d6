// `chainmote start` as a new user runs it, against parties that none of us wrote: OpenSSL and cborg judge its records, the
// node itself and @ethereumjs/block its heads.

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cliqueSigner, createBlockHeaderFromRLP } from "@ethereumjs/block";
import { Common, ConsensusAlgorithm, ConsensusType, Hardfork, Mainnet } from "@ethereumjs/common";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { Point, recoverPublicKey } from "@noble/secp256k1";
import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../host-sim/world/prng.js";
import { engine } from "../../tools/crypto/engine.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { HeaderSource } from "../../tools/ethereum/raw-header.js";
import { EthereumRpc } from "../../tools/ethereum/rpc.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { seedOr } from "../seed.js";
import { independently } from "../unit/record/signing.js";
import { endAll, Program } from "./system-run.js";

const RECORDS = 5;
/** Every so many bits of the file one is flipped: a prime, so that each place in a record has its turn. */
const FLIP_STEP_BITS = 13;
const folder = mkdtempSync(join(tmpdir(), "chainmote-start-"));
const data = join(folder, "data");
const exported = join(folder, "records.cborseq");

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

interface ForeignRecord {
  readonly mote: string;
  readonly seq: number;
  readonly stream: number;
  readonly prev: string;
  readonly digest: string;
  readonly head: readonly [chain: string, number: number, hash: Uint8Array];
}

/** A file of records, read, verified and hashed without any code of ours. */
function readForeign(file: Uint8Array): ForeignRecord[] {
  const records: ForeignRecord[] = [];
  for (let rest = file; rest.length > 0; ) {
    const length = itemLength(rest);
    records.push(foreignRecord(rest.subarray(0, length)));
    rest = rest.subarray(length);
  }
  return records;
}

/** cborg tells a shorter item from a whole one by refusing it. */
function itemLength(bytes: Uint8Array): number {
  for (let length = 64; length <= Math.min(bytes.length, 2048); length += 1)
    try {
      decode(bytes.subarray(0, length), { tags: Tagged.preserve(18), useMaps: true });
      return length;
    } catch {} // not whole yet
  throw new Error("no CBOR item of up to 2,048 bytes");
}

function foreignRecord(bytes: Uint8Array): ForeignRecord {
  const item = decode(bytes, { tags: Tagged.preserve(18), useMaps: true }) as Tagged;
  const [header, , payload, signature] = item.value as [Uint8Array, unknown, Uint8Array, Uint8Array];
  const structure = encode(["Signature1", header, new Uint8Array(0), payload], rfc8949EncodeOptions);
  const digest = new Uint8Array(createHash("sha256").update(structure).digest());
  const kid = (decode(header, { useMaps: true }) as Map<number, Uint8Array>).get(4) as Uint8Array;
  const publicKey = [0, 1]
    .map((id) => recoverPublicKey(new Uint8Array([id, ...signature]), digest, { prehash: false }))
    .map((key) => Point.fromBytes(key).toBytes(false))
    .find((key) => Buffer.from(keccak_256(key.subarray(1)).subarray(12)).equals(kid));
  assert.ok(publicKey, "the address is that of one of the keys which the signature recovers to");
  assert.ok(independently(bytes, publicKey as Uint8Array).valid, "ES256K holds for OpenSSL");
  const fields = decode(payload, { tags: Tagged.preserve(4), useMaps: true }) as Map<number, unknown>;
  const hex = (key: number): string => Buffer.from(fields.get(key) as Uint8Array).toString("hex");
  return {
    mote: Buffer.from(kid).toString("hex"),
    seq: fields.get(1) as number,
    stream: (fields.get(10) ?? 0) as number,
    prev: hex(2),
    digest: Buffer.from(digest).toString("hex"),
    head: fields.get(6) as ForeignRecord["head"],
  };
}

/**
 * One unbroken chain from its beginning; a board whose plug was pulled leaves seqs out, never a record. Heads never go back but
 * there: it has waited a moment for the chain's present head, and then goes on from the one that it had saved.
 */
function chained(records: readonly ForeignRecord[]): void {
  for (const [i, record] of records.entries()) {
    assert.ok(record.seq > (records[i - 1]?.seq ?? 0), `seq ${record.seq}`);
    const lowest = record.seq === (records[i - 1]?.seq ?? 0) + 1 ? (records[i - 1]?.head[1] ?? 1) : 1;
    assert.ok(record.head[1] >= lowest, `head ${record.head[1]} of seq ${record.seq}`);
    assert.is(record.prev, records[i - 1]?.digest ?? "00".repeat(32), `seq ${record.seq}`);
  }
}

async function run(...words: string[]): Promise<Program> {
  const program = new Program(["start", "--json", "--data", data, "--sample", "300", ...words]);
  assert.is(await program.ended, 0, program.errors.join("\n"));
  return program;
}

async function verify(file: string): Promise<{ code: number; lines: Readonly<Record<string, unknown>>[] }> {
  const program = new Program(["verify", file, "--json"]);
  return { code: await program.ended, lines: program.events };
}

let address = "";

test(`--records ${RECORDS} ends with exit 0, and chainmote verify accepts all that was exported`, async () => {
  const program = await run("--records", String(RECORDS), "--export", exported);
  assert.equal(
    program.of("summary").map(({ ok, stored, verified }) => [ok, stored, verified]),
    [[true, RECORDS, RECORDS]],
  );
  address = String(program.of("key")[0]?.address).toLowerCase();
  assert.is(program.of("key")[0]?.created, true);
  assert.equal(program.of("refused"), []);
  const { code, lines } = await verify(exported);
  assert.is(code, 0);
  assert.is(lines.filter((line) => line.ok === true && line.index !== undefined).length, RECORDS, JSON.stringify(lines));
  assert.is(statSync(join(data, "boards/1/board.json")).mode & 0o077, 0, "the board's configuration is the owner's alone");
});

test("OpenSSL, noble and cborg agree: address, signature, hash chain", () => {
  const records = readForeign(readFileSync(exported));
  assert.is(records.length, RECORDS);
  for (const record of records) assert.is(`0x${record.mote}`, address);
  chained(records);
});

test("any flipped bit of the file is told, with the record that has it and the reason", async () => {
  const file = new Uint8Array(readFileSync(exported));
  const ends: number[] = [];
  for (const { offset, length } of pieces(file)) ends.push(offset + length);
  for (let bit = 0; bit < file.length * 8; bit += FLIP_STEP_BITS) {
    const flipped = file.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const judge = new Judge(engine);
    const faults = [...pieces(flipped)].map((piece) => judge.judge(piece)).filter(({ fault }) => fault !== undefined);
    assert.is(faults.length, 1, `bit ${bit}`);
    assert.is(faults[0]?.index, ends.findIndex((end) => bit >> 3 < end) + 1, `bit ${bit}`);
  }
  const seed = seedOr();
  const bit = new Prng(seed).below(file.length * 8);
  file[bit >> 3] = (file[bit >> 3] as number) ^ (1 << (bit & 7));
  const broken = join(folder, "broken.cborseq");
  writeFileSync(broken, file);
  const { code, lines } = await verify(broken);
  assert.is(code, 1, `bit ${bit}`);
  const faulty = lines.filter((line) => line.fault !== undefined);
  assert.is(faulty.length, 1, JSON.stringify(lines));
  assert.is(faulty[0]?.index, ends.findIndex((end) => bit >> 3 < end) + 1);
});

test("a second start goes on: same key, same chain of records, same chain of blocks; two boards are two motes", async () => {
  const before = readForeign(readFileSync(exported)).at(-1) as ForeignRecord;
  const program = await run("--records", "4", "--boards", "2");
  const keys = program.of("key");
  assert.equal(
    keys.filter(({ source }) => source === "mote 1").map(({ address: a, created }) => [String(a).toLowerCase(), created]),
    [[address, false]],
  );
  assert.equal(
    keys.filter(({ source }) => source === "mote 2").map(({ created }) => created),
    [true],
  );
  const [begun] = program.of("collecting");
  const last = begun?.last as { mote: string; stream: number; seq: number; head: number } | undefined;
  assert.equal([begun?.stored, begun?.motes, last?.mote, last?.seq], [RECORDS, 1, address, before.seq], "what it goes on from");
  assert.is(last?.head, before.head[1]);
  const records = readForeign(readFileSync(join(data, "records.cborseq")));
  const own = records.filter(({ mote }) => `0x${mote}` === address);
  assert.ok(own.length >= RECORDS);
  chained(own);
  const others = records.filter(({ mote }) => `0x${mote}` !== address);
  assert.ok(own.length + others.length === RECORDS + 4);
  chained(others);
  assert.is((await verify(join(data, "records.cborseq"))).code, 0);
});

test("each head is the node's own block, sealed by its signer, as @ethereumjs/block finds it", async () => {
  const records = readForeign(readFileSync(join(data, "records.cborseq")));
  const node = new Program(["node", "--data", join(data, "node"), "--json"]);
  await node.until("the node listens", () => node.events.length > 0);
  const { rpc, chain } = node.events[0] as unknown as { rpc: string; chain: string };
  const source = new HeaderSource(new EthereumRpc(rpc));
  const signer = Buffer.from(KeyFile.openOrCreate(join(data, "node/signer.key")).address).toString("hex");
  const common = new Common({
    chain: {
      ...Mainnet,
      chainId: Number(chain.split(":")[1]),
      consensus: {
        type: ConsensusType.ProofOfAuthority,
        algorithm: ConsensusAlgorithm.Clique,
        clique: { period: 1, epoch: 30_000 },
      },
    },
    hardfork: Hardfork.London,
  });
  for (const { head } of records) {
    assert.is(head[0], chain);
    const header = await source.header(head[1]);
    assert.ok(header, `block ${head[1]}`);
    const theirs = createBlockHeaderFromRLP((header as { raw: Uint8Array }).raw, { common, setHardfork: false });
    assert.is(Buffer.from(theirs.hash()).toString("hex"), Buffer.from(head[2]).toString("hex"));
    assert.is(cliqueSigner(theirs).toString(), `0x${signer}`);
  }
  assert.is(await node.stop(), 0);
});

test("Ctrl-C ends all of it cleanly: exit 0, nothing left running, nothing lost; one system per folder", async () => {
  const program = new Program(["start", "--json", "--data", data, "--sample", "300"]);
  await program.until("a stored record", () => program.of("stored", "mote").length > 0);
  const second = new Program(["start", "--json", "--data", data]);
  assert.is(await second.ended, 1);
  assert.is(second.errors.length, 1);
  assert.match(second.errors[0] as string, /in use by process \d+/);
  const parts = (["board", "collector", "node"] as const).flatMap((part) => program.pids(part));
  assert.is(parts.length, 3, "a board, a collector and a node");
  assert.is(await program.stop(), 0);
  for (const pid of parts) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  const records = readForeign(readFileSync(join(data, "records.cborseq"))).filter(({ mote }) => `0x${mote}` === address);
  chained(records);
});

test.run();
