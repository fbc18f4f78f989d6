// chainmote headers as it meets the world: files as other programs write them, nodes that are busy, away or tell less, runs that
// take longer than a block, and going on where one ended.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BitcoinCheckpoint, bitcoinCheckpointFromGenesis } from "../../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinRules, bitcoinNetwork } from "../../../firmware/chain/bitcoin/rules.js";
import { openChain } from "../../../firmware/chain/checkpoint.js";
import { type CliqueCheckpoint, cliqueCheckpointFromGenesis } from "../../../firmware/chain/clique/checkpoint.js";
import type { Consensus } from "../../../firmware/chain/consensus.js";
import { Rejection } from "../../../firmware/rejection.js";
import { main } from "../../../tools/cli.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { checkpointAfter } from "../../../tools/headers/checkpoint-after.js";
import { headersOfNode } from "../../../tools/headers/stream.js";
import { verifyHeaders } from "../../../tools/headers/verify.js";
import { RpcError } from "../../../tools/rpc/json-rpc.js";
import { CALLS_AT_ONCE_MAX, PATIENCE_MS, PatientRpc } from "../../../tools/rpc/patient.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { BftChain } from "../../chains/bft-generator.js";
import { BitcoinChain, type Block } from "../../chains/bitcoin-generator.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { FakeBitcoin, type Mishap, shown } from "./fake-bitcoin.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-headers-life-"));
test.after(() => rmSync(folder, { recursive: true }));

const regtest = bitcoinNetwork("regtest") as BitcoinRules;
const chain = BitcoinChain.regtest();
const all: readonly Block[] = [chain.genesis, ...chain.grow(chain.genesis, 120)];
const bitcoinGenesis = bitcoinCheckpointFromGenesis(engine, regtest, chain.genesis.raw) as BitcoinCheckpoint;
const clique = new CliqueChain({ signers: accounts(3, "life"), londonBlock: 0, epoch: 30_000 });
const cliqueBlocks = clique.grow(clique.genesis, 40);
const cliqueGenesis = cliqueCheckpointFromGenesis(engine, clique.genesis.raw, {
  ...{ chain: "eip155:1337", periodS: clique.periodS, epoch: 30_000, londonBlock: 0 },
}) as CliqueCheckpoint;
const bft = new BftChain({
  kind: "qbft",
  validators: accounts(4, "life"),
  epoch: 20,
  timeS: Math.floor(Date.now() / 1000) - 600,
});
const bftBlocks = bft.grow(bft.genesis, 30);

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function open(json: object): Consensus {
  const opened = openChain(engine, JSON.parse(JSON.stringify(json)));
  if (opened instanceof Rejection) throw opened;
  return opened;
}

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

interface Told {
  ok: boolean;
  verified: number;
  passed: number;
  zeroBytes?: number;
  unreadable?: number;
  head: { number: number; hash: string };
  refused?: { number: number; code: string; detail: string };
  failed?: { number: number; detail: string };
}

/** What `headers verify --json` tells of a file. */
async function verified(checkpoint: object, path: string): Promise<Told> {
  const from = file("from.json", JSON.stringify(checkpoint));
  const { lines, errors } = await call("verify", "--checkpoint", from, path, "--json");
  assert.is(errors.length, 0, errors.join());
  return JSON.parse(lines[0] as string) as Told;
}

const bitcoinRaws = all.slice(1).map(({ raw }) => raw);
const cliqueRaws = cliqueBlocks.map(({ raw }) => raw);
const hexOf = (raw: Uint8Array): string => Buffer.from(raw).toString("hex");

