// What the node said of the heads that records name, in the tables of the store.
//
// Promises: every record that names a head gets the same verdict; a settled verdict is not asked for again until `reopen`;
// heads are handed out fairly, some of each mote, never above the node's own height; each statement is bounded. Never: asks
// the node, or takes "could not say" for a verdict.

import { bytesOf, type Database, integerOf, type Row, textOf } from "./database.js";
import { behind, EXPORT_ORDER, inOrderOfPlace, type Place, placeOf } from "./place.js";
import { HEAD_FOREIGN, HEAD_KNOWN, HEAD_ORPHANED, HEAD_UNCHECKED, HEAD_UNKNOWN } from "./schema.js";

/** A head that records name. */
export interface NamedHead {
  readonly chain: string;
  readonly number: number;
  readonly hash: Uint8Array;
}

/** One that is to be looked up. */
export interface OpenHead extends NamedHead {
  /** 20 bytes: a mote whose record names it. */
  readonly mote: Uint8Array;
  /** What was said of it before. */
  readonly state: number;
  /** How often the node could not say, one time after the other. */
  readonly tries: number;
}

export interface Verdict {
  readonly state: number;
  readonly settled: boolean;
  /** The node's height from which the head is asked again, where it is not settled. */
  readonly due: number;
  /** When it is asked again, in milliseconds of the epoch, where the state is unknown. */
  readonly retryMs?: number;
  /** See `OpenHead`. */
  readonly tries?: number;
}

/** A record whose verdict was noted. */
export interface Judged extends Place {
  readonly linked: boolean;
  /** Its state before. */
  readonly was: number;
}

export interface TrailBlock {
  readonly number: number;
  readonly hash: Uint8Array;
}

/** Records that one statement changes. */
const VERDICT_ROWS_MAX = 1000;
/** Blocks that are remembered of a node's chain. */
export const TRAIL_BLOCKS_MAX = 1024;
const PLACE = "r.address, r.stream, r.seq, r.digest";
/** Rows read for each head that is wanted: several records name one head. */
const ROWS_PER_HEAD = 4;
/** As the indexes have it. */
const OPEN = `NOT r.head_settled AND r.head_state <> ${HEAD_UNKNOWN}`;
const RETRIED = `NOT r.head_settled AND r.head_state = ${HEAD_UNKNOWN}`;
const HEAD_COLUMNS = "head_chain, head_number, head_hash, head_state, head_tries";

