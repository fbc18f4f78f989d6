// What commands have set, in the key-value store: it survives a restart, and is put in place of the configuration's at the start.
//
// Promises: what the store gives back is what was set, whole, or nothing of it counts; a read that goes wrong is made again. Where nothing was
// set, nothing is stored.
// Codes: settings-malformed, and those of ledger/kept.ts.

import { concat, crc32, readUint, writeUint } from "../bytes.js";
import { type CborValue, decode, encode } from "../codec/cbor.js";
import type { Settings } from "../feature.js";
import { readKept, writeKept } from "../ledger/kept.js";
import type { KeyValueDomain } from "../ports.js";
import { Rejection } from "../rejection.js";
import { ACTION_INTERVAL, ACTION_RELAYS, ACTION_SAMPLES, type Order, orderFault } from "./message.js";

const KEY = "settings";
const CRC_BYTES = 4;

/** What is set; empty where nothing is. `settings-malformed` where the store holds something else under our key. */
export function readSettings(domain: KeyValueDomain): Settings | Rejection {
  const bytes = readKept(domain, KEY, isWhole);
  if (bytes === undefined) return {};
  if (bytes instanceof Rejection) return bytes;
  const map = isWhole(bytes) ? decode(bytes.subarray(0, -CRC_BYTES)) : undefined;
  if (!(map instanceof Map))
    return new Rejection("settings-malformed", `key ${KEY} holds ${bytes.length} bytes that are no settings`);
  let settings: Settings = {};
  for (const order of ordersOf(map)) {
    const fault = orderFault(order);
    if (fault !== undefined) return new Rejection("settings-malformed", fault);
    settings = changedBy(settings, order);
  }
  return settings;
}

function isWhole(bytes: Uint8Array): boolean {
  const end = bytes.length - CRC_BYTES;
  return end >= 1 && crc32(bytes.subarray(0, end)) === readUint(bytes, end, CRC_BYTES);
}

/** Keeps what is set from now on; false where the store does not give it back. */
export function writeSettings(domain: KeyValueDomain, { intervalMs, samplesPerRecord, relays }: Settings): boolean {
  const map = new Map<CborValue, CborValue>();
  if (intervalMs !== undefined) map.set(ACTION_INTERVAL, intervalMs);
  if (samplesPerRecord !== undefined) map.set(ACTION_SAMPLES, samplesPerRecord);
  if (relays !== undefined) map.set(ACTION_RELAYS, relays);
  const bytes = concat(encode(map), new Uint8Array(CRC_BYTES));
  writeUint(bytes, crc32(bytes.subarray(0, -CRC_BYTES)), bytes.length - CRC_BYTES, CRC_BYTES);
  return writeKept(domain, KEY, bytes) === undefined;
}

/** Settings as an order changes them. */
export function changedBy(settings: Settings, order: Order): Settings {
  if (order.action === ACTION_INTERVAL) return { ...settings, intervalMs: order.intervalMs };
  if (order.action === ACTION_SAMPLES) return { ...settings, samplesPerRecord: order.samples };
  if (order.action === ACTION_RELAYS) return { ...settings, relays: [...order.relays] };
  return settings;
}

function ordersOf(map: ReadonlyMap<CborValue, CborValue>): readonly Order[] {
  const orders: Order[] = [];
  const [intervalMs, samples, relays] = [map.get(ACTION_INTERVAL), map.get(ACTION_SAMPLES), map.get(ACTION_RELAYS)];
  if (intervalMs !== undefined) orders.push({ action: ACTION_INTERVAL, intervalMs: intervalMs as number });
  if (samples !== undefined) orders.push({ action: ACTION_SAMPLES, samples: samples as number });
  if (Array.isArray(relays) && relays.every((name) => typeof name === "string"))
    orders.push({ action: ACTION_RELAYS, relays: relays as readonly string[] });
  return orders;
}
