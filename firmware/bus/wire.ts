// What travels between a mote, its relays and its collector besides records: header requests, replies, health. CBOR payloads
// (docs/wire.md).
//
// Promises: every decoder bounds what it reads and answers a `Rejection`; nothing decoded here is believed. Never
// opens a connection.

import { ARRAY, CborCursor, type CborValue, decode, encode, encodeFields, MAP, UINT } from "../codec/cbor.js";
import { Rejection } from "../rejection.js";

/** The longest message that a mote takes in, in bytes; whatever is longer is read past and dropped. */
export const MESSAGE_BYTES_MAX = 4096;
/** A run of headers is asked for in so many bytes, since it stays on the heap while they are verified; one alone may take more. */
export const RUN_BYTES_MAX = 2048;
/** The most headers that one request may ask for. */
export const HEADERS_PER_REQUEST_MAX = 16;

/** Asks a relay for `count` raw headers from number `from`, the whole answer within `bytesMax` bytes. */
export interface HeaderRequest {
  /** 1 to 2³²−1; the reply repeats it. */
  readonly id: number;
  /** Address of the mote that asks, 20 bytes. */
  readonly to: Uint8Array;
  readonly from: number;
  readonly count: number;
  readonly bytesMax: number;
}

export interface HeaderReply {
  readonly id: number;
  readonly from: number;
  /** Raw headers with consecutive numbers from `from`; fewer than asked for where there are no more, or no room. */
  readonly headers: readonly Uint8Array[];
}

export function encodeRequest(request: HeaderRequest): Uint8Array {
  return encodeFields([request.id, request.to, request.from, request.count, request.bytesMax]);
}

/** `request-malformed` where a field is absent or out of its bounds. */
export function decodeRequest(bytes: Uint8Array): HeaderRequest | Rejection {
  const map = mapOf(bytes, "request-malformed", 5);
  if (map instanceof Rejection) return map;
  const id = map.get(0);
  const to = map.get(1);
  const from = map.get(2);
  const count = map.get(3);
  const bytesMax = map.get(4);
  if (!uintIn(id, 1, 0xffffffff)) return new Rejection("request-malformed", "id is not 1 to 4294967295");
  if (!(to instanceof Uint8Array) || to.length !== 20) return new Rejection("request-malformed", "the address is not 20 bytes");
  if (!uintIn(from, 0, Number.MAX_SAFE_INTEGER)) return new Rejection("request-malformed", "from is no block number");
  if (!uintIn(count, 1, HEADERS_PER_REQUEST_MAX))
    return new Rejection("request-malformed", `count is not 1 to ${HEADERS_PER_REQUEST_MAX}`);
  if (!uintIn(bytesMax, 1, MESSAGE_BYTES_MAX))
    return new Rejection("request-malformed", `bytesMax is not 1 to ${MESSAGE_BYTES_MAX}`);
  return { id, to, from, count, bytesMax };
}

export function encodeReply(reply: HeaderReply): Uint8Array {
  return encode(
    new Map<CborValue, CborValue>([
      [0, reply.id],
      [1, reply.from],
      [2, [...reply.headers]],
    ]),
  );
}

/** Bytes that a reply takes besides its headers, and that each header takes besides its own: heads and fields. */
export const REPLY_OVERHEAD_BYTES = 20;
export const REPLY_OVERHEAD_PER_HEADER_BYTES = 3;

/** `reply-malformed` where a field is absent or out of its bounds. The headers are views into `bytes`. */
export function decodeReply(bytes: Uint8Array): HeaderReply | Rejection {
  const usual = usualReply(bytes);
  if (usual !== undefined) return usual;
  const map = mapOf(bytes, "reply-malformed", 3);
  if (map instanceof Rejection) return map;
  const id = map.get(0);
  const from = map.get(1);
  const headers = map.get(2);
  if (!uintIn(id, 1, 0xffffffff)) return new Rejection("reply-malformed", "id is not 1 to 4294967295");
  if (!uintIn(from, 0, Number.MAX_SAFE_INTEGER)) return new Rejection("reply-malformed", "from is no block number");
  if (!Array.isArray(headers) || headers.length > HEADERS_PER_REQUEST_MAX)
    return new Rejection("reply-malformed", `no list of at most ${HEADERS_PER_REQUEST_MAX} headers`);
  const raw: Uint8Array[] = [];
  for (const header of headers) {
    if (!(header instanceof Uint8Array)) return new Rejection("reply-malformed", "a header is not a byte string");
    raw.push(header);
  }
  return { id, from, headers: raw };
}

