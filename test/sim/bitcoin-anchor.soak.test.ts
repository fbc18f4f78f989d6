// Roots in a real Bitcoin node's blocks: what the node's wallet pays for is found, walked by OpenTimestamps' own library, held to be there by a
// mote's rules, and shown by items that are checked offline.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { decodeBitcoinAnchor, verifyBitcoinAnchor } from "../../firmware/ledger/bitcoin-anchor.js";
import { Rejection } from "../../firmware/rejection.js";
import { type Commitment, CommitmentWatch, commit, evidenceOf } from "../../tools/bitcoin/commitment.js";
import { BitcoinHeaderSource } from "../../tools/bitcoin/raw-header.js";
import { engine } from "../../tools/crypto/engine.js";
import { BitcoinNode, SPENDABLE_FROM_BLOCKS } from "../../tools/node/bitcoin.js";
import { headersOf } from "../../tools/rpc/chain.js";
import { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { pythonWith } from "../python.js";
import { eventually } from "../unit/tools/eventually.js";
import { endAll, Program, type SystemLine } from "./system-run.js";

const directory = mkdtempSync(join(tmpdir(), "chainmote-bitcoin-anchor-"));
const data = join(directory, "start");
const python = pythonWith("opentimestamps");
const onPython = python === undefined ? test.skip : test;
const openTimestamp =
  python === undefined
    ? undefined
    : (file: string): Walked => {
        const program = fileURLToPath(new URL("./open-timestamp.py", import.meta.url));
        const { stdout, stderr } = python(program, file);
        const [, digest, height, merkleRoot] = /^([0-9a-f]{64})\n(\d+) ([0-9a-f]{64})\n$/.exec(stdout) ?? [];
        if (merkleRoot === undefined) throw new Error(`${stdout}${stderr}`);
        return { digest: digest as string, merkleRoot, height: Number(height) };
      };
const root = engine.sha256(Uint8Array.of(1, 2, 3));
let node: BitcoinNode;
let found: Commitment;
let started: Program;

interface Walked {
  readonly digest: string;
  readonly merkleRoot: string;
  readonly height: number;
}

test.before(async () => {
  node = await BitcoinNode.start({ directory: join(directory, "node"), firstBlocks: SPENDABLE_FROM_BLOCKS });
});
test.after(async () => {
  await endAll();
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("the node's wallet pays for a root, and it is found in the block", async () => {
  const watch = new CommitmentWatch(node.rpc, 0);
  const source = new BitcoinHeaderSource(node.rpc);
  await eventually("there are coins", async () =>
    ((await source.header("latest"))?.number ?? 0) >= SPENDABLE_FROM_BLOCKS ? true : undefined,
  );
  await commit(node.rpc, root);
  await commit(node.rpc, engine.sha256(root)); // another in the same block
  found = await eventually("a block has it", async () => {
    await watch.look((await source.header("latest"))?.number ?? 0, (one) => one === toHex(root));
    return watch.at(root);
  });
  assert.is(watch.at(engine.sha256(root)), undefined, "not ours");
});

test("a mote's rules hold it to be in that block, and no other root", async () => {
  const anchor = decodeBitcoinAnchor(evidenceOf(found));
  if (anchor instanceof Rejection) throw new Error(String(anchor));
  const block = verifyBitcoinAnchor(engine, anchor, root);
  if (block instanceof Rejection) throw new Error(String(block));
  const header = await new BitcoinHeaderSource(node.rpc).header(found.block);
  assert.equal([toHex(block.hash), block.timeS], [toHex(header?.hash as Uint8Array), header?.timeS]);
  assert.is((verifyBitcoinAnchor(engine, anchor, engine.sha256(root)) as Rejection).code, "anchor-uncommitted");
});

test("its OpenTimestamps proof leads to the node's header", async () => {
  const merkleRoot = toHex(
    ((await new BitcoinHeaderSource(node.rpc).header(found.block)) as { raw: Uint8Array }).raw.slice(36, 68),
  );
  assert.equal(walk(found.timestamp), { digest: toHex(root), merkleRoot, height: found.block });
});

onPython("OpenTimestamps' own library finds the same", async () => {
  const file = join(directory, "root.ots");
  writeFileSync(file, found.timestamp);
  const merkleRoot = toHex(
    ((await new BitcoinHeaderSource(node.rpc).header(found.block)) as { raw: Uint8Array }).raw.slice(36, 68),
  );
  assert.equal(openTimestamp?.(file), { digest: toHex(root), merkleRoot, height: found.block });
});

test("chainmote start anchors on Bitcoin, until the mote itself has proven five records", async () => {
  const words = ["start", "--chain", "bitcoin", "--anchor", "--records", "5", "--data", data, "--json"];
  started = new Program(words);
  assert.is(await started.ended, 0, started.errors.join("\n"));
  const proven = started.of("anchored").filter(({ source }) => source === "mote 1");
  assert.ok(proven.some(({ through }) => Number(through) >= 5));
  const receipts = started.of("anchored", "collector");
  for (const { root: anchored, block, timestamp, timestampFile, item, file } of receipts) {
    const proof = walk(Uint8Array.from(Buffer.from(String(timestamp), "hex")));
    assert.equal([proof.digest, proof.height], [anchored, block]);
    assert.is(timestampFile, join(data, "anchored", `${anchored}.ots`));
    assert.is(readFileSync(String(timestampFile)).toString("hex"), timestamp);
    assert.is(readFileSync(String(file)).toString("hex"), item);
    assert.is(openTimestamp?.(String(timestampFile)).digest ?? anchored, anchored);
  }
  assert.ok(receipts.length > 0);
});

test("chainmote verify --receipt says of each item who, what, not before and not after, without a node", async () => {
  const own = new Program(["node", "--chain", "bitcoin", "--data", join(data, "node"), "--json"]);
  await own.until("the node listens", () => own.events.length > 0);
  const source = headersOf(new JsonRpc(String(own.events[0]?.rpc)), String(own.events[0]?.chain));
  const raws: Uint8Array[] = [];
  for (let number = 1; ; number += 1) {
    const header = await source.header(number);
    if (header === undefined) break;
    raws.push(header.raw);
  }
  await own.stop();
  const headers = join(directory, "headers");
  writeFileSync(headers, Buffer.concat(raws));
  const words = ["--checkpoint", join(data, "anchored", "checkpoint.json"), "--json"];
  const verify = async (...more: string[]): Promise<[number, Record<string, unknown>]> => {
    const verifying = new Program(["verify", ...words, ...more]);
    return [await verifying.ended, (verifying.events[0] ?? {}) as unknown as Record<string, unknown>];
  };
  for (const line of started.of("anchored", "collector")) {
    const [code, said] = await verify("--receipt", String(line.file), "--headers", headers);
    assert.is(code, 0, JSON.stringify(said));
    assert.equal([said.mote, said.seq, said.digest], [line.mote, line.seq, line.digest]);
    assert.equal([said.notAfter, said.notAfterS], [line.block, line.timeS]);
    assert.ok(Number(said.notBefore) < Number(line.block), JSON.stringify(said));
  }
  const last = started.of("anchored", "collector").at(-1) as SystemLine;
  assert.equal((await verify("--receipt", String(last.file)))[1].code, "anchored-header");
  const contract = ["--contract", `0x${"11".repeat(20)}`];
  assert.is((await verify("--receipt", String(last.file), "--headers", headers, ...contract))[0], 2);
  const until = join(directory, "too-few");
  writeFileSync(until, Buffer.concat(raws.slice(0, Number(last.block))));
  assert.equal((await verify("--receipt", String(last.file), "--headers", until))[1].code, "anchored-unsettled");
});

/** Walks a detached timestamp of one path: where it leads, and the height that it attests. */
function walk(proof: Uint8Array): Walked {
  let at = 31;
  const uint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = proof[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const bytes = (length: number): Uint8Array => {
    at += length;
    return proof.subarray(at - length, at);
  };
  assert.equal([uint(), uint()], [1, 0x08]);
  const digest = bytes(32);
  let message = Uint8Array.from(digest);
  for (;;) {
    const tag = proof[at++] as number;
    if (tag === 0x08) message = Uint8Array.from(engine.sha256(message));
    else if (tag === 0xf0) message = Uint8Array.from([...message, ...bytes(uint())]);
    else if (tag === 0xf1) message = Uint8Array.from([...bytes(uint()), ...message]);
    else {
      assert.is(tag, 0);
      assert.is(toHex(bytes(8)), "0588960d73d71901");
      assert.is(uint(), proof.length - at);
      const height = uint();
      assert.is(at, proof.length);
      return { digest: toHex(digest), merkleRoot: toHex(message), height };
    }
  }
}

test.run();
