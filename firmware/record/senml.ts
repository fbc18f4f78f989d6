// SenML packs with integer labels (RFC 8428 §4, §6), as key 7 of a record. What RFC 8428 calls a SenML Record is an entry here: a
// record is what a mote signs.
//
// Promises: a pack that is accepted resolves (§4.6), exactly: every entry has a name, a value, and where a time is given, that
// time. Labels in use: base name, time, unit and value; name, unit, value, time. Never a float; never a label that this file
// does not know, since a reader would lose its meaning without a word; never an unbounded pack.
//
// Code: senml-malformed.

import type { CborValue, CborWriter } from "../codec/cbor.js";
import { assert, Rejection } from "../rejection.js";
import { compareNumeric, type Numeric, readNumeric, sum, writeNumeric } from "./decimal.js";

/** What a driver, or an application, says of one thing: an entry that needs no other to be understood, taken when it was given. */
export interface Entry {
  /** Name: letters, digits and - : . / _; 64 characters at most. */
  readonly n: string;
  /** Unit, of the IANA SenML Units registry; absent where there is none. */
  readonly u?: string;
  /** An integer, or a decimal fraction (`fraction`, `decimal`): never a float. */
  readonly v: Numeric;
}

/** An entry as it stands in a pack (RFC 8428 §4.3). A base field holds for its own entry and all that follow. */
export interface PackEntry extends Omit<Entry, "n"> {
  /** Base name, put in front of every name. */
  readonly bn?: string;
  /** Base time in seconds, added to every time. */
  readonly bt?: Numeric;
  /** Base unit, for entries without their own. */
  readonly bu?: string;
  /** Base value, added to every value. */
  readonly bv?: Numeric;
  readonly n?: string;
  /** Time in seconds: since the Unix epoch from 2^28 on, else relative to when the record was made. */
  readonly t?: Numeric;
}

/** Entries in order: key 7 of a record. */
export type Pack = readonly PackEntry[];

/** An entry of a pack with all that the base fields say of it (RFC 8428 §4.6). */
export interface ResolvedEntry {
  readonly name: string;
  readonly unit?: string;
  readonly value: Numeric;
  /** In seconds: since the Unix epoch, or, where `relative`, from the time at which the record was made. */
  readonly time: Numeric;
  readonly relative: boolean;
}

export const SENML_ENTRIES_MAX = 32;
/** Base name, and name, each. RFC 8428 §4.5.1 allows ASCII only. */
export const SENML_NAME_BYTES_MAX = 64;
export const SENML_UNIT_BYTES_MAX = 16;
/** RFC 8428 §4.5.3: smaller times are relative. */
export const SENML_ABSOLUTE_FROM_S = 0x1000_0000;

const MALFORMED = "senml-malformed";
const LABEL_BV = -5;
const LABEL_BU = -4;
const LABEL_BT = -3;
const LABEL_BN = -2;
const LABEL_N = 0;
const LABEL_U = 1;
const LABEL_V = 2;
const LABEL_T = 6;

/**
 * Writes a pack as one CBOR array. A pack that a reader would refuse is our own mistake. Names and units are checked and
 * encoded when the writer meets them first.
 */
export function writeSenml(writer: CborWriter, pack: Pack): void {
  assert(pack.length > 0 && pack.length <= SENML_ENTRIES_MAX, "1 to 32 entries");
  writer.array(pack.length);
  let base = "";
  for (let i = 0; i < pack.length; i += 1) {
    const entry = pack[i] as PackEntry;
    const { n, u, v, t, bn, bt, bu, bv } = entry;
    let pairs = 1;
    if (n !== undefined) pairs += 1;
    if (u !== undefined) pairs += 1;
    if (t !== undefined) pairs += 1;
    if (bn !== undefined) pairs += 1;
    if (bt !== undefined) pairs += 1;
    if (bu !== undefined) pairs += 1;
    if (bv !== undefined) pairs += 1;
    writer.map(pairs);
    base = bn ?? base;
    if (base === "" && n === undefined) assert(false, "a name, or a base name");
    // In the order of the encoded labels: 0 to 6 are 00 to 06, then -2 is 21, -3 22, -4 23, -5 24.
    if (n !== undefined) writer.label(n, base === "" ? isNameStart : isNameRest, LABEL_N);
    if (u !== undefined) writer.label(u, isUnit, LABEL_U);
    writer.key(LABEL_V);
    writeNumeric(writer, v);
    if (t !== undefined) {
      writer.key(LABEL_T);
      writeNumeric(writer, t);
    }
    if (bn !== undefined) {
      writer.key(LABEL_BN);
      writer.label(bn, isBaseName);
    }
    if (bt !== undefined) {
      writer.key(LABEL_BT);
      writeNumeric(writer, bt);
    }
    if (bu !== undefined) {
      writer.key(LABEL_BU);
      writer.label(bu, isUnit);
    }
    if (bv !== undefined) {
      writer.key(LABEL_BV);
      writeNumeric(writer, bv);
    }
  }
}

