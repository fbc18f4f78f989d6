// Linking records that are stored: each to the one that its `prev` names, in bounded steps.
//
// Promises: each step is committed by itself, links at most `LINK_ROWS_MAX` records and reads no more than it links, however
// many wait; whatever two collectors commit at the same time, and whenever one of them ends, is linked in the end; a record whose
// predecessor nobody has is linked after a while, and marked. Never: links across motes, fleets or streams, or backwards.

import { bytesOf, type Database, integerOf, type Queries, type Row } from "./database.js";
import { inOrderOfPlace, PLACE_COLUMNS, type Place, placeOf } from "./place.js";
import { HEAD_KNOWN } from "./schema.js";

/** What one step of linking changed. */
export interface Linked {
  /** Places that became linked, newly or by a record that arrived late. */
  readonly linked: readonly Place[];
  /** Those of them whose head the node has confirmed before. */
  readonly verified: readonly Place[];
  /** Places that had been linked after a gap, whose missing record is there now. */
  readonly closed: readonly Place[];
}

/** What one step of `repair` found. */
export interface Repaired {
  /** Where the next step begins; undefined where all have been looked at. */
  readonly next: Uint8Array | undefined;
  /** Digests of records that can be linked, left over from a collector that ended or was overtaken. */
  readonly linkable: readonly Uint8Array[];
  /** Places that are linked now although the record before them is missing. */
  readonly gaps: readonly Place[];
}

/** Records that one statement links. */
export const LINK_ROWS_MAX = 1000;
/** Records whose successors one statement looks for. */
const LINK_FROM_MAX = 256;
/** Waiting records that one step of `repair` looks at. */
const REPAIR_ROWS_MAX = 512;
export const ZERO = `'\\x${"00".repeat(32)}'::bytea`;

/** `$1, $2, …` */
export function marks(count: number, from = 1): string {
  return Array.from({ length: count }, (_, i) => `$${from + i}`).join(", ");
}

/** `p` is of the mote and the fleet of `r`. */
export const SAME_FLEET = "p.address = r.address AND p.registry = r.registry AND p.fleet_chain = r.fleet_chain";
/** `p` is in the stream of `r`. */
export const SAME_STREAM = `${SAME_FLEET} AND p.stream = r.stream`;

/**
 * Links those of these records whose predecessor is there and linked, and then all that waited for one of them, in steps
 * that are each committed. A step looks again for successors of what the step before linked, since another collector may
 * have stored one of them in between: it saw the predecessor not linked yet, and left it to us.
 */
export async function* linkAll(database: Database, digests: readonly Uint8Array[]): AsyncGenerator<Linked> {
  const from = [...digests];
  while (from.length > 0) {
    const some = from.splice(-LINK_FROM_MAX);
    const { step, rows } = await database.transaction((queries) => linkStep(queries, some));
    if (rows.length === LINK_ROWS_MAX) from.push(...some);
    from.push(...rows);
    if (rows.length > 0 || step.closed.length > 0) yield step;
  }
}

/**
 * Looks at records that wait, `REPAIR_ROWS_MAX` of them from `after` on. One that waited for `gapAfterMs` for a record that
 * nobody has is linked, and marked: its mote has trimmed that record, since a collector before this store had it, or has lost it.
 */
