// A sender over a key-value store that outlives it, a signer that watches, and a chain that mines what reaches it. Power goes at any write, any
// signature, any message; whatever was signed in the whole life of the mote is remembered, by its nonce.

import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import type { Effect } from "../../../firmware/ledger/call-store.js";
import {
  ASKED,
  type Call,
  type CallState,
  type FeeLimits,
  GONE,
  type LedgerView,
  type ProvenInclusion,
  Sender,
} from "../../../firmware/ledger/sender.js";
import { decodePayload, decodeTransaction, sameCall, type Transaction } from "../../../firmware/ledger/transaction.js";
import type { ByteBuffer, KeyHandle, Keys, KeyValueDomain } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { testKey } from "../record/signing.js";

export const KEY = testKey("sender");
export const CHAIN_ID = 1337;
const HANDLE: KeyHandle = { slot: "test" };
export const CONTRACT = new Uint8Array(20).fill(0xc0);
export const GAS = 100_000;
const GWEI = 10n ** 9n;
export const LIMITS: FeeLimits = { gasMax: 500_000, feePerGasMax: 100n * GWEI, tipPerGas: GWEI };
/** Blocks on a block until it counts as settled. */
const SETTLE_BLOCKS = 2;

export function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(value.toString());
  return value;
}

/** Loses power before or after one of the steps that matter. */
class Power {
  on = true;
  steps = 0;
  /** The power goes at this step; −1 for never. */
  cutAt = -1;
  /** Throws where the power is gone. */
  step(): void {
    if (this.on && this.steps === this.cutAt) this.on = false;
    this.steps += 1;
    if (!this.on) throw new Error("no power");
  }
}

/** An NVS of one value that fails as it is told. */
class Store implements KeyValueDomain {
  readonly values = new Map<string, Uint8Array>();
  failing: "" | "refuses" | "throws after" | "refuses reads" = "";
  readonly #power: Power;
  constructor(power: Power) {
    this.#power = power;
  }
  read(key: string): ArrayBuffer | undefined {
    if (!this.#power.on) throw new Error("no power");
    if (this.failing === "refuses reads") throw new Error("ESP_ERR_FLASH_OP_FAIL");
    return this.values.get(key)?.slice().buffer as ArrayBuffer | undefined;
  }
  write(key: string, value: ByteBuffer): void {
    assert.ok(key.length >= 1 && key.length <= 15);
    this.#power.step();
    if (this.failing === "refuses") throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.values.set(key, new Uint8Array(value).slice());
    this.#power.step();
    if (this.failing === "throws after") throw new Error("ESP_ERR_FLASH_OP_FAIL");
  }
  delete(): void {
    throw new Error("a sender deletes nothing");
  }
  close(): void {}
}

/** Remembers what is signed, and that no nonce ever carries two calls. */
class Signer implements Keys {
  readonly signed = new Map<number, Transaction[]>();
  readonly #payloads = new Map<string, Uint8Array>();
  readonly #power: Power;
  readonly #store: Store;
  failing = false;
  constructor(power: Power, store: Store) {
    this.#power = power;
    this.#store = store;
  }
  readonly engine: CryptoEngine = {
    ...engine,
    keccak256: (...parts) => {
      const digest = engine.keccak256(...parts);
      if (parts.length === 1) this.#payloads.set(toHex(digest), (parts[0] as Uint8Array).slice());
      return digest;
    },
  };
  open = (): never => assert.unreachable("a sender opens no key") as never;
  create = this.open;
  close = this.open;
  publicKey = (): Uint8Array => KEY.publicKey;
  sign(_key: KeyHandle, digest: Uint8Array): Uint8Array {
    this.#power.step();
    if (this.failing) throw new Error("the key is away");
    const payload = this.#payloads.get(toHex(digest)) as Uint8Array;
    const kept = [...this.#store.values.values()].some((value) => toHex(value).includes(toHex(payload)));
    assert.ok(kept, "nothing is signed that the store does not hold");
    this.watch(held(decodePayload(payload)));
    const signature = KEY.sign(digest);
    this.#power.step();
    return signature;
  }
  private watch(transaction: Transaction): void {
    const before = this.signed.get(transaction.nonce) ?? [];
    this.signed.set(transaction.nonce, before);
    const last = before[before.length - 1];
    if (last !== undefined) {
      assert.ok(sameCall(last, transaction), `nonce ${transaction.nonce} carries two calls`);
      if (last.maxFeePerGas === transaction.maxFeePerGas) return;
      assert.ok(transaction.maxFeePerGas * 10n >= last.maxFeePerGas * 11n, "the fee is a tenth higher");
      assert.ok(transaction.maxPriorityFeePerGas * 10n >= last.maxPriorityFeePerGas * 11n, "so is the tip");
    }
    before.push(transaction);
  }
}

interface Mined {
  readonly raw: Uint8Array;
  readonly succeeded: boolean;
  readonly transaction: Transaction;
}

/** What a node pools, read once. */
interface Pooled {
  readonly raw: Uint8Array;
  readonly transaction: Transaction;
}

/** A chain that mines what reached it, and whose settled blocks the view proves. */
class Chain implements LedgerView {
  readonly blocks: (readonly Mined[])[] = [[]];
  pool: Pooled[] = [];
  balance = 10n ** 20n;
  baseFee: bigint | undefined = 7n * GWEI;
  /** What nodes ask for at least. */
  leastTip = 0n;
  proving = true;
  linked = true;
  succeeds = true;
  /** Whether slots are proven. */
  slots = true;