/** The pack that a decoded item is; throws a `Rejection`. */
export function readSenml(item: CborValue | undefined): Pack {
  if (!Array.isArray(item)) throw new Rejection(MALFORMED, "the measurements are no array");
  const pack = (item as readonly CborValue[]).map(readEntry);
  const fault = checkPack(pack);
  if (fault !== undefined) throw fault;
  return pack;
}

function readEntry(item: CborValue, index: number): PackEntry {
  if (!(item instanceof Map)) throw new Rejection(MALFORMED, `entry ${index} is no map`);
  const entry: { -readonly [key in keyof PackEntry]: PackEntry[key] } = { v: 0 };
  let valued = false;
  for (const [label, value] of item as ReadonlyMap<CborValue, CborValue>) {
    switch (label) {
      case LABEL_N:
        entry.n = readText(value, index, "name");
        break;
      case LABEL_U:
        entry.u = readText(value, index, "unit");
        break;
      case LABEL_V:
        entry.v = readNumeric(value, MALFORMED, `the value of entry ${index}`);
        valued = true;
        break;
      case LABEL_T:
        entry.t = readNumeric(value, MALFORMED, `the time of entry ${index}`);
        break;
      case LABEL_BN:
        entry.bn = readText(value, index, "base name");
        break;
      case LABEL_BT:
        entry.bt = readNumeric(value, MALFORMED, `the base time of entry ${index}`);
        break;
      case LABEL_BU:
        entry.bu = readText(value, index, "base unit");
        break;
      case LABEL_BV:
        entry.bv = readNumeric(value, MALFORMED, `the base value of entry ${index}`);
        break;
      default:
        throw new Rejection(MALFORMED, `entry ${index} has a label that is not in use here`);
    }
  }
  if (!valued) throw new Rejection(MALFORMED, `entry ${index} has no value`);
  return entry;
}

function readText(value: CborValue, index: number, what: string): string {
  if (typeof value !== "string") throw new Rejection(MALFORMED, `the ${what} of entry ${index} is no text`);
  return value;
}

/** What is wrong with a pack, or undefined. */
function checkPack(pack: Pack): Rejection | undefined {
  if (pack.length === 0 || pack.length > SENML_ENTRIES_MAX)
    return new Rejection(MALFORMED, `${pack.length} entries; 1 to ${SENML_ENTRIES_MAX} make a pack`);
  let base = "";
  for (let i = 0; i < pack.length; i += 1) {
    const { bn, n, u, bu } = pack[i] as PackEntry;
    base = bn ?? base;
    const named = base === "" ? isNameStart(n ?? "") : isNameRest(n ?? "");
    if (!named || (bn !== undefined && !isBaseName(bn)))
      return new Rejection(
        MALFORMED,
        `entry ${i} has no name that RFC 8428 allows, or one of more than ${SENML_NAME_BYTES_MAX} bytes`,
      );
    if ((u !== undefined && !isUnit(u)) || (bu !== undefined && !isUnit(bu)))
      return new Rejection(
        MALFORMED,
        `entry ${i} has a unit that is not 1 to ${SENML_UNIT_BYTES_MAX} printable ASCII characters`,
      );
  }
  return undefined;
}

/** RFC 8428 §4.5.1: letters, digits and - : . / _ */
function isNameRest(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    // 45 to 47 are - . and /, 58 is the colon, 95 the underscore.
    if (!isLetterOrDigit(code) && !(code >= 45 && code <= 47) && code !== 58 && code !== 95) return false;
  }
  return text.length <= SENML_NAME_BYTES_MAX;
}

/** A name begins with a letter or a digit, wherever the base name ends. */
export function isNameStart(text: string): boolean {
  return text !== "" && isLetterOrDigit(text.charCodeAt(0)) && isNameRest(text);
}

/** An empty base name takes back the one before. */
function isBaseName(text: string): boolean {
  return text === "" || isNameStart(text);
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

export function isUnit(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return text.length >= 1 && text.length <= SENML_UNIT_BYTES_MAX;
}

/**
 * The pack with its base fields resolved (RFC 8428 §4.6), in exact arithmetic.
 * @param madeAtS when the record was made, in seconds since the Unix epoch: it turns relative times into absolute ones. Without it
 *   they stay relative.
 */
export function resolveSenml(pack: Pack, madeAtS?: number): readonly ResolvedEntry[] {
  const resolved: ResolvedEntry[] = [];
  let name = "";
  let time: Numeric = 0;
  let unit: string | undefined;
  let value: Numeric | undefined;
  for (const entry of pack) {
    name = entry.bn ?? name;
    time = entry.bt ?? time;
    unit = entry.bu ?? unit;
    value = entry.bv ?? value;
    const own = entry.u ?? unit;
    const at = entry.t === undefined ? time : sum(time, entry.t);
    const relative = compareNumeric(at, SENML_ABSOLUTE_FROM_S) < 0;
    resolved.push({
      name: name + (entry.n ?? ""),
      ...(own === undefined ? {} : { unit: own }),
      value: value === undefined ? entry.v : sum(value, entry.v),
      time: relative && madeAtS !== undefined ? sum(madeAtS, at) : at,
      relative: relative && madeAtS === undefined,
    });
  }
  return resolved;
}
