// Roots in a real Bitcoin node's blocks: what the node's wallet pays for is found, walked by OpenTimestamps' own library, and held to be
// there by a mote's rules.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { eventually } from "../unit/tools/eventually.js";
import { endAll, Program } from "./system-run.js";

const directory = mkdtempSync(join(tmpdir(), "chainmote-bitcoin-anchor-"));
const root = engine.sha256(Uint8Array.of(1, 2, 3));
let node: BitcoinNode;
let found: Commitment;

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

test("OpenTimestamps' own library finds the same", async () => {
  const python = process.env.OTS_PYTHON ?? "python3";
  if (spawnSync(python, ["-c", "import opentimestamps"]).status !== 0) {
    console.log(
      "python has no opentimestamps (pip install opentimestamps==0.4.5): the proof was walked by the test's own code alone",
    );
    return;
  }
  const file = join(directory, "root.ots");
  writeFileSync(file, found.timestamp);
  const program = fileURLToPath(new URL("./open-timestamp.py", import.meta.url));
  const { stdout, stderr } = spawnSync(python, [program, file], { encoding: "utf8" });
  const merkleRoot = toHex(
    ((await new BitcoinHeaderSource(node.rpc).header(found.block)) as { raw: Uint8Array }).raw.slice(36, 68),
  );
  assert.is(stdout, `${toHex(root)}\n${found.block} ${merkleRoot}\n`, stderr);
});

test("chainmote start anchors on Bitcoin, until the mote itself has proven five records", async () => {
  const data = join(directory, "start");
  const words = ["start", "--chain", "bitcoin", "--anchor", "--records", "5", "--data", data, "--json"];
  const program = new Program(words);
  assert.is(await program.ended, 0, program.errors.join("\n"));
  const proven = program.of("anchored").filter(({ source }) => source === "mote 1");
  assert.ok(proven.some(({ through }) => Number(through) >= 5));
  const receipts = program.of("anchored").filter(({ source }) => source === "collector");
  for (const { root: anchored, block, timestamp } of receipts) {
    const proof = walk(Uint8Array.from(Buffer.from(String(timestamp), "hex")));
    assert.equal([proof.digest, proof.height], [anchored, block]);
    assert.ok(existsSync(join(data, "anchored", `${anchored}.ots`)));
  }
  assert.ok(receipts.length > 0);
});

/** Walks a detached timestamp of one path: where it leads, and the height that it attests. */
function walk(proof: Uint8Array): { digest: string; merkleRoot: string; height: number } {
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
