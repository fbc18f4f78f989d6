// Records in tables: stored first, linked later, in bounded steps.
//
// Promises: a batch is committed as a whole; a record that is there already stays as it was and is no error; a record is
// linked once the record that its `prev` names is there, of the same mote, fleet and stream and with a smaller seq, or
// once it is the first of its stream, or, marked so, after a while without the one before it; two records of one place are
// evidence of equivocation, two successors of one record evidence of a fork, a lower stream in a later boot evidence of an escape,
// whoever stores them and in whatever order they are committed. No statement takes longer the more records wait. Never: deletes or replaces a record.

import { toHex } from "../../firmware/bytes.js";
import type { RecordFields } from "../../firmware/record/record.js";
import { assert } from "../../firmware/rejection.js";
import { AnchorStore } from "./anchor-store.js";
import { bytesOf, type Database, integerOf, type Queries, type Row, type SqlValue, textOf } from "./database.js";
import { byIndex, type Linked, linkAll, marks, type Repaired, repairStep, SAME_FLEET, SAME_STREAM, ZERO } from "./linking.js";
import { behind, EXPORT_ORDER, inOrderOfPlace, PLACE_COLUMNS, type Place, placeOf } from "./place.js";
import { MOTE_LOCKS, markStored, moteLock, QuarantineStore } from "./quarantine-store.js";
import { HEAD_ABSENT, HEAD_KNOWN, HEAD_UNCHECKED, MIGRATIONS, SCHEMA_VERSION } from "./schema.js";
import { ShownRecords } from "./shown.js";
import { Verdicts } from "./verdicts.js";

/** A record whose signature holds. */
export interface CheckedRecord {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly fields: RecordFields;
  /** The COSE_Sign1 as it came. */
  readonly sign1: Uint8Array;
}

/**
 * `equivocation`: one place, two payloads. `fork`: one predecessor, two successors. `escape`: a later boot in a lower stream, which a copy
 * of a board that began a new stream leaves behind. The registry takes the first and the last (docs/ledger.md).
 */
export type EvidenceKind = "equivocation" | "fork" | "escape";

export interface Evidence {
  readonly kind: EvidenceKind;
  readonly a: Place;
  readonly b: Place;
}

/** Two messages that `reportEquivocation` of the registry takes. */
export interface Reportable {
  /** Address, 20 bytes. */
  readonly mote: Uint8Array;
  readonly records: readonly [Uint8Array, Uint8Array];
}

/** What one batch changed. */
export interface Stored {
  /** Places that are new. */
  readonly added: readonly Place[];
  readonly evidence: readonly Evidence[];
}

/** 18 parameters a record; PostgreSQL takes 65,535 in one statement. */
export const BATCH_RECORDS_MAX = 256;
/** Of the lock under which a store's tables are made or changed. */
const MIGRATION_LOCK = 0x63686d74;
/** Pairs of evidence that one new record can add. */
const PAIRS_PER_RECORD_MAX = 4;
const PAGE_ROWS = 500;

/** The newest record `n` of each address of `m`. */
const NEWEST_OF_M = `CROSS JOIN LATERAL (SELECT ${PLACE_COLUMNS}, sign1 FROM records r WHERE r.address = m.address
  ORDER BY r.stream DESC, r.seq DESC, r.received_at LIMIT 1) n`;

export type NewestRecord = Place & { readonly sign1: Uint8Array };

/** Without a head where it was measured before its mote had verified one. */
export type LastRecord = Place & { readonly head?: number };

export interface StoreCounts {
  readonly stored: number;
  readonly linked: number;
  /** Linked, and the node knows the head. */
  readonly verified: number;
  /** Linked although the record before is missing. */
  readonly gaps: number;
  readonly motes: number;
  readonly evidence: number;
}

export class RecordStore {
  readonly #database: Database;

  /** What the node said of the heads that records name. */
  readonly verdicts: Verdicts;
  /** What is anchored. */
  readonly anchors: AnchorStore;
  /** Whose key is quarantined. */
  readonly quarantines: QuarantineStore;
  /** What other people's screens are shown. */
  readonly shown: ShownRecords;

