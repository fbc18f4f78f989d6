// A real Ethereum node: it seals, it survives kill -9, it continues its chain, it listens on loopback only; and the raw
// header that it gives is the header that we rebuild from its JSON.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBlockHeaderFromRLP } from "@ethereumjs/block";
import { Common, ConsensusAlgorithm, ConsensusType, Hardfork, Mainnet } from "@ethereumjs/common";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { equal, toHex } from "../../firmware/bytes.js";
import { headStateAt, nodeHead } from "../../tools/collector/heads.js";
import { HEAD_FOREIGN, HEAD_KNOWN } from "../../tools/collector/schema.js";
import { blockIdentity, HeaderSource, rebuildHeader } from "../../tools/ethereum/raw-header.js";
import { EthereumRpc } from "../../tools/ethereum/rpc.js";
import { EthereumNode } from "../../tools/node/ethereum.js";
import { pause } from "../../tools/processes/backoff.js";
import type { ChildEnd } from "../../tools/processes/supervisor.js";
import { WAIT_MS_MAX } from "../patience.js";

const directory = mkdtempSync(join(tmpdir(), "chainmote-node-"));
const ends: ChildEnd[] = [];
let node: EthereumNode;

async function height(): Promise<number> {
  return Number(await node.rpc.call("eth_blockNumber"));
}

async function waitFor(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (Date.now() < deadline) {
    if (await holds().catch(() => false)) return;
    await pause(100);
  }
  assert.unreachable(`${what}: not within ${WAIT_MS_MAX / 1000} s`);
}

async function hashOf(number: number): Promise<string> {
  const identity = blockIdentity(await node.rpc.call("eth_getBlockByNumber", `0x${number.toString(16)}`, false));
  assert.ok("hash" in identity);
  return toHex(identity.hash);
}

test.before(async () => {
  node = await EthereumNode.start({ directory, periodS: 1, onEnd: (end) => ends.push(end) });
});
test.after(async () => {
  await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

test("seals a block a second", async () => {
  await waitFor("three blocks", async () => (await height()) >= 3);
  const times: number[] = [];
  for (const number of [1, 2, 3]) {
    const block = (await node.rpc.call("eth_getBlockByNumber", `0x${number}`, false)) as { timestamp: string };
    times.push(Number(block.timestamp));
  }
  assert.ok((times[2] as number) - (times[0] as number) >= 2, times.join(" "));
});

test("the signer's key and the folder are the owner's alone", () => {
  assert.is(statSync(join(directory, "signer.key")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(directory, "signer.key"), "utf8"), /^[0-9a-f]{64}$/);
});

test("raw header and rebuilt header are the same bytes, and their Keccak is the block's hash", async () => {
  const source = new HeaderSource(node.rpc);
  for (const number of [0, 1, 2, 3]) {
    const header = await source.header(number);
    assert.ok(header);
    assert.is(header.rebuilt, false);
    assert.is(header.hashed, true);
    const rebuilt = rebuildHeader(await node.rpc.call("eth_getBlockByNumber", `0x${number}`, false));
    assert.ok(rebuilt instanceof Uint8Array);
    assert.ok(equal(header.raw, rebuilt), `block ${number}`);
  }
  assert.is(await source.header(1_000_000), undefined);
});

test("the collector's eyes on a real node: known, foreign, ahead of it; and how deep a verdict has to be", async () => {
  const head = { chain: "eip155:31337", number: 2, hash: Uint8Array.from(Buffer.from(await hashOf(2), "hex")) };
  assert.is(await headStateAt(node.rpc, head.chain, head), HEAD_KNOWN);
  assert.is(await headStateAt(node.rpc, head.chain, { ...head, hash: new Uint8Array(32).fill(1) }), HEAD_FOREIGN);
  assert.is(await headStateAt(node.rpc, head.chain, { ...head, number: 1_000_000 }), undefined);
  assert.is((await nodeHead(node.rpc, undefined)).settledDepth, 33, "Clique");
});

test("each header carries the seal of the genesis' signer", async () => {
  const common = new Common({
    chain: {
      ...Mainnet,
      chainId: 31_337,
      consensus: {
        type: ConsensusType.ProofOfAuthority,
        algorithm: ConsensusAlgorithm.Clique,
        clique: { period: 1, epoch: 30_000 },
      },
    },
    hardfork: Hardfork.London,
  });
  const header = await new HeaderSource(node.rpc).header(2);
  assert.ok(header);
  const { cliqueSigner } = await import("@ethereumjs/block");
  const signer = cliqueSigner(createBlockHeaderFromRLP(header.raw, { common, setHardfork: false })).toString();
  assert.ok(node.genesis.extraData.includes(signer.slice(2)), signer);
});

test("listens on loopback only", () => {
  if (!existsSync("/proc/net/tcp")) return;
  const bound = ["tcp", "tcp6", "udp", "udp6"].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/)[1] ?? "")
      .filter((local) => node.ports.includes(Number.parseInt(local.split(":")[1] ?? "", 16))),
  );
  assert.ok(bound.length >= 3, bound.join(" "));
  for (const local of bound) assert.match(local, /^0100007F:/);
});

test("after kill -9 it starts again by itself and continues the same chain", async () => {
  await waitFor("five blocks", async () => (await height()) >= 5);
  const kept = await hashOf(4);
  const pid = node.pid as number;
  process.kill(pid, "SIGKILL");
  await waitFor("another process", async () => node.pid !== undefined && node.pid !== pid);
  await waitFor("more blocks", async () => (await height()) >= 8);
  assert.is(await hashOf(4), kept);
  assert.is(ends.length, 1);
  assert.is(ends[0]?.signal, "SIGKILL");
});

test("a second start with the same folder continues the same chain", async () => {
  const before = await height();
  const kept = await hashOf(before - 1);
  await node.stop();
  node = await EthereumNode.start({ directory });
  await waitFor("more blocks", async () => (await height()) > before);
  assert.is(await hashOf(before - 1), kept);
});

test("one folder, one node", async () => {
  const other = EthereumNode.start({ directory, waitMs: 100 }).then(
    () => "started",
    (error: Error) => error.message,
  );
  assert.match(await other, /in use by process \d+/);
});

test("a node that is not there is told apart from one that says no", async () => {
  const nobody = new EthereumRpc("http://127.0.0.1:9", { timeoutMs: 2000 });
  const error = await nobody.call("eth_blockNumber").catch((reason: unknown) => reason);
  assert.ok(error instanceof Error && "unreachable" in error && error.unreachable === true);
  const refused = await node.rpc.call("no_such_method").catch((reason: unknown) => reason);
  assert.ok(refused instanceof Error && "methodAbsent" in refused && refused.methodAbsent === true, String(refused));
});

test.run();
