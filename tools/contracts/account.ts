// An account on an EVM chain that the tools pay with: EIP-155 transactions of type 0, signed here, sent raw, and waited for.
//
// Promises: a call that would revert is not sent, and says by which error; a transaction's outcome is its receipt's. One account sends
// one transaction after the other. Never: gives its key to a node.

import { concat, equal, fromHex, toHex } from "../../firmware/bytes.js";
import { scalarBytes } from "../../firmware/codec/rlp.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { legacyPayload, sealLegacy } from "../../firmware/ledger/transaction.js";
import { engine } from "../crypto/engine.js";
import { pause } from "../processes/backoff.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { type AbiValue, encodeCall, encodeConstruction, errorName, wordsOf } from "./abi.js";
import type { Artifact } from "./artifacts.js";

/** A key in a file (tools/crypto/key-file.ts), for one. */
export interface Signer {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** ECDSA over a 32-byte digest, low s: r ‖ s, 64 bytes. */
  sign(digest: Uint8Array): Uint8Array;
}

export interface Outcome {
  /** 32 bytes, in hexadecimal with 0x. */
  readonly hash: string;
  readonly blockNumber: number;
  readonly gasUsed: number;
}

/** A call that the contract refuses. */
export class Reverted extends Error {
  /** One of the contract's errors, or undefined where it named none. */
  readonly error: string | undefined;
  constructor(what: string, error: string | undefined) {
    super(`${what} reverts${error === undefined ? "" : ` with ${error}`}`);
    this.error = error;
  }
}

/** What is used of the newest block. */
interface Latest {
  readonly gasLimit: number;
  /** Wei; 0 before London. */
  readonly baseFee: bigint;
}

interface ReceiptJson {
  readonly status: string;
  readonly blockNumber: string;
  readonly gasUsed: string;
  readonly contractAddress: string | null;
}

/**
 * Gas that a transaction may take; what it does not take is not paid. Not asked of the node: @ethereumjs/client cannot estimate on a
 * Clique chain. The largest of ours, a deployment, takes two fifths. Where a block has less, it is what a block has.
 */
export const GAS_LIMIT = 8_000_000;
/** Times the base fee, which may rise by an eighth with each block (EIP-1559), and what is added for who makes the block. */
const BASE_FEE_FACTOR = 2n;
const TIP_WEI = 1_000_000_000n;
/** Wei that are paid for a unit of gas at most, whatever the node says: ten thousand gwei. */
export const PRICE_WEI_MAX = 10_000_000_000_000n;
const RECEIPT_POLL_MS = 100;
const RECEIPT_MS_MAX = 600_000;

export class Account {
  readonly rpc: JsonRpc;
  readonly #signer: Signer;
  readonly #signal: AbortSignal | undefined;
  #chainId: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param signal ends the wait for a receipt: nobody wants to know it any more, or the node is gone */
  constructor(rpc: JsonRpc, signer: Signer, signal?: AbortSignal) {
    this.rpc = rpc;
    this.#signer = signer;
    this.#signal = signal;
  }

  /** 20 bytes. */
  get address(): Uint8Array {
    return this.#signer.address;
  }

  async chainId(): Promise<number> {
    this.#chainId ??= Number(quantityOf("eth_chainId", await this.rpc.call("eth_chainId")));
    return this.#chainId;
  }

  /**
   * Sends a transaction and waits until it is in a block. Throws `Reverted`, or what the node says.
   * @param to 20 bytes, or undefined to deploy
   */
  send(
    what: string,
    to: Uint8Array | undefined,
    data: Uint8Array,
    { abi }: Artifact,
  ): Promise<Outcome & { address?: Uint8Array }> {
    return this.#inTurn(() => this.#send(what, to, data, abi));
  }

  /** Pays `wei` to an account, of 20 bytes. */
  pay(to: Uint8Array, wei: bigint): Promise<Outcome> {
    return this.#inTurn(() => this.#send("a payment", to, new Uint8Array(0), [], wei));
  }