export async function repairStep(database: Database, after: Uint8Array, gapAfterMs: number): Promise<Repaired> {
  const rows = await database.query(
    `SELECT r.digest, r.prev = ${ZERO} OR EXISTS (
         SELECT 1 FROM (SELECT * FROM records WHERE digest = r.prev OFFSET 0) p
         WHERE p.linked AND ${SAME_STREAM} AND p.seq < r.seq) AS linkable,
       r.prev <> ${ZERO} AND r.received_at < now() - $2 * interval '1 millisecond'
         AND NOT EXISTS (SELECT 1 FROM records p WHERE p.digest = r.prev) AS lonely
     FROM (SELECT * FROM records WHERE NOT linked AND digest > $1 ORDER BY digest LIMIT ${REPAIR_ROWS_MAX}) r`,
    [after, gapAfterMs],
  );
  const lonely = rows.filter((row) => row.lonely === true).map((row) => bytesOf(row, "digest"));
  const last = rows
    .map((row) => bytesOf(row, "digest"))
    .sort(Buffer.compare)
    .at(-1);
  const gaps =
    lonely.length === 0
      ? []
      : await database.query(
          `UPDATE records SET linked = true, after_gap = true WHERE digest IN (${marks(lonely.length)}) AND NOT linked
           RETURNING ${PLACE_COLUMNS}`,
          lonely,
        );
  return {
    next: rows.length < REPAIR_ROWS_MAX ? undefined : last,
    linkable: rows.filter((row) => row.linkable === true).map((row) => bytesOf(row, "digest")),
    gaps: gaps.map(placeOf).sort(inOrderOfPlace),
  };
}

/** One bounded step of `link`: from these records and from the successors of those of them that are linked. */
async function linkStep(
  queries: Queries,
  digests: readonly Uint8Array[],
): Promise<{ step: Linked; rows: readonly Uint8Array[] }> {
  await byIndex(queries);
  const given = marks(digests.length);
  const columns = "r.digest, r.address, r.registry, r.fleet_chain, r.stream, r.seq";
  // OFFSET 0 keeps the planner from looking through all of the mote's stream for each record (`records_place`).
  const successors = `SELECT ${columns} FROM (
      SELECT * FROM records WHERE prev = p.digest AND address = p.address AND NOT linked OFFSET 0) r
    WHERE ${SAME_STREAM} AND p.seq < r.seq LIMIT ${LINK_ROWS_MAX}`;
  const rows = await queries.query(
    `WITH RECURSIVE newly AS (
       SELECT * FROM (
         SELECT ${columns} FROM records r
         WHERE r.digest IN (${given}) AND NOT r.linked AND (r.prev = ${ZERO} OR EXISTS (
           SELECT 1 FROM (SELECT * FROM records WHERE digest = r.prev OFFSET 0) p
           WHERE p.linked AND ${SAME_STREAM} AND p.seq < r.seq))
         UNION SELECT s.* FROM records p CROSS JOIN LATERAL (${successors}) s WHERE p.digest IN (${given}) AND p.linked
       ) start
       UNION
       SELECT s.* FROM newly p CROSS JOIN LATERAL (${successors}) s
     )
     UPDATE records SET linked = true WHERE digest IN (SELECT digest FROM newly LIMIT ${LINK_ROWS_MAX}) AND NOT linked
     RETURNING ${PLACE_COLUMNS}, head_state`,
    digests,
  );
  const closed = await queries.query(
    `UPDATE records SET after_gap = false WHERE digest IN (
       SELECT r.digest FROM records p CROSS JOIN LATERAL (
         SELECT * FROM records WHERE prev = p.digest AND address = p.address AND after_gap OFFSET 0) r
       WHERE p.digest IN (${marks(digests.length + rows.length)}) AND p.linked AND ${SAME_STREAM} AND p.seq < r.seq)
     RETURNING ${PLACE_COLUMNS}`,
    [...digests, ...rows.map((row) => bytesOf(row, "digest"))],
  );
  const known = rows.filter((row) => integerOf(row, "head_state") === HEAD_KNOWN);
  const sorted = (some: readonly Row[]): readonly Place[] => some.map(placeOf).sort(inOrderOfPlace);
  return {
    step: { linked: sorted(rows), verified: sorted(known), closed: sorted(closed) },
    rows: rows.map((row) => bytesOf(row, "digest")),
  };
}

/** The planner would read a whole table, again and again, or join with all of it, while it is young and has no statistics. */
export async function byIndex(queries: Queries): Promise<void> {
  const off = ["seqscan", "hashjoin", "mergejoin"].map((way) => `set_config('enable_${way}', 'off', true)`);
  await queries.query(`SELECT ${off.join(", ")}`);
}
