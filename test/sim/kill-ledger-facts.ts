// What is known for sure after a run of kill-ledger.ts: the chain's own blocks, the collector's export, the anchored items, the boards' flash as
// each kill has left it, and what went over the broker. Nothing is asked of a mote that may have lost it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import { decodeHeader } from "../../firmware/chain/ethereum/header.js";
import { decodeSubmission } from "../../firmware/ledger/submission-wire.js";
import { decodeTransaction, type Transaction } from "../../firmware/ledger/transaction.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import { type AnswerFields, decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../../tools/crypto/engine.js";
import { HeaderSource } from "../../tools/ethereum/raw-header.js";
import { EthereumRpc } from "../../tools/ethereum/rpc.js";
import { dumpJournal } from "../../tools/journal/dump.js";
import { anchorTrust } from "../../tools/verify/anchor-trust.js";
import { type AnchoredItem, decodeAnchored, headerOf, verifyAnchored } from "../../tools/verify/anchored.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";

/** A transaction as the node's blocks have it. */
interface MinedJson {
  readonly hash: string;
  readonly from: string;
  readonly to: string | null;
  readonly nonce: string;
  readonly value: string;
  readonly input: string;
}

interface Mined extends MinedJson {
  readonly succeeded: boolean;
}

export interface Chain {
  /** Raw, by number. */
  readonly headers: readonly Uint8Array[];
  readonly mined: readonly Mined[];
}

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

/** All blocks of the node, from the first. */
export async function readChain(url: string): Promise<Chain> {
  const rpc = new EthereumRpc(url);
  const source = new HeaderSource(rpc);
  const head = Number(await rpc.call("eth_blockNumber"));
  const headers: Uint8Array[] = [];
  const mined: Mined[] = [];
  for (let number = 0; number <= head; number += 1) {
    headers.push((await source.header(number))?.raw as Uint8Array);
    const block = (await rpc.call("eth_getBlockByNumber", `0x${number.toString(16)}`, true)) as {
      transactions: readonly MinedJson[];
    };
    for (const transaction of block.transactions) {
      const { status } = (await rpc.call("eth_getTransactionReceipt", transaction.hash)) as { status: string };
      mined.push({ ...transaction, succeeded: Number(status) === 1 });
    }
  }
  return { headers, mined };
}

/** Transactions of one account: each nonce from 0 on is there once. */
export function minedBy({ mined }: Chain, account: string): readonly Mined[] {
  const own = mined.filter(({ from }) => from.toLowerCase() === account);
  assert.equal(
    own.map(({ nonce }) => Number(nonce)),
    own.map((_, i) => i),
    `nonces of ${account}`,
  );
  return own;
}

/** Calls by nonce, as they leave a mote; throws where a nonce carries another call than before. */
export class Calls {
  readonly #calls = new Map<number, string>();

  submitted(message: Uint8Array): void {
    const { nonce, to, value, data }: Transaction = sure(decodeTransaction(sure(decodeSubmission(message)).raw));
    this.take(nonce, toHex(to), value, toHex(data));
  }

