// chainmote headers: files of any cut, a node that lies, checkpoints out of nodes; through the command as a person calls it.

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BitcoinCheckpoint, bitcoinCheckpointFromGenesis, openBitcoin } from "../../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinRules, bitcoinNetwork } from "../../../firmware/chain/bitcoin/rules.js";
import { type CliqueCheckpoint, cliqueCheckpointFromGenesis } from "../../../firmware/chain/clique/checkpoint.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { engine } from "../../../tools/crypto/engine.js";
import { headersOfFile, measureBitcoin, measureRlp } from "../../../tools/headers/stream.js";
import { JsonRpc } from "../../../tools/rpc/json-rpc.js";
import { BitcoinChain, type Block } from "../../chains/bitcoin-generator.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { FakeBitcoin, shown } from "./fake-bitcoin.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-headers-"));
const regtest = bitcoinNetwork("regtest") as BitcoinRules;
const chain = BitcoinChain.regtest();
const blocks = chain.grow(chain.genesis, 300);
const all: readonly Block[] = [chain.genesis, ...blocks];
const genesis = bitcoinCheckpointFromGenesis(engine, regtest, chain.genesis.raw) as BitcoinCheckpoint;

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const checkpointFile = file("genesis.json", JSON.stringify(genesis));

async function call(...words: string[]): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await main(["headers", ...words], {
    line: (text = "") => void lines.push(text),
    error: (text) => void errors.push(text),
    style: (_, text) => text,
  });
  return { code, lines, errors };
}

test.after(() => rmSync(folder, { recursive: true }));

test("a file of raw headers, and one of lines, are verified to the end; those up to the checkpoint are read past", async () => {
  const raw = file("raw.bin", Buffer.concat(blocks.map((block) => block.raw)));
  const fromGenesis = file("all.bin", Buffer.concat(all.map((block) => block.raw)));
  const lines = file("lines.txt", blocks.map((block) => `0x${Buffer.from(block.raw).toString("hex")}`).join("\r\n"));
  for (const path of [raw, fromGenesis, lines]) {
    const { code, lines: said } = await call("verify", "--checkpoint", checkpointFile, "--chain", "bitcoin", path, "--json");
    assert.is(code, 0);
    const told = JSON.parse(said[0] as string) as Record<string, unknown>;
    assert.is(told.verified, 300);
    assert.is(told.passed, path === fromGenesis ? 1 : 0);
    assert.equal(told.head, { number: 300, hash: shown(blocks[299]), settled: 294, totalDifficulty: "0x25a" });
  }
});

test("from a checkpoint in the middle, the headers before it are read past however many they are", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  const path = join(folder, "middle.json");
  try {
    const made = await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--number", "150", "--out", path);
    assert.equal([made.code, made.lines], [0, [`${path}: block #150 ${shown(all[150])}`]]);
  } finally {
    await node.down();
  }
  const many = file("many.bin", Buffer.concat(all.map((block) => block.raw)));
  const { code, lines } = await call("verify", "--checkpoint", path, many);
  assert.is(code, 0);
  assert.is(lines[0], "151 headers up to the checkpoint read past");
  assert.match(lines[1] as string, /^150 headers of bip122:0f9188f13cb7b2c71f2a335e3a4fc328 verified in .* a second$/);
  assert.is(lines[2], `head #300 ${shown(all[300])}, settled #294`);
  assert.is(lines[3], "work 0x25a");
});

test("the first header that does not hold ends it with its height and its code", async () => {
  const spoilt = blocks.map((block) => Buffer.from(block.raw));
  (spoilt[200] as Buffer)[5] = ((spoilt[200] as Buffer)[5] as number) ^ 1;
  const refused = await call("verify", "--checkpoint", checkpointFile, file("spoilt.bin", Buffer.concat(spoilt)));
  assert.is(refused.code, 1);
  assert.match(
    refused.errors[0] as string,
    /^chainmote headers: the header after #200 is refused: .* \((parent-wrong|work-insufficient)\)$/,
  );
  const foreign = file("foreign.bin", Buffer.concat(blocks.slice(20).map((block) => block.raw)));
  const unmet = await call("verify", "--checkpoint", checkpointFile, foreign, "--json");
  assert.is(unmet.code, 1);
  const told = JSON.parse(unmet.lines[0] as string) as { verified: number; refused: { code: string } };
  assert.equal([told.verified, told.refused.code], [0, "parent-wrong"]);
  const cut = file("cut.bin", Buffer.concat(blocks.map((block) => block.raw)).subarray(0, 80 * 7 + 3));
  const short = await call("verify", "--checkpoint", checkpointFile, cut);
  assert.is(short.code, 1);
  assert.match(short.errors[0] as string, /after #7 is refused: the file ends 3 bytes into a header/);
});

test("the headers of a node, and its checkpoint; whoever lies about a hash, a link or a height is refused", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  try {
    const good = await call("verify", "--checkpoint", checkpointFile, url, "--json");
    assert.is(good.code, 0);
    assert.is((JSON.parse(good.lines[0] as string) as { verified: number }).verified, 300);
    const made = await call("checkpoint", "--chain", "bitcoin", "--rpc", url);
    const bitcoin = openBitcoin(engine, JSON.parse(made.lines.join("\n")));
    assert.not.instance(bitcoin, Rejection);
    assert.is((bitcoin as Exclude<typeof bitcoin, Rejection>).checkpoint.number, 200, "a hundred below the head");
    assert.is((bitcoin as Exclude<typeof bitcoin, Rejection>).checkpoint.totalDifficulty, 402n);
    node.lie = (method, result) => (method === "raw" ? `${String(result).slice(0, -2)}aa` : result);
    const lied = await call("checkpoint", "--chain", "bitcoin", "--rpc", url);
    assert.is(lied.code, 1);
    assert.match(lied.errors[0] as string, /\((parent-wrong|work-insufficient)\)/);
    node.lie = (method, result) => (method === "getblockhash" && result === shown(all[195]) ? shown(all[194]) : result);
    assert.match((await call("checkpoint", "--chain", "bitcoin", "--rpc", url)).errors[0] as string, /parent-wrong/);
    node.lie = (method, result) => (method === "getblockhash" ? `${String(result)}00` : result);
    assert.match((await call("checkpoint", "--chain", "bitcoin", "--rpc", url)).errors[0] as string, /block-malformed/);
    node.lie = (_, result) => result;
    const absent = await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--number", "301");
    assert.is(absent.errors[0], "chainmote headers: the node has no block 301 (block-absent)");
  } finally {
    await node.down();
  }
  const gone = await call("checkpoint", "--chain", "bitcoin", "--rpc", url);
  assert.is(gone.code, 1);
  assert.match(gone.errors[0] as string, /^chainmote headers: the node: getblockhash: \S/);
});

