// Records of the store as other people's screens are shown them: what each says, and how far it can be believed.
//
// Promises: a record's digest is made anew of its bytes and is the one that it is stored by, so that what is shown is what was signed; each says
// whether it is verified, bounded and anchored; a page at a time, whatever the store holds. Never: takes a record that evidence contradicts,
// or whose key is quarantined, for verified.

import { equal, toHex } from "../../firmware/bytes.js";
import { decodeSign1, digestOf } from "../../firmware/record/cose.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import { engine } from "../crypto/engine.js";
import { bytesOf, type Database, type Row, type SqlValue } from "./database.js";
import { behind, EXPORT_ORDER } from "./place.js";
import { HEAD_KNOWN } from "./schema.js";

export interface ShownRecord {
  /** 0x… in lower case. */
  readonly mote: string;
  /** 64 hexadecimal digits. */
  readonly digest: string;
  readonly fields: RecordFields;
  /** Signature, chain and head hold, nothing contradicts it, and its key is not quarantined. */
  readonly verified: boolean;
  /** The node's chain has the block that it names as its head: it was made after that one. */
  readonly bounded: boolean;
  /** No reorganisation changes that any more. */
  readonly settled: boolean;
  /** A root that stands for it is in a settled block: it was there by then. */
  readonly anchored: boolean;
}

/** Which records. Times are those that the records tell, in seconds since the Unix epoch; of one without a time, when it was received. */
export interface Selection {
  readonly fromS?: number | undefined;
  /** The first second that is not wanted. */
  readonly untilS?: number | undefined;
  /** 20 bytes. */
  readonly mote?: Uint8Array | undefined;
  /** Those besides that are not verified. */
  readonly unverified?: boolean | undefined;
}

/** A value as the table has it: digits, and its time in digits, in seconds since the Unix epoch. */
export interface Measured {
  readonly name: string;
  readonly unit: string | undefined;
  readonly value: string;
  readonly timeS: string | undefined;
}

const PAGE_ROWS = 500;
/** The year 10000. */
const TIME_S_END = 253_402_300_800;
const TIME_S = "COALESCE(NULLIF(r.time_s, 0), extract(epoch FROM r.received_at)::bigint)";
const CONTRADICTED =
  "EXISTS (SELECT 1 FROM evidence e WHERE e.address = r.address AND (e.digest_a = r.digest OR e.digest_b = r.digest))";
/** As `ShownRecord.verified` says. */
const VERIFIED = `(r.linked AND r.head_state = ${HEAD_KNOWN} AND r.quarantined_since IS NULL AND NOT ${CONTRADICTED})`;
const ANCHORED =
  "(r.anchor_leaf IS NOT NULL AND EXISTS (SELECT 1 FROM anchor_batches b WHERE b.told AND b.size > r.anchor_leaf))";
const COLUMNS = `r.sign1, ${VERIFIED} AS verified, r.head_state = ${HEAD_KNOWN} AS bounded, r.head_settled AS settled, ${ANCHORED} AS anchored`;

