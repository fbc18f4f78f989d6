// One item that holds all that shows a record to be anchored: the record, its anchor receipt, a header, and the nodes that lead from the
// header's state root to the contract's slot (docs/ledger.md, "Anchors: receipts"). Whoever has it needs no network and nobody's word.
//
// Promises: reads only what it writes, at most `ANCHORED_BYTES_MAX`, and says who, what, not before which block and not after which time.
// Never: knows whether a header is of a chain, or which contract anchors: a checkpoint and an address, which the caller trusts, say that.
// Codes: anchored-malformed, anchored-too-long, anchored-absent, and those of cose.ts, record.ts, anchor-receipt.ts and of what is handed in.

import { readUint } from "../../firmware/bytes.js";
import { type CborValue, CborWriter, decode } from "../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { anchorSlot } from "../../firmware/ledger/anchors.js";
import { verifyAnchorReceipt } from "../../firmware/record/anchor-receipt.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { assert, Rejection } from "../../firmware/rejection.js";

/** Longest item: what one MQTT message holds. */
export const ANCHORED_BYTES_MAX = 4_096;
const VERSION = 1;
const WORD_BYTES = 32;
/** A map of six, two lists, and what they hold: no trie is deeper than its keys are long. */
const LIMITS = Object.freeze({ depthMax: 2, bytesMax: ANCHORED_BYTES_MAX, itemsMax: 160 });
/** An anchor's word from the low end: block number and time, 6 bytes each. */
const NUMBER_BYTES = 6;

export interface AnchoredItem {
  /** The signed record, and its anchor receipt. */
  readonly record: Uint8Array;
  readonly receipt: Uint8Array;
  /** Raw. */
  readonly header: Uint8Array;
  /** Trie nodes from the state root to the contract's account, and from its storage root to the slot. */
  readonly account: readonly Uint8Array[];
  readonly storage: readonly Uint8Array[];
}

/** What an item is checked against. */
export interface AnchorTrust {
  /** What a raw header of the chain says, as far as a checkpoint leads; or why it is none. */
  header(raw: Uint8Array): { readonly number: number; readonly stateRoot: Uint8Array } | Rejection;
  /** The 32 bytes of the anchor contract's slot after a block, by the item's nodes; zeros where it is proven absent. */
  slot(stateRoot: Uint8Array, slot: Uint8Array, item: AnchoredItem): Uint8Array | Rejection;
}

/** What a verified item says. */
export interface Anchored {
  /** Addresses, 20 bytes: who measured, and who anchored. */
  readonly mote: Uint8Array;
  readonly collector: Uint8Array;
  readonly digest: Uint8Array;
  /** What was measured. Not before its `head`, where it has one. */
  readonly record: RecordFields;
  /** Not after: the block whose transaction anchored it, and that block's time in seconds since the Unix epoch. */
  readonly anchoredIn: number;
  readonly anchoredS: number;
  /** The block at which that was proven. */
  readonly provenAt: number;
}

/** `anchored-too-long` where it does not fit: then the state is too large for one item, and its parts go by themselves. */
export function encodeAnchored({ record, receipt, header, account, storage }: AnchoredItem): Uint8Array | Rejection {
  const writer = new CborWriter(ANCHORED_BYTES_MAX);
  writer.map(6);
  writer.uint(0, VERSION);
  for (const [i, bytes] of [record, receipt, header].entries()) {
    writer.key(1 + i);
    writer.bytes(bytes);
  }
  for (const [i, nodes] of [account, storage].entries()) {
    writer.key(4 + i);
    writer.array(nodes.length);
    for (const node of nodes) writer.bytes(node);
  }
  if (writer.length > ANCHORED_BYTES_MAX)
    return new Rejection("anchored-too-long", `${writer.length} bytes, at most ${ANCHORED_BYTES_MAX}`);
  return writer.finish();
}

/** An item taken apart, nothing of it verified; its byte strings are views. */
export function decodeAnchored(bytes: Uint8Array): AnchoredItem | Rejection {
  if (bytes.length > ANCHORED_BYTES_MAX)
    return new Rejection("anchored-too-long", `${bytes.length} bytes, at most ${ANCHORED_BYTES_MAX}`);
  const map = decode(bytes, LIMITS);
  if (map instanceof Rejection) return new Rejection("anchored-malformed", map.toString());
  if (!(map instanceof Map) || map.size !== 6) return new Rejection("anchored-malformed", "no map of six");
  if (map.get(0) !== VERSION) return new Rejection("anchored-malformed", `key 0 (version) is not ${VERSION}`);
  const [record, receipt, header, account, storage] = [1, 2, 3, 4, 5].map((key) => map.get(key));
  if (!isBytes(record) || !isBytes(receipt) || !isBytes(header) || !areNodes(account) || !areNodes(storage))
    return new Rejection("anchored-malformed", "keys 1 to 5 are not three byte strings and two lists of such");
  return { record, receipt, header, account, storage };
}

/** Checks an item whole: the record's signature and form, the receipt for its digest, the header, and the slot that has the receipt's root. */
export function verifyAnchored(engine: CryptoEngine, bytes: Uint8Array, trust: AnchorTrust): Anchored | Rejection {
  const item = decodeAnchored(bytes);
  if (item instanceof Rejection) return item;
  const signed = verifySign1(engine, item.record);
  if (signed instanceof Rejection) return signed;
  const record = decodeRecord(signed.payload);
  if (record instanceof Rejection) return record;
  const receipt = verifyAnchorReceipt(engine, item.receipt, signed.digest);
  if (receipt instanceof Rejection) return receipt;
  const header = trust.header(item.header);
  if (header instanceof Rejection) return header;
  const word = trust.slot(header.stateRoot, anchorSlot(engine, receipt.kid, receipt.size, receipt.root), item);
  if (word instanceof Rejection) return word;
  assert(word.length === WORD_BYTES, "a word");
  const anchoredIn = readUint(word, WORD_BYTES - NUMBER_BYTES, NUMBER_BYTES);
  if (anchoredIn === 0 || anchoredIn > header.number)
    return new Rejection(
      "anchored-absent",
      `at block ${header.number} the contract has this root under no size of ${receipt.size}`,
    );
  const anchoredS = readUint(word, WORD_BYTES - 2 * NUMBER_BYTES, NUMBER_BYTES);
  const { kid: mote, digest } = signed;
  return { mote, collector: receipt.kid, digest, record, anchoredIn, anchoredS, provenAt: header.number };
}

function isBytes(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array;
}

function areNodes(value: CborValue | undefined): value is readonly Uint8Array[] {
  return Array.isArray(value) && value.every(isBytes);
}