  take(nonce: number, to: string, value: bigint, data: string): void {
    const call = `${to} ${value} ${data}`;
    assert.is(this.#calls.get(nonce) ?? call, call, `nonce ${nonce} carries one call`);
    this.#calls.set(nonce, call);
  }
}

/** One record of the export. */
export interface Kept {
  readonly digest: string;
  readonly fields: RecordFields;
}

/** The export, of which every record has to hold. */
export function readExport(file: string): ReadonlyMap<string, Kept> {
  const judge = new Judge(engine);
  const kept = new Map<string, Kept>();
  for (const piece of pieces(new Uint8Array(readFileSync(file)))) {
    const { fault, fields, digest } = judge.judge(piece);
    assert.is(fault, undefined, `seq ${fields?.seq}: ${JSON.stringify(fault)}`);
    kept.set(digest as string, { digest: digest as string, fields: fields as RecordFields });
  }
  return kept;
}

/**
 * Each record that an anchored item stands for, itself or through the links of its successors, and the first block that has such an anchor. All
 * items are verified, by headers of which each was.
 */
export async function anchoredRecords(
  folder: string,
  contract: string,
  chain: Chain,
  kept: ReadonlyMap<string, Kept>,
): Promise<ReadonlyMap<string, number>> {
  const consensus = sure(openChain(engine, JSON.parse(readFileSync(join(folder, "checkpoint.json"), "utf8"))));
  const known = new Set(chain.headers.map(toHex));
  const items: { readonly bytes: Uint8Array; readonly item: AnchoredItem; readonly number: number }[] = [];
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".cbor"))) {
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    const item = sure(decodeAnchored(bytes));
    const { number } = sure(decodeHeader(engine, sure(headerOf(item))));
    // The collector went on after the chain was read; what is not settled there is not judged either.
    if (number < chain.headers.length - 1) items.push({ bytes, item, number });
  }
  const newest = items.reduce((best, one) => (one.number > best.number ? one : best));
  const trust = sure(
    await anchorTrust(newest.item, {
      ...{ engine, consensus, contract: fromHex(contract) as Uint8Array, fromChild: true },
      headers: (async function* () {
        yield chain.headers.slice(1);
      })(),
      nowS: () => Math.floor(Date.now() / 1000),
    }),
  );
  const header = (raw: Uint8Array): ReturnType<typeof trust.header> =>
    known.has(toHex(raw)) ? decodeHeader(engine, raw) : new Rejection("anchored-header", "a header that the chain has not");
  const blocks = new Map<string, number>();
  for (const { bytes, item } of items) {
    const { digest, anchoredIn } = sure(verifyAnchored(engine, bytes, { ...trust, header }));
    const signed = sure(verifySign1(engine, item.record));
    let at: string | undefined = toHex(digest);
    for (let fields = sure(decodeRecord(signed.payload)); at !== undefined; ) {
      const before = blocks.get(at);
      if (before !== undefined && before <= anchoredIn) break;
      blocks.set(at, anchoredIn);
      const previous = kept.get(toHex(fields.prev));
      at = previous?.digest;
      if (previous !== undefined) fields = previous.fields;
    }
  }
  return blocks;
}

/** Answers of a mote by commander's counter: each command has one at most. */
export function answersOf(records: Iterable<Kept>): ReadonlyMap<number, AnswerFields> {
  const answers = new Map<number, AnswerFields>();
  for (const { fields } of records) {
    const { answer, seq } = fields;
    if (answer === undefined) continue;
    assert.not.ok(answers.has(answer.counter), `command ${answer.counter} is answered again, in record ${seq}`);
    answers.set(answer.counter, answer);
  }
  return answers;
}

/** What a board's flash held when its process was gone, and what was known of the mote by then. */
export interface Left {
  /** Digests of the records that it had said to have made, by seq. */
  readonly made: ReadonlyMap<number, string>;
  readonly kept: ReadonlySet<number>;
  readonly anchoredThrough: number;
  /** Newest settled block that it had said. */
  readonly settled: number;
}

/** Undefined where it has no journal yet. */
export function leftIn(image: string, made: ReadonlyMap<number, string>, settled: number): Left | undefined {
  const bytes = new Uint8Array(readFileSync(image));
  if (bytes.every((byte) => byte === 0xff)) return undefined;
  const { records, anchoredThrough } = dumpJournal(bytes);
  return { made: new Map(made), kept: new Set(records.map(({ seq }) => seq)), anchoredThrough, settled };
}

/** Nothing was trimmed, and nothing marked, that no block settled by then had an anchor for. Answers how many records were trimmed. */
export function judgeLeft(left: readonly Left[], anchors: ReadonlyMap<string, number>): number {
  const trimmed = new Set<number>();
  for (const { made, kept, anchoredThrough, settled } of left)
    for (const [seq, digest] of made) {
      const block = anchors.get(digest) ?? Number.POSITIVE_INFINITY;
      if (seq <= anchoredThrough) assert.ok(block <= settled, `record ${seq} counts as anchored: ${block}, settled ${settled}`);
      if (kept.has(seq)) continue;
      assert.ok(seq <= anchoredThrough, `record ${seq} was trimmed, anchored through ${anchoredThrough}`);
      trimmed.add(seq);
    }
  return trimmed.size;
}
