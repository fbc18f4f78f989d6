// Records in tables: stored first, linked later, in batches.
//
// Promises: a batch is committed as a whole; a record that is there already stays as it was and is no error; a record is
// linked once the record that its `prev` names is there, of the same mote, fleet and stream and with a smaller seq, or
// once it is the first of its stream; two records of one place are evidence of equivocation, two successors of one
// record evidence of a fork. Never: deletes or replaces a record.

import { toHex } from "../../firmware/bytes.js";
import type { RecordFields } from "../../firmware/record/record.js";
import { assert } from "../../firmware/rejection.js";
import { bytesOf, type Database, integerOf, type Queries, type Row, type SqlValue, textOf } from "./database.js";
import { HEAD_ABSENT, HEAD_KNOWN, HEAD_UNCHECKED, SCHEMA, SCHEMA_VERSION } from "./schema.js";

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

/** A record by its place in a stream. */
export interface Place {
  readonly address: Uint8Array;
  readonly stream: number;
  readonly seq: number;
  readonly digest: Uint8Array;
}

export interface Evidence {
  readonly kind: "equivocation" | "fork";
  readonly a: Place;
  readonly b: Place;
}

/** What one batch changed. */
export interface Stored {
  /** Places that are new. */
  readonly added: readonly Place[];
  /** Places that became linked, newly or by a record that arrived late. */
  readonly linked: readonly Place[];
  /** Those of them whose head the node has confirmed before. */
  readonly verified: readonly Place[];
  readonly evidence: readonly Evidence[];
}

/** A head that records name and nobody has looked up yet. */
export interface UncheckedHead {
  readonly chain: string;
  readonly number: number;
  readonly hash: Uint8Array;
}

/** 16 parameters a record; PostgreSQL takes 65,535 in one statement. */
export const BATCH_RECORDS_MAX = 256;
/** Pairs of evidence that one new record can add. */
const PAIRS_PER_RECORD_MAX = 4;
const PAGE_ROWS = 500;
const PLACE_COLUMNS = "address, stream, seq, digest";
const ZERO = `'\\x${"00".repeat(32)}'::bytea`;

export class RecordStore {
  readonly #database: Database;

  /** Makes the tables where absent. Throws where they belong to another version. */
  static async open(database: Database): Promise<RecordStore> {
    for (const statement of SCHEMA) await database.query(statement);
    const [row] = await database.query("SELECT version FROM schema_version");
    const version = row === undefined ? 0 : integerOf(row, "version");
    if (version !== SCHEMA_VERSION) throw new Error(`the store has version ${version}; this program knows ${SCHEMA_VERSION}`);
    return new RecordStore(database);
  }

  private constructor(database: Database) {
    this.#database = database;
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

  /** Stores a batch, at most `BATCH_RECORDS_MAX`, in one transaction. */
  add(records: readonly CheckedRecord[]): Promise<Stored> {
    assert(records.length >= 1 && records.length <= BATCH_RECORDS_MAX, "a batch of a size that one statement takes");
    return this.#database.transaction(async (queries) => {
      const added = await insert(queries, records);
      if (added.length === 0) return { added, linked: [], verified: [], evidence: [] };
      const digests = added.map((place) => place.digest);
      return { added, ...(await link(queries, digests)), evidence: await findEvidence(queries, digests) };
    });
  }

  /** Distinct heads above number `after` that nobody has looked up yet, lowest first; heads of one number come together. */
  async uncheckedHeads(limit: number, after = -1): Promise<readonly UncheckedHead[]> {
    const rows = await this.#database.query(
      `SELECT DISTINCT head_chain, head_number, head_hash FROM records WHERE head_state = ${HEAD_UNCHECKED} AND head_number > $2
       ORDER BY head_number FETCH FIRST $1 ROWS WITH TIES`,
      [limit, after],
    );
    return rows.map((row) => ({
      chain: textOf(row, "head_chain"),
      number: integerOf(row, "head_number"),
      hash: bytesOf(row, "head_hash"),
    }));
  }

  /** Notes what the node said of a head, for every record that names it; answers those of them that are linked. */
  async setHeadState(head: UncheckedHead, state: number): Promise<readonly Place[]> {
    const rows = await this.#database.query(
      `UPDATE records SET head_state = $1 WHERE head_state = ${HEAD_UNCHECKED} AND head_number = $2 AND head_hash = $3 AND head_chain = $4
       RETURNING ${PLACE_COLUMNS}, linked`,
      [state, head.number, head.hash, head.chain],
    );
    return rows
      .filter((row) => row.linked === true)
      .map(placeOf)
      .sort(inOrderOfPlace);
  }

  async counts(): Promise<{ stored: number; linked: number; verified: number; motes: number; evidence: number }> {
    const [row] = await this.#database.query(
      `SELECT count(*) AS stored, count(*) FILTER (WHERE linked) AS linked,
         count(*) FILTER (WHERE linked AND head_state = ${HEAD_KNOWN}) AS verified,
         count(DISTINCT address) AS motes, (SELECT count(*) FROM evidence) AS evidence FROM records`,
    );
    const of = (column: string): number => (row === undefined ? 0 : integerOf(row, column));
    return { stored: of("stored"), linked: of("linked"), verified: of("verified"), motes: of("motes"), evidence: of("evidence") };
  }

  /** Each mote's newest record: the highest seq of its highest stream. */
  async *newest(): AsyncGenerator<Place & { readonly sign1: Uint8Array }> {
    let after: Uint8Array = new Uint8Array(0);
    for (;;) {
      const rows: readonly Row[] = await this.#database.query(
        `SELECT DISTINCT ON (address) ${PLACE_COLUMNS}, sign1 FROM records WHERE address > $2
         ORDER BY address, stream DESC, seq DESC, received_at LIMIT $1`,
        [PAGE_ROWS, after],
      );
      for (const row of rows) yield { ...placeOf(row), sign1: bytesOf(row, "sign1") };
      const last = rows.at(-1);
      if (rows.length < PAGE_ROWS || last === undefined) return;
      after = bytesOf(last, "address");
    }
  }

  /** All records in the order of mote, fleet, stream and seq. */
  async *inOrder(): AsyncGenerator<Uint8Array> {
    let after: Row | undefined;
    for (;;) {
      const order = "(address, registry, fleet_chain, stream, seq, digest)";
      const rows: readonly Row[] = await this.#database.query(
        `SELECT ${PLACE_COLUMNS}, registry, fleet_chain, sign1 FROM records
         ${after === undefined ? "" : `WHERE ${order} > ($2, $3, $4, $5, $6, $7)`}
         ORDER BY address, registry, fleet_chain, stream, seq, digest LIMIT $1`,
        after === undefined
          ? [PAGE_ROWS]
          : [
              PAGE_ROWS,
              bytesOf(after, "address"),
              bytesOf(after, "registry"),
              textOf(after, "fleet_chain"),
              integerOf(after, "stream"),
              integerOf(after, "seq"),
              bytesOf(after, "digest"),
            ],
      );
      for (const row of rows) yield bytesOf(row, "sign1");
      after = rows.at(-1);
      if (rows.length < PAGE_ROWS || after === undefined) return;
    }
  }
}

