// Raw headers of a Bitcoin node (getblockheader of Bitcoin Core's JSON-RPC, which bcoin speaks as well).
//
// Promises: SHA-256 of SHA-256 of what is given is compared with the hash that was asked for. Hashes here are in the order in
// which they are hashed, as motes and records have them; `shownHash` turns them into what Bitcoin shows. Never: believes that a
// header is valid; that is for who follows the chain.

import { fromHex, toHex } from "../../firmware/bytes.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import type { RawHeader } from "../ethereum/raw-header.js";
import { type JsonRpc, RpcError } from "../rpc/json-rpc.js";

const HEADER_BYTES = 80;
/** Digits of the genesis hash that name a chain (CAIP-2, bip122). */
const REFERENCE_DIGITS = 32;
/** Bitcoin Core's codes: RPC_INVALID_PARAMETER (no such height), RPC_INVALID_ADDRESS_OR_KEY (no such block). */
const NO_SUCH_HEIGHT = -8;
const NO_SUCH_BLOCK = -5;
/** bcoin's for both. Bitcoin Core says so of anything (RPC_MISC_ERROR), so its words count as well. */
const MISC = -1;
/** Where the header's fields stand. */
const PARENT_AT = 4;
const TIME_AT = 68;

/** A hash as Bitcoin shows it: reversed, without 0x. */
export function shownHash(hash: Uint8Array): string {
  return toHex(hash.slice().reverse());
}

export class BitcoinHeaderSource {
  readonly #rpc: Pick<JsonRpc, "call">;
  /** The node's head when it was last asked for: mostly it is still the same. */
  #newest: RawHeader | undefined;

  constructor(rpc: Pick<JsonRpc, "call">) {
    this.#rpc = rpc;
  }

  /** CAIP-2 of the node's chain. */
  async chain(): Promise<string> {
    return `bip122:${hexOf(await this.#rpc.call("getblockhash", 0), 32, "getblockhash").slice(0, REFERENCE_DIGITS)}`;
  }

  /**
   * @param block a height, or "latest"
   * @returns undefined where the node has no such block
   * @throws RpcError where the node cannot be reached, Rejection where what it gives is no header
   */
  async header(block: number | "latest"): Promise<RawHeader | undefined> {
    const shown = block === "latest" ? await this.#rpc.call("getbestblockhash") : await this.hashAt(block);
    if (shown === undefined) return undefined;
    const hash = hexOf(shown, 32, "getblockhash");
    if (block === "latest" && this.#newest !== undefined && shownHash(this.#newest.hash) === hash) return this.#newest;
    const number = block === "latest" ? await this.heightOf(hash) : block;
    if (number === undefined) return undefined; // left for another branch in between
    const raw = fromHex(hexOf(await this.#rpc.call("getblockheader", hash, false), HEADER_BYTES, "getblockheader")) as Uint8Array;
    const hashed = shownHash(engine.sha256(engine.sha256(raw))) === hash;
    const timeS = new DataView(raw.buffer, raw.byteOffset).getUint32(TIME_AT, true);
    const parentHash = raw.slice(PARENT_AT, PARENT_AT + 32);
    const header = { number, hash: (fromHex(hash) as Uint8Array).reverse(), parentHash, timeS, raw, rebuilt: false, hashed };
    if (block === "latest") this.#newest = header;
    return header;
  }

  /** As the node shows it; undefined above its head. */
  async hashAt(number: number): Promise<string | undefined> {
    const shown = await this.#rpc.call("getblockhash", number).catch(nothing);
    return shown === undefined ? undefined : hexOf(shown, 32, "getblockhash");
  }

  /** Height of a block by its hash as it is shown; undefined where the node does not know it. On any branch. */
  async heightOf(hash: string): Promise<number | undefined> {
    const header = await this.#rpc.call("getblockheader", hash, true).catch(nothing);
    if (header === undefined) return undefined;
    const height = (header as { height?: unknown } | null)?.height;
    if (typeof height !== "number" || !Number.isSafeInteger(height) || height < 0)
      throw new Rejection("block-malformed", "getblockheader: no height");
    return height;
  }

  /** Whether the node is still catching up with its chain; throws where it does not say. */
  async syncing(): Promise<boolean> {
    const info = (await this.#rpc.call("getblockchaininfo")) as Readonly<Record<string, unknown>> | null;
    if (typeof info?.initialblockdownload === "boolean") return info.initialblockdownload;
    // Other nodes than Bitcoin Core do not have it: those know headers of blocks that they have not got yet.
    if (typeof info?.headers === "number" && typeof info.blocks === "number") return info.headers > info.blocks;
    throw new Rejection("block-malformed", "getblockchaininfo: neither initialblockdownload nor heights");
  }

  /** Work of the chain up to a block, as the node tells it: 64 digits. Undefined where it does not (btcd). */
  async workOf(hash: string): Promise<string | undefined> {
    const header = (await this.#rpc.call("getblockheader", hash, true)) as { chainwork?: unknown } | null;
    return header?.chainwork === undefined ? undefined : hexOf(header.chainwork, 32, "chainwork");
  }
}

/** Nodes answer with an error for a block that they have not got. */
function nothing(error: unknown): undefined {
  if (error instanceof RpcError && (error.code === NO_SUCH_HEIGHT || error.code === NO_SUCH_BLOCK)) return undefined;
  if (error instanceof RpcError && error.code === MISC && /not found|out of range/i.test(error.message)) return undefined;
  throw error;
}

function hexOf(value: unknown, length: number, what: string): string {
  if (typeof value !== "string" || value.length !== 2 * length || fromHex(value) instanceof Rejection)
    throw new Rejection("block-malformed", `${what}: no ${length} bytes in hexadecimal`);
  return value.toLowerCase();
}
