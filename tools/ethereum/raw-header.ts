// Raw headers of a node: as it gives them (debug_getRawHeader), or rebuilt from the fields of eth_getBlockByNumber
// (Yellow Paper §4.3; EIPs 1559, 4895, 4844, 4788, 7685, 7928, 7843).
//
// Promises: the tail ends where the node's fields end, since presence and not value decides what is encoded; the
// Keccak-256 of what is given is compared with the node's own block hash, and a difference is told. Never: believes that
// a header is valid; that is for who follows the chain.

import { RLP } from "@ethereumjs/rlp";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { type EthereumRpc, RpcError } from "./rpc.js";

/** A header with its tail takes about 640 bytes; extraData of a large signer set takes more. */
export const RAW_HEADER_BYTES_MAX = 16_384;

type FieldKind = "bytes" | "scalar";

/** The fields in the order of the encoding; `nonce` is 8 fixed bytes, no scalar. */
const HEAD: readonly (readonly [string, FieldKind])[] = [
  ["parentHash", "bytes"],
  ["sha3Uncles", "bytes"],
  ["miner", "bytes"],
  ["stateRoot", "bytes"],
  ["transactionsRoot", "bytes"],
  ["receiptsRoot", "bytes"],
  ["logsBloom", "bytes"],
  ["difficulty", "scalar"],
  ["number", "scalar"],
  ["gasLimit", "scalar"],
  ["gasUsed", "scalar"],
  ["timestamp", "scalar"],
  ["extraData", "bytes"],
  ["mixHash", "bytes"],
  ["nonce", "bytes"],
];
const TAIL: readonly (readonly [string, FieldKind])[] = [
  ["baseFeePerGas", "scalar"],
  ["withdrawalsRoot", "bytes"],
  ["blobGasUsed", "scalar"],
  ["excessBlobGas", "scalar"],
  ["parentBeaconBlockRoot", "bytes"],
  ["requestsHash", "bytes"],
  ["blockAccessListHash", "bytes"],
  ["slotNumber", "scalar"],
];

export interface RawHeader {
  readonly number: number;
  /** The block's hash as the node tells it, 32 bytes. */
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
  readonly rebuilt: boolean;
  /** Whether keccak256(raw) is the node's hash: not so on IBFT 2.0 and QBFT, whose hash leaves out the seals. */
  readonly hashed: boolean;
}

/** Number and hash of a block as JSON-RPC gives it, or `block-malformed`. */
export function blockIdentity(block: unknown): { number: number; hash: Uint8Array } | Rejection {
  if (typeof block !== "object" || block === null) return new Rejection("block-malformed", "the node gave no block");
  const fields = block as Readonly<Record<string, unknown>>;
  const hash = typeof fields.hash === "string" ? fromHex(fields.hash) : undefined;
  const number = typeof fields.number === "string" ? Number(fields.number) : Number.NaN;
  if (!(hash instanceof Uint8Array) || hash.length !== 32) return new Rejection("block-malformed", "hash is not 32 bytes");
  if (!Number.isSafeInteger(number) || number < 0) return new Rejection("block-malformed", "number is no block number");
  return { number, hash };
}

/** The header of a block as JSON-RPC gives it, encoded anew, or `block-malformed` with the name of the field. */
export function rebuildHeader(block: unknown): Uint8Array | Rejection {
  if (typeof block !== "object" || block === null) return new Rejection("block-malformed", "the node gave no block");
  const fields = block as Readonly<Record<string, unknown>>;
  const items: Uint8Array[] = [];
  for (const [name, kind] of HEAD) {
    const item = encodeField(fields[name], name, kind);
    if (item instanceof Rejection) return item;
    items.push(item);
  }
  for (const [name, kind] of TAIL) {
    if (fields[name] === undefined || fields[name] === null) break;
    const item = encodeField(fields[name], name, kind);
    if (item instanceof Rejection) return item;
    items.push(item);
  }
  return RLP.encode(items);
}

function encodeField(value: unknown, name: string, kind: FieldKind): Uint8Array | Rejection {
  if (typeof value !== "string" || !value.startsWith("0x") || value.length > 2 + 2 * RAW_HEADER_BYTES_MAX)
    return new Rejection("block-malformed", `${name} is no hexadecimal text`);
  const digits = kind === "scalar" ? value.slice(2).replace(/^0+/, "") : value.slice(2);
  const bytes = fromHex(digits.length % 2 === 1 ? `0${digits}` : digits);
  return bytes instanceof Rejection ? new Rejection("block-malformed", `${name}: ${bytes.detail}`) : bytes;
}

/** Fetches raw headers, and remembers whether the node has debug_getRawHeader. */
export class HeaderSource {
  readonly #rpc: Pick<EthereumRpc, "call">;
  #rawAbsent = false;

  constructor(rpc: Pick<EthereumRpc, "call">) {
    this.#rpc = rpc;
  }

  /** True once the node has said that it knows no debug_getRawHeader. */
  get rebuilds(): boolean {
    return this.#rawAbsent;
  }

  /**
   * @param block a number, or "latest"
   * @returns undefined where the node has no such block
   * @throws RpcError where the node cannot be reached, Rejection where what it gives is no header
   */
  async header(block: number | "latest"): Promise<RawHeader | undefined> {
    const answer = await this.#rpc.call("eth_getBlockByNumber", block === "latest" ? block : `0x${block.toString(16)}`, false);
    if (answer === null) return undefined;
    const identity = blockIdentity(answer);
    if (identity instanceof Rejection) throw identity;
    const given = this.#rawAbsent ? undefined : await this.#raw(identity.number);
    const isThat = given !== undefined && isHashOf(identity.hash, given);
    if (given !== undefined && isThat) return { ...identity, raw: given, rebuilt: false, hashed: true };
    const rebuilt = rebuildHeader(answer);
    if (rebuilt instanceof Rejection) throw rebuilt;
    // A reorganisation between the two calls gives two different blocks: what was rebuilt belongs to the hash told.
    const hashed = isHashOf(identity.hash, rebuilt);
    return given !== undefined && !hashed
      ? { ...identity, raw: given, rebuilt: false, hashed }
      : { ...identity, raw: rebuilt, rebuilt: true, hashed };
  }

  async #raw(number: number): Promise<Uint8Array | undefined> {
    try {
      const answer = await this.#rpc.call("debug_getRawHeader", `0x${number.toString(16)}`);
      if (typeof answer !== "string" || answer.length > 2 + 2 * RAW_HEADER_BYTES_MAX) return undefined;
      const raw = fromHex(answer);
      return raw instanceof Rejection || raw.length === 0 ? undefined : raw;
    } catch (error) {
      if (!(error instanceof RpcError) || error.unreachable) throw error;
      if (error.methodAbsent) this.#rawAbsent = true;
      return undefined;
    }
  }
}

function isHashOf(hash: Uint8Array, raw: Uint8Array): boolean {
  return toHex(engine.keccak256(raw)) === toHex(hash);
}
