// The collector's tables. One schema for PGlite and PostgreSQL; each statement may run again.
//
// A record is stored first (`records`), whatever came before it; `linked` and `head_state` follow. Nothing is ever
// replaced: two records of one place in one stream stay both, and `evidence` names the pair.

export const SCHEMA_VERSION = 1;

/** State of a record's head: what the real node said about it. */
export const HEAD_UNCHECKED = 0;
export const HEAD_KNOWN = 1;
/** The node has another block at that number, and not this one. */
export const HEAD_FOREIGN = 2;
/** The record names no head. */
export const HEAD_ABSENT = 3;
/** The node knows the block, but its chain went another way. */
export const HEAD_ORPHANED = 4;

export const SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)`,
  `INSERT INTO schema_version (version) SELECT ${SCHEMA_VERSION} WHERE NOT EXISTS (SELECT 1 FROM schema_version)`,
  `CREATE TABLE IF NOT EXISTS records (
     digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
     address bytea NOT NULL CHECK (octet_length(address) = 20),
     registry bytea NOT NULL CHECK (octet_length(registry) = 20),
     fleet_chain text NOT NULL,
     stream bigint NOT NULL,
     seq bigint NOT NULL,
     prev bytea NOT NULL CHECK (octet_length(prev) = 32),
     boot bigint NOT NULL,
     time_s bigint NOT NULL,
     time_quality smallint NOT NULL,
     gap bigint,
     head_chain text,
     head_number bigint,
     head_hash bytea,
     head_state smallint NOT NULL DEFAULT ${HEAD_UNCHECKED},
     linked boolean NOT NULL DEFAULT false,
     sign1 bytea NOT NULL,
     received_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE INDEX IF NOT EXISTS records_place ON records (address, registry, fleet_chain, stream, seq)`,
  `CREATE INDEX IF NOT EXISTS records_prev ON records (prev)`,
  `CREATE INDEX IF NOT EXISTS records_first ON records (address, registry, fleet_chain, stream)
     WHERE prev = '\\x${"00".repeat(32)}'::bytea`,
  `CREATE INDEX IF NOT EXISTS records_unchecked ON records (head_number) WHERE head_state = ${HEAD_UNCHECKED}`,
  `CREATE TABLE IF NOT EXISTS evidence (
     kind text NOT NULL,
     digest_a bytea NOT NULL REFERENCES records (digest),
     digest_b bytea NOT NULL REFERENCES records (digest),
     found_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (kind, digest_a, digest_b)
   )`,
];