for (const [name, checkpoint, raws] of [
  ["bitcoin", bitcoinGenesis, bitcoinRaws],
  ["clique", cliqueGenesis, cliqueRaws],
  ["qbft", bftCheckpointAt(bft, bft.genesis), bftBlocks.map(({ raw }) => raw)],
] as const) {
  const joined = raws.map(hexOf).join("");
  const forms: Readonly<Record<string, string | Uint8Array>> = {
    bytes: Buffer.concat(raws),
    joined,
    "joined, 0x, a line end": `0x${joined}\n`,
    "a line each": raws.map((raw) => `${hexOf(raw)}\n`).join(""),
    "a line each, CRLF, capitals, empty lines": `\r\n${raws.map((raw) => `0x${hexOf(raw).toUpperCase()}\r\n\r\n`).join("")}`,
    "a byte order mark, then lines": `\ufeff${raws.map(hexOf).join("\n")}`,
    "a byte order mark, then joined": `\ufeff${joined}`,
    "UTF-16": Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(raws.map((raw) => `${hexOf(raw)}\r\n`).join(""), "utf16le")]),
    "wrapped at 76 digits": joined.replace(/(.{76})/g, "$1\n"),
    "several in a line": `${raws.slice(0, 3).map(hexOf).join("")}\n${raws.slice(3).map(hexOf).join("")}\n`,
  };
  for (const [form, content] of Object.entries(forms))
    test(`${name}: headers as ${form}`, async () => {
      const told = await verified(checkpoint, file("form", content));
      assert.equal([told.ok, told.verified], [true, raws.length], JSON.stringify(told));
    });

  test(`${name}: a line that is cut is found where it is, and what stands before it is verified`, async () => {
    const lines = raws.map(hexOf);
    lines[10] = (lines[10] as string).slice(0, -8);
    const told = await verified(checkpoint, file("cut", lines.join("\n")));
    assert.equal([told.verified, told.refused?.number], [10, 11]);
    assert.match(told.refused?.detail ?? "", /^line 11 ends \d+ bytes into a header$/);
    lines[10] = `${lines[10]}zz`;
    const odd = await verified(checkpoint, file("odd", lines.join("\n")));
    assert.equal([odd.verified, odd.refused?.code, odd.refused?.detail], [10, "hex-malformed", "line 11 is not hexadecimal"]);
  });

  test(`${name}: whatever stands before the checkpoint is read past; only hashes say where it is`, async () => {
    const consensus = open(checkpoint);
    const whole = await verifyHeaders(consensus, stream([raws]), { nowS });
    assert.is(whole.refused, undefined);
    const middle = await verifyHeaders(consensus, stream([raws.slice(0, 15)]), { nowS });
    const from = checkpointAfter(consensus, checkpoint, middle.trusted);
    const zeros = new Uint8Array((raws[0] as Uint8Array).length * 14);
    const bent = (raws[3] as Uint8Array).slice();
    bent[40] = (bent[40] as number) ^ 0xff;
    const cases: readonly [string, readonly Uint8Array[], Partial<Told>][] = [
      ["all of the chain", raws.slice(0, 15), { passed: 15 }],
      ["zeros up to the checkpoint", [zeros, raws[14] as Uint8Array], { passed: 1, zeroBytes: zeros.length }],
      ["zeros up to its child", [zeros, new Uint8Array((raws[0] as Uint8Array).length)], { passed: 0 }],
      ["other headers, zeros, a bent one", [bent, raws[9] as Uint8Array, zeros, raws[2] as Uint8Array], {}],
    ];
    for (const [what, before, expected] of cases) {
      const content = Buffer.concat([...before, ...raws.slice(15)]);
      for (const path of [file("before.bin", content), file("before.hex", content.toString("hex"))]) {
        const told = await verified(from, path);
        assert.equal([told.ok, told.verified, told.head.number], [true, raws.length - 15, whole.trusted.number], what);
        for (const [key, value] of Object.entries(expected)) assert.is(told[key as keyof Told], value, `${what}: ${key}`);
      }
    }
    const never = await verified(from, file("never.bin", Buffer.concat([zeros, ...raws.slice(0, 9)])));
    assert.equal([never.ok, never.verified, never.refused?.code], [false, 0, "parent-wrong"]);
    assert.match(
      never.refused?.detail ?? "",
      /^9 headers and \d+ bytes of zeros were read, and neither the checkpoint, block #15 /,
    );
  });

  test(`${name}: what a run saves is where the next one goes on, at any height`, async () => {
    const consensus = open(checkpoint);
    const whole = await verifyHeaders(consensus, stream([raws]), { nowS });
    for (const height of [1, 7, 19, 20, 21, raws.length - 1]) {
      const { trusted } = await verifyHeaders(consensus, stream([raws.slice(0, height)]), { nowS });
      const saved = checkpointAfter(consensus, checkpoint, trusted);
      assert.not.instance(saved, Rejection, `${height}`);
      const rest = await verifyHeaders(open(saved), stream([raws.slice(height)]), { nowS });
      assert.equal([rest.refused, rest.trusted.number], [undefined, whole.trusted.number], `${height}`);
      assert.is(hexOf(rest.trusted.hash), hexOf(whole.trusted.hash));
      assert.is(rest.trusted.totalDifficulty, whole.trusted.totalDifficulty);
    }
  });
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

async function* stream(batches: readonly (readonly Uint8Array[])[]): AsyncGenerator<readonly Uint8Array[]> {
  for (const batch of batches) yield batch;
}

