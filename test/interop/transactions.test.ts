// A mote's calls on nodes that none of us wrote, anvil and geth: sent over the relay's desk, mined, and their end found. Type 0 where the chain
// has no base fee, type 2 where it has one. What a mote learns of the chain by proof comes from the node's own answers here.
//
// Where a node is not here its part is skipped in one line.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { encodeCall } from "../../firmware/ledger/abi.js";
import { raisedFee } from "../../firmware/ledger/call-store.js";
import {
  ASKED,
  type Call,
  type CallState,
  type LedgerView,
  type ProvenAccount,
  type ProvenInclusion,
  type ProvenSlot,
  Sender,
} from "../../firmware/ledger/sender.js";
import { decodeSubmissionAnswer, encodeSubmission } from "../../firmware/ledger/submission-wire.js";
import { decodeTransaction, signingPayload, signPayload } from "../../firmware/ledger/transaction.js";
import type { Keys } from "../../firmware/ports.js";
import { Rejection } from "../../firmware/rejection.js";
import { MemoryNvs } from "../../host-sim/hardware/key-value.js";
import { engine } from "../../tools/crypto/engine.js";
import { freePort } from "../../tools/processes/ports.js";
import { SubmissionDesk } from "../../tools/relay/submission-desk.js";
import { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { pause, WAIT_MS_MAX } from "../patience.js";
import { type TestKey, testKey } from "../unit/record/signing.js";

const CHAIN_ID = 1337;
const GWEI = 10n ** 9n;
const ETHER = 10n ** 18n;
const LIMITS = { gasMax: 200_000, feePerGasMax: 100n * GWEI, tipPerGas: 2n * GWEI };
/** Writes 1 into the slot that the second argument names, or reverts where that is zero: a selector is passed over. */
const RUNTIME = "6024358015600d5760019055005b60006000fd";
const programs: ChildProcess[] = [];
const folders: string[] = [];

test.after(() => {
  for (const child of programs) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function anvilProgram(): string | undefined {
  const platform = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  try {
    const path = process.env.ANVIL ?? createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${platform}/bin/anvil`);
    return existsSync(path) && spawnSync(path, ["--version"]).status === 0 ? path : undefined;
  } catch {
    return undefined;
  }
}
const anvil = anvilProgram();
const geth = ["/root/go/bin/geth", "/usr/bin/geth", "/usr/local/bin/geth"].find((path) => existsSync(path));

async function answering(program: string, words: readonly string[], port: number): Promise<JsonRpc> {
  const child = spawn(program, words, { stdio: "ignore" });
  programs.push(child);
  const rpc = new JsonRpc(`http://127.0.0.1:${port}`, { timeoutMs: WAIT_MS_MAX });
  for (const endMs = performance.now() + WAIT_MS_MAX; ; ) {
    try {
      await rpc.call("eth_blockNumber");
      return rpc;
    } catch (error) {
      if (performance.now() > endMs || child.exitCode !== null) throw error;
    }
    await pause(50);
  }
}

async function anvilAt(hardfork: string): Promise<JsonRpc> {
  const port = await freePort();
  const words = ["--host", "127.0.0.1", "--port", `${port}`, "--chain-id", `${CHAIN_ID}`, "--hardfork", hardfork, "--silent"];
  return answering(anvil as string, words, port);
}

async function gethDev(): Promise<JsonRpc> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "chainmote-geth-dev-"));
  folders.push(folder);
  const own = [
    "--dev",
    "--datadir",
    folder,
    "--nodiscover",
    "--ipcdisable",
    "--port",
    "0",
    "--authrpc.port",
    `${await freePort()}`,
  ];
  return answering(geth as string, [...own, "--http", "--http.addr", "127.0.0.1", "--http.port", `${port}`], port);
}

const quantity = (value: unknown): bigint => BigInt(value as string);
const hex = (bytes: Uint8Array): string => `0x${toHex(bytes)}`;
const bytes = (text: unknown): Uint8Array => fromHex(text as string) as Uint8Array;

/** A receipt, or null while there is none: geth refuses to look while it makes its index. */
async function mined(rpc: JsonRpc, hash: unknown): Promise<Record<string, string> | null> {
  try {
    return (await rpc.call("eth_getTransactionReceipt", hash)) as Record<string, string> | null;
  } catch (error) {
    if (/indexing/.test(String(error))) return null;
    throw error;
  }
}

async function receiptOf(rpc: JsonRpc, hash: unknown): Promise<Record<string, string>> {
  for (const endMs = performance.now() + WAIT_MS_MAX; performance.now() < endMs; await pause(50)) {
    const receipt = await mined(rpc, hash);
    if (receipt !== null) return receipt;
  }
  throw new Error("no receipt");
}

/** What is proven on a board, out of the mouth of the node. */
class NodeView implements LedgerView {
  readonly #rpc: JsonRpc;
  readonly #address: string;
  #account: ProvenAccount | undefined;
  #baseFee: bigint | undefined;
  #slot: ProvenSlot | undefined;
  #inclusion: ProvenInclusion | undefined;
  #wanted: [string, string] | undefined;
  #looked = "";
  constructor(rpc: JsonRpc, address: Uint8Array) {
    this.#rpc = rpc;
    this.#address = hex(address);
  }
  account = () => this.#account;
  baseFeePerGas = () => this.#baseFee;
  slot(contract: Uint8Array, slot: Uint8Array): ProvenSlot | undefined {
    this.#wanted = [hex(contract), hex(slot)];
    return this.#looked === hex(slot) ? this.#slot : undefined;
  }
  inclusion = (): ProvenInclusion | typeof ASKED => this.#inclusion ?? ASKED;
  async look(sent: readonly Uint8Array[]): Promise<void> {
    const block = (await this.#rpc.call("eth_getBlockByNumber", "latest", false)) as Record<string, string>;
    const at = block.number;
    this.#baseFee = block.baseFeePerGas === undefined ? undefined : quantity(block.baseFeePerGas);
    this.#account = {
      block: Number(at),
      nonce: Number(await this.#rpc.call("eth_getTransactionCount", this.#address, at)),
      balance: quantity(await this.#rpc.call("eth_getBalance", this.#address, at)),
    };
    this.#slot =
      this.#wanted === undefined
        ? undefined
        : { block: Number(at), value: bytes(await this.#rpc.call("eth_getStorageAt", ...this.#wanted, at)) };
    this.#looked = this.#wanted?.[1] ?? "";
    this.#inclusion = undefined;
    for (const raw of sent) {
      const receipt = (await this.#rpc.call("eth_getTransactionReceipt", hex(engine.keccak256(raw)))) as Record<
        string,
        string
      > | null;
      if (receipt !== null) this.#inclusion = { raw, succeeded: receipt.status === "0x1" };
    }
  }
}

/** A mote that is nothing but a key, a store and a sender, with a relay's desk before a node. */
class Caller {
  readonly said: CallState[] = [];
  readonly answers: (Uint8Array | number)[] = [];
  readonly refused: string[] = [];
  readonly rpc: JsonRpc;
  readonly #desk: SubmissionDesk;
  readonly #sent: Uint8Array[] = [];
  readonly #view: NodeView;
  readonly #sender: Sender;
  #nowMs = 0;

  constructor(rpc: JsonRpc, key: TestKey) {
    this.rpc = rpc;
    this.#view = new NodeView(rpc, key.address);
    this.#desk = new SubmissionDesk({
      ...{ rpc, prefix: "", chain: `eip155:${CHAIN_ID}` },
      publish: async (topic, message) => {
        assert.is(topic, `motes/${hex(key.address)}/transactions`);
        const answer = decodeSubmissionAnswer(message);
        if (!(answer instanceof Rejection)) this.answers.push(answer.outcome);
      },
      onSubmitted: () => undefined,
      onRefused: (code) => this.refused.push(code),
    });
    const nvs = new MemoryNvs();
    const sender = Sender.open({
      ...{ engine, keys: keysOf(key), key: { slot: "test" }, address: key.address, chainId: CHAIN_ID },
      domain: {
        read: (name) => nvs.get("mote", name)?.buffer as ArrayBuffer | undefined,
        write: (name, value) => nvs.set("mote", name, new Uint8Array(value)),
        delete: (name) => nvs.delete("mote", name),
        close: () => undefined,
      },
      ...{ limits: LIMITS, view: this.#view },
      submit: (raw) => {
        this.#sent.push(raw.slice());
        this.#desk.take(encodeSubmission({ id: this.#sent.length, to: key.address, raw }));
      },
      report: (state) => this.said.push(state),
      alarm: () => assert.unreachable(),
      refused: (refusal) => assert.unreachable(refusal.toString()),
    });
    if (sender instanceof Rejection) throw new Error(sender.toString());
    this.#sender = sender;
  }

  async send(call: Omit<Call, "label">): Promise<number | Rejection> {
    await this.#view.look(this.#sent);
    this.said.length = 0;
    return this.#sender.send({ ...call, label: 1 }, this.#nowMs);
  }

  /** Looks until the call has its end. */
  async end(): Promise<string> {
    for (const endMs = performance.now() + WAIT_MS_MAX; this.#sender.pending && performance.now() < endMs; await pause(50)) {
      await this.#view.look(this.#sent);
      this.#nowMs += 1_000;
      await this.#sender.step(this.#nowMs);
    }
    return this.said.join(" ");
  }
}

function keysOf(key: TestKey): Keys {
  const none = (): never => assert.unreachable() as never;
  return { open: none, create: none, close: none, publicKey: () => key.publicKey, sign: (_key, digest) => key.sign(digest) };
}

/** Money for the mote and the contract, from an account that the node itself holds. */
async function prepared(rpc: JsonRpc, mote: Uint8Array, value: bigint): Promise<Uint8Array> {
  const [from] = (await rpc.call("eth_accounts")) as string[];
  const gasPrice = `0x${(10n * GWEI).toString(16)}`;
  await receiptOf(
    rpc,
    await rpc.call("eth_sendTransaction", { from, to: hex(mote), value: `0x${value.toString(16)}`, gas: "0x5208", gasPrice }),
  );
  const size = (RUNTIME.length / 2).toString(16).padStart(2, "0");
  const data = `0x60${size}80600b6000396000f3${RUNTIME}`;
  const receipt = await receiptOf(rpc, await rpc.call("eth_sendTransaction", { from, data, gas: "0x30d40", gasPrice }));
  assert.is(await rpc.call("eth_getCode", receipt.contractAddress, "latest"), `0x${RUNTIME}`);
  return bytes(receipt.contractAddress);
}

const word = (last: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? last : 0));

/** Value, a call with an effect, one that reverts, one after another; then what the node refuses. */
async function lives(rpc: JsonRpc, type: 0 | 2, tooLittle: bigint): Promise<void> {
  const key = testKey(`a mote on a node, type ${type}`);
  const contract = await prepared(rpc, key.address, ETHER);
  const mote = new Caller(rpc, key);

  const friend = testKey("somebody with an account").address;
  assert.is(await mote.send({ to: friend, value: ETHER / 4n, data: new Uint8Array(0), gas: 21_000 }), 0);
  assert.is(await mote.end(), "sent done");
  assert.is(quantity(await rpc.call("eth_getBalance", hex(friend), "latest")), ETHER / 4n);

  for (const [slot, end] of [
    [7, "sent done"],
    [0, "sent reverted"],
  ] as const) {
    const data = encodeCall(engine, "mark(bytes32,uint64)", [word(9), slot]) as Uint8Array;
    const effect = { contract, slot: word(slot), mask: word(0xff), value: word(1) };
    assert.not.instance(await mote.send({ to: contract, value: 0n, data, gas: 100_000, effect }), Rejection);
    assert.is(await mote.end(), end);
  }
  assert.is(quantity(await rpc.call("eth_getStorageAt", hex(contract), hex(word(7)), "latest")), 1n);
  assert.is(Number(await rpc.call("eth_getTransactionCount", hex(key.address), "latest")), 3);
  assert.equal(mote.refused, []);
  for (const answer of mote.answers) {
    const mined = (await rpc.call("eth_getTransactionByHash", hex(answer as Uint8Array))) as Record<string, string>;
    assert.is(mined.from, hex(key.address));
    assert.is(Number(mined.type), type);
  }
  const broke = await mote.send({ to: friend, value: ETHER, data: new Uint8Array(0), gas: 21_000 });
  assert.is(broke instanceof Rejection ? broke.code : "", "tx-insufficient-balance");
  await refusedByNode(rpc, key, type, tooLittle);
}

/** What a node says no to, by the reason in the desk's answer; and what the desk keeps from it. */
async function refusedByNode(rpc: JsonRpc, key: TestKey, type: 0 | 2, tooLittle: bigint): Promise<void> {
  const outcomes: string[] = [];
  const refused: string[] = [];
  const desk = new SubmissionDesk({
    ...{ rpc, prefix: "", chain: `eip155:${CHAIN_ID}`, publish: async () => undefined },
    onSubmitted: (_from, outcome) => outcomes.push(outcome.slice(0, 7)),
    onRefused: (code) => refused.push(code),
  });
  const base = { type, chainId: CHAIN_ID, nonce: 3, gas: 21_000, to: key.address, value: 0n, data: new Uint8Array(0) } as const;
  const fees = { maxFeePerGas: 50n * GWEI, maxPriorityFeePerGas: type === 0 ? 50n * GWEI : GWEI };
  const hand = async (change: object, to = key.address): Promise<Uint8Array> => {
    const raw = await signPayload(engine, keysOf(key), { slot: "test" }, signingPayload({ ...base, ...fees, ...change }));
    desk.take(encodeSubmission({ id: 1, to, raw: raw as Uint8Array }));
    for (const endMs = performance.now() + WAIT_MS_MAX; outcomes.length + refused.length === 0 && performance.now() < endMs; )
      await pause(10);
    return raw as Uint8Array;
  };
  const outcomeOf = async (change: object): Promise<string> => {
    outcomes.length = 0;
    refused.length = 0;
    await hand(change);
    return outcomes[0] ?? refused[0] ?? "";
  };
  assert.is(await outcomeOf({ nonce: 0 }), "nonce");
  assert.is(await outcomeOf({ value: 10n * ETHER }), "balance");
  assert.is(await outcomeOf({ gas: 20_000 }), "gas");
  // The same call once more, while it waits for the one before: a node takes it with both fees a tenth higher; geth not with less.
  const raised = (by: (fee: bigint) => bigint) => ({
    maxFeePerGas: by(fees.maxFeePerGas),
    maxPriorityFeePerGas: by(fees.maxPriorityFeePerGas),
  });
  assert.match(await outcomeOf({ nonce: 5 }), /^0x/);
  assert.is(await outcomeOf({ nonce: 5, ...raised((fee) => (fee * tooLittle) / 100n) }), "fee");
  assert.match(await outcomeOf({ nonce: 5, ...raised(raisedFee) }), /^0x/);
  assert.is(await outcomeOf({ chainId: CHAIN_ID + 1 }), "submission-chain");
  refused.length = 0;
  outcomes.length = 0;
  await hand({}, new Uint8Array(20).fill(1));
  assert.equal([outcomes, refused], [[], ["submission-foreign"]]);
  refused.length = 0;
  const raw = await hand({});
  assert.is(outcomes[0], hex(engine.keccak256(raw)).slice(0, 7));
  assert.not.instance(decodeTransaction(raw), Rejection);
  await desk.close();
}

/** The last: which part in a hundred of the fee that waits the node refuses as too little. */
const nodes: [string, string | undefined, () => Promise<JsonRpc>, 0 | 2, bigint][] = [
  ["anvil at Berlin", anvil, () => anvilAt("berlin"), 0, 99n],
  ["anvil at London", anvil, () => anvilAt("london"), 2, 99n],
  ["anvil at Prague", anvil, () => anvilAt("prague"), 2, 99n],
  ["geth --dev", geth, gethDev, 2, 109n],
];
for (const [name, program, start, type, tooLittle] of nodes) {
  const run = program === undefined ? test.skip : test;
  if (program === undefined) console.log(`skipped: ${name} (no such program here)`);
  run(`calls of type ${type} on ${name}`, async () => lives(await start(), type, tooLittle));
}

test.run();
