// One item that holds all that shows a record to be anchored: the record, its anchor receipt, and a header with what leads from it to the
// receipt's root. On chains with contracts those are the nodes from the header's state root to the contract's slot; on Bitcoin the transaction
// with the root, and its branch and the coinbase's (docs/ledger.md, "Anchors: receipts"). Whoever has it needs no network and nobody's word.
//
// Promises: reads only what it writes, at most `ANCHORED_BYTES_MAX`, and says who, what, not before which block and not after which time.
// Never: knows whether a header is of a chain, or which contract anchors: a checkpoint and an address, which the caller trusts, say that.
// Codes: anchored-malformed, anchored-too-long, anchored-absent, and those of cose.ts, record.ts, anchor-receipt.ts, bitcoin-anchor.ts and of
// what is handed in.

import { readUint } from "../../firmware/bytes.js";
import { type CborValue, CborWriter, decode } from "../../firmware/codec/cbor.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { anchorSlot } from "../../firmware/ledger/anchors.js";
import { decodeBitcoinAnchor, verifyBitcoinAnchor } from "../../firmware/ledger/bitcoin-anchor.js";
import { type VerifiedAnchor, verifyAnchorReceipt } from "../../firmware/record/anchor-receipt.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { assert, Rejection } from "../../firmware/rejection.js";

/** Longest item: what one MQTT message holds. */
export const ANCHORED_BYTES_MAX = 4_096;
/** Version of an item: by which kind of chain it is shown. */
const BY_STATE = 1;
const BY_BLOCK = 2;
const WORD_BYTES = 32;
/** A map of six, two lists, and what they hold: no trie is deeper than its keys are long. */
const LIMITS = Object.freeze({ depthMax: 2, bytesMax: ANCHORED_BYTES_MAX, itemsMax: 160 });
/** An anchor's word from the low end: block number and time, 6 bytes each. */
const NUMBER_BYTES = 6;

/** How a root is shown to be in a chain's state. */
export interface StateShown {
  /** Raw. */
  readonly header: Uint8Array;
  /** Trie nodes from the state root to the contract's account, and from its storage root to the slot. */
  readonly account: readonly Uint8Array[];
  readonly storage: readonly Uint8Array[];
}

/** How it is shown to be in a block of Bitcoin. */
export interface BlockShown {
  /** As a mote is sent it (firmware/ledger/bitcoin-anchor.ts); the header is in it. */
  readonly evidence: Uint8Array;
}

export type Shown = StateShown | BlockShown;

/** The signed record, its anchor receipt, and what shows the receipt's root to be anchored. */
export type AnchoredItem = Shown & { readonly record: Uint8Array; readonly receipt: Uint8Array };

/** What an item is checked against. */
export interface AnchorTrust {
  /** What a raw header of the chain says, as far as a checkpoint leads; or why it is none. */
  header(raw: Uint8Array): { readonly number: number; readonly stateRoot?: Uint8Array } | Rejection;
  /** The 32 bytes of the anchor contract's slot after a block, by the item's nodes; zeros where it is proven absent. */
  slot(stateRoot: Uint8Array, slot: Uint8Array, item: StateShown): Uint8Array | Rejection;
  /** Whether the block of this hash is the checkpoint's, or one that headers led over on the way from it. */
  knows(hash: Uint8Array): boolean;
}

/** What a verified item says. */
export interface Anchored {
  /** Addresses, 20 bytes: who measured, and who anchored. */
  readonly mote: Uint8Array;
  readonly collector: Uint8Array;
  readonly digest: Uint8Array;
  /** What was measured. Not before its `head`, where it has one and `headShown`: that block is on the way that the headers led. */
  readonly record: RecordFields;
  readonly headShown: boolean;
  /** Not after: the block whose transaction anchored it, and that block's time in seconds since the Unix epoch. */
  readonly anchoredIn: number;
  readonly anchoredS: number;
  /** The block at which that was proven. */
  readonly provenAt: number;
}

