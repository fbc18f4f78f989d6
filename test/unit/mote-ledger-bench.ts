// A whole mote with all that the ledger has (proofs, transactions, registry, commands, anchors) on virtual time, a commander, a collector with
// its tree, and a power that can go at any step. Whatever was signed, written and mined is remembered here, not asked of the mote.

import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { Commands, OUTCOMES } from "../../firmware/command/commands.js";
import { ACTION_INTERVAL, type Command, encodeCommand, type Order } from "../../firmware/command/message.js";
import { encodeAnchorMessage } from "../../firmware/ledger/anchor-wire.js";
import { Anchors, anchorSlot } from "../../firmware/ledger/anchors.js";
import { COMMANDERS_SLOT, GIVEN, mappingSlot } from "../../firmware/ledger/registry-slots.js";
import { decodeSubmission } from "../../firmware/ledger/submission-wire.js";
import { decodePayload, decodeTransaction, type Transaction } from "../../firmware/ledger/transaction.js";
import { type AnswerFields, decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { memoryStorage } from "../../host-sim/hardware/storage.js";
import { fastEngine as engine } from "../../tools/crypto/engine-fast.js";
import { Tree } from "./ledger/anchors-bench.js";
import { CHAIN, hex, LedgerBench, mandateWord, REGISTRY, sure } from "./ledger/ledger-bench.js";
import { COLLECTOR, type PoweredMote } from "./mote-bench.js";
import { Power, poweredBy } from "./power.js";
import { signed, type TestKey, testKey } from "./record/signing.js";

export const COMMANDER = testKey("a commander");
export const RECOVERY = testKey("the recovery key");
export const CONTRACT = new Uint8Array(20).fill(0xac);
export const FLEET: RecordFields["fleet"] = { registry: REGISTRY, chain: CHAIN };
const SECTOR_BYTES = 4096;
/** Where the calls of this chain are kept: "tx" and the chain id in base 36. */
export const CALLS_KEY = `tx${(1337).toString(36)}`;

/** A record that the collector has. */
interface Collected {
  readonly seq: number;
  readonly stream: number;
  readonly digest: Uint8Array;
}

export interface WholeOptions {
  /** Of the journal's partition. */
  readonly sectors?: number;
  readonly intervalMs?: number;
}

export class WholeBench extends LedgerBench {
  readonly power = new Power();
  readonly tree = new Tree(COLLECTOR);
  /** By seq: what the collector has taken, its digest as the mote's own record says it. */
  readonly collected = new Map<number, Collected>();
  /** Leaves of the tree, in order. */
  readonly leaves: Collected[] = [];
  /** The newest record that stands in a root of the contract. */
  anchored = 0;
  /** Calls by nonce, of which a signature was made. */
  readonly calls = new Map<number, string>();
  /** What was written under a key that only a command writes, in order. */
  readonly written: string[] = [];
  /** The newest value of each key of the store. */
  readonly kept = new Map<string, string>();
  restarts = 0;
  readonly #payloads = new Map<string, Transaction>();
  readonly #counters = new Map<string, number>();

  constructor({ sectors = 16, intervalMs = 5_000 }: WholeOptions = {}) {
    super({
      ledger: { intervalMs, anchor: `0x${hex(CONTRACT)}`, recovery: `0x${hex(RECOVERY.address)}` },
      config: { journal: { keep: "anchored" } },
      storage: memoryStorage({ partitions: { journal: sectors * SECTOR_BYTES } }),
      more: (proofs, registry) => [new Commands(registry), new Anchors(proofs)],
    });
    this.contracts.set(hex(CONTRACT), new Map());
    this.onCollected = (seq, stream, digest) => {
      const before = this.collected.get(seq);
      assert.ok(before === undefined || hex(before.digest) === hex(digest), `two records ${seq}`);
      this.collected.set(seq, { seq, stream, digest });
    };
  }

  /** The power comes back; for so many steps, where it is to go again. */
  async bootFor(steps = -1): Promise<PoweredMote> {
    this.power.on = true;
    this.power.cutAt = steps < 0 ? -1 : this.power.steps + steps;
    return this.boot((device) =>
      poweredBy(this.power, device, {
        onWrite: (key, value) => this.wrote(key, value),
        onSign: (digest) => this.signs(digest),
        onRestart: () => this.restarted(),
      }),
    );
  }

  private restarted(): void {
    this.restarts += 1;
  }

  private wrote(key: string, value: Uint8Array): void {
    this.kept.set(key, toHex(value));
    if (["settings", "policy", "checkpoint"].includes(key)) this.written.push(`${key} ${toHex(value)}`);
    if (key !== CALLS_KEY) return;
    // The payload lies between what docs/ledger.md lists and the CRC-32; an effect before it has 116 bytes.
    const payload = value.slice(((value[1] as number) & 2) === 0 ? 38 : 154, -4);
    const transaction = decodePayload(payload);
    if (!(transaction instanceof Rejection)) this.#payloads.set(toHex(engine.keccak256(payload)), transaction);
  }

  /** Each signature over a call is held against all before it. */
  private signs(digest: Uint8Array): void {
    const transaction = this.#payloads.get(toHex(digest));
    if (transaction === undefined) return;
    const { nonce, to, value, data } = transaction;
    const call = `${toHex(to)} ${value} ${toHex(data)}`;
    assert.is(this.calls.get(nonce) ?? call, call, `two calls with the nonce ${nonce}`);
    this.calls.set(nonce, call);
  }

  mandate(key: TestKey, expiryBlock = 100_000, status = GIVEN): void {
    this.set(mappingSlot(engine, key.address, COMMANDERS_SLOT), mandateWord(status, 1, expiryBlock));
  }

  /** A signed command; by its commander's next counter, good for two hundred blocks. */
  command(order: Order, by: TestKey = COMMANDER, more: Partial<Command> = {}): Uint8Array {
    const name = toHex(by.address);
    const counter = more.counter ?? (this.#counters.get(name) ?? 0) + 1;
    this.#counters.set(name, Math.max(counter, this.#counters.get(name) ?? 0));
    const usual = { mote: this.powered.addressBytes, expiryBlock: this.tip.number + 200, fleet: FLEET };
    return signed(by, encodeCommand({ ...usual, order, ...more, counter }));
  }

  tell(topic: string, message: Uint8Array): void {
    this.powered.client.message(`motes/${this.powered.address}/${topic}`, message);
  }

  /** The newest record of each stream that the collector has becomes a leaf; the contract has no root with it yet. */
  leaf(): void {
    const newest = new Map<number, Collected>();
    for (const one of [...this.collected.values()].sort((x, y) => x.seq - y.seq)) newest.set(one.stream, one);
    const added = [...newest.values()].filter(({ seq }) => !this.leaves.some((leaf) => leaf.seq === seq));
    for (const leaf of added) {
      this.leaves.push(leaf);
      this.tree.add(leaf.digest);
    }
    this.leaves.sort((x, y) => x.seq - y.seq);
  }

  /** The same, and the contract has the root from the next block on. */
  anchor(): void {
    this.leaf();
    this.root(this.tree, this.tip.number + 1);
    this.anchored = this.leaves.at(-1)?.seq ?? 0;
  }

  /** The contract has this tree's root. */
  root({ key, tree }: Tree, block: number): void {
    const word = new Uint8Array(32);
    new DataView(word.buffer).setUint32(28, block);
    new DataView(word.buffer).setUint32(22, 1_800_000_000);
    const slot = anchorSlot(engine, key.address, tree.size, tree.root());
    (this.contracts.get(hex(CONTRACT)) as Map<string, Uint8Array>).set(hex(slot), word);
  }

  /** Sends the receipt of the newest leaf of the stream that the first record without an anchor is of; of the whole tree. */
  anchorReceipt(): void {
    const { anchoredThrough } = this.powered.mote.journal;
    const first = this.leaves.find(({ seq }) => seq > anchoredThrough);
    const leaf = this.leaves.filter(({ stream }) => stream === first?.stream).at(-1);
    if (leaf === undefined) return;
    const { seq, stream, digest } = leaf;
    this.tell("anchors", encodeAnchorMessage({ seq, stream, receipt: this.tree.receipt(digest) }));
  }

  /** Transactions that left over the present connection. */
  submitted(): Transaction[] {
    return this.powered.client.writes
      .filter(({ options }) => options.topic === `chains/${CHAIN}/transactions`)
      .map(({ data }) => sure(decodeTransaction(sure(decodeSubmission(new Uint8Array(data as Uint8Array))).raw)));
  }

  /** Answers to commands among the records that the mote keeps, in order: "1 done". */
  answers(): { readonly seq: number; readonly answer: AnswerFields }[] {
    const { journal } = this.powered.mote;
    const found: { seq: number; answer: AnswerFields }[] = [];
    for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) {
      const kept = journal.read(seq);
      const record = kept instanceof Rejection ? kept : decodeRecord(kept.payload);
      if (!(record instanceof Rejection) && record.answer !== undefined) found.push({ seq, answer: record.answer });
    }
    return found;
  }

  said(): string[] {
    return this.answers().map(
      ({ answer: { commander, counter, outcome } }) => `${toHex(commander).slice(0, 4)} ${counter} ${OUTCOMES[outcome]}`,
    );
  }
}

/** An order whose effect can be told from that of any other. */
export function interval(intervalMs: number): Order {
  return { action: ACTION_INTERVAL, intervalMs };
}