  /** Makes the tables where absent, and brings those of an older version up to this one. Throws where they are newer. */
  static async open(database: Database): Promise<RecordStore> {
    await database.transaction(async (queries) => {
      await queries.query("SET LOCAL statement_timeout = 0"); // a large store takes its time once
      await queries.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await queries.query("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)");
      const [row] = await queries.query("SELECT version FROM schema_version");
      const version = row === undefined ? 0 : integerOf(row, "version");
      if (version > SCHEMA_VERSION || version < 0)
        throw new Error(`the store has version ${version}; this program knows ${SCHEMA_VERSION}: use a newer one`);
      for (const statement of MIGRATIONS.slice(version).flat()) await queries.query(statement);
      if (row === undefined) await queries.query(`INSERT INTO schema_version (version) VALUES (${SCHEMA_VERSION})`);
      else await queries.query(`UPDATE schema_version SET version = ${SCHEMA_VERSION}`);
    });
    return new RecordStore(database);
  }

  private constructor(database: Database) {
    this.#database = database;
    this.verdicts = new Verdicts(database);
    this.anchors = new AnchorStore(database);
    this.quarantines = new QuarantineStore(database);
    this.shown = new ShownRecords(database);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** Which of these digests are stored. */
  async known(digests: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    if (digests.length === 0) return [];
    const rows = await this.#database.query(`SELECT digest FROM records WHERE digest IN (${marks(digests.length)})`, digests);
    return rows.map((row) => bytesOf(row, "digest"));
  }

  /** Stores a batch, at most `BATCH_RECORDS_MAX`, in one transaction. What it makes possible is linked by `link`. */
  insert(records: readonly CheckedRecord[]): Promise<Stored> {
    assert(records.length >= 1 && records.length <= BATCH_RECORDS_MAX, "a batch of a size that one statement takes");
    return this.#database.transaction(async (queries) => {
      await byIndex(queries);
      await lockMotes(queries, records);
      const added = await insert(queries, records);
      if (added.length === 0) return { added, evidence: [] };
      await markStored(
        queries,
        added.map((place) => place.digest),
      );
      return {
        added,
        evidence: await findEvidence(
          queries,
          added.map((place) => place.digest),
        ),
      };
    });
  }

  /** `insert`, and then `link` to its end, for who has no other motes to serve meanwhile. */
  async add(records: readonly CheckedRecord[]): Promise<Stored & Linked> {
    const stored = await this.insert(records);
    const [linked, verified, closed]: Place[][] = [[], [], []];
    for await (const step of this.link(stored.added.map((place) => place.digest))) {
      linked?.push(...step.linked);
      verified?.push(...step.verified);
      closed?.push(...step.closed);
    }
    return { ...stored, linked: linked ?? [], verified: verified ?? [], closed: closed ?? [] };
  }

  /** See chain/follow/linking.ts. */
  link(digests: readonly Uint8Array[]): AsyncGenerator<Linked> {
    return linkAll(this.#database, digests);
  }

  /** See chain/follow/linking.ts. */
  repair(after: Uint8Array, gapAfterMs: number): Promise<Repaired> {
    return repairStep(this.#database, after, gapAfterMs);
  }

  /** Of these records those whose head the node has confirmed. */
  async confirmed(digests: readonly Uint8Array[]): Promise<readonly Place[]> {
    if (digests.length === 0) return [];
    const rows = await this.#database.query(
      `SELECT ${PLACE_COLUMNS} FROM records WHERE digest IN (${marks(digests.length)}) AND linked AND head_state = ${HEAD_KNOWN}`,
      digests,
    );
    return rows.map(placeOf).sort(inOrderOfPlace);
  }

  async counts(): Promise<StoreCounts> {
    const [row] = await this.#database.query(
      `SELECT count(*) AS stored, count(*) FILTER (WHERE linked) AS linked,
         count(*) FILTER (WHERE linked AND head_state = ${HEAD_KNOWN}) AS verified,
         count(*) FILTER (WHERE after_gap) AS gaps,
         count(DISTINCT address) AS motes, (SELECT count(*) FROM evidence) AS evidence FROM records`,
    );
    const of = (column: string): number => (row === undefined ? 0 : integerOf(row, column));
    return {
      ...{ stored: of("stored"), linked: of("linked"), verified: of("verified") },
      ...{ gaps: of("gaps"), motes: of("motes"), evidence: of("evidence") },
    };
  }

  /** The record that came last, and the height of its head. */
  async last(): Promise<LastRecord | undefined> {
    const [row] = await this.#database.query(
      `SELECT ${PLACE_COLUMNS}, head_number FROM records ORDER BY received_at DESC, stream DESC, seq DESC LIMIT 1`,
    );
    if (row === undefined) return undefined;
    return { ...placeOf(row), ...(row.head_number === null ? {} : { head: integerOf(row, "head_number") }) };
  }

  /** Each mote's newest record: the highest seq of its highest stream. One row is read for each mote, however many it has. */
  async *newest(): AsyncGenerator<NewestRecord> {
    let after: Uint8Array = new Uint8Array(0);
    for (;;) {
      const rows: readonly Row[] = await this.#database.query(
        `WITH RECURSIVE motes AS (
           (SELECT address FROM records WHERE address > $2 ORDER BY address LIMIT 1)
           UNION ALL
           SELECT (SELECT r.address FROM records r WHERE r.address > m.address ORDER BY r.address LIMIT 1) FROM motes m
           WHERE m.address IS NOT NULL
         ) SELECT n.* FROM (SELECT address FROM motes WHERE address IS NOT NULL LIMIT $1) m ${NEWEST_OF_M}`,
        [PAGE_ROWS, after],
      );
      for (const row of rows) yield { ...placeOf(row), sign1: bytesOf(row, "sign1") };
      const last = rows
        .map((row) => bytesOf(row, "address"))
        .sort(Buffer.compare)
        .at(-1);
      if (rows.length < PAGE_ROWS || last === undefined) return;
      after = last;
    }
  }

  /** The newest record of each of these motes. */
  async newestOf(addresses: readonly Uint8Array[]): Promise<readonly NewestRecord[]> {
    if (addresses.length === 0) return [];
    const list = addresses.map((_, i) => `($${i + 1}::bytea)`).join(", ");
    const rows = await this.#database.query(`SELECT n.* FROM (VALUES ${list}) m (address) ${NEWEST_OF_M}`, addresses);
    return rows.map((row) => ({ ...placeOf(row), sign1: bytesOf(row, "sign1") }));
  }

  /** Of each mote of this fleet against which there is evidence that its registry takes, one piece. */
  async *reportable({ registry, chain }: RecordFields["fleet"]): AsyncGenerator<Reportable> {
    for (let after = new Uint8Array(0); ; ) {
      const [row] = await this.#database.query(
        `SELECT e.address, a.sign1 AS sign1_a, b.sign1 AS sign1_b FROM evidence e
         JOIN records a ON a.digest = e.digest_a JOIN records b ON b.digest = e.digest_b
         WHERE e.address > $1 AND e.kind <> 'fork' AND a.registry = $2 AND a.fleet_chain = $3 ORDER BY e.address LIMIT 1`,
        [after, registry, chain],
      );
      if (row === undefined) return;
      after = new Uint8Array(bytesOf(row, "address"));
      yield { mote: after, records: [bytesOf(row, "sign1_a"), bytesOf(row, "sign1_b")] };
    }
  }

  /**
   * All records in the order of mote, fleet, stream and seq.
   * @param quarantined whether those are among them that are marked since their key is quarantined
   */
  async *inOrder(quarantined = false): AsyncGenerator<Uint8Array> {
    let after: Row | undefined;
    for (;;) {
      const { where, values } = behind(after, 3);
      const rows: readonly Row[] = await this.#database.query(
        `SELECT ${EXPORT_ORDER}, sign1 FROM records ${where} AND ($2 OR quarantined_since IS NULL)
         ORDER BY ${EXPORT_ORDER} LIMIT $1`,
        [PAGE_ROWS, quarantined, ...values],
      );
      for (const row of rows) yield bytesOf(row, "sign1");
      after = rows.at(-1);
      if (rows.length < PAGE_ROWS || after === undefined) return;
    }
  }
}

