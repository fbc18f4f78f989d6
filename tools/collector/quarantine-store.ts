// Which keys a fleet's registry has quarantined, in the tables of the store, and which records are marked for it.
//
// Promises: a record of a quarantined key is marked where its head is of the quarantine's block or later, or where it came after that block
// was made: whoever has the key can name an older head, and cannot have sent it before; what is stored after is marked as it is stored, and
// what a reorganisation takes back is unmarked. Each statement is bounded. Never: deletes a record, which is evidence, or asks a node.

import { bytesOf, type Database, integerOf, type Queries } from "./database.js";
import type { Fleet } from "./intake.js";

/** Of the locks of motes; the second key is a part of the address. */
export const MOTE_LOCKS = 0x6d6f7465;
/** Records that one statement marks. */
const MARK_ROWS_MAX = 1000;

export interface Quarantine {
  readonly mote: Uint8Array;
  readonly sinceBlock: number;
  /** When that block was made, in seconds since the Unix epoch. */
  readonly sinceS: number;
}

/** A mote of the fleet whose status can still change. */
export interface OpenMote {
  readonly mote: Uint8Array;
  /** It is noted as quarantined since that block, but a reorganisation may take that back. */
  readonly sinceBlock: number | undefined;
}

const SAME_KEY = "r.address = q.address AND r.registry = q.registry AND r.fleet_chain = q.fleet_chain";
/** What record `r` is marked with, of quarantine `q`. */
const MARK = `CASE WHEN (r.head_chain = r.fleet_chain AND r.head_number >= q.since_block)
  OR r.received_at >= LEAST(to_timestamp(q.since_s), q.noted_at) THEN q.since_block END`;

export class QuarantineStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Motes of the fleet behind `after`, of the next `max` addresses, but for those whose quarantine is settled.
   * @returns the last address looked at besides; undefined where there are no more
   */
  async open(
    { registry, chain }: Fleet,
    after: Uint8Array,
    max: number,
  ): Promise<{ readonly motes: readonly OpenMote[]; readonly last: Uint8Array | undefined }> {
    const rows = await this.#database.query(
      `WITH RECURSIVE motes AS (
         (SELECT address FROM records WHERE address > $3 ORDER BY address LIMIT 1)
         UNION ALL
         SELECT (SELECT r.address FROM records r WHERE r.address > m.address ORDER BY r.address LIMIT 1) FROM motes m
         WHERE m.address IS NOT NULL
       ) SELECT m.address, q.since_block, q.settled, EXISTS (
           SELECT 1 FROM records r WHERE r.address = m.address AND r.registry = $1 AND r.fleet_chain = $2) AS ours
         FROM (SELECT address FROM motes WHERE address IS NOT NULL LIMIT $4) m
         LEFT JOIN quarantines q ON q.address = m.address AND q.registry = $1 AND q.fleet_chain = $2 ORDER BY m.address`,
      [registry, chain, after, max],
    );
    const last = rows.at(-1);
    return {
      motes: rows
        .filter((row) => row.ours === true && row.settled !== true)
        .map((row) => ({
          mote: bytesOf(row, "address"),
          sinceBlock: row.since_block === null ? undefined : integerOf(row, "since_block"),
        })),
      last: rows.length < max || last === undefined ? undefined : bytesOf(last, "address"),
    };
  }

  /** Notes a quarantine, and marks what is stored; answers how many records were marked now. */
  async note(fleet: Fleet, { mote, sinceBlock, sinceS }: Quarantine): Promise<number> {
    await this.#database.transaction(async (queries) => {
      await lockMote(queries, mote);
      await queries.query(
        `INSERT INTO quarantines (address, registry, fleet_chain, since_block, since_s) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (address, registry, fleet_chain) DO UPDATE SET since_block = $4, since_s = $5`,
        [mote, fleet.registry, fleet.chain, sinceBlock, sinceS],
      );
    });
    return this.#mark(fleet, mote);
  }

  /** No reorganisation takes it back any more: it is not asked for again. */
  async settle({ registry, chain }: Fleet, mote: Uint8Array): Promise<void> {
    await this.#database.query(
      "UPDATE quarantines SET settled = true WHERE address = $1 AND registry = $2 AND fleet_chain = $3",
      [mote, registry, chain],
    );
  }

  /** A reorganisation has taken it back. The marks go with it, whole or not at all. */
  undo({ registry, chain }: Fleet, mote: Uint8Array): Promise<void> {
    return this.#database.transaction(async (queries) => {
      await lockMote(queries, mote);
      const of = "address = $1 AND registry = $2 AND fleet_chain = $3";
      await queries.query(`DELETE FROM quarantines WHERE ${of}`, [mote, registry, chain]);
      await queries.query(`UPDATE records SET quarantined_since = NULL WHERE ${of} AND quarantined_since IS NOT NULL`, [
        ...[mote, registry, chain],
      ]);
    });
  }

  async #mark({ registry, chain }: Fleet, mote: Uint8Array): Promise<number> {
    for (let marked = 0; ; ) {
      const rows = await this.#database.query(
        `UPDATE records SET quarantined_since = m.mark FROM (
           SELECT r.digest, ${MARK} AS mark FROM records r JOIN quarantines q ON ${SAME_KEY}
           WHERE r.address = $1 AND r.registry = $2 AND r.fleet_chain = $3 AND r.quarantined_since IS DISTINCT FROM ${MARK}
           LIMIT ${MARK_ROWS_MAX}) m
         WHERE records.digest = m.digest RETURNING records.digest`,
        [mote, registry, chain],
      );
      marked += rows.length;
      if (rows.length < MARK_ROWS_MAX) return marked;
    }
  }
}

/** Marks those of these records, which were just stored, whose key is quarantined. In the transaction that stores them. */
export async function markStored(queries: Queries, digests: readonly Uint8Array[]): Promise<void> {
  await queries.query(
    `UPDATE records r SET quarantined_since = ${MARK} FROM quarantines q
     WHERE r.digest IN (${digests.map((_, i) => `$${i + 1}`).join(", ")}) AND ${SAME_KEY}`,
    digests,
  );
}

/** Whoever stores records of this mote has done so before, or sees the quarantine. */
async function lockMote(queries: Queries, mote: Uint8Array): Promise<void> {
  await queries.query("SELECT pg_advisory_xact_lock($1::integer, $2::integer)", [MOTE_LOCKS, moteLock(mote)]);
}

/** The second key of a mote's lock. */
export function moteLock(mote: Uint8Array): number {
  return new DataView(mote.buffer, mote.byteOffset).getInt32(0);
}