test("the clock is that of each header's turn: a run that takes longer than a block takes blocks made meanwhile", async () => {
  const last = cliqueBlocks.at(-1) as { timeS: number };
  for (const size of [1, 8, 40]) {
    // Each header is judged a second before its own time: none is ahead by more than the chain allows.
    let judged = 0;
    const batches = Array.from({ length: 40 / size }, (_, i) => cliqueRaws.slice(i * size, (i + 1) * size));
    const clock = (): number => {
      judged += 1;
      return (cliqueBlocks[Math.min(judged, 40) - 1] as { timeS: number }).timeS - 1;
    };
    const { refused, count } = await verifyHeaders(open(cliqueGenesis), stream(batches), { nowS: clock });
    assert.equal([refused, count], [undefined, 40]);
  }
  const stopped = await verifyHeaders(open(cliqueGenesis), stream([cliqueRaws]), { nowS: () => last.timeS - 100 });
  assert.is(stopped.refused?.code, "time-in-future");
  // Bitcoin's headers are taken in batches.
  const bitcoinBatches = [bitcoinRaws.slice(0, 60), bitcoinRaws.slice(60)];
  let turn = 0;
  const batchClock = (): number => (all[turn++ === 0 ? 60 : 120] as Block).timeS;
  assert.is((await verifyHeaders(open(bitcoinGenesis), stream(bitcoinBatches), { nowS: batchClock })).refused, undefined);
});

test("a node that is busy, starts, or closes connections is asked again until it answers", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  const checkpoint = file("node.json", JSON.stringify(bitcoinGenesis));
  const mishaps: Mishap[] = [
    { code: -28, message: "Loading block index…" },
    { status: 429, retryAfter: "0" },
    { status: 503, body: "Work queue depth exceeded" },
    { status: 502 },
    "closed",
    {
      status: 200,
      body: '{"jsonrpc":"2.0","error":{"code":-32005,"message":"daily request count exceeded, request rate limited"}}',
    },
  ];
  try {
    for (const mishap of mishaps) {
      let times = 0;
      // A connection that is gone once is no mishap: the read is asked again by another one.
      const often = mishap === "closed" ? 2 : 1;
      // The first call of all for what a node says while it starts; one in the middle for the others.
      node.mishap = (method, first) => {
        const due = typeof mishap === "object" && "code" in mishap ? true : method === "getblockhash" && first === 50;
        if (!due || times >= often) return undefined;
        times += 1;
        return mishap;
      };
      const { code, lines, errors } = await call("verify", "--checkpoint", checkpoint, url, "--json");
      assert.equal([code, (JSON.parse(lines[0] as string) as Told).verified, times], [0, 120, often], errors.join());
      assert.is(errors.length, 1);
      assert.match(errors[0] as string, /^chainmote headers: the node: getblockhash: .*; asked again in \d+\.\d s$/);
    }
    let closed = 0;
    node.mishap = () => (closed++ < 2 ? { status: 503 } : undefined);
    assert.is((await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--number", "20")).code, 0);
  } finally {
    await node.down();
  }
});

test("a run that ends early says how far it came, and the next goes on from what it saved", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  const checkpoint = file("node.json", JSON.stringify(bitcoinGenesis));
  const saved = join(folder, "saved.json");
  try {
    node.mishap = (_method, first) => (Number(first) >= 70 ? { status: 403, body: "no more for this key" } : undefined);
    const ended = await call("verify", "--checkpoint", checkpoint, url, "--save", saved);
    assert.is(ended.code, 1);
    assert.is(ended.lines[1], `head #64 ${shown(all[64])}, settled #58`);
    assert.match(
      ended.errors[0] as string,
      /^chainmote headers: the header after #64 could not be had: getblockhash: .*HTTP 403\); go on with --checkpoint .*saved\.json$/,
    );
    node.mishap = () => undefined;
    const rest = await call("verify", "--checkpoint", saved, url, "--json");
    const told = JSON.parse(rest.lines[0] as string) as Told;
    assert.equal([rest.code, told.verified, told.head.number, told.head.hash], [0, 56, 120, shown(all[120])]);
    const without = await call("verify", "--checkpoint", checkpoint, url.replace("p%25w", "wrong"), "--json");
    const failed = JSON.parse(without.lines[0] as string) as Told;
    assert.equal([without.code, failed.ok, failed.failed?.number], [1, false, 1]);
    const elsewhere = await call("verify", "--checkpoint", checkpoint, url, "--save", join(folder, "no", "folder.json"));
    assert.is(elsewhere.code, 1);
    assert.match(elsewhere.errors[0] as string, /folder\.json: it cannot be written \(ENOENT\)/);
    assert.is(statSync(saved).mode & 0o777, 0o666 & ~process.umask());
  } finally {
    await node.down();
  }
});