export class Verdicts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Heads of up to `motesMax` motes beyond `after`, at most `perMote` of each: first one of each mote, then the second.
   * @param height the node's
   * @returns the last mote looked at besides; undefined where there are no more motes
   */
  async open(
    chain: string,
    height: number,
    after: Uint8Array,
    motesMax: number,
    perMote: number,
  ): Promise<{ heads: readonly OpenHead[]; last: Uint8Array | undefined }> {
    const rows = await this.#database.query(
      `WITH RECURSIVE motes AS (
         (SELECT r.address FROM records r WHERE ${OPEN} AND r.head_due <= $2 AND r.address > $3 ORDER BY r.address LIMIT 1)
         UNION ALL
         SELECT (SELECT r.address FROM records r WHERE ${OPEN} AND r.head_due <= $2 AND r.address > m.address
           ORDER BY r.address LIMIT 1) FROM motes m WHERE m.address IS NOT NULL
       )
       SELECT m.address, h.* FROM (SELECT address FROM motes WHERE address IS NOT NULL LIMIT $4) m LEFT JOIN LATERAL (
         SELECT ${HEAD_COLUMNS} FROM records r
         WHERE ${OPEN} AND r.address = m.address AND r.head_due <= $2 AND r.head_chain = $1
         ORDER BY r.head_due LIMIT $5) h ON true`,
      [chain, height, after, motesMax, perMote * ROWS_PER_HEAD],
    );
    const motes = new Map<string, OpenHead[]>();
    const seen = new Set<string>();
    let last: Uint8Array | undefined;
    for (const row of rows) {
      const mote = bytesOf(row, "address");
      if (last === undefined || Buffer.compare(mote, last) > 0) last = mote;
      if (row.head_hash === null) continue;
      const key = Buffer.from(mote).toString("hex");
      const of = motes.get(key) ?? [];
      motes.set(key, of);
      const head = openHeadOf(row, mote);
      const name = headKey(head);
      if (of.length >= perMote || seen.has(name)) continue;
      seen.add(name);
      of.push(head);
    }
    const turns = Array.from({ length: perMote }, (_, i) => [...motes.values()].flatMap((of) => of.slice(i, i + 1)));
    return { heads: turns.flat(), last };
  }

  /** Heads that the node could not judge, and whose time has come again. */
  async retried(chain: string, height: number, nowMs: number, max: number): Promise<readonly OpenHead[]> {
    const rows = await this.#database.query(
      `SELECT r.address, ${HEAD_COLUMNS} FROM records r
       WHERE ${RETRIED} AND r.head_retry_ms <= $1 AND r.head_number <= $2 AND r.head_chain = $3
       ORDER BY r.head_retry_ms LIMIT $4`,
      [nowMs, height, chain, max * ROWS_PER_HEAD],
    );
    const heads = new Map<string, OpenHead>();
    for (const row of rows) {
      const head = openHeadOf(row, bytesOf(row, "address"));
      heads.set(headKey(head), head);
    }
    return [...heads.values()].slice(0, max);
  }

  /** Heads of other chains than this, which no node of it need be asked for. */
  async elsewhere(chain: string, max: number): Promise<readonly NamedHead[]> {
    const of = (side: string): string =>
      `(SELECT ${HEAD_COLUMNS}, address FROM records r WHERE NOT r.head_settled AND r.head_chain ${side} $1 LIMIT $2)`;
    const rows = await this.#database.query(`${of("<")} UNION ALL ${of(">")}`, [chain, max]);
    const heads = rows.map((row) => openHeadOf(row, bytesOf(row, "address")));
    return [...new Map(heads.map((head) => [headKey(head), head])).values()];
  }

  /** Whether any head is open that the node can judge once it has got to `height`. */
  async waiting(chain: string, height: number): Promise<boolean> {
    const of = (condition: string): string =>
      `EXISTS (SELECT 1 FROM records r WHERE ${condition} AND r.head_chain = $1 AND r.head_number <= $2)`;
    const [row] = await this.#database.query(`SELECT ${of(OPEN)} OR ${of(RETRIED)} AS waiting`, [chain, height]);
    return row?.waiting === true;
  }

  /** Notes what was found of a head, for every record that names it and is not settled; answers those records. */
  async note(head: NamedHead, verdict: Verdict): Promise<readonly Judged[]> {
    const judged: Judged[] = [];
    for (;;) {
      const rows = await this.#database.query(
        `UPDATE records r SET head_state = $1, head_settled = $2, head_due = $3, head_retry_ms = $4, head_tries = $5
         FROM (SELECT digest, head_state AS was FROM records WHERE head_number = $6 AND head_hash = $7 AND head_chain = $8
           AND NOT head_settled AND (head_state, head_due, head_retry_ms, head_tries) IS DISTINCT FROM ($1::smallint, $3::bigint, $4::bigint, $5::integer)
           LIMIT ${VERDICT_ROWS_MAX} FOR UPDATE) o
         WHERE r.digest = o.digest RETURNING ${PLACE}, r.linked, o.was`,
        [
          verdict.state,
          verdict.settled,
          verdict.due,
          verdict.retryMs ?? 0,
          verdict.tries ?? 0,
          ...[head.number, head.hash, head.chain],
        ],
      );
      for (const row of rows) judged.push({ ...placeOf(row), linked: row.linked === true, was: integerOf(row, "was") });
      if (rows.length < VERDICT_ROWS_MAX) return judged.sort(inOrderOfPlace);
    }
  }

  /** Opens every verdict above this height again, since the chain that it was made by went another way. */
  async reopen(chain: string, above: number): Promise<void> {
    const judged = [HEAD_KNOWN, HEAD_FOREIGN, HEAD_ORPHANED].join(", ");
    for (;;) {
      const rows = await this.#database.query(
        `UPDATE records SET head_settled = false, head_due = head_number, head_tries = 0 WHERE digest IN (
           SELECT digest FROM records WHERE head_number > $1 AND head_chain = $2 AND head_state IN (${judged})
             AND (head_settled OR head_due <> head_number) LIMIT ${VERDICT_ROWS_MAX}) RETURNING digest`,
        [above, chain],
      );
      if (rows.length < VERDICT_ROWS_MAX) return;
    }
  }

  /** Blocks that a collector's node had at its head, lowest first. */
  async trail(collector: string, chain: string): Promise<readonly TrailBlock[]> {
    const rows = await this.#database.query(
      "SELECT number, hash FROM node_trail WHERE collector = $1 AND chain = $2 ORDER BY number DESC LIMIT $3",
      [collector, chain, TRAIL_BLOCKS_MAX],
    );
    return rows.map((row) => ({ number: integerOf(row, "number"), hash: bytesOf(row, "hash") })).reverse();
  }

  /** Adds the newest block, and forgets those above `above` before, and those below `from`. */
  async extendTrail(collector: string, chain: string, block: TrailBlock, above: number, from: number): Promise<void> {
    await this.#database.transaction(async (queries) => {
      await queries.query(
        "DELETE FROM node_trail WHERE collector = $1 AND chain = $2 AND (number > $3 OR number < $4 OR number = $5)",
        [collector, chain, above, from, block.number],
      );
      await queries.query("INSERT INTO node_trail (collector, chain, number, hash) VALUES ($1, $2, $3, $4)", [
        ...[collector, chain, block.number, block.hash],
      ]);
    });
  }

  /** The verdict of every record of `RecordStore.inOrder` in its order, a page at a time, from the place `after` on. */
  async page(after: Row | undefined, rowsMax: number, quarantined: boolean): Promise<readonly Row[]> {
    const { where, values } = behind(after, 3);
    return this.#database.query(
      `SELECT ${EXPORT_ORDER}, linked, after_gap, head_chain, head_number, head_hash, head_state, head_settled, quarantined_since FROM records
       ${where} AND ($2 OR quarantined_since IS NULL) ORDER BY ${EXPORT_ORDER} LIMIT $1`,
      [rowsMax, quarantined, ...values],
    );
  }

  /** How many records have each state, and how many verdicts are settled. */
  async counts(): Promise<ReadonlyMap<number, { records: number; settled: number }>> {
    const rows = await this.#database.query(
      "SELECT head_state, count(*) AS records, count(*) FILTER (WHERE head_settled) AS settled FROM records GROUP BY head_state",
    );
    return new Map(
      rows.map((row) => [
        integerOf(row, "head_state"),
        { records: integerOf(row, "records"), settled: integerOf(row, "settled") },
      ]),
    );
  }
}

export function isVerdict(state: number): boolean {
  return state !== HEAD_UNCHECKED && state !== HEAD_UNKNOWN;
}

function headKey(head: NamedHead): string {
  return `${head.chain} ${head.number} ${Buffer.from(head.hash).toString("hex")}`;
}

function openHeadOf(row: Row, mote: Uint8Array): OpenHead {
  return {
    ...{ mote, chain: textOf(row, "head_chain"), number: integerOf(row, "head_number"), hash: bytesOf(row, "head_hash") },
    ...{ state: integerOf(row, "head_state"), tries: integerOf(row, "head_tries") },
  };
}
