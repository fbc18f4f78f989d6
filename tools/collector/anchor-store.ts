// What a collector anchors, in the tables of the store: the leaves of its tree, where each batch of them ends, and which leaf stands for a
// record.
//
// Promises: a batch is written whole before anything of it is sent anywhere, and never changed, so that after any crash and any
// reorganisation the same leaves are anchored again; every verified record gets a leaf of its own or one that its successors' `prev` lead from;
// a store is of one tree, of one account in one contract. Never: asks a node, or counts a record whose
// head the node has not confirmed, or one that is marked since its key is quarantined.

import { toHex } from "../../firmware/bytes.js";
import { bytesOf, type Database, integerOf, type Queries, type Row } from "./database.js";
import { byIndex } from "./linking.js";
import { PLACE_COLUMNS, type Place, placeOf } from "./place.js";
import { HEAD_KNOWN } from "./schema.js";

/** Leaves of one batch: the newest record of so many streams. */
const LEAVES_PER_BATCH_MAX = 1024;
/** Records before a leaf that it is noted for, in one batch; what is older gets a leaf more. */
const COVERED_MAX = 10_000;
const PAGE_ROWS = 10_000;
/** Of the lock under which a batch is made. */
const ANCHOR_LOCK = 0x616e6368;
/** Records that wait to be anchored, as the index has them. */
const WAITING = `anchor_leaf IS NULL AND linked AND head_state = ${HEAD_KNOWN} AND quarantined_since IS NULL`;
const STREAM = "address, registry, fleet_chain, stream";

/** Whose tree it is. */
export interface TreeName {
  /** Of the contract and of the account, 20 bytes each. */
  readonly contract: Uint8Array;
  readonly account: Uint8Array;
  /** CAIP-2. */
  readonly chain: string;
}

export type LeafRecord = Place & { readonly sign1: Uint8Array; readonly leaf: number };

