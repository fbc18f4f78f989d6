// The relational store behind the collector: PGlite (PostgreSQL in this process) in a folder, or a PostgreSQL server.
// The same SQL runs on both.
//
// Promises: parameters never become part of the SQL; byte strings come back as Uint8Array; a transaction is whole or not
// at all. Never: opens a folder that another process has open (the caller holds its lock).

import type { PGlite } from "@electric-sql/pglite";
import { keepTreeToOwner, makeOwnFolder } from "../files.js";
import { needPackages, POSTGRES, STORE } from "../optional.js";

export type SqlValue = string | number | boolean | null | Uint8Array;
export type Row = Readonly<Record<string, unknown>>;

export interface Queries {
  query(sql: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
}

export interface Database extends Queries {
  /** Runs `work` in one transaction; what it throws undoes everything. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const CONNECT_MS = 10_000;
const STATEMENT_MS = 60_000;
const CONNECTIONS_MAX = 4;

/**
 * @param directory folder of the data, or undefined for a store in memory (tests)
 */
export async function openPglite(directory?: string): Promise<Database> {
  // Loaded when used: either takes longer to load than the rest of the program.
  needPackages([STORE]);
  const { PGlite } = await import("@electric-sql/pglite");
  if (directory !== undefined) makeOwnFolder(directory);
  const store = await PGlite.create(directory === undefined ? {} : { dataDir: directory });
  // It makes its files for everyone to write (0666), whatever the umask is.
  const keepToOwner = (): void => {
    if (directory !== undefined) keepTreeToOwner(directory);
  };
  keepToOwner();
  const over = (runner: { query: PGlite["query"] }): Queries => ({
    query: async (sql, values = []) => (await runner.query<Row>(sql, [...values])).rows,
  });
  return {
    ...over(store),
    transaction: (work) => store.transaction((runner) => work(over(runner as { query: PGlite["query"] }))),
    close: () => store.close().finally(keepToOwner),
  };
}

/** @param url postgres://…, as DATABASE_URL has it */
export async function openPostgres(url: string): Promise<Database> {
  needPackages([POSTGRES]);
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
  });
  // A connection that breaks while idle is replaced; the query that needs one is told.
  pool.on("error", () => undefined);
  const over = (runner: { query(sql: string, values: unknown[]): Promise<{ rows: Row[] }> }): Queries => ({
    query: async (sql, values = []) => (await runner.query(sql, values.map(toPg))).rows,
  });
  return {
    ...over(pool as unknown as { query(sql: string, values: unknown[]): Promise<{ rows: Row[] }> }),
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        const result = await work(over(client as unknown as { query(sql: string, values: unknown[]): Promise<{ rows: Row[] }> }));
        await client.query("COMMIT");
        client.release();
        return result;
      } catch (error) {
        // A connection in an unknown state is thrown away, and its transaction with it.
        client.release(true);
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

function toPg(value: SqlValue): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value;
}

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`column ${column} holds no bytes`);
  return new Uint8Array(value);
}

/** An integer column: bigint arrives as a text, a number or a bigint, by store. */
export function integerOf(row: Row, column: string): number {
  const value = Number(row[column]);
  if (!Number.isSafeInteger(value)) throw new Error(`column ${column} holds no integer`);
  return value;
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`column ${column} holds no text`);
  return value;
}
