// Raw headers of a node: as it gives them (debug_getRawHeader), or rebuilt from the fields of eth_getBlockByNumber
// (Yellow Paper §4.3; EIPs 1559, 4895, 4844, 4788, 7685, 7928, 7843).
//
// Promises: the tail ends where the node's fields end, since presence and not value decides what is encoded; what is given is
// hashed as its chain hashes (block-hash.ts) and compared with the node's own block hash, and a difference is told. Whatever
// goes wrong with debug_getRawHeader, which many nodes keep from strangers, costs its answer alone: the header is rebuilt, and
// the method is left alone for a while. Never: believes that a header is valid; that is for who follows the chain.

import { RLP } from "@ethereumjs/rlp";
import { equal, fromHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { Backoff, type BackoffLimits } from "../processes/backoff.js";
import { isBlockHashOf } from "./block-hash.js";
import { type EthereumRpc, RpcError } from "./rpc.js";

/** A header with its tail takes about 640 bytes; extraData of a large signer set takes more. */
const RAW_HEADER_BYTES_MAX = 16_384;

/** How long debug_getRawHeader may take: without it the header is rebuilt. */
const RAW_TIMEOUT_MS = 2000;
/** How long it is left alone after it failed. */
const RAW_RETRY: BackoffLimits = { firstMs: 60_000, maxMs: 3_600_000 };

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
  readonly parentHash: Uint8Array;
  /** Seconds of the epoch. */
  readonly timeS: number;
  /** As the node tells it, where it does. */
  readonly totalDifficulty?: bigint;
  readonly raw: Uint8Array;
  readonly rebuilt: boolean;
  /** Whether the raw header hashes to the node's hash, as its chain hashes. */
  readonly hashed: boolean;
}

/** What a block says of itself. */
export interface BlockIdentity {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  readonly timeS: number;
  readonly totalDifficulty?: bigint;
}

/** Number, hashes and time of a block as JSON-RPC gives it, or `block-malformed`. */
export function blockIdentity(block: unknown): BlockIdentity | Rejection {
  if (typeof block !== "object" || block === null) return new Rejection("block-malformed", "the node gave no block");
  const fields = block as Readonly<Record<string, unknown>>;
  const [hash, parentHash] = [fields.hash, fields.parentHash].map((text) =>
    typeof text === "string" ? fromHex(text) : undefined,
  );
  const [number, timeS] = [fields.number, fields.timestamp].map((text) => (typeof text === "string" ? Number(text) : Number.NaN));
  const { totalDifficulty: total } = fields;
  if (!(hash instanceof Uint8Array) || hash.length !== 32) return new Rejection("block-malformed", "hash is not 32 bytes");
  if (!(parentHash instanceof Uint8Array) || parentHash.length !== 32)
    return new Rejection("block-malformed", "parentHash is not 32 bytes");
  if (!Number.isSafeInteger(number) || (number as number) < 0)
    return new Rejection("block-malformed", "number is no block number");
  if (!Number.isSafeInteger(timeS)) return new Rejection("block-malformed", "timestamp is no time");
  const totalDifficulty = typeof total === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(total) ? BigInt(total) : undefined;
  return {
    ...{ number: number as number, timeS: timeS as number, hash, parentHash },
    ...(totalDifficulty === undefined ? {} : { totalDifficulty }),
  };
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

/** Fetches raw headers, and remembers whether debug_getRawHeader is worth asking for. */
export class HeaderSource {
  readonly #rpc: Pick<EthereumRpc, "call">;
  readonly #rawTimeoutMs: number;
  readonly #nowMs: () => number;
  readonly #rawBackoff = new Backoff(RAW_RETRY);
  /** Until then debug_getRawHeader is left alone. */
  #rawAfterMs = Number.NEGATIVE_INFINITY;
  /** The node's head when it was last asked for: mostly it is still the same. */
  #newest: RawHeader | undefined;

  constructor(rpc: Pick<EthereumRpc, "call">, rawTimeoutMs = RAW_TIMEOUT_MS, nowMs = () => performance.now()) {
    this.#rpc = rpc;
    this.#rawTimeoutMs = rawTimeoutMs;
    this.#nowMs = nowMs;
  }

  /**
   * @param block a number, or "latest"
   * @returns undefined where the node has no such block
   * @throws RpcError where the node cannot be reached, Rejection where what it gives is no header
   */
  async header(block: number | "latest"): Promise<RawHeader | undefined> {
    const answer = await this.#rpc.call("eth_getBlockByNumber", block === "latest" ? block : `0x${block.toString(16)}`, false);
    if (answer === null || answer === undefined) return undefined;
    const identity = blockIdentity(answer);
    if (identity instanceof Rejection) throw identity;
    if (block !== "latest") return this.#headerOf(identity, answer);
    if (this.#newest !== undefined && equal(this.#newest.hash, identity.hash)) return this.#newest;
    this.#newest = await this.#headerOf(identity, answer);
    return this.#newest;
  }

  async #headerOf(identity: BlockIdentity, block: unknown): Promise<RawHeader> {
    const given = this.#nowMs() < this.#rawAfterMs ? undefined : await this.#raw(identity.number);
    if (given !== undefined && isBlockHashOf(identity.hash, given)) return this.#worked(identity, given);
    const rebuilt = rebuildHeader(block);
    // A reorganisation between the two calls gives two different blocks: what was rebuilt belongs to the hash told.
    if (rebuilt instanceof Uint8Array && isBlockHashOf(identity.hash, rebuilt)) {
      if (given !== undefined) this.#failed();
      return { ...identity, raw: rebuilt, rebuilt: true, hashed: true };
    }
    // A block with fields that we do not know cannot be rebuilt: then nothing but the node's own bytes will do.
    const last = given ?? (await this.#raw(identity.number));
    if (last !== undefined && isBlockHashOf(identity.hash, last)) return this.#worked(identity, last);
    if (last !== undefined) return { ...identity, raw: last, rebuilt: false, hashed: false };
    if (rebuilt instanceof Rejection) throw rebuilt;
    return { ...identity, raw: rebuilt, rebuilt: true, hashed: false };
  }

  #worked(identity: BlockIdentity, raw: Uint8Array): RawHeader {
    this.#rawBackoff.succeeded();
    return { ...identity, raw, rebuilt: false, hashed: true };
  }

  /** Whatever happens here is no reason to do without the block. */
  async #raw(number: number): Promise<Uint8Array | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#rawTimeoutMs);
    });
    const asked = this.#rpc.call("debug_getRawHeader", `0x${number.toString(16)}`).catch((error: unknown) => {
      if (!(error instanceof RpcError)) throw error;
      return error;
    });
    const answer = await Promise.race([asked, late]);
    clearTimeout(timer);
    const raw = typeof answer === "string" && answer.length <= 2 + 2 * RAW_HEADER_BYTES_MAX ? fromHex(answer) : undefined;
    if (raw instanceof Uint8Array && raw.length > 0) return raw;
    this.#failed(answer instanceof RpcError ? answer.http?.retryAfterMs : undefined);
    return undefined;
  }

  #failed(retryAfterMs = 0): void {
    this.#rawAfterMs = this.#nowMs() + Math.max(this.#rawBackoff.next(), retryAfterMs);
  }
}
