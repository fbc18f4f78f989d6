// The payload of a record (docs/record-format.md): what a mote measured (type 1), answers to a command (type 8) or says of its key's place
// in the registry (type 9), when, after which block, and in which place of its own history. One deterministically encoded CBOR map; for the same fields there is
// one byte string.
//
// Promises: `encodeRecord(decodeRecord(x))` is `x` for every payload that is accepted; each field is checked by kind, range and
// its rules with others. Never knows how it is signed (cose.ts) or kept (journal.ts).

import { equal } from "../bytes.js";
import { type CborValue, CborWriter } from "../codec/cbor.js";
import type { TimeQuality } from "../events.js";
import { assert, Rejection } from "../rejection.js";
import { DIGEST_BYTES, KID_BYTES, RECORD_PAYLOAD_BYTES_MAX } from "./cose.js";
import { KEY_TYPE, PAYLOAD_TYPE_ANSWER, PAYLOAD_TYPE_RECORD, PAYLOAD_TYPE_STATUS, PayloadFields } from "./payload.js";
import { type Pack, readSenml, writeSenml } from "./senml.js";

/** How far `time` can be believed: not at all, for the mote has none. */
export const TIME_NONE: TimeQuality = 0;
/** Set by NTP some hours ago and running on alone since (timekeeper.ts says how many). */
export const TIME_OWN_CLOCK: TimeQuality = 1;
export const TIME_NTP: TimeQuality = 2;
/** The clock was unset or behind: the bound of a verified header or the last trusted time, and what has passed since. */
export const TIME_BOUNDED_BY_HEADER: TimeQuality = 3;

