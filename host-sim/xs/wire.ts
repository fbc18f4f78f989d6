// The values that cross the bridge between a guest and the process that owns its board (src/bridge.c), as bytes.
//
// A value is a tag and, little-endian: nothing for undefined, null, false and true; four bytes for an integer; eight for
// any other number; a length of four bytes and the bytes for a text (UTF-8) and for bytes; four bytes for a target, the
// number of an object of the guest; as a text for an error, which the guest throws.
// Never: looks at the bound of a frame; whoever sends one does (run.ts, src/frames.c).

export type Value = undefined | null | boolean | number | string | Uint8Array;

/** An object of the guest that is bound to this number. */
export class Target {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

const TAG = { undefined: 0, null: 1, false: 2, true: 3, integer: 4, number: 5, string: 6, bytes: 7, target: 8 } as const;
const ERROR_TAG = { Error: 9, RangeError: 10, TypeError: 11 } as const;
const ERROR_BYTES_MAX = 127;

export function encodeValues(values: readonly (Value | Target)[]): Buffer {
  return Buffer.concat(values.map(encodeValue));
}

/** The error as the guest throws it: its class, where that is `RangeError` or `TypeError`, and its message. */
export function encodeError(error: unknown): Buffer {
  const name = error instanceof RangeError ? "RangeError" : error instanceof TypeError ? "TypeError" : "Error";
  const message = Buffer.from(error instanceof Error ? error.message : String(error));
  return counted(ERROR_TAG[name], message.subarray(0, ERROR_BYTES_MAX));
}

/** The parameters of a call. Throws a `RangeError` where the bytes are cut off or unknown: the guest and this file differ. */
export function decodeValues(bytes: Buffer): Value[] {
  const values: Value[] = [];
  let at = 0;
  const take = (count: number): Buffer => {
    if (count > bytes.length - at) throw new RangeError("a value over the bridge is cut off");
    at += count;
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const tag = take(1)[0];
    if (tag === TAG.undefined) values.push(undefined);
    else if (tag === TAG.null) values.push(null);
    else if (tag === TAG.false || tag === TAG.true) values.push(tag === TAG.true);
    else if (tag === TAG.integer) values.push(take(4).readInt32LE());
    else if (tag === TAG.number) values.push(take(8).readDoubleLE());
    else if (tag === TAG.string) values.push(take(take(4).readUInt32LE()).toString());
    else if (tag === TAG.bytes) values.push(new Uint8Array(take(take(4).readUInt32LE())));
    else throw new RangeError(`no tag of a value: ${tag}`);
  }
  return values;
}

function encodeValue(value: Value | Target): Buffer {
  if (value === undefined || value === null || typeof value === "boolean")
    return Buffer.of(TAG[String(value) as "undefined" | "null" | "false" | "true"]);
  if (typeof value === "string") return counted(TAG.string, Buffer.from(value));
  if (value instanceof Target) return integer(TAG.target, value.number);
  if (typeof value !== "number") return counted(TAG.bytes, value);
  if ((value | 0) === value && !Object.is(value, -0)) return integer(TAG.integer, value);
  const bytes = Buffer.alloc(9);
  bytes[0] = TAG.number;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function integer(tag: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = tag;
  bytes.writeInt32LE(value, 1);
  return bytes;
}

function counted(tag: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = tag;
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