/** A reply that holds, numbers of 32 bits, read without a decoder's objects: what it is not is for the decoder to say. */
function usualReply(bytes: Uint8Array): HeaderReply | undefined {
  if (bytes.length > MESSAGE_BYTES_MAX) return undefined;
  const cursor = new CborCursor(bytes);
  if (cursor.head(MAP) !== 3 || cursor.head(UINT) !== 0) return undefined;
  const id = cursor.head(UINT);
  const from = cursor.head(UINT) === 1 ? cursor.head(UINT) : -1;
  const count = cursor.head(UINT) === 2 ? cursor.head(ARRAY) : -1;
  if (id < 1 || from < 0 || count < 0 || count > HEADERS_PER_REQUEST_MAX) return undefined;
  const headers: Uint8Array[] = [];
  for (let i = 0; i < count; i += 1) {
    const header = cursor.bytes();
    if (header === undefined) return undefined;
    headers.push(header);
  }
  return cursor.atEnd ? { id, from, headers } : undefined;
}

/** What a mote says of itself on its retained health topic. Unsigned: for dashboards, never for decisions. */
export interface Health {
  readonly online: boolean;
  readonly boot: number;
  readonly headNumber: number;
  readonly nextSeq: number;
  /** Records kept and not yet stored by the collector. */
  readonly pending: number;
  readonly timeS: number;
  /** What is wrong with the chain: `ALARM_NONE` and so on, chain/follow/vigil.ts. */
  readonly alarm: number;
}

export function encodeHealth(health: Health): Uint8Array {
  const { online, boot, headNumber, nextSeq, pending, timeS, alarm } = health;
  return encodeFields([online ? 1 : 0, boot, headNumber, nextSeq, pending, timeS, alarm]);
}

/** What a board in safe mode says of itself on the retained health topic of its MAC (start/safe-mode.ts). Unsigned, as any health. */
export interface SafeHealth {
  /** A fault of NVS by its name (ports.ts, `StorageFault`), or `resets`. */
  readonly cause: string;
  /** In words. */
  readonly detail: string;
  /** How many resets were counted. */
  readonly resets: number;
  /** Why the board started last. */
  readonly lastReset: string;
  readonly profile: string;
}

export function encodeSafeHealth({ cause, detail, resets, lastReset, profile }: SafeHealth): Uint8Array {
  return encode(
    new Map<CborValue, CborValue>([
      [0, 1],
      [1, cause],
      [2, detail],
      [3, resets],
      [4, lastReset],
      [5, profile],
    ]),
  );
}

/** The Last Will: the broker publishes it when the mote is gone. */
export function encodeWill(): Uint8Array {
  return encodeFields([0]);
}

/** The retained health of a mote, or `health-malformed`; a Last Will gives `online: false` and zeros. */
export function decodeHealth(bytes: Uint8Array): Health | Rejection {
  const map = mapOf(bytes, "health-malformed", 7);
  if (map instanceof Rejection) return map;
  const field = (key: number): number => (map.get(key) as number | undefined) ?? 0;
  const online = map.get(0);
  if (online !== 0 && online !== 1) return new Rejection("health-malformed", "key 0 is neither 0 nor 1");
  for (const [key, value] of map)
    if (!uintIn(key, 0, 6) || !uintIn(value, 0, Number.MAX_SAFE_INTEGER))
      return new Rejection("health-malformed", "a key beyond 6, or a value that is no unsigned integer");
  return {
    online: online === 1,
    boot: field(1),
    headNumber: field(2),
    nextSeq: field(3),
    pending: field(4),
    timeS: field(5),
    alarm: field(6),
  };
}

function mapOf(bytes: Uint8Array, code: string, entriesMax: number): Map<CborValue, CborValue> | Rejection {
  if (bytes.length > MESSAGE_BYTES_MAX)
    return new Rejection(code, `${bytes.length} bytes; at most ${MESSAGE_BYTES_MAX} are read`);
  const value = decode(bytes);
  if (value instanceof Rejection) return new Rejection(code, value.toString());
  if (!(value instanceof Map) || value.size > entriesMax) return new Rejection(code, `no map of at most ${entriesMax} entries`);
  return value;
}

function uintIn(value: CborValue | undefined, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}