/** The columns of `insert`, in the order of `valuesOf`. */
const INSERT_COLUMNS =
  "digest, address, registry, fleet_chain, stream, seq, prev, boot, time_s, time_quality, gap, head_chain, head_number, head_hash, head_state, head_settled, head_due, sign1";

function valuesOf({ address, digest, fields, sign1 }: CheckedRecord): readonly SqlValue[] {
  const { head } = fields;
  return [
    digest,
    address,
    fields.fleet.registry,
    fields.fleet.chain,
    fields.stream,
    fields.seq,
    fields.prev,
    fields.boot,
    fields.time,
    fields.timeQuality,
    fields.gap ?? null,
    head?.chain ?? null,
    head?.number ?? null,
    head?.hash ?? null,
    head === undefined ? HEAD_ABSENT : HEAD_UNCHECKED,
    head === undefined,
    head?.number ?? 0,
    sign1,
  ];
}

/** Places of those that are new. */
async function insert(queries: Queries, records: readonly CheckedRecord[]): Promise<readonly Place[]> {
  const columns = INSERT_COLUMNS.split(",").length;
  const rows = await queries.query(
    `INSERT INTO records (${INSERT_COLUMNS}) VALUES ${records.map((_, i) => `(${marks(columns, 1 + i * columns)})`).join(", ")}
     ON CONFLICT (digest) DO NOTHING RETURNING ${PLACE_COLUMNS}`,
    records.flatMap(valuesOf),
  );
  return rows.map(placeOf);
}

