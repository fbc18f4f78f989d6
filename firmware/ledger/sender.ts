// Sends a mote's calls to contracts, one at a time, and finds out what became of each by proof alone: docs/ledger.md, "Transactions".
//
// Promises: nothing is signed that the store has not given back (call-store.ts), so no nonce carries two calls; a call is sent again, the same
// bytes after a restart too, until its nonce is used at a settled block; where it is not, it is offered the same with higher fees, within the
// configured bounds. Each call comes to an end with a name, said at least once: `done`, `reverted`, `replaced`, `without-effect`, `nonce-used`.
// A proven nonce above ours is the alarm `key-used-elsewhere`. Never: believes an answer of a relay; takes "not proven" for "no"; gives a
// call up while its nonce is free, since it may still be mined at any time.
//
// Codes of `send`: tx-busy, tx-unproven, tx-undone, tx-gas, tx-too-long, tx-fee-limit, tx-insufficient-balance, signature-failed, and those of
// call-store.ts.

import { equal } from "../bytes.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { KeyHandle, Keys, KeyValueDomain } from "../ports.js";
import { Rejection } from "../rejection.js";
import { CALL_BYTES_MAX } from "./abi.js";
import { CallStore, type Effect, type KeptCall, raisedFee } from "./call-store.js";
import {
  DYNAMIC_FEE,
  decodeTransaction,
  intrinsicGas,
  LEGACY,
  sameCall,
  senderOf,
  signingPayload,
  signPayload,
  type Transaction,
} from "./transaction.js";

/** A call is sent again after so long, then after waits that double. */
const RESEND_FIRST_MS = 15_000;
const RESEND_MAX_MS = 600_000;
/** Settled blocks that a call may wait before it offers more. */
const RAISE_BLOCKS = 16;
/** Settled blocks after the last offer from which on a call counts as dropped. */
const DROP_BLOCKS = 64;
/** Settled blocks for which the proof of inclusion of a used nonce is waited for. */
const JUDGE_BLOCKS = 64;

/** The mote's own account, proven at the newest settled block. */
export interface ProvenAccount {
  readonly block: number;
  readonly nonce: number;
  /** Wei. */
  readonly balance: bigint;
}

export interface ProvenSlot {
  readonly block: number;
  /** 32 bytes; zeros where the slot is proven to be absent. */
  readonly value: Uint8Array;
}

/** A transaction proven against the transactions' root of a linked header, its success against the receipts' root. */
export interface ProvenInclusion {
  readonly raw: Uint8Array;
  readonly succeeded: boolean;
}

/** The proof is asked for. */
export const ASKED = 0;
/** Its header is not linked any more, or nobody has it: there will be none. */
export const GONE = 1;

/** What is proven of the chain. To ask for something that is not proven yet is to wish it proven. */
export interface LedgerView {
  /** Undefined while nothing is proven, and after a reorganisation deeper than settled until something is again. */
  account(): ProvenAccount | undefined;
  /** Of the newest verified header, in wei; undefined where it has none: a chain before London. */
  baseFeePerGas(): bigint | undefined;
  slot(contract: Uint8Array, slot: Uint8Array): ProvenSlot | undefined;
  /** The transaction of our address that carries this nonce. */
  inclusion(nonce: number): ProvenInclusion | typeof ASKED | typeof GONE;
}

/** What a mote pays at most, by its configuration. */
export interface FeeLimits {
  /** Gas of one call. */
  readonly gasMax: number;
  /** Wei for each gas, base fee included. */
  readonly feePerGasMax: bigint;
  /** Wei for each gas that a call offers at first beyond the base fee; before London, its price. */
  readonly tipPerGas: bigint;
}

export interface Call {
  /** 20 bytes. */
  readonly to: Uint8Array;
  /** Wei. */
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gas: number;
  /** By which it is known in what is said of it, after a restart too. */
  readonly label: number;
  /** What shows at a settled block that it was done. Without it only a proof of inclusion can. */
  readonly effect?: Effect | undefined;
}