  get settled(): number {
    return Math.max(0, this.blocks.length - 1 - SETTLE_BLOCKS);
  }
  mined(through = this.blocks.length - 1): Mined[] {
    return this.blocks.slice(0, through + 1).flat();
  }
  /** A transaction reaches a node. */
  take(raw: Uint8Array): void {
    if (!this.pool.some((pooled) => toHex(pooled.raw) === toHex(raw)))
      this.pool.push({ raw: raw.slice(), transaction: held(decodeTransaction(raw)) });
  }
  account() {
    if (!this.proving) return undefined;
    return { block: this.settled, nonce: this.mined(this.settled).length, balance: this.balance };
  }
  baseFeePerGas(): bigint | undefined {
    return this.baseFee;
  }
  slot(_contract: Uint8Array, slot: Uint8Array) {
    if (!this.slots) return undefined;
    const done = this.mined(this.settled).some(
      ({ transaction, succeeded }) => succeeded && toHex(transaction.data) === toHex(slot),
    );
    return { block: this.settled, value: new Uint8Array(32).fill(done ? 0xab : 0) };
  }
  inclusion(nonce: number): ProvenInclusion | typeof ASKED | typeof GONE {
    if (!this.linked) return GONE;
    return this.mined(this.settled).find(({ transaction }) => transaction.nonce === nonce) ?? ASKED;
  }
  /** One more block, with all that the pool has for it. */
  mine(blocks = 1): void {
    for (let i = 0; i < blocks; i += 1) {
      const mined: Mined[] = [];
      for (let nonce = this.mined().length; ; nonce += 1) {
        const fits = this.pool.filter(
          ({ transaction }) => transaction.nonce === nonce && transaction.maxPriorityFeePerGas >= this.leastTip,
        );
        const best = fits[fits.length - 1];
        if (best === undefined) break;
        mined.push({ ...best, succeeded: this.succeeds });
      }
      this.blocks.push(mined);
      this.pool = this.pool.filter(({ transaction }) => transaction.nonce >= this.mined().length);
    }
  }
  /** The last blocks are undone, deeper than settled; their transactions are pooled again, as nodes do. */
  undo(blocks: number): void {
    const undone = this.blocks.splice(Math.max(1, this.blocks.length - blocks));
    this.pool.push(...undone.flat());
  }
}

interface Said {
  readonly state: CallState;
  readonly nonce: number;
  readonly label: number;
}

export class Bench {
  readonly power = new Power();
  readonly store = new Store(this.power);
  readonly signer = new Signer(this.power, this.store);
  readonly chain = new Chain();
  readonly said: Said[] = [];
  readonly alarms: [number, number][] = [];
  readonly refusals: Rejection[] = [];
  limits = LIMITS;
  /** Whether what is sent reaches a node. */
  reaches = true;
  sent = 0;
  nowMs = 0;
  sender: Sender = undefined as unknown as Sender;

  constructor() {
    this.boot();
  }

  /** The power comes back: a new sender over what the store holds. */
  boot(address = KEY.address): this {
    this.power.on = true;
    this.power.cutAt = -1;
    this.sender = held(
      Sender.open({
        ...{ engine: this.signer.engine, keys: this.signer, key: HANDLE, address, chainId: CHAIN_ID, domain: this.store },
        ...{ limits: this.limits, view: this.chain },
        submit: (raw) => {
          this.power.step();
          this.sent += 1;
          if (this.reaches) this.chain.take(raw);
          this.power.step();
        },
        report: (state, nonce, label) => {
          if (this.power.on) this.said.push({ state, nonce, label });
        },
        alarm: (proven, own) => this.alarms.push([proven, own]),
        refused: (refusal) => this.refusals.push(refusal),
      }),
    );
    return this;
  }

  /** A call whose effect is a slot of its own. */
  call(label: number, more: Partial<Call> = {}): Call {
    const slot = new Uint8Array(32).fill(label);
    const effect: Effect = {
      contract: CONTRACT,
      slot,
      mask: new Uint8Array(32).fill(0xf0),
      value: new Uint8Array(32).fill(0xa1),
    };
    return { to: CONTRACT, value: 0n, data: slot, gas: GAS, label, effect, ...more };
  }

  send(label: number, more: Partial<Call> = {}): Promise<number | Rejection> {
    return this.sender.send(this.call(label, more), this.nowMs);
  }

  /** A block, then a look. */
  async turn(times = 1, ms = 5_000): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      this.chain.mine();
      this.nowMs += ms;
      await this.sender.step(this.nowMs);
    }
  }

  /** What was said of a call, in order. */
  of(label: number): string {
    return this.said
      .filter((said) => said.label === label)
      .map(({ state }) => state)
      .join(" ");
  }
}