function placeOf(row: Row): Place {
  return {
    address: bytesOf(row, "address"),
    stream: integerOf(row, "stream"),
    seq: integerOf(row, "seq"),
    digest: bytesOf(row, "digest"),
  };
}

/** The columns of `insert`, in the order of `valuesOf`. */
const INSERT_COLUMNS =
  "digest, address, registry, fleet_chain, stream, seq, prev, boot, time_s, time_quality, gap, head_chain, head_number, head_hash, head_state, sign1";

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
    sign1,
  ];
}

/** `$1, $2, …` */
function marks(count: number, from = 1): string {
  return Array.from({ length: count }, (_, i) => `$${from + i}`).join(", ");
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

/** `p` is in the stream of `r`. */
const SAME_STREAM = "p.address = r.address AND p.registry = r.registry AND p.fleet_chain = r.fleet_chain AND p.stream = r.stream";

/** Links those of these records whose predecessor is there and linked, and then all that waited for one of them. */
async function link(queries: Queries, digests: readonly Uint8Array[]): Promise<Pick<Stored, "linked" | "verified">> {
  const rows = await queries.query(
    `WITH RECURSIVE newly AS (
       SELECT r.digest, r.address, r.registry, r.fleet_chain, r.stream, r.seq FROM records r
       WHERE r.digest IN (${marks(digests.length)}) AND NOT r.linked AND (r.prev = ${ZERO} OR EXISTS (
         SELECT 1 FROM records p WHERE p.digest = r.prev AND p.linked AND ${SAME_STREAM} AND p.seq < r.seq))
       UNION
       SELECT r.digest, r.address, r.registry, r.fleet_chain, r.stream, r.seq FROM newly p
       JOIN records r ON r.prev = p.digest AND NOT r.linked AND ${SAME_STREAM} AND p.seq < r.seq
     )
     UPDATE records SET linked = true WHERE digest IN (SELECT digest FROM newly) RETURNING ${PLACE_COLUMNS}, head_state`,
    digests,
  );
  const known = rows.filter((row) => integerOf(row, "head_state") === HEAD_KNOWN);
  return { linked: rows.map(placeOf).sort(inOrderOfPlace), verified: known.map(placeOf).sort(inOrderOfPlace) };
}

/** Pairs that these records are part of: one place with two payloads, one predecessor (or beginning) with two successors. */
async function findEvidence(queries: Queries, digests: readonly Uint8Array[]): Promise<readonly Evidence[]> {
  const pair = (kind: string, condition: string): string =>
    `SELECT '${kind}' AS kind, LEAST(r.digest, o.digest) AS digest_a, GREATEST(r.digest, o.digest) AS digest_b
     FROM records r CROSS JOIN LATERAL (
       SELECT p.digest FROM records p WHERE ${condition} AND ${SAME_STREAM} AND p.digest <> r.digest LIMIT ${PAIRS_PER_RECORD_MAX}) o
     WHERE r.digest IN (${marks(digests.length)})`;
  const rows = await queries.query(
    `INSERT INTO evidence (kind, digest_a, digest_b)
     ${pair("equivocation", "p.seq = r.seq")}
     UNION ${pair("fork", `p.prev = r.prev AND p.prev <> ${ZERO} AND p.seq <> r.seq`)}
     UNION ${pair("fork", `p.prev = ${ZERO} AND r.prev = ${ZERO} AND p.seq <> r.seq`)}
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
    return [{ kind: textOf(row, "kind") === "equivocation" ? "equivocation" : "fork", a, b } as const];
  });
}

function inOrderOfPlace(a: Place, b: Place): number {
  return Buffer.compare(a.address, b.address) || a.stream - b.stream || a.seq - b.seq;
}