/**
 * `sent`: for the first time; `raised`: with higher fees; `insufficient-balance`: the proven balance does not cover it now, it waits;
 * `dropped`: it waits long, at the highest fees allowed, and goes on being sent; `undone`: its settled block was undone, it is under way again.
 * The ends: `done`; `reverted`: its receipt says so; `replaced`: another transaction of our key carries the nonce; `without-effect`: the nonce is
 * used, what it should have done is not there, and no receipt says which of the two it was; `nonce-used`: the same of a call without an effect.
 */
export type CallEnd = "done" | "reverted" | "replaced" | "without-effect" | "nonce-used";
export type CallState = "sent" | "raised" | "insufficient-balance" | "dropped" | "undone" | CallEnd;

export interface SenderOptions {
  readonly engine: CryptoEngine;
  readonly keys: Keys;
  readonly key: KeyHandle;
  /** Address of `key`, 20 bytes. */
  readonly address: Uint8Array;
  readonly chainId: number;
  readonly domain: KeyValueDomain;
  readonly limits: FeeLimits;
  readonly view: LedgerView;
  /** Hands a raw transaction to whoever may bring it to a node. Nothing is believed of what becomes of it. */
  submit(raw: Uint8Array): void;
  report(state: CallState, nonce: number, label: number): void;
  /** `key-used-elsewhere`: our account has a nonce that we have not used; once a start. */
  alarm(provenNonce: number, ownNonce: number): void;
  /** Something failed that is tried again: the store or the key. */
  refused(refusal: Rejection): void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #store: CallStore;
  #working = false;
  #alarmed = false;
  /** What was said of the call under way last. */
  #said: CallState | undefined;
  #sentMs = 0;
  /** 0 before it was sent since this start. */
  #resendMs = 0;
  /** Settled block at which the call's nonce was seen used first; −1 while it is not. */
  #usedAtBlock = -1;

  private constructor(options: SenderOptions, store: CallStore) {
    this.#options = options;
    this.#store = store;
  }

  /** Goes on where the last start ended: with the very call that was under way. */
  static open(options: SenderOptions): Sender | Rejection {
    const store = CallStore.open(options.domain, options.chainId, options.address);
    return store instanceof Rejection ? store : new Sender(options, store);
  }

  /** Whether a call is under way. */
  get pending(): boolean {
    return this.#store.pending;
  }

