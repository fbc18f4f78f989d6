// A whole mote with the ledger's features, on virtual time, over a chain whose state the test has whole: the registry's slots and the mote's
// own account, in tries that nodes of a proof are taken from. The relay does as the test tells it.

import { RLP } from "@ethereumjs/rlp";
import { encodeReply } from "../../../firmware/bus/wire.js";
import type { FeatureType } from "../../../firmware/feature.js";
import { decodeProofRequest, PROVE_SLOT, type ProofRequest } from "../../../firmware/ledger/proof-wire.js";
import { Registry } from "../../../firmware/ledger/registry.js";
import { ABSENT, MOTES_SLOT, mappingSlot } from "../../../firmware/ledger/registry-slots.js";
import { StateProofs } from "../../../firmware/ledger/state-proofs.js";
import { Transactions } from "../../../firmware/ledger/transactions.js";
import type { Device } from "../../../firmware/ports.js";
import { decodeSign1, digestOf } from "../../../firmware/record/cose.js";
import { encodeReceipt } from "../../../firmware/record/receipt.js";
import { decodeRecord } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import type { BoardStorage } from "../../../host-sim/hardware/storage.js";
import { fastEngine as engine } from "../../../tools/crypto/engine-fast.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import type { BftBlock, BftChildOptions } from "../../chains/bft-generator.js";
import { COLLECTOR, MoteBench, type PoweredMote } from "../mote-bench.js";
import { signed, testKey } from "../record/signing.js";

export const CHAIN = "eip155:1337";
export const REGISTRY = new Uint8Array(20).fill(0xf1);
export const ENROLLER = testKey("the enroller");
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const EMPTY_CODE = engine.keccak256();
const EMPTY_TRIE = new Trie([]).root;

export interface MoteState {
  readonly status?: number;
  readonly role?: number;
  readonly policyId?: bigint;
  readonly firmwareId?: bigint;
  readonly sinceBlock?: number;
  readonly counter?: bigint;
}

/** A mote's word, packed as Solidity does, by the table of docs/ledger.md. */
function moteWord({
  status = ABSENT,
  role = 0,
  policyId = 0n,
  firmwareId = 0n,
  sinceBlock = 0,
  counter = 0n,
}: MoteState): Uint8Array {
  const fields = [
    [BigInt(status), 8],
    [BigInt(role), 8],
    [policyId, 64],
    [firmwareId, 64],
    [BigInt(sinceBlock), 48],
    [counter, 64],
  ] as const;
  return packed(fields);
}

export function mandateWord(status: number, sinceBlock: number, expiryBlock: number): Uint8Array {
  return packed([
    [BigInt(status), 8],
    [BigInt(sinceBlock), 48],
    [BigInt(expiryBlock), 48],
  ]);
}

function packed(fields: readonly (readonly [bigint, number])[]): Uint8Array {
  let word = 0n;
  let at = 0n;
  for (const [value, bits] of fields) {
    word |= value << at;
    at += BigInt(bits);
  }
  return Uint8Array.from(Buffer.from(word.toString(16).padStart(64, "0"), "hex"));
}

interface Stated {
  readonly block: BftBlock;
  readonly state: Trie;
  /** By their contracts' addresses. */
  readonly storages: ReadonlyMap<string, Trie>;
}

export interface LedgerOptions {
  readonly ledger?: object;
  /** Without `Transactions`. */
  readonly silent?: boolean;
  readonly sampleMs?: number;
  readonly fleet?: object;
  /** More of the configuration. */
  readonly config?: object;
  readonly storage?: BoardStorage;
  /** Features besides, after those of the ledger. */
  readonly more?: (proofs: StateProofs, registry: Registry) => readonly FeatureType[];
}

export class LedgerBench {
  readonly bench: MoteBench;
  readonly registries: Registry[] = [];
  readonly transactions: Transactions[] = [];
  readonly words = new Map<string, Uint8Array>();
  /** Other contracts, by their addresses. */
  readonly contracts = new Map<string, Map<string, Uint8Array>>();
  /** Every block whose state is known. */
  readonly blocks: Stated[] = [];
  /** Those that the mote was told of, in order. */
  readonly mined: BftBlock[] = [];
  /** Whether the collector says that it has what the broker has taken. */
  collecting = true;
  onCollected: (seq: number, stream: number, digest: Uint8Array) => void = () => undefined;
  nonce = 0;
  balance = 10n ** 18n;
  tip: BftBlock;
  powered!: PoweredMote;
  #served = 0;
  #client: unknown;
  readonly #collected = new Set<string>();

  constructor(options: LedgerOptions = {}) {
    const { ledger = {}, silent = false, sampleMs = 1000, fleet, config = {}, storage, more = () => [] } = options;
    const fees = { gasMax: 700_000, maxFeePerGas: 10_000_000_000, tip: 1_000_000_000 };
    this.bench = new MoteBench({
      sampleMs,
      config: {
        ledger: { intervalMs: 20_000, freshS: 60, fees, ...ledger },
        ...(fleet === undefined ? {} : { fleet }),
        ...config,
      },
      ...(storage === undefined ? {} : { storage }),
    });
    this.tip = this.bench.chain.genesis;
    // Each board that is switched on has features of its own.
    const make = (): FeatureType[] => {
      const proofs = new StateProofs();
      const transactions = silent ? undefined : new Transactions(proofs);
      const registry = new Registry(proofs, transactions);
      this.registries.push(registry);
      if (transactions !== undefined) this.transactions.push(transactions);
      return [proofs, ...(transactions === undefined ? [] : [transactions]), registry, ...more(proofs, registry)];
    };
    Object.defineProperty(this.bench.options, "features", { get: make });
  }

  get registry(): Registry {
    return this.registries[this.registries.length - 1] as Registry;
  }