  #inTurn<T>(send: () => Promise<T>): Promise<T> {
    const sent = this.#last.then(send);
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  async #send(
    what: string,
    to: Uint8Array | undefined,
    data: Uint8Array,
    abi: Artifact["abi"],
    wei = 0n,
  ): Promise<Outcome & { address?: Uint8Array }> {
    const from = hex(this.address);
    const call = { from, ...(to === undefined ? {} : { to: hex(to) }), data: hex(data), value: `0x${wei.toString(16)}` };
    await readCall(this.rpc, what, call, abi);
    const [latest, nonce] = await Promise.all([this.#latest(), this.rpc.call("eth_getTransactionCount", from, "latest")]);
    const raw = await this.#sign([
      scalarBytes(Number(quantityOf("eth_getTransactionCount", nonce))),
      scalarBytes(await this.#priceIn(latest)),
      scalarBytes(Math.min(GAS_LIMIT, latest.gasLimit)),
      to ?? new Uint8Array(0),
      scalarBytes(wei),
      data,
    ]);
    const hash = (await this.rpc.call("eth_sendRawTransaction", hex(raw))) as string;
    const { status, blockNumber, gasUsed, contractAddress } = await this.#receipt(what, hash);
    if (Number(status) !== 1) throw new Reverted(what, undefined);
    const outcome = { hash, blockNumber: Number(blockNumber), gasUsed: Number(gasUsed) };
    return to === undefined ? { ...outcome, address: fromHex(String(contractAddress).slice(2)) as Uint8Array } : outcome;
  }

  /** @param call nonce, gas price, gas, to, value and data */
  async #sign(call: readonly Uint8Array[]): Promise<Uint8Array> {
    const id = scalarBytes(await this.chainId());
    const digest = engine.keccak256(legacyPayload(call, id));
    const signature = this.#signer.sign(digest);
    const parity = [0, 1].find((parity) => {
      const key = engine.secp256k1.recover(signature, parity, digest);
      return key !== undefined && equal(addressOf(engine, key), this.address);
    });
    if (parity === undefined) throw new Error("a signature of another key than the account's");
    return sealLegacy(call, id, signature, parity);
  }

  /** Wei that a unit of gas is paid with at the newest block; 0 on a network whose gas costs nothing. */
  async price(): Promise<bigint> {
    return this.#priceIn(await this.#latest());
  }

  async balance(): Promise<bigint> {
    return balanceOf(this.rpc, this.address);
  }

  async #latest(): Promise<Latest> {
    const block = ((await this.rpc.call("eth_getBlockByNumber", "latest", false)) ?? {}) as Record<string, unknown>;
    const { gasLimit, baseFeePerGas = "0x0" } = block;
    return { gasLimit: Number(quantityOf("gasLimit", gasLimit)), baseFee: quantityOf("baseFeePerGas", baseFeePerGas) };
  }

  /**
   * What nodes advise follows what was paid last, our own price among it: it is asked for alone before London, and where the base fee is 0,
   * as on networks whose gas costs nothing.
   */
  async #priceIn({ baseFee }: Latest): Promise<bigint> {
    const price =
      baseFee === 0n ? quantityOf("eth_gasPrice", await this.rpc.call("eth_gasPrice")) : baseFee * BASE_FEE_FACTOR + TIP_WEI;
    if (price > PRICE_WEI_MAX)
      throw new RpcError(
        `the node asks for ${price} wei for a unit of gas; ${PRICE_WEI_MAX} are paid at most: is it the right node?`,
      );
    return price;
  }

  async #receipt(what: string, hash: string): Promise<ReceiptJson> {
    const deadlineMs = performance.now() + RECEIPT_MS_MAX;
    for (;;) {
      // A node may have kept the receipt and not the block yet, and then has an error for it.
      const receipt = (await this.rpc.call("eth_getTransactionReceipt", hash).catch(passing)) as ReceiptJson | null;
      if (receipt !== null) return receipt;
      if (this.#signal?.aborted === true) throw new Error(`${what}: transaction ${hash} was sent, and is waited for no more`);
      if (performance.now() > deadlineMs)
        throw new Error(
          `${what}: transaction ${hash} is in no block after ${RECEIPT_MS_MAX / 1000} s; does the node make blocks?`,
        );
      await pause(RECEIPT_POLL_MS, this.#signal);
    }
  }
}

/** A number as a node writes it, in hexadecimal. */
function quantityOf(name: string, value: unknown): bigint {
  if (typeof value !== "string" || !/^0x[0-9a-f]{1,64}$/i.test(value))
    throw new RpcError(`${name}: the node's answer is no number`);
  return BigInt(value);
}

/** Of an account of 20 bytes, in wei. */
export async function balanceOf(rpc: JsonRpc, address: Uint8Array): Promise<bigint> {
  return quantityOf("eth_getBalance", await rpc.call("eth_getBalance", hex(address), "latest"));
}

/** A node that could not say: it is asked again. */
function passing(error: unknown): null {
  if (error instanceof RpcError && !error.methodAbsent) return null;
  throw error;
}

async function readCall(rpc: JsonRpc, what: string, call: unknown, abi: Artifact["abi"]): Promise<unknown> {
  try {
    return await rpc.call("eth_call", call, "latest");
  } catch (error) {
    if (error instanceof RpcError && error.code !== undefined) {
      const name = errorName(abi, error.data);
      if (name !== undefined || /revert/i.test(error.message)) throw new Reverted(what, name);
    }
    throw error;
  }
}

/** A contract of ours on a chain. */
export class Contract {
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly #rpc: JsonRpc;
  readonly #artifact: Artifact;

  constructor(rpc: JsonRpc, address: Uint8Array, artifact: Artifact) {
    this.#rpc = rpc;
    this.address = address;
    this.#artifact = artifact;
  }

  static async deploy(account: Account, artifact: Artifact, ...values: readonly AbiValue[]): Promise<Contract & Outcome> {
    const data = concat(Buffer.from(artifact.bytecode, "hex"), encodeConstruction(artifact.abi, values));
    const { address, ...outcome } = await account.send("the deployment", undefined, data, artifact);
    return Object.assign(new Contract(account.rpc, address as Uint8Array, artifact), outcome);
  }

  /** Calls a function in a transaction. Throws `Reverted`, or what the node says. */
  send(account: Account, name: string, ...values: readonly AbiValue[]): Promise<Outcome> {
    return account.send(name, this.address, encodeCall(this.#artifact.abi, name, values), this.#artifact);
  }

  /** What a function answers, as words. Throws `Reverted`, or what the node says. */
  async read(name: string, ...values: readonly AbiValue[]): Promise<readonly bigint[]> {
    const call = { to: hex(this.address), data: hex(encodeCall(this.#artifact.abi, name, values)) };
    return wordsOf(await readCall(this.#rpc, name, call, this.#artifact.abi));
  }
}

function hex(bytes: Uint8Array): string {
  return `0x${toHex(bytes)}`;
}
