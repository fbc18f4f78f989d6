// The relational schema for PGlite and PostgreSQL, as steps from one version to the next. A new store takes all of them.
//
// A record is stored first (`records`), whatever came before it; `linked` and `head_state` follow. Nothing is ever
// replaced: two records of one place in one stream stay both, and `evidence` names the pair. What the node said of a head is
// provisional until `head_settled`; a reorganisation opens it again.

/** State of a record's head: what the real node said about it. */
export const HEAD_UNCHECKED = 0;
export const HEAD_KNOWN = 1;
/** The node has another block at that number and does not know this one, or the head is of another chain. */
export const HEAD_FOREIGN = 2;
/** The record names no head. */
export const HEAD_ABSENT = 3;
/** The node knows the block, but its chain went another way. */
export const HEAD_ORPHANED = 4;
/** The node was asked and could not say: neither yes nor no. It is asked again. */
export const HEAD_UNKNOWN = 5;

/** What people and programs read for a state. */
export const HEAD_STATE_NAMES: readonly string[] = ["unchecked", "known", "foreign", "absent", "orphaned", "unknown"];

const VERSION_1: readonly string[] = [
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

/**
 * Verdicts that can change: `head_due` is the height of the node from which a head is asked (again); `head_retry_ms`, in
 * milliseconds of the epoch, when one that the node could not judge is asked again. Whatever version 1 said is asked once
 * more, since it took an error for a no. `after_gap`: linked although the record before it is missing.
 */
const VERSION_2: readonly string[] = [
  `ALTER TABLE records ADD COLUMN head_settled boolean NOT NULL DEFAULT false`,
  `ALTER TABLE records ADD COLUMN head_due bigint NOT NULL DEFAULT 0`,
  `ALTER TABLE records ADD COLUMN head_retry_ms bigint NOT NULL DEFAULT 0`,
  `ALTER TABLE records ADD COLUMN head_tries integer NOT NULL DEFAULT 0`,
  `ALTER TABLE records ADD COLUMN after_gap boolean NOT NULL DEFAULT false`,
  `UPDATE records SET head_settled = head_state = ${HEAD_ABSENT}, head_due = COALESCE(head_number, 0)`,
  `DROP INDEX records_unchecked`,
  `CREATE INDEX records_open ON records (address, head_due) WHERE NOT head_settled AND head_state <> ${HEAD_UNKNOWN}`,
  `CREATE INDEX records_retry ON records (head_retry_ms) WHERE NOT head_settled AND head_state = ${HEAD_UNKNOWN}`,
  `CREATE INDEX records_chain ON records (head_chain) WHERE NOT head_settled`,
  `CREATE INDEX records_head ON records (head_number, head_hash)`,
  `CREATE INDEX records_newest ON records (address, stream DESC, seq DESC, received_at)`,
  `CREATE INDEX records_unlinked ON records (digest) WHERE NOT linked`,
  // By the mote as well: whoever names another mote's record as the one before his own slows nobody down.
  `DROP INDEX records_prev`,
  `CREATE INDEX records_prev ON records (prev, address)`,
  `CREATE INDEX records_waiting ON records (prev, address) WHERE NOT linked`,
  `CREATE INDEX records_after_gap ON records (prev, address) WHERE after_gap`,
  // Blocks that a collector's node once had at its head: by them a reorganisation is noticed, also one that was slept through.
  `CREATE TABLE node_trail (
     collector text NOT NULL,
     chain text NOT NULL,
     number bigint NOT NULL,
     hash bytea NOT NULL,
     PRIMARY KEY (collector, chain, number)
   )`,
];

/**
 * Evidence of escape: by the index a record finds its neighbours by boot. What is there already is looked through once. Evidence is found by
 * its mote, for who reports it.
 */
const VERSION_3: readonly string[] = [
  `CREATE INDEX records_boot ON records (address, registry, fleet_chain, boot, stream)`,
  `INSERT INTO evidence (kind, digest_a, digest_b)
   SELECT 'escape', LEAST(digest, before), GREATEST(digest, before) FROM (
     SELECT digest, stream, boot, lag(digest) OVER w AS before, lag(stream) OVER w AS stream_before, lag(boot) OVER w AS boot_before
     FROM records WINDOW w AS (PARTITION BY address, registry, fleet_chain ORDER BY boot, stream)) r
   WHERE stream_before > stream AND boot_before < boot ON CONFLICT DO NOTHING`,
  `ALTER TABLE evidence ADD COLUMN address bytea`,
  `UPDATE evidence SET address = (SELECT address FROM records WHERE digest = digest_a)`,
  `ALTER TABLE evidence ALTER COLUMN address SET NOT NULL`,
  `CREATE INDEX evidence_mote ON evidence (address)`,
];

/**
 * What is anchored: `anchor_leaf` is the leaf of the collector's tree that stands for a record, `anchor_batches` the sizes of the tree whose
 * roots are anchored; `told` once the receipts of a batch were sent. One store is of one tree.
 */
const VERSION_4: readonly string[] = [
  `ALTER TABLE records ADD COLUMN anchor_leaf bigint`,
  `CREATE INDEX records_unanchored ON records (address, registry, fleet_chain, stream, seq DESC, digest)
     WHERE anchor_leaf IS NULL AND linked AND head_state = ${HEAD_KNOWN}`,
  `CREATE TABLE anchor_tree (
     contract bytea NOT NULL CHECK (octet_length(contract) = 20),
     account bytea NOT NULL CHECK (octet_length(account) = 20),
     chain text NOT NULL
   )`,
  `CREATE TABLE anchor_leaves (leaf bigint PRIMARY KEY, digest bytea NOT NULL CHECK (octet_length(digest) = 32))`,
  `CREATE TABLE anchor_batches (size bigint PRIMARY KEY, told boolean NOT NULL DEFAULT false)`,
];

/**
 * Keys that the fleet's registry has quarantined, and `quarantined_since` of the records that are marked for it: they stay as evidence, and
 * exports and anchors leave them out.
 */
const VERSION_5: readonly string[] = [
  `CREATE TABLE quarantines (
     address bytea NOT NULL CHECK (octet_length(address) = 20),
     registry bytea NOT NULL CHECK (octet_length(registry) = 20),
     fleet_chain text NOT NULL,
     since_block bigint NOT NULL,
     since_s bigint NOT NULL,
     settled boolean NOT NULL DEFAULT false,
     noted_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (address, registry, fleet_chain)
   )`,
  `ALTER TABLE records ADD COLUMN quarantined_since bigint`,
  `DROP INDEX records_unanchored`,
  `CREATE INDEX records_unanchored ON records (address, registry, fleet_chain, stream, seq DESC, digest)
     WHERE anchor_leaf IS NULL AND linked AND head_state = ${HEAD_KNOWN} AND quarantined_since IS NULL`,
];

/**
 * What other people's programs ask (docs/schema.md): the values of records, where the collector is told to write them out, two views, and which
 * records the webhook has been told. `measured`: its values are in `measurements`. Of both indexes a record is in the first until that is done.
 */
const VERSION_6: readonly string[] = [
  `ALTER TABLE records ADD COLUMN told_at timestamptz`,
  `ALTER TABLE records ADD COLUMN measured boolean NOT NULL DEFAULT false`,
  `CREATE INDEX records_untold ON records (received_at)
     WHERE told_at IS NULL AND linked AND head_state = ${HEAD_KNOWN} AND quarantined_since IS NULL`,
  `CREATE INDEX records_unmeasured ON records (digest) WHERE NOT measured`,
  `CREATE TABLE webhook (begun_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE TABLE measurements (
     digest bytea NOT NULL REFERENCES records (digest),
     entry smallint NOT NULL,
     name text NOT NULL,
     unit text,
     value numeric NOT NULL,
     measured_at timestamptz,
     PRIMARY KEY (digest, entry)
   )`,
  `CREATE INDEX measurements_time ON measurements (measured_at, name)`,
  `CREATE VIEW mote_records AS SELECT
     CASE WHEN r.time_quality > 0 THEN to_timestamp(r.time_s) END AS time, r.received_at,
     '0x' || encode(r.address, 'hex') AS mote, '0x' || encode(r.registry, 'hex') AS registry, r.fleet_chain,
     r.stream, r.seq, r.boot, r.gap,
     (ARRAY['none', 'own-clock', 'ntp', 'bounded'])[r.time_quality + 1] AS time_quality,
     (ARRAY['unchecked', 'known', 'foreign', 'absent', 'orphaned', 'unknown'])[r.head_state + 1] AS head_state,
     r.head_settled AS settled, r.linked, r.after_gap,
     r.linked AND r.head_state = ${HEAD_KNOWN} AND r.quarantined_since IS NULL AND NOT EXISTS (
       SELECT 1 FROM evidence e WHERE e.address = r.address AND (e.digest_a = r.digest OR e.digest_b = r.digest)) AS verified,
     r.head_state = ${HEAD_KNOWN} AS bounded,
     r.anchor_leaf IS NOT NULL AND EXISTS (SELECT 1 FROM anchor_batches b WHERE b.told AND b.size > r.anchor_leaf) AS anchored,
     r.head_chain, r.head_number, CASE WHEN r.head_state = ${HEAD_KNOWN} THEN r.head_number END AS after_block,
     r.quarantined_since, encode(r.digest, 'hex') AS digest, r.digest AS digest_bytes
     FROM records r`,
  `CREATE VIEW mote_values AS SELECT
     m.measured_at AS time, r.mote, m.name, m.value, m.unit, r.verified, r.bounded, r.anchored, r.after_block, r.head_chain AS chain,
     r.time_quality, r.stream, r.seq, r.digest
     FROM measurements m JOIN mote_records r ON r.digest_bytes = m.digest`,
];

/** Entry `i` leads from version `i` to version `i + 1`. */
export const MIGRATIONS: readonly (readonly string[])[] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];
export const SCHEMA_VERSION = MIGRATIONS.length;