  get transaction(): Transactions {
    return this.transactions[this.transactions.length - 1] as Transactions;
  }

  async boot(bend?: (device: Device) => Device): Promise<PoweredMote> {
    this.#collected.clear();
    try {
      await this.bench.boot(bend);
    } finally {
      this.powered = this.bench.newest ?? this.powered;
    }
    // A board that has lost its power may have forgotten the newest headers.
    for (const block of this.mined) {
      if (block.number <= this.powered.mote.head.number) continue;
      this.powered.announce(block.raw);
      await this.powered.pass(100);
    }
    return this.powered;
  }

  setMote(address: Uint8Array, state: MoteState): void {
    this.set(mappingSlot(engine, address, MOTES_SLOT), moteWord(state));
  }

  setOwn(state: MoteState): void {
    this.setMote(this.powered.addressBytes, state);
  }

  set(slot: Uint8Array, word: Uint8Array): void {
    this.words.set(hex(slot), word);
  }

  /** A block with the present state, which the mote is told of; `parent` is the newest one. */
  mine(parent = this.tip): BftBlock {
    const block = this.seal(parent);
    this.tip = block;
    this.mined.push(block);
    this.powered.announce(block.raw);
    return block;
  }

  /** A block with the present state that the mote is not told of. */
  seal(parent: BftBlock, options: BftChildOptions = {}): BftBlock {
    const storages = new Map<string, Trie>([[hex(REGISTRY), storageOf(this.words)]]);
    for (const [contract, words] of this.contracts) storages.set(contract, storageOf(words));
    const account = (nonce: number, balance: bigint, root: Uint8Array): Uint8Array =>
      RLP.encode([nonce, balance, root, EMPTY_CODE]);
    const state = new Trie([
      ...[...storages].map(([contract, { root }]) => [engine.keccak256(bytes(contract)), account(1, 0n, root)] as const),
      [engine.keccak256(this.powered.addressBytes), account(this.nonce, this.balance, EMPTY_TRIE)],
      ...Array.from({ length: 20 }, (_, i) => [engine.keccak256(Uint8Array.of(i)), account(i, 1n, EMPTY_TRIE)] as const),
    ]);
    const bend = (draft: object): void => void Object.assign(draft, { stateRoot: state.root });
    const block = this.bench.chain.child(parent, { ...options, bend });
    this.blocks.push({ block, state, storages });
    return block;
  }

  /** Requests for proofs that were not looked at yet. */
  asked(): ProofRequest[] {
    const { client } = this.powered;
    if (client !== this.#client) this.#served = 0;
    this.#client = client;
    const writes = client.writes.slice(this.#served).filter(({ options }) => options.topic === `chains/${CHAIN}/proofs`);
    this.#served = client.writes.length;
    return writes.map(({ data }) => decodeProofRequest(new Uint8Array(data as Uint8Array)) as ProofRequest);
  }

  /** What an honest relay says; nothing where it does not know the block. */
  honest({ block: hash, kind, subject, slot, from }: ProofRequest): Uint8Array[] {
    const found = this.blocks.find(({ block }) => hex(block.hash) === hex(hash));
    if (found === undefined) return [];
    const path = found.state.proof(engine.keccak256(subject as Uint8Array));
    const storage = kind === PROVE_SLOT ? found.storages.get(hex(subject as Uint8Array)) : undefined;
    return [found.block.raw, ...path, ...(storage?.proof(engine.keccak256(slot as Uint8Array)) ?? [])].slice(from);
  }

  /** Lets time pass, and answers each request. Answers what was asked. */
  async pass(
    durationMs: number,
    answer: (request: ProofRequest) => Uint8Array[] | undefined = (request) => this.honest(request),
  ) {
    const all: ProofRequest[] = [];
    for (let passed = 0; passed < durationMs; passed += 100) {
      await this.powered.pass(100);
      if (passed % 1_000 === 0) this.collect();
      for (const request of this.asked()) {
        all.push(request);
        const items = answer(request);
        if (items === undefined) continue;
        const reply = encodeReply({ id: request.id, from: request.from, headers: items });
        this.powered.client.message(`motes/${this.powered.address}/proofs`, reply);
      }
    }
    return all;
  }

  /** The broker and the collector take what was published. */
  private collect(): void {
    const published = this.powered.published("records");
    this.powered.acknowledge();
    if (!this.collecting) return;
    for (const record of published) {
      const text = hex(record);
      if (this.#collected.has(text)) continue;
      this.#collected.add(text);
      const { kid: mote, payload } = sure(decodeSign1(record));
      const { seq, stream } = sure(decodeRecord(payload));
      const receipt = encodeReceipt({ seq, digest: digestOf(engine, mote, payload), mote, stream });
      this.powered.give("receipts", signed(COLLECTOR, receipt));
      this.onCollected(seq, stream, digestOf(engine, mote, payload));
    }
  }

  /** Blocks at the chain's pace. */
  async live(blocks: number, answer?: (request: ProofRequest) => Uint8Array[] | undefined) {
    const all: ProofRequest[] = [];
    for (let i = 0; i < blocks; i += 1) {
      this.mine();
      all.push(...(await this.pass(2_000, answer)));
    }
    return all;
  }

  refusals(what: string): string[] {
    return this.powered
      .of("refused")
      .filter((line) => line.what === what)
      .map((line) => String(line.code));
  }
}

function storageOf(words: ReadonlyMap<string, Uint8Array>): Trie {
  return new Trie([...words].map(([slot, word]) => [engine.keccak256(bytes(slot)), RLP.encode(trimmed(word))] as const));
}

export function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

function trimmed(word: Uint8Array): Uint8Array {
  let at = 0;
  while (at < word.length && word[at] === 0) at += 1;
  return word.subarray(at);
}