export class ShownRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** In the order of mote, fleet, stream and seq. */
  async *select({ fromS, untilS, mote, unverified = false }: Selection): AsyncGenerator<ShownRecord> {
    let after: Row | undefined;
    const wanted: SqlValue[] = [PAGE_ROWS, unverified, fromS ?? null, untilS ?? null, mote ?? null];
    for (;;) {
      const { where, values } = behind(after, wanted.length + 1);
      const rows: readonly Row[] = await this.#database.query(
        `SELECT ${EXPORT_ORDER}, ${COLUMNS} FROM records r ${where} AND ($2 OR ${VERIFIED})
           AND ($3::bigint IS NULL OR ${TIME_S} >= $3) AND ($4::bigint IS NULL OR ${TIME_S} < $4) AND ($5::bytea IS NULL OR r.address = $5)
         ORDER BY ${EXPORT_ORDER} LIMIT $1`,
        [...wanted, ...values],
      );
      for (const row of rows) yield shownOf(row);
      after = rows.at(-1);
      if (rows.length < PAGE_ROWS || after === undefined) return;
    }
  }

  /** From now on what is stored and verified is told; a store whose telling was begun before goes on with that. */
  async beginTelling(): Promise<void> {
    await this.#database.query("INSERT INTO webhook SELECT now() WHERE NOT EXISTS (SELECT 1 FROM webhook)");
  }

  /** Verified records that were not told yet, as they came, at most `max`. */
  async untold(max: number): Promise<readonly ShownRecord[]> {
    const rows = await this.#database.query(
      `SELECT r.address, r.digest, ${COLUMNS} FROM records r
       WHERE r.told_at IS NULL AND ${VERIFIED}
         AND r.received_at >= (SELECT begun_at FROM webhook LIMIT 1)
       ORDER BY r.received_at, r.address, r.stream, r.seq, r.digest LIMIT $1`,
      [max],
    );
    return rows.map(shownOf);
  }

  async noteTold(digest: Uint8Array): Promise<void> {
    await this.#database.query("UPDATE records SET told_at = now() WHERE digest = $1", [digest]);
  }

  /**
   * Writes out the values of records that were not yet, of `max` at most; answers of how many.
   * @param valuesOf digits, and the time in seconds since the Unix epoch, in digits
   */
  measure(max: number, valuesOf: (record: ShownRecord) => readonly Measured[]): Promise<number> {
    return this.#database.transaction(async (queries) => {
      const rows = await queries.query(
        `SELECT r.address, r.digest, ${COLUMNS} FROM records r WHERE NOT r.measured ORDER BY r.digest LIMIT $1 FOR UPDATE SKIP LOCKED`,
        [max],
      );
      for (const row of rows) {
        const values = valuesOf(shownOf(row));
        const digest = bytesOf(row, "digest");
        if (values.length > 0)
          await queries.query(
            `INSERT INTO measurements (digest, entry, name, unit, value, measured_at) VALUES ${values.map((_, i) => measuredRow(i)).join(", ")}
             ON CONFLICT (digest, entry) DO NOTHING`,
            [digest, ...values.flatMap(({ name, unit, value, timeS }) => [name, unit ?? null, value, timeS ?? null])],
          );
        await queries.query("UPDATE records SET measured = true WHERE digest = $1", [digest]);
      }
      return rows.length;
    });
  }

  /** The newest record of a mote, verified or not: the highest seq of its highest stream. */
  async newestOf(mote: Uint8Array): Promise<ShownRecord | undefined> {
    const [row] = await this.#database.query(
      `SELECT r.address, r.digest, ${COLUMNS} FROM records r WHERE r.address = $1
       ORDER BY r.stream DESC, r.seq DESC, r.received_at LIMIT 1`,
      [mote],
    );
    return row === undefined ? undefined : shownOf(row);
  }
}

/** Parameters of entry `i`, behind that of its record's digest. A time that PostgreSQL cannot have is none. */
function measuredRow(i: number): string {
  const [name, unit, value, timeS] = [0, 1, 2, 3].map((part) => `$${2 + 4 * i + part}`);
  const time = `CASE WHEN ${timeS}::text::numeric < ${TIME_S_END} THEN to_timestamp(${timeS}::text::double precision) END`;
  return `($1::bytea, ${i}, ${name}::text, ${unit}::text, ${value}::text::numeric, ${time})`;
}

/** @throws where the bytes are not those of the digest */
function shownOf(row: Row): ShownRecord {
  const [address, digest] = [bytesOf(row, "address"), bytesOf(row, "digest")];
  const parts = decodeSign1(bytesOf(row, "sign1"));
  const fields = parts instanceof Rejection ? parts : decodeRecord(parts.payload);
  if (
    parts instanceof Rejection ||
    fields instanceof Rejection ||
    !equal(parts.kid, address) ||
    !equal(digestOf(engine, parts.kid, parts.payload), digest)
  )
    throw new Error(`the store was changed: under ${toHex(digest)} it holds another record`);
  return {
    ...{ mote: `0x${toHex(address)}`, digest: toHex(digest), fields },
    ...{ verified: row.verified === true, bounded: row.bounded === true },
    ...{ settled: row.settled === true, anchored: row.anchored === true },
  };
}
