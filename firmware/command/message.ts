// What a commander sends to a mote (docs/record-format.md, section 9, type 7; docs/ledger.md, "Commands"): the payload of a command, which
// is a COSE_Sign1 of our one form (record/cose.ts), and the parts of a body, which go unsigned, for the command names the body's hash.
//
// Promises: `encode(decode(x))` is `x` for all that is accepted; every number, text and length is bounded by name. Never knows who may
// command what, nor whether a command is due. Codes: those of record/payload.ts, and part-malformed.

import { toHex } from "../bytes.js";
import { type CborValue, CborWriter, decode, encodeFields } from "../codec/cbor.js";
import { isRelayName, RELAYS_MAX, SAMPLES_PER_RECORD_MAX } from "../config.js";
import { KID_BYTES } from "../record/cose.js";
import { PAYLOAD_TYPE_COMMAND, PayloadFields } from "../record/payload.js";
import { type Fleet, isChainId } from "../record/record.js";
import { assert, Rejection } from "../rejection.js";
import { INTERVAL_MS_MAX, INTERVAL_MS_MIN, isSensorName } from "../sensor/plan.js";
import { POLICY_BYTES_MAX } from "./policy.js";

/** Milliseconds between samples, of every sensor: `[intervalMs]`. */
export const ACTION_INTERVAL = 1;
/** `[samples]`, from the next record on. */
export const ACTION_SAMPLES = 2;
/** Who may be asked for headers and proofs: `[name, …]`; none: whoever listens on the common topic. */
export const ACTION_RELAYS = 3;
/** `[]`. */
export const ACTION_REBOOT = 4;
/** The newest sample of one sensor: `[name]`, empty where it has none. */
export const ACTION_READ = 5;
/** `[hash, bytes]` of a policy's document, which comes in parts. */
export const ACTION_POLICY = 6;
/** `[hash, bytes]` of a checkpoint as the configuration has it (JSON), which comes in parts. */
export const ACTION_CHECKPOINT = 7;

/** In words, from action 1: what people type, and what a policy calls the resource. */
export const ACTIONS: readonly string[] = Object.freeze([
  "interval",
  "samples",
  "relays",
  "reboot",
  "read",
  "policy",
  "checkpoint",
]);

/** Of a payload. Eight relays of 32 characters and the longest of all else take 387. */
export const COMMAND_PAYLOAD_BYTES_MAX = 512;
/** A checkpoint as JSON. */
export const CHECKPOINT_BYTES_MAX = 8192;
/** Of a body, in one message. */
export const PART_BYTES_MAX = 1024;
/** Counters that the key-value store has room for. */
export const COUNTER_MAX = 0xffff_ffff_ffff;
export const BODY_HASH_BYTES = 32;

/** What is to be done. */
export type Order =
  | { readonly action: typeof ACTION_INTERVAL; readonly intervalMs: number }
  | { readonly action: typeof ACTION_SAMPLES; readonly samples: number }
  | { readonly action: typeof ACTION_RELAYS; readonly relays: readonly string[] }
  | { readonly action: typeof ACTION_REBOOT }
  | { readonly action: typeof ACTION_READ; readonly sensor: string }
  | {
      readonly action: typeof ACTION_POLICY | typeof ACTION_CHECKPOINT;
      /** Keccak-256 of the body, 32 bytes. */
      readonly hash: Uint8Array;
      /** Length of the body. */
      readonly bytes: number;
    };

export interface Command {
  /** 1 to 2^48 − 1; above every counter that this commander has used for this mote. */
  readonly counter: number;
  /** Address of the mote, 20 bytes. */
  readonly mote: Uint8Array;
  /** The block from which on it is too late. */
  readonly expiryBlock: number;
  readonly order: Order;
  readonly fleet: Fleet;
}

const KEY_TYPE = 0;
const KEY_COUNTER = 1;
const KEY_MOTE = 3;
const KEY_EXPIRY = 4;
const KEY_ACTION = 5;
const KEY_ARGUMENTS = 6;
const KEY_FLEET = 9;
const KEYS = 7;