test("a user and a password of the URL go into the header and never into a message", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  try {
    assert.is(await new JsonRpc(url).call("getblockhash", 0), shown(all[0]));
    const wrong = url.replace("p%25w", "other");
    const error = await new JsonRpc(wrong).call("getblockhash", 0).catch((reason: unknown) => reason);
    assert.match(String(error), /HTTP 401/);
    assert.not.match(String(error), /other/);
  } finally {
    await node.down();
  }
});

test("Clique headers in a file, RLP after RLP", async () => {
  const clique = new CliqueChain({ signers: accounts(3, "headers"), londonBlock: 0, epoch: 30_000 });
  const rules = { chain: "eip155:1337", periodS: clique.periodS, epoch: 30_000, londonBlock: 0 };
  const json = cliqueCheckpointFromGenesis(engine, clique.genesis.raw, rules) as CliqueCheckpoint;
  const made = [clique.genesis, ...clique.grow(clique.genesis, 12)];
  const path = file("clique.rlp", Buffer.concat(made.map(({ raw }) => raw)));
  const { code, lines } = await call("verify", "--checkpoint", file("clique.json", JSON.stringify(json)), path, "--json");
  assert.is(code, 0);
  assert.is((JSON.parse(lines[0] as string) as { verified: number }).verified, 12);
  const crossed = await call("verify", "--chain", "bitcoin", "--checkpoint", join(folder, "clique.json"), path);
  assert.match(crossed.errors[0] as string, /is a checkpoint of clique, not of bitcoin/);
});

test("files are cut into headers wherever the chunks end", async () => {
  // More than a chunk of 256 KiB.
  const raws = Array.from({ length: 4000 }, (_, i) => Uint8Array.from({ length: 80 }, (_, k) => (i * 3 + k * 7) & 255));
  const path = file("chunks.bin", Buffer.concat(raws));
  const read: Uint8Array[] = [];
  const told: number[] = [];
  for await (const batch of headersOfFile(path, measureBitcoin, (bytes) => told.push(bytes))) read.push(...batch);
  assert.is(told.at(-1), statSync(path).size, "how far it is");
  assert.is(Buffer.compare(Buffer.concat(read), Buffer.concat(raws)), 0);
  assert.ok(read.every((header) => header.length === 80));
  assert.is(measureRlp(Uint8Array.of(0xf9, 2)), undefined);
  assert.is(measureRlp(Uint8Array.of(0xf9, 2, 3)), 3 + 0x203);
  assert.is(measureRlp(Uint8Array.of(0xc2, 1, 1)), 3);
  assert.throws(
    () => measureRlp(Uint8Array.of(0x80)),
    (error: unknown) => error instanceof Rejection,
  );
});

test("mistakes are one clear line", async () => {
  const cases: readonly [number, RegExp, ...string[]][] = [
    [2, /say verify or checkpoint/],
    [2, /unexpected word "x"/, "x"],
    [2, /a FILE of headers, or the URL of a node, is missing/, "verify"],
    [2, /--checkpoint FILE is missing/, "verify", "x"],
    [1, /it cannot be read \(ENOENT\)/, "verify", "--checkpoint", join(folder, "none"), "x"],
    [1, /no JSON/, "verify", "--checkpoint", file("no.json", "{"), "x"],
    [1, /chain: expected/, "verify", "--checkpoint", file("bad.json", '{"consensus":"bitcoin"}'), "x"],
    [1, /there is no such file/, "verify", "--checkpoint", checkpointFile, join(folder, "none")],
    [2, /--chain bitcoin\|clique\|ibft\|ibft2\|qbft is missing/, "checkpoint", "--rpc", "http://127.0.0.1:9"],
    [2, /--chain takes/, "checkpoint", "--chain", "toString", "--rpc", "http://127.0.0.1:9"],
    [2, /--rpc URL is missing/, "checkpoint", "--chain", "bitcoin"],
    [2, /--genesis FILE .* and --trusting-period S are missing/, "checkpoint", "--chain", "qbft", "--rpc", "http://127.0.0.1:9"],
    [2, /--period S and --epoch N are missing/, "checkpoint", "--chain", "clique", "--rpc", "http://127.0.0.1:9"],
  ];
  for (const [code, said, ...words] of cases) {
    const told = await call(...words);
    assert.is(told.code, code, words.join(" "));
    assert.is(told.errors.length, 1);
    assert.match(told.errors[0] as string, said);
  }
});

test.run();