/**
 * Until the end of the transaction nobody else stores records of these motes: of two collectors that store two records of
 * one place, the second sees the first one's.
 */
async function lockMotes(queries: Queries, records: readonly CheckedRecord[]): Promise<void> {
  const keys = [...new Set(records.map(({ address }) => moteLock(address)))];
  // In one order, so that two transactions never wait for each other.
  const list = keys.sort((a, b) => a - b).map((_, i) => `($${i + 1}::integer)`);
  await queries.query(`SELECT pg_advisory_xact_lock(${MOTE_LOCKS}, k) FROM (VALUES ${list.join(", ")}) v (k)`, keys);
}

/**
 * Pairs that these records are part of: one place with two payloads; one predecessor (or beginning) with two successors; a lower stream with
 * a higher boot. Of the last each record is held against its neighbours by boot alone, which is enough: as long as a mote's streams rise with
 * its boots, the neighbours have the lowest stream of all later boots, and the highest of all earlier ones.
 */
async function findEvidence(queries: Queries, digests: readonly Uint8Array[]): Promise<readonly Evidence[]> {
  const same = SAME_STREAM;
  const after = "SELECT * FROM records WHERE prev = r.prev AND address = r.address OFFSET 0";
  const pair = (kind: string, others: string): string =>
    `SELECT '${kind}' AS kind, LEAST(r.digest, o.digest) AS digest_a, GREATEST(r.digest, o.digest) AS digest_b, r.address
     FROM records r CROSS JOIN LATERAL (
       SELECT p.digest FROM ${others} AND ${same} AND p.digest <> r.digest LIMIT ${PAIRS_PER_RECORD_MAX}) o
     WHERE r.digest IN (${marks(digests.length)})`;
  const neighbour = (side: string, order: string, contradicts: string): string =>
    `SELECT 'escape' AS kind, LEAST(r.digest, o.digest) AS digest_a, GREATEST(r.digest, o.digest) AS digest_b, r.address
     FROM records r CROSS JOIN LATERAL (
       SELECT p.digest, p.stream FROM records p WHERE ${SAME_FLEET} AND ${side} ORDER BY ${order} LIMIT 1) o
     WHERE r.digest IN (${marks(digests.length)}) AND ${contradicts}`;
  const rows = await queries.query(
    `INSERT INTO evidence (kind, digest_a, digest_b, address)
     ${pair("equivocation", "records p WHERE p.seq = r.seq")}
     UNION ${pair("fork", `(${after}) p WHERE p.prev <> ${ZERO} AND p.seq <> r.seq`)}
     UNION ${pair("fork", `records p WHERE p.prev = ${ZERO} AND r.prev = ${ZERO} AND p.seq <> r.seq`)}
     UNION ${neighbour("p.boot > r.boot", "p.boot, p.stream", "o.stream < r.stream")}
     UNION ${neighbour("p.boot < r.boot", "p.boot DESC, p.stream DESC", "o.stream > r.stream")}
     ON CONFLICT DO NOTHING RETURNING kind, digest_a, digest_b`,
    digests,
  );
  if (rows.length === 0) return [];
  const named = rows.flatMap((row) => [bytesOf(row, "digest_a"), bytesOf(row, "digest_b")]);
  const places = new Map<string, Place>();
  const found = await queries.query(`SELECT ${PLACE_COLUMNS} FROM records WHERE digest IN (${marks(named.length)})`, named);
  for (const place of found.map(placeOf)) places.set(toHex(place.digest), place);
  return rows.flatMap((row) => {
    const a = places.get(toHex(bytesOf(row, "digest_a")));
    const b = places.get(toHex(bytesOf(row, "digest_b")));
    if (a === undefined || b === undefined) return [];
    return [{ kind: textOf(row, "kind") as EvidenceKind, a, b }];
  });
}