/** Topics of commands to one mote, and of the bodies that they name. */
export interface CommandTopics {
  readonly commands: string;
  readonly bodies: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param address the mote's address, 20 bytes
 */
export function commandTopicsOf(prefix: string, address: Uint8Array): CommandTopics {
  const mote = `${prefix}motes/0x${toHex(address)}`;
  return { commands: `${mote}/commands`, bodies: `${mote}/bodies` };
}

/** The payload of a command. Fields that `decodeCommand` would refuse are our own mistake. */
export function encodeCommand({ counter, mote, expiryBlock, order, fleet }: Command): Uint8Array {
  assert(counter >= 1 && counter <= COUNTER_MAX && mote.length === KID_BYTES, "a counter, and an address of 20 bytes");
  assert(fleet.registry.length === KID_BYTES && isChainId(fleet.chain), "a registry of 20 bytes, and a CAIP-2 chain");
  const fault = orderFault(order);
  if (fault !== undefined) assert(false, fault);
  const writer = new CborWriter(COMMAND_PAYLOAD_BYTES_MAX);
  writer.map(KEYS);
  writer.uint(KEY_TYPE, PAYLOAD_TYPE_COMMAND);
  writer.uint(KEY_COUNTER, counter);
  writer.key(KEY_MOTE);
  writer.bytes(mote);
  writer.uint(KEY_EXPIRY, expiryBlock);
  writer.uint(KEY_ACTION, order.action);
  writer.key(KEY_ARGUMENTS);
  const values = argumentsOf(order);
  writer.array(values.length);
  for (const value of values)
    if (typeof value === "number") writer.int(value);
    else if (typeof value === "string") writer.text(value);
    else writer.bytes(value);
  writer.key(KEY_FLEET);
  writer.array(2);
  writer.bytes(fleet.registry);
  writer.text(fleet.chain);
  return writer.finish();
}

/** The fields of a command's payload, byte strings as views of it; or why it is none. */
export function decodeCommand(payload: Uint8Array): Command | Rejection {
  if (payload.length > COMMAND_PAYLOAD_BYTES_MAX)
    return new Rejection("payload-malformed", `a command of ${payload.length} bytes, at most ${COMMAND_PAYLOAD_BYTES_MAX}`);
  try {
    const fields = new PayloadFields(payload, PAYLOAD_TYPE_COMMAND);
    const counter = fields.uint(KEY_COUNTER, "counter", 1, COUNTER_MAX);
    const mote = fields.bytes(KEY_MOTE, "mote", KID_BYTES);
    const expiryBlock = fields.uint(KEY_EXPIRY, "expiryBlock");
    const action = fields.uint(KEY_ACTION, "action", ACTION_INTERVAL, ACTION_CHECKPOINT);
    const values = fields.item(KEY_ARGUMENTS, "arguments");
    const order = Array.isArray(values) ? orderOf(action, values) : undefined;
    const fault = order === undefined ? "other than this action's" : orderFault(order);
    if (order === undefined || fault !== undefined) throw fields.wrong(KEY_ARGUMENTS, "arguments", fault ?? "");
    const [registry, chain] = fields.array(KEY_FLEET, "fleet", 2);
    if (!(registry instanceof Uint8Array) || registry.length !== KID_BYTES || !isChainId(chain))
      throw fields.wrong(KEY_FLEET, "fleet", "without a registry of 20 bytes and a CAIP-2 chain");
    fields.end();
    return { counter, mote, expiryBlock, order, fleet: { registry, chain } };
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function argumentsOf(order: Order): readonly (number | string | Uint8Array)[] {
  switch (order.action) {
    case ACTION_INTERVAL:
      return [order.intervalMs];
    case ACTION_SAMPLES:
      return [order.samples];
    case ACTION_RELAYS:
      return order.relays;
    case ACTION_REBOOT:
      return [];
    case ACTION_READ:
      return [order.sensor];
    default:
      return [order.hash, order.bytes];
  }
}

/** By the number and the kinds of the arguments; what they may be is for `orderFault`. */
function orderOf(action: number, values: readonly CborValue[]): Order | undefined {
  const [first, second] = values;
  if (action === ACTION_RELAYS)
    return values.every((value) => typeof value === "string") ? { action, relays: values as readonly string[] } : undefined;
  if (action === ACTION_REBOOT) return values.length === 0 ? { action } : undefined;
  if (action === ACTION_POLICY || action === ACTION_CHECKPOINT)
    return values.length === 2 && first instanceof Uint8Array && typeof second === "number"
      ? { action, hash: first, bytes: second }
      : undefined;
  if (values.length !== 1) return undefined;
  if (action === ACTION_READ) return typeof first === "string" ? { action, sensor: first } : undefined;
  if (typeof first !== "number") return undefined;
  return action === ACTION_INTERVAL ? { action, intervalMs: first } : { action: ACTION_SAMPLES, samples: first };
}

/** What is wrong with an order's values, or undefined. */
export function orderFault(order: Order): string | undefined {
  switch (order.action) {
    case ACTION_INTERVAL:
      return uintFault(order.intervalMs, INTERVAL_MS_MIN, INTERVAL_MS_MAX, "an interval in milliseconds");
    case ACTION_SAMPLES:
      return uintFault(order.samples, 1, SAMPLES_PER_RECORD_MAX, "a number of samples");
    case ACTION_RELAYS: {
      const { relays } = order;
      const hold = relays.length <= RELAYS_MAX && relays.every((name, i) => isRelayName(name) && relays.indexOf(name) === i);
      return hold ? undefined : `no list of at most ${RELAYS_MAX} names of relays, each once`;
    }
    case ACTION_REBOOT:
      return undefined;
    case ACTION_READ:
      return order.sensor === "" || isSensorName(order.sensor) ? undefined : "no name of a sensor";
    default: {
      if (order.hash.length !== BODY_HASH_BYTES) return `no hash of ${BODY_HASH_BYTES} bytes`;
      const most = order.action === ACTION_POLICY ? POLICY_BYTES_MAX : CHECKPOINT_BYTES_MAX;
      return uintFault(order.bytes, 1, most, "a length");
    }
  }
}

function uintFault(value: number, min: number, max: number, what: string): string | undefined {
  return Number.isInteger(value) && value >= min && value <= max ? undefined : `${what} from ${min} to ${max} is wanted`;
}

/** One part of a body. Whoever sends it is not believed: the whole has the hash that a command names, or is nothing. */
export interface BodyPart {
  /** Keccak-256 of the whole body, 32 bytes. */
  readonly hash: Uint8Array;
  /** Where these bytes begin in it. */
  readonly offset: number;
  /** 1 to `PART_BYTES_MAX`. */
  readonly bytes: Uint8Array;
}

export function encodePart({ hash, offset, bytes }: BodyPart): Uint8Array {
  assert(hash.length === BODY_HASH_BYTES && bytes.length >= 1 && bytes.length <= PART_BYTES_MAX, "a part within its bounds");
  return encodeFields([hash, offset, bytes]);
}

/** `part-malformed` where a field is absent or out of its bounds. The bytes are a view of the message. */
export function decodePart(message: Uint8Array): BodyPart | Rejection {
  const most = PART_BYTES_MAX + BODY_HASH_BYTES + 16;
  if (message.length > most) return malformedPart(`${message.length} bytes; at most ${most} are read`);
  const map = decode(message);
  if (map instanceof Rejection) return malformedPart(map.toString());
  if (!(map instanceof Map) || map.size !== 3) return malformedPart("no map of 3");
  const [hash, offset, bytes] = [map.get(0), map.get(1), map.get(2)];
  if (!(hash instanceof Uint8Array) || hash.length !== BODY_HASH_BYTES) return malformedPart("no hash of 32 bytes");
  if (typeof offset !== "number" || offset < 0 || offset >= CHECKPOINT_BYTES_MAX) return malformedPart("an offset beyond a body");
  if (!(bytes instanceof Uint8Array) || bytes.length < 1 || bytes.length > PART_BYTES_MAX)
    return malformedPart(`no bytes, or more than ${PART_BYTES_MAX}`);
  return { hash, offset, bytes };
}

function malformedPart(reason: string): Rejection {
  return new Rejection("part-malformed", reason);
}