/** The newest header that the mote had verified itself when it made the record. */
export interface RecordHead {
  /** CAIP-2, such as `eip155:1337`. */
  readonly chain: string;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** What the chain's state says of the mote's own key, as the mote has proven it. */
export interface StatusFields {
  /** As the registry's contract numbers it, 0 to 255. */
  readonly status: number;
  /** Of the block at which it was proven: number, and hash of 32 bytes. */
  readonly block: number;
  readonly hash: Uint8Array;
}

/** What became of a command (docs/ledger.md, "Commands"). */
export interface AnswerFields {
  /** Address of who signed the command, 20 bytes. */
  readonly commander: Uint8Array;
  /** From 1: which of its commands. */
  readonly counter: number;
  /** 0 to 255, as `firmware/command/commands.ts` numbers outcomes and reasons. */
  readonly outcome: number;
  readonly reason: number;
  /** Counters between this one and the one before it that came from this commander. */
  readonly skipped: number;
}

/** All numbers are unsigned integers up to 2^53 − 1. */
export interface RecordFields {
  readonly stream: number;
  readonly seq: number;
  /** Digest of the record before this one in its stream, 32 bytes; 32 zero bytes for the first. */
  readonly prev: Uint8Array;
  readonly boot: number;
  /** Seconds since the Unix epoch; 0 exactly where `timeQuality` is `TIME_NONE`. */
  readonly time: number;
  /** `TIME_BOUNDED_BY_HEADER` only where there is a `head`. */
  readonly timeQuality: TimeQuality;
  /** Absent until the mote has verified its first header. */
  readonly head?: RecordHead | undefined;
  /** Empty exactly in a record that is no type 1 and has none. */
  readonly measurements: Pack;
  /** How many samples were lost in front of this record, from 1; absent where none was. */
  readonly gap?: number;
  readonly fleet: Fleet;
  /** Makes the record one of type 8, which has measurements where the command read some. */
  readonly answer?: AnswerFields | undefined;
  /** Makes the record one of type 9, without measurements. */
  readonly status?: StatusFields | undefined;
}

export interface Fleet {
  /** Address of the fleet's registry, 20 bytes. */
  readonly registry: Uint8Array;
  /** Its chain, CAIP-2. */
  readonly chain: string;
}

const KEY_SEQ = 1;
const KEY_PREV = 2;
const KEY_BOOT = 3;
const KEY_TIME = 4;
const KEY_TIME_QUALITY = 5;
const KEY_HEAD = 6;
const KEY_MEASUREMENTS = 7;
const KEY_GAP = 8;
const KEY_FLEET = 9;
const KEY_STREAM = 10;
const KEY_ANSWER = 11;
const KEY_STATUS = 12;
const STATUS_MAX = 255;
const OUTCOME_MAX = 255;
/** Measurements, or what the type has in their place, among them. */
const KEYS_ALWAYS = 9;
/** Of a payload, behind the head of a map of less than 24 pairs and key 0. */
const TYPE_AT = 2;
/** First bytes of a byte string and of a text, of less than 24 bytes. */
const BYTES_HEAD = 0x40;
const TEXT_HEAD = 0x60;
const NONE: Pack = Object.freeze([]);
const CHAIN_NAMESPACE_MIN = 3;
const CHAIN_NAMESPACE_MAX = 8;
const CHAIN_REFERENCE_MAX = 32;

/**
 * The payload of a record. Fields that `decodeRecord` would refuse are our own mistake and throw; a payload longer than
 * `RECORD_PAYLOAD_BYTES_MAX` throws a `Rejection` of code `cbor-too-long`, since its length depends on configured names.
 * @param writer kept by the caller to spare garbage, and the names that it has seen; it is reset first
 */
export function encodeRecord(record: RecordFields, writer: CborWriter = new CborWriter(RECORD_PAYLOAD_BYTES_MAX)): Uint8Array {
  const { head, gap, fleet, measurements, answer, status } = record;
  if (record.prev.length !== DIGEST_BYTES) assert(false, "a digest of 32 bytes in prev");
  if (fleet.registry.length !== KID_BYTES) assert(false, "a registry of 20 bytes");
  if (gap !== undefined && gap < 1) assert(false, "a gap of at least 1");
  const fault = timeFault(record.time, record.timeQuality, head !== undefined);
  if (fault !== undefined) assert(false, fault);
  writer.reset();
  const isAnswer = answer !== undefined;
  const both = isAnswer && measurements.length > 0;
  writer.map(KEYS_ALWAYS + (head === undefined ? 0 : 1) + (gap === undefined ? 0 : 1) + (both ? 1 : 0));
  writer.uint(KEY_TYPE, typeOf(record));
  writer.uint(KEY_SEQ, record.seq);
  writer.key(KEY_PREV);
  writer.bytes(record.prev);
  writer.uint(KEY_BOOT, record.boot);
  writer.uint(KEY_TIME, record.time);
  writer.uint(KEY_TIME_QUALITY, record.timeQuality);
  if (head !== undefined) {
    writer.key(KEY_HEAD);
    writer.array(3);
    writer.label(head.chain, isChainId);
    if (head.number < 0 || head.hash.length !== DIGEST_BYTES) assert(false, "a block number from 0, and a hash of 32 bytes");
    writer.int(head.number);
    writer.bytes(head.hash);
  }
  if (both || (!isAnswer && status === undefined)) {
    writer.key(KEY_MEASUREMENTS);
    writeSenml(writer, measurements);
  }
  if (status !== undefined && (isAnswer || measurements.length > 0)) assert(false, "a status alone, without measurements");
  if (gap !== undefined) writer.uint(KEY_GAP, gap);
  writer.key(KEY_FLEET);
  writer.array(2);
  writer.bytes(fleet.registry);
  writer.label(fleet.chain, isChainId);
  writer.uint(KEY_STREAM, record.stream);
  if (isAnswer) writeAnswer(writer, answer);
  if (status !== undefined) writeStatus(writer, status);
  return writer.finish();
}

/** The type that a record has by its fields. */
export function typeOf({ answer, status }: Pick<RecordFields, "answer" | "status">): number {
  if (answer !== undefined) return PAYLOAD_TYPE_ANSWER;
  return status === undefined ? PAYLOAD_TYPE_RECORD : PAYLOAD_TYPE_STATUS;
}

function writeAnswer(writer: CborWriter, { commander, counter, outcome, reason, skipped }: AnswerFields): void {
  assert(commander.length === KID_BYTES && counter >= 1, "an address of 20 bytes, and a counter from 1");
  assert(outcome <= OUTCOME_MAX && reason <= OUTCOME_MAX && skipped < counter, "an outcome and a reason of one byte");
  writer.key(KEY_ANSWER);
  writer.array(5);
  writer.bytes(commander);
  for (const number of [counter, outcome, reason, skipped]) {
    assert(number >= 0, "an unsigned integer");
    writer.int(number);
  }
}

function writeStatus(writer: CborWriter, { status, block, hash }: StatusFields): void {
  assert(status <= STATUS_MAX && hash.length === DIGEST_BYTES, "a status of one byte, and a hash of 32");
  writer.key(KEY_STATUS);
  writer.array(3);
  writer.int(status);
  writer.int(block);
  writer.bytes(hash);
}

/** The fields of a record's payload, byte strings as views of it; or why it is none. */
export function decodeRecord(payload: Uint8Array): RecordFields | Rejection {
  try {
    return readRecord(new PayloadFields(payload, PAYLOAD_TYPE_RECORD));
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

/**
 * Whether the payload of a record names this fleet. Of type 1, which nearly all are, without decoding it: the fleet and the stream are its
 * last two fields.
 * @param stream as the payload has it, below 2^32
 */
export function namesFleet(payload: Uint8Array, stream: number, { registry, chain }: RecordFields["fleet"]): boolean {
  if (payload[TYPE_AT] !== PAYLOAD_TYPE_RECORD) {
    const record = decodeRecord(payload);
    return !(record instanceof Rejection) && record.fleet.chain === chain && equal(record.fleet.registry, registry);
  }
  const { length } = chain;
  const streamBytes = stream < 24 ? 1 : stream < 0x100 ? 2 : stream < 0x10000 ? 3 : 5;
  const chainAt = payload.length - 1 - streamBytes - length;
  const headBytes = length < 24 ? 1 : 2;
  const registryAt = chainAt - headBytes - KID_BYTES;
  if (registryAt < 1 || payload[registryAt - 1] !== (BYTES_HEAD | KID_BYTES)) return false;
  if (payload[chainAt - 1] !== (headBytes === 1 ? TEXT_HEAD | length : length)) return false;
  for (let i = 0; i < KID_BYTES; i += 1) if (payload[registryAt + i] !== registry[i]) return false;
  for (let i = 0; i < length; i += 1) if (payload[chainAt + i] !== chain.charCodeAt(i)) return false;
  return true;
}

function readRecord(fields: PayloadFields): RecordFields {
  const seq = fields.uint(KEY_SEQ, "seq");
  const prev = fields.bytes(KEY_PREV, "prev", DIGEST_BYTES);
  const boot = fields.uint(KEY_BOOT, "boot");
  const time = fields.uint(KEY_TIME, "time");
  const timeQuality = fields.uint(KEY_TIME_QUALITY, "timeQuality", TIME_NONE, TIME_BOUNDED_BY_HEADER) as TimeQuality;
  const head = fields.has(KEY_HEAD) ? readHead(fields) : undefined;
  const status = fields.type === PAYLOAD_TYPE_STATUS ? readStatus(fields) : undefined;
  const answer = fields.type === PAYLOAD_TYPE_ANSWER ? readAnswer(fields) : undefined;
  const measured = fields.type === PAYLOAD_TYPE_RECORD || (answer !== undefined && fields.has(KEY_MEASUREMENTS));
  const measurements = measured ? readSenml(fields.item(KEY_MEASUREMENTS, "measurements")) : NONE;
  const gap = fields.has(KEY_GAP) ? fields.uint(KEY_GAP, "gap", 1) : undefined;
  const fleet = readFleet(fields);
  const stream = fields.uint(KEY_STREAM, "stream");
  fields.end();
  const fault = timeFault(time, timeQuality, head !== undefined);
  if (fault !== undefined) throw fields.wrong(KEY_TIME_QUALITY, "timeQuality", `against its rule: ${fault}`);
  return {
    stream,
    seq,
    prev,
    boot,
    time,
    timeQuality,
    ...(head === undefined ? {} : { head }),
    measurements,
    ...(gap === undefined ? {} : { gap }),
    fleet,
    ...(answer === undefined ? {} : { answer }),
    ...(status === undefined ? {} : { status }),
  };
}

function readAnswer(fields: PayloadFields): AnswerFields {
  const [commander, counter, outcome, reason, skipped] = fields.array(KEY_ANSWER, "answer", 5);
  if (!(commander instanceof Uint8Array) || commander.length !== KID_BYTES)
    throw fields.wrong(KEY_ANSWER, "answer", "without a commander of 20 bytes");
  if (!isUint(counter) || counter < 1 || !isUint(skipped) || skipped >= counter)
    throw fields.wrong(KEY_ANSWER, "answer", "without a counter from 1, and fewer that were skipped");
  if (!isUint(outcome) || outcome > OUTCOME_MAX || !isUint(reason) || reason > OUTCOME_MAX)
    throw fields.wrong(KEY_ANSWER, "answer", `without an outcome and a reason up to ${OUTCOME_MAX}`);
  return { commander, counter, outcome, reason, skipped };
}

function readStatus(fields: PayloadFields): StatusFields {
  const [status, block, hash] = fields.array(KEY_STATUS, "status", 3);
  if (!isUint(status) || status > STATUS_MAX || !isUint(block))
    throw fields.wrong(KEY_STATUS, "status", `without a status up to ${STATUS_MAX} and a block number up to 2^53 - 1`);
  if (!(hash instanceof Uint8Array) || hash.length !== DIGEST_BYTES)
    throw fields.wrong(KEY_STATUS, "status", "without a hash of 32 bytes");
  return { status, block, hash };
}

function isUint(value: CborValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}

function readHead(fields: PayloadFields): RecordHead {
  const [chain, number, hash] = fields.array(KEY_HEAD, "head", 3);
  if (!isChainId(chain)) throw fields.wrong(KEY_HEAD, "head", "without a CAIP-2 chain");
  if (typeof number !== "number" || number < 0) throw fields.wrong(KEY_HEAD, "head", "without a block number up to 2^53 - 1");
  if (!(hash instanceof Uint8Array) || hash.length !== DIGEST_BYTES)
    throw fields.wrong(KEY_HEAD, "head", "without a hash of 32 bytes");
  return { chain, number, hash };
}

function readFleet(fields: PayloadFields): RecordFields["fleet"] {
  const [registry, chain] = fields.array(KEY_FLEET, "fleet", 2);
  if (!(registry instanceof Uint8Array) || registry.length !== KID_BYTES)
    throw fields.wrong(KEY_FLEET, "fleet", "without a registry of 20 bytes");
  if (!isChainId(chain)) throw fields.wrong(KEY_FLEET, "fleet", "without a CAIP-2 chain");
  return { registry, chain };
}

/** The rules between time, its quality and the head. */
function timeFault(time: number, quality: TimeQuality, hasHead: boolean): string | undefined {
  if (quality > TIME_BOUNDED_BY_HEADER) return "a quality is at most 3";
  if (quality === TIME_NONE && time !== 0) return "without quality the time is 0";
  if (quality !== TIME_NONE && time === 0) return "a time of 0 has quality 0";
  if (quality === TIME_BOUNDED_BY_HEADER && !hasHead) return "a bound by a header needs the head";
  return undefined;
}

/** CAIP-2: a namespace of 3 to 8 characters (a-z, 0-9, -), a colon, a reference of 1 to 32 (letters, digits, - and _). */
export function isChainId(value: CborValue | undefined): value is string {
  if (typeof value !== "string") return false;
  const colon = value.indexOf(":");
  const reference = value.length - colon - 1;
  if (colon < CHAIN_NAMESPACE_MIN || colon > CHAIN_NAMESPACE_MAX || reference < 1 || reference > CHAIN_REFERENCE_MAX)
    return false;
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    const common = (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 45;
    if (i === colon || common) continue;
    if (i < colon || !((code >= 65 && code <= 90) || code === 95)) return false;
  }
  return true;
}