/** `anchored-too-long` where it does not fit: then the state, or the transaction, is too large for one item, and its parts go by themselves. */
export function encodeAnchored(item: AnchoredItem): Uint8Array | Rejection {
  const { record, receipt } = item;
  const isBlock = "evidence" in item;
  const writer = new CborWriter(ANCHORED_BYTES_MAX);
  writer.map(isBlock ? 4 : 6);
  writer.uint(0, isBlock ? BY_BLOCK : BY_STATE);
  for (const [i, bytes] of [record, receipt, isBlock ? item.evidence : item.header].entries()) {
    writer.key(1 + i);
    writer.bytes(bytes);
  }
  for (const [i, nodes] of (isBlock ? [] : [item.account, item.storage]).entries()) {
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
  const version = map instanceof Map ? map.get(0) : undefined;
  if (!(map instanceof Map) || map.size !== (version === BY_BLOCK ? 4 : 6))
    return new Rejection("anchored-malformed", "no map of six, or of four where key 0 is 2");
  if (version !== BY_STATE && version !== BY_BLOCK)
    return new Rejection("anchored-malformed", `key 0 (version) is neither ${BY_STATE} nor ${BY_BLOCK}`);
  const [record, receipt, third, account, storage] = [1, 2, 3, 4, 5].map((key) => map.get(key));
  if (!isBytes(record) || !isBytes(receipt) || !isBytes(third))
    return new Rejection("anchored-malformed", "keys 1 to 3 are not three byte strings");
  if (version === BY_BLOCK) return { record, receipt, evidence: third };
  if (!areNodes(account) || !areNodes(storage))
    return new Rejection("anchored-malformed", "keys 4 and 5 are not two lists of byte strings");
  return { record, receipt, header: third, account, storage };
}

/** The raw header of an item, for who has to find out whether it is a chain's; not verified. */
export function headerOf(item: AnchoredItem): Uint8Array | Rejection {
  if (!("evidence" in item)) return item.header;
  const anchor = decodeBitcoinAnchor(item.evidence);
  return anchor instanceof Rejection ? anchor : anchor.header;
}

/** Checks an item whole: the record's signature and form, the receipt for its digest, the header, and what shows the receipt's root in it. */
export function verifyAnchored(engine: CryptoEngine, bytes: Uint8Array, trust: AnchorTrust): Anchored | Rejection {
  const item = decodeAnchored(bytes);
  if (item instanceof Rejection) return item;
  const signed = verifySign1(engine, item.record);
  if (signed instanceof Rejection) return signed;
  const record = decodeRecord(signed.payload);
  if (record instanceof Rejection) return record;
  const receipt = verifyAnchorReceipt(engine, item.receipt, signed.digest);
  if (receipt instanceof Rejection) return receipt;
  const when = "evidence" in item ? inBlock(engine, item, receipt, trust) : inState(engine, item, receipt, trust);
  if (when instanceof Rejection) return when;
  const { kid: mote, digest } = signed;
  const headShown = record.head !== undefined && trust.knows(record.head.hash);
  return { mote, collector: receipt.kid, digest, record, headShown, ...when };
}

type When = Pick<Anchored, "anchoredIn" | "anchoredS" | "provenAt">;

function inState(engine: CryptoEngine, item: StateShown, receipt: VerifiedAnchor, trust: AnchorTrust): When | Rejection {
  const header = trust.header(item.header);
  if (header instanceof Rejection) return header;
  if (header.stateRoot === undefined) return new Rejection("anchored-header", "a header without a state root");
  const word = trust.slot(header.stateRoot, anchorSlot(engine, receipt.kid, receipt.size, receipt.root), item);
  if (word instanceof Rejection) return word;
  assert(word.length === WORD_BYTES, "a word");
  const anchoredIn = readUint(word, WORD_BYTES - NUMBER_BYTES, NUMBER_BYTES);
  if (anchoredIn === 0 || anchoredIn > header.number)
    return new Rejection(
      "anchored-absent",
      `at block ${header.number} the contract has this root under no size of ${receipt.size}`,
    );
  return { anchoredIn, anchoredS: readUint(word, WORD_BYTES - 2 * NUMBER_BYTES, NUMBER_BYTES), provenAt: header.number };
}

function inBlock(engine: CryptoEngine, item: BlockShown, receipt: VerifiedAnchor, trust: AnchorTrust): When | Rejection {
  const anchor = decodeBitcoinAnchor(item.evidence);
  if (anchor instanceof Rejection) return anchor;
  const header = trust.header(anchor.header);
  if (header instanceof Rejection) return header;
  const block = verifyBitcoinAnchor(engine, anchor, receipt.root);
  if (block instanceof Rejection) return block;
  return { anchoredIn: header.number, anchoredS: block.timeS, provenAt: header.number };
}

function isBytes(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array;
}

function areNodes(value: CborValue | undefined): value is readonly Uint8Array[] {
  return Array.isArray(value) && value.every(isBytes);
}
