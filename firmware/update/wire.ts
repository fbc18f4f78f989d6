// What travels for an update besides the signed manifest: the mote's request for a part of an image, the answer, and the mote's
// word on how far it is. CBOR payloads; topics of MQTT (docs/wire.md, "Releases").
//
// Promises: every length is bounded; an answer has exactly the part that was asked for, or is none. Never: believes a byte of an
// image; the digest in the manifest decides over all of them together.
// Codes: release-part, part-request-malformed, update-report-malformed.

import { toHex } from "../bytes.js";
import { type CborValue, decode, encode, encodeFields } from "../codec/cbor.js";
import { isUint } from "../fields.js";
import { DIGEST_BYTES, KID_BYTES } from "../record/cose.js";
import type { Fleet } from "../record/record.js";
import { Rejection } from "../rejection.js";
import { IMAGE_BYTES_MAX, profileName, SEQUENCE_MAX } from "./release.js";

/** Of an image, in one message: half of what a sector has, and a multiple of what encrypted flash is written in. */
export const PART_BYTES = 2048;
/** Head, id, offset, head of the bytes. */
const PART_MESSAGE_BYTES_MAX = 24 + PART_BYTES;
const REQUEST_BYTES_MAX = 96;
const MAC_BYTES = 6;
const REPORT_BYTES_MAX = 96;
const REASON_CHARACTERS_MAX = 64;

export interface UpdateTopics {
  /** The newest manifest for boards of this class and profile, retained. */
  readonly manifest: string;
  /** Where parts are asked for. */
  readonly requests: string;
  /** Where this mote's parts come. */
  readonly parts: string;
  /** How far this mote is, retained. */
  readonly report: string;
}

/**
 * @param prefix empty or ending in "/"
 * @param address the mote's, 20 bytes
 */
export function updateTopicsOf(
  prefix: string,
  address: Uint8Array,
  fleet: Pick<Fleet, "registry">,
  boardClass: string,
  profile: number,
): UpdateTopics {
  const mote = `${prefix}motes/0x${toHex(address)}`;
  return {
    manifest: manifestTopic(prefix, fleet, boardClass, profile),
    requests: partRequestsTopic(prefix, fleet),
    parts: `${mote}/image`,
    report: `${mote}/update`,
  };
}

export function manifestTopic(
  prefix: string,
  { registry }: Pick<Fleet, "registry">,
  boardClass: string,
  profile: number,
): string {
  return `${prefix}fleets/0x${toHex(registry)}/releases/${boardClass}/${profileName(profile)}`;
}

export function partRequestsTopic(prefix: string, { registry }: Pick<Fleet, "registry">): string {
  return `${prefix}fleets/0x${toHex(registry)}/images`;
}

/** Asks for `bytes` bytes of the image with this digest, from `offset` on. */
export interface PartRequest {
  /** 1 to 2³²−1; the answer repeats it. */
  readonly id: number;
  /** Address of the mote that asks, 20 bytes; of a board that opens no key, in safe mode, its MAC, 6 bytes. */
  readonly to: Uint8Array;
  readonly digest: Uint8Array;
  readonly offset: number;
  /** 1 to `PART_BYTES`. */
  readonly bytes: number;
}

export function encodePartRequest({ id, to, digest, offset, bytes }: PartRequest): Uint8Array {
  return encodeFields([id, to, digest, offset, bytes]);
}

/** `part-request-malformed` where a field is absent or out of its bounds. */
export function decodePartRequest(message: Uint8Array): PartRequest | Rejection {
  const map = message.length <= REQUEST_BYTES_MAX ? decode(message) : undefined;
  if (!(map instanceof Map) || map.size !== 5) return new Rejection("part-request-malformed", "no map of 5");
  const [id, to, digest, offset, bytes] = [map.get(0), map.get(1), map.get(2), map.get(3), map.get(4)];
  const holds =
    isUint(id, 1, 0xffff_ffff) &&
    to instanceof Uint8Array &&
    (to.length === KID_BYTES || to.length === MAC_BYTES) &&
    digest instanceof Uint8Array &&
    digest.length === DIGEST_BYTES &&
    isUint(offset, 0, IMAGE_BYTES_MAX - 1) &&
    isUint(bytes, 1, PART_BYTES);
  if (!holds) return new Rejection("part-request-malformed", "a field is absent or out of its bounds");
  return { id, to, digest, offset, bytes } as PartRequest;
}

export function encodePart(id: number, offset: number, bytes: Uint8Array): Uint8Array {
  return encodeFields([id, offset, bytes]);
}

/**
 * The bytes of the part that was asked for, as a view of the message; undefined for an answer to another request: one that came
 * late. `release-part` where it is no answer, or has more or fewer bytes.
 */
export function partIn(message: Uint8Array, id: number, offset: number, bytes: number): Uint8Array | undefined | Rejection {
  if (message.length > PART_MESSAGE_BYTES_MAX)
    return new Rejection("release-part", `${message.length} bytes; at most ${PART_MESSAGE_BYTES_MAX} are read`);
  const map = decode(message);
  if (!(map instanceof Map) || map.size !== 3) return new Rejection("release-part", "no map of 3");
  if (!isUint(map.get(0), 1, 0xffff_ffff)) return new Rejection("release-part", "no number of a request");
  if (map.get(0) !== id) return undefined;
  const part = map.get(2);
  if (map.get(1) !== offset || !(part instanceof Uint8Array))
    return new Rejection("release-part", "no bytes from that offset on");
  if (part.length === bytes) return part;
  return new Rejection("release-part", `${part.length} bytes at ${offset}; ${bytes} were asked for`);
}

/** What a mote says of its update. Unsigned: for people and dashboards, never for decisions. */
export interface UpdateReport {
  /** A phase (state.ts); 0 where there never was an update. */
  readonly phase: number;
  readonly sequence: number;
  readonly offset: number;
  readonly size: number;
  /** Why it ended; empty where it has not. */
  readonly reason: string;
}

export function encodeReport({ phase, sequence, offset, size, reason }: UpdateReport): Uint8Array {
  const fields: [CborValue, CborValue][] = [
    [0, phase],
    [1, sequence],
    [2, offset],
    [3, size],
    [4, reason],
  ];
  return encode(new Map(fields));
}

/** `update-report-malformed` where a field is absent or out of its bounds. */
export function decodeReport(message: Uint8Array): UpdateReport | Rejection {
  const map = message.length <= REPORT_BYTES_MAX ? decode(message) : undefined;
  if (!(map instanceof Map) || map.size !== 5) return new Rejection("update-report-malformed", "no map of 5");
  const [phase, sequence, offset, size, reason] = [map.get(0), map.get(1), map.get(2), map.get(3), map.get(4)];
  const holds =
    isUint(phase, 0, 255) &&
    isUint(sequence, 0, SEQUENCE_MAX) &&
    isUint(offset, 0, IMAGE_BYTES_MAX) &&
    isUint(size, 0, IMAGE_BYTES_MAX) &&
    typeof reason === "string" &&
    reason.length <= REASON_CHARACTERS_MAX;
  if (!holds) return new Rejection("update-report-malformed", "a field is absent or out of its bounds");
  return { phase, sequence, offset, size, reason } as UpdateReport;
}