test("a block that one of several servers has not got is no end of the chain", async () => {
  const node = new FakeBitcoin(all);
  const url = await node.up();
  const checkpoint = file("node.json", JSON.stringify(bitcoinGenesis));
  let missed = 0;
  node.mishap = (method, first) =>
    method === "getblockhash" && first === 50 && missed++ === 0
      ? { status: 200, body: '{"id":1,"result":null,"error":{"code":-8,"message":"Block height out of range"}}' }
      : undefined;
  try {
    const { code, lines } = await call("verify", "--checkpoint", checkpoint, url, "--json");
    assert.equal([code, (JSON.parse(lines[0] as string) as Told).verified, missed > 1], [0, 120, true]);
  } finally {
    await node.down();
  }
  // One that never has it ends the run, and says so.
  const source = {
    header: async (block: number | "latest") =>
      block === "latest" || block < 5
        ? {
            number: block === "latest" ? 9 : block,
            hash: new Uint8Array(32),
            parentHash: new Uint8Array(32),
            timeS: 0,
            raw: new Uint8Array(80),
            rebuilt: false,
            hashed: true,
          }
        : undefined,
  };
  let waits = 0;
  const given: number[] = [];
  try {
    for await (const batch of headersOfNode(source, 1, async () => {
      waits += 1;
    }))
      given.push(batch.length);
    assert.unreachable("a hole that never closes");
  } catch (error) {
    assert.match((error as Error).message, /it has no block 5, and says that its head is #9/);
  }
  assert.equal([given, waits], [[4], 10]);
});

test("patience is bounded, keeps Retry-After, and asks less at once after a 429", async () => {
  let nowMs = 0;
  const waits: number[] = [];
  const options = {
    onWait: (_reason: string, waitMs: number) => void waits.push(waitMs),
    pause: async (ms: number) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
  };
  const never = new PatientRpc({ call: () => Promise.reject(new RpcError("x: HTTP 503", undefined, { status: 503 })) }, options);
  const failed = await never.call("x").catch((error: unknown) => error);
  assert.instance(failed, RpcError);
  assert.ok(nowMs <= PATIENCE_MS && nowMs > PATIENCE_MS / 2, `${nowMs}`);
  assert.ok(waits.length > 5 && waits.length < 40, `${waits.length}`);
  // A node that asks for more than that is not waited for, one that asks for less gets exactly it.
  const busy = (retryAfterMs: number) => new RpcError("x: HTTP 429", undefined, { status: 429, retryAfterMs });
  let asked = 0;
  waits.length = 0;
  const polite = new PatientRpc({ call: async () => (asked++ === 0 ? Promise.reject(busy(90_000)) : "held") }, options);
  assert.is(await polite.call("x"), "held");
  assert.equal(waits, [90_000]);
  const hours = new PatientRpc({ call: () => Promise.reject(busy(7_200_000)) }, options);
  assert.instance(await hours.call("x").catch((error: unknown) => error), RpcError);
  // So many under way at once before, and half of it after.
  let underWay = 0;
  let most = 0;
  let refusals = 1;
  const crowd = new PatientRpc(
    {
      async call() {
        underWay += 1;
        most = Math.max(most, underWay);
        await Promise.resolve();
        underWay -= 1;
        if (refusals-- > 0) throw busy(1);
        return "held";
      },
    },
    options,
  );
  await Promise.all(Array.from({ length: 64 }, () => crowd.call("x")));
  assert.is(most, CALLS_AT_ONCE_MAX);
  most = 0;
  await Promise.all(Array.from({ length: 32 }, () => crowd.call("x")));
  assert.ok(most <= CALLS_AT_ONCE_MAX / 2 + 1, `${most}`);
  // What no waiting changes is not waited for, nor is a node that nobody has heard of.
  for (const error of [
    new RpcError("x: method not found", -32601),
    new RpcError("x: no JSON", undefined, { status: 401 }),
    new RpcError("x: ECONNREFUSED"),
  ]) {
    waits.length = 0;
    assert.is(await new PatientRpc({ call: () => Promise.reject(error) }, options).call("x").catch((got: unknown) => got), error);
    assert.equal(waits, []);
  }
});

test("a node that tells no work, as btcd: the block's own stands for it, or what is given", async () => {
  const node = new FakeBitcoin(all);
  node.tellsWork = false;
  const url = await node.up();
  try {
    const out = join(folder, "btcd.json");
    const made = await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--number", "60", "--out", out);
    assert.is(made.code, 0, made.errors.join());
    assert.match(made.errors[0] as string, /tells no chainwork: the checkpoint counts work from its block on/);
    const { work } = JSON.parse(readFileSync(out, "utf8")) as { work: string };
    assert.is(BigInt(`0x${work}`), 2n);
    const rest = await call("verify", "--checkpoint", out, url, "--json");
    assert.equal([rest.code, (JSON.parse(rest.lines[0] as string) as Told).verified], [0, 60]);
    const given = await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--number", "60", "--work", "0x7a");
    assert.equal([given.code, given.errors], [0, []]);
    assert.is(BigInt(`0x${(JSON.parse(given.lines.join("")) as { work: string }).work}`), 122n);
    for (const bad of ["0", "0x", "g", "00"])
      assert.is((await call("checkpoint", "--chain", "bitcoin", "--rpc", url, "--work", bad)).code, 2, bad);
  } finally {
    await node.down();
  }
});

test.run();