  /** The account that the next call goes out from; why none can now, whatever it is. */
  ready(): ProvenAccount | Rejection {
    const { next, block, pending } = this.#store;
    if (this.#working || pending) return new Rejection("tx-busy", "another call is under way; wait for its end");
    const account = this.#options.view.account();
    if (account === undefined)
      return new Rejection("tx-unproven", "nothing is proven of this account yet; wait for a settled block");
    // After a start the head may be one from before the last call.
    if (account.block < block)
      return new Rejection("tx-unproven", `this account is proven at block ${account.block}; wait for block ${block}`);
    if (account.nonce < next)
      return new Rejection("tx-undone", `nonce ${account.nonce} is free again at block ${account.block}; wait until it is used`);
    return account;
  }

  /**
   * Keeps a call, signs it and sends it.
   * @returns its nonce; a `Rejection` where nothing of it was kept or sent. A call that is kept but could not be signed now has its nonce,
   *   and `refused` is told why
   */
  async send(call: Call, nowMs: number): Promise<number | Rejection> {
    const { chainId } = this.#options;
    const account = this.ready();
    if (account instanceof Rejection) return account;
    this.compare(account.nonce, this.#store.next);
    const fees = this.feesOf(call);
    if (fees instanceof Rejection) return fees;
    const { to, value, data, gas, label, effect } = call;
    const transaction = { ...fees, chainId, nonce: account.nonce, gas, to, value, data };
    const refusal = missing(account, transaction) ?? this.#store.begin(signingPayload(transaction), label, effect, account.block);
    if (refusal !== undefined) return refusal;
    this.#resendMs = 0;
    this.#usedAtBlock = -1;
    this.#said = undefined;
    await this.working(() => this.transmit("sent", nowMs));
    return account.nonce;
  }

  /** Looks what is proven now and does what is due: at news of a settled block, and every few seconds. Never throws. */
  step(nowMs: number): Promise<void> | undefined {
    if (this.#working) return undefined;
    const account = this.#options.view.account();
    if (account === undefined) return undefined;
    if (this.#store.pending) return this.working(() => this.follow(account, nowMs));
    // Most steps: nothing waits, so no promise is made for it.
    try {
      this.rest(account);
    } catch (error) {
      this.failed(error);
    }
    return undefined;
  }

  private async working(work: () => Promise<void> | void): Promise<void> {
    this.#working = true;
    try {
      // From the bottom of the stack: the caller is deep in it, and each asynchronous call takes a tenth of it.
      await undefined;
      await work();
    } catch (error) {
      this.failed(error);
    } finally {
      this.#working = false;
    }
  }

  private failed(error: unknown): void {
    this.#options.refused(error instanceof Rejection ? error : new Rejection("call-store-lost", String(error)));
  }

  /** Nothing is under way: is the account as we left it? */
  private rest(account: ProvenAccount): void {
    const { next, block, known } = this.#store;
    this.compare(account.nonce, next);
    // A proof of an older block tells nothing new. Of what came before the newest call we have no bytes: nodes keep it.
    if (!known || account.nonce !== next - 1 || account.block < block) return;
    const { label } = held(this.#store.call());
    succeed(this.#store.reopen(account.block));
    this.#resendMs = 0;
    this.#usedAtBlock = -1;
    this.say("undone", label);
  }

  private compare(proven: number, own: number): void {
    if (proven > own && this.#store.known) this.alarm(proven, own);
  }

  private alarm(proven: number, own: number): void {
    if (this.#alarmed) return;
    this.#alarmed = true;
    this.#options.alarm(proven, own);
  }

  /** A call is under way: is its nonce used? */
  private async follow(account: ProvenAccount, nowMs: number): Promise<void> {
    const store = this.#store;
    this.compare(account.nonce, store.next);
    const kept = held(store.call());
    const { transaction, label } = kept;
    if (account.nonce >= store.next) {
      if (this.#usedAtBlock < 0) this.#usedAtBlock = account.block;
      const end = this.judge(account, kept);
      if (end === undefined) return;
      // Said before it is stored: an end that a loss of power swallows is found and said again.
      this.say(end, label);
      succeed(store.settle(account.block));
      return;
    }
    this.#usedAtBlock = -1;
    if (missing(account, transaction) !== undefined) {
      this.say("insufficient-balance", label);
      return;
    }
    const raised = account.block >= store.block + RAISE_BLOCKS ? this.raise(account, transaction) : undefined;
    if (raised !== undefined) {
      succeed(store.raise(signingPayload(raised), account.block));
      await this.transmit("raised", nowMs);
      return;
    }
    if (account.block >= store.block + DROP_BLOCKS) this.say("dropped", label);
    if (this.#resendMs === 0 || nowMs - this.#sentMs >= this.#resendMs) await this.transmit(undefined, nowMs);
  }

  /** The nonce is used: by this call, and to what end? Undefined while more may be proven. */
  private judge(account: ProvenAccount, { effect, transaction }: KeptCall): CallEnd | undefined {
    const { view } = this.#options;
    const slot = effect === undefined ? undefined : view.slot(effect.contract, effect.slot);
    const proven = slot !== undefined && slot.block >= this.#usedAtBlock ? slot : undefined;
    if (effect !== undefined && proven !== undefined && holds(effect, proven.value)) return "done";
    const inclusion = view.inclusion(transaction.nonce);
    const shown = typeof inclusion === "number" ? undefined : this.verdict(inclusion, transaction);
    if (shown === "replaced") this.alarm(account.nonce, this.#store.next);
    if (shown !== undefined) return shown;
    if (inclusion !== GONE && account.block < this.#usedAtBlock + JUDGE_BLOCKS) return undefined;
    if (effect === undefined) return "nonce-used";
    return proven === undefined ? undefined : "without-effect";
  }

  /** What a proven transaction says of ours; undefined where it is not the one that carries our nonce. */
  private verdict({ raw, succeeded }: ProvenInclusion, ours: Transaction): CallEnd | undefined {
    const { engine, address } = this.#options;
    const found = decodeTransaction(raw);
    if (found instanceof Rejection || found.nonce !== ours.nonce || found.chainId !== ours.chainId) return undefined;
    const sender = senderOf(engine, found);
    if (sender === undefined || !equal(sender, address)) return undefined;
    if (!sameCall(found, ours)) return "replaced";
    return succeeded ? "done" : "reverted";
  }

  /** Signs what the store gives back, and hands it on. */
  private async transmit(state: CallState | undefined, nowMs: number): Promise<void> {
    const { engine, keys, key } = this.#options;
    this.#sentMs = nowMs;
    this.#resendMs = Math.min(Math.max(2 * this.#resendMs, RESEND_FIRST_MS), RESEND_MAX_MS);
    const { payload, label } = held(this.#store.call());
    // From the bottom of the stack, too: to find a signature's parity takes half of the C stack.
    await undefined;
    this.#options.submit(held(await signPayload(engine, keys, key, payload)));
    if (state !== undefined) this.say(state, label);
  }

  private say(state: CallState, label: number): void {
    if (this.#said === state && state !== "raised") return;
    this.#said = state;
    this.#options.report(state, this.#store.next - 1, label);
  }

  /** What a new call offers: room for a base fee that doubles, within the bounds. */
  private feesOf({ data, gas }: Call): Pick<Transaction, "type" | "maxFeePerGas" | "maxPriorityFeePerGas"> | Rejection {
    const { limits, view } = this.#options;
    if (data.length > CALL_BYTES_MAX)
      return new Rejection("tx-too-long", `${data.length} bytes of data, at most ${CALL_BYTES_MAX}`);
    const least = intrinsicGas(data);
    if (!Number.isSafeInteger(gas) || gas < least || gas > limits.gasMax)
      return new Rejection("tx-gas", `${gas} gas; this call takes ${least} before it begins, and ${limits.gasMax} are allowed`);
    const base = view.baseFeePerGas();
    const tip = limits.tipPerGas;
    const needed = (base ?? 0n) + tip;
    if (needed > limits.feePerGasMax)
      return new Rejection("tx-fee-limit", `${needed} wei for a gas now, ${limits.feePerGasMax} are allowed`);
    if (base === undefined) return { type: LEGACY, maxFeePerGas: tip, maxPriorityFeePerGas: tip };
    const roomy = 2n * base + tip;
    const fee = roomy > limits.feePerGasMax ? limits.feePerGasMax : roomy;
    return { type: DYNAMIC_FEE, maxFeePerGas: fee, maxPriorityFeePerGas: tip };
  }

  /** The same call with both fees a tenth higher; undefined beyond the bounds, or the balance. */
  private raise(account: ProvenAccount, transaction: Transaction): Transaction | undefined {
    const maxFeePerGas = raisedFee(transaction.maxFeePerGas);
    if (maxFeePerGas > this.#options.limits.feePerGasMax) return undefined;
    const raised = { ...transaction, maxFeePerGas, maxPriorityFeePerGas: raisedFee(transaction.maxPriorityFeePerGas) };
    return missing(account, raised) === undefined ? raised : undefined;
  }
}

function held<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw value;
  return value;
}

function succeed(refusal: Rejection | undefined): void {
  if (refusal !== undefined) throw refusal;
}

/** What the account lacks for a transaction at its highest cost. */
function missing({ balance, block }: ProvenAccount, { value, gas, maxFeePerGas }: Transaction): Rejection | undefined {
  const cost = value + BigInt(gas) * maxFeePerGas;
  if (cost <= balance) return undefined;
  return new Rejection("tx-insufficient-balance", `${balance} wei at block ${block}, ${cost} are needed`);
}

function holds({ mask, value }: Effect, word: Uint8Array): boolean {
  for (let i = 0; i < mask.length; i += 1)
    if (((word[i] as number) & (mask[i] as number)) !== ((value[i] as number) & (mask[i] as number))) return false;
  return true;
}