export class AnchorStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Makes the store this tree's, with a first leaf of its own. Throws where it is another's. */
  open({ contract, account, chain }: TreeName, firstLeaf: Uint8Array): Promise<void> {
    return this.#database.transaction(async (queries) => {
      await lock(queries);
      const [row] = await queries.query("SELECT contract, account, chain FROM anchor_tree");
      if (row === undefined) {
        await queries.query("INSERT INTO anchor_tree (contract, account, chain) VALUES ($1, $2, $3)", [contract, account, chain]);
        await queries.query("INSERT INTO anchor_leaves (leaf, digest) VALUES (0, $1)", [firstLeaf]);
        return;
      }
      const found = [bytesOf(row, "contract"), bytesOf(row, "account")].map(toHex);
      if (row.chain !== chain || found[0] !== toHex(contract) || found[1] !== toHex(account))
        throw new Error(
          `the store holds the tree that 0x${found[1]} anchors in 0x${found[0]} on ${String(row.chain)}: go on with that contract and key, or with another store`,
        );
    });
  }

  /** Digests of all leaves from `from` on, in their order. */
  async *leaves(from = 0): AsyncGenerator<Uint8Array> {
    for (let next = from; ; next += PAGE_ROWS) {
      const rows: readonly Row[] = await this.#database.query(
        "SELECT digest FROM anchor_leaves WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf",
        [next, next + PAGE_ROWS],
      );
      for (const row of rows) yield bytesOf(row, "digest");
      if (rows.length < PAGE_ROWS) return;
    }
  }

  /** Sizes of the tree after each batch, ascending, above `above`; and whether the batch's receipts were told. */
  async batches(above = 0): Promise<readonly { readonly size: number; readonly told: boolean }[]> {
    const rows = await this.#database.query("SELECT size, told FROM anchor_batches WHERE size > $1 ORDER BY size", [above]);
    return rows.map((row) => ({ size: integerOf(row, "size"), told: row.told === true }));
  }

  async noteTold(size: number): Promise<void> {
    await this.#database.query("UPDATE anchor_batches SET told = true WHERE size = $1", [size]);
  }

  /** Makes a batch of what waits: the newest record of each stream is a leaf. Answers the tree's size after it, or undefined: nothing waits. */
  batch(): Promise<number | undefined> {
    return this.#database.transaction(async (queries) => {
      await byIndex(queries);
      await lock(queries);
      const tips = await queries.query(
        `SELECT DISTINCT ON (${STREAM}) digest FROM records WHERE ${WAITING} ORDER BY ${STREAM}, seq DESC, digest LIMIT $1`,
        [LEAVES_PER_BATCH_MAX],
      );
      if (tips.length === 0) return undefined;
      const [row] = await queries.query("SELECT max(leaf) + 1 AS size FROM anchor_leaves");
      let size = integerOf(row as Row, "size");
      for (const tip of tips) {
        const digest = bytesOf(tip, "digest");
        await queries.query("INSERT INTO anchor_leaves (leaf, digest) VALUES ($1, $2)", [size, digest]);
        await queries.query(
          `WITH RECURSIVE run AS (
             SELECT digest, prev, address, 1 AS depth FROM records WHERE digest = $1
             UNION ALL
             SELECT r.digest, r.prev, r.address, run.depth + 1 FROM run JOIN records r ON r.digest = run.prev
             WHERE r.address = run.address AND r.anchor_leaf IS NULL AND r.quarantined_since IS NULL AND run.depth < ${COVERED_MAX}
           ) UPDATE records SET anchor_leaf = $2 WHERE digest IN (SELECT digest FROM run)`,
          [digest, size],
        );
        size += 1;
      }
      await queries.query("INSERT INTO anchor_batches (size) VALUES ($1)", [size]);
      return size;
    });
  }

  /** The lowest head that a record with a leaf names; undefined where none names one. */
  async firstHead(): Promise<number | undefined> {
    const [row] = await this.#database.query(
      "SELECT min(head_number) AS head FROM records WHERE anchor_leaf IS NOT NULL AND head_number IS NOT NULL",
    );
    return row === undefined || row.head === null ? undefined : integerOf(row, "head");
  }

  /** The records that are the leaves `from` to `to − 1`. */
  async records(from: number, to: number): Promise<readonly LeafRecord[]> {
    const rows = await this.#database.query(
      `SELECT l.leaf, ${PLACE_COLUMNS.split(", ")
        .map((name) => `r.${name}`)
        .join(", ")}, r.sign1
       FROM anchor_leaves l JOIN records r ON r.digest = l.digest WHERE l.leaf >= $1 AND l.leaf < $2 ORDER BY l.leaf`,
      [from, to],
    );
    return rows.map((row) => ({ ...placeOf(row), sign1: bytesOf(row, "sign1"), leaf: integerOf(row, "leaf") }));
  }

  /** The leaf that stands for a record of this mote; undefined where it is not stored, or has none yet. */
  async leafOf(mote: Uint8Array, digest: Uint8Array): Promise<number | undefined> {
    const [row] = await this.#database.query(
      "SELECT anchor_leaf FROM records WHERE digest = $1 AND address = $2 AND anchor_leaf IS NOT NULL",
      [digest, mote],
    );
    return row === undefined ? undefined : integerOf(row, "anchor_leaf");
  }

  /** Records that have a leaf, and those that wait for one. */
  async counts(): Promise<{ readonly covered: number; readonly waiting: number }> {
    const [row] = await this.#database.query(
      `SELECT count(*) FILTER (WHERE anchor_leaf IS NOT NULL) AS covered, count(*) FILTER (WHERE ${WAITING}) AS waiting FROM records`,
    );
    return { covered: integerOf(row as Row, "covered"), waiting: integerOf(row as Row, "waiting") };
  }
}

async function lock(queries: Queries): Promise<void> {
  await queries.query(`SELECT pg_advisory_xact_lock(${ANCHOR_LOCK})`);
}
