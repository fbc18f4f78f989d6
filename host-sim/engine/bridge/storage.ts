// Flash, key-value storage and noise over the bridge, and the key store of the native keys.

import type { FlashPartition, ImageSlot, KeyValueDomain } from "../../../firmware/ports.js";
import type { Board } from "../../hardware/board.js";
import { flashFor } from "../../modules/flash.js";
import { keyValueFor } from "../../modules/key-value.js";
import { sleepFor } from "../../modules/sleep.js";
import { slotsFor } from "../../modules/slots.js";
import type { Value } from "../../xs/wire.js";
import { Handles, type Operations } from "./bridge.js";

export function storageOperations(board: Board): Operations {
  const partitions = new Handles<FlashPartition>();
  const domains = new Handles<KeyValueDomain>();
  const flash = flashFor(() => board);
  const slots = slotsFor(() => board);
  const sleep = sleepFor(() => board);
  const described = ({ slot, state }: ImageSlot): string => `${slot} ${state}`;
  const values = keyValueFor(() => board) as { open(options: object): KeyValueDomain };
  const opened = (options: Readonly<Record<string, Value>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return {
    "flash.open": (path, mode) => partitions.add(flash.open(opened({ path, mode }) as { path: string })),
    "flash.size": (number) => partitions.get(number).status().size,
    "flash.blockLength": (number) => partitions.get(number).status().blockLength,
    "flash.read": (byteLength, number, byteOffset) =>
      new Uint8Array(partitions.get(number).read(byteLength as number, byteOffset as number)),
    "flash.write"(number, bytes, byteOffset) {
      partitions.get(number).write(bytes as Uint8Array, byteOffset as number);
      return undefined;
    },
    "flash.erase"(number, start, end) {
      const partition = partitions.get(number);
      if (end === undefined) partition.eraseBlock(start as number);
      else partition.eraseBlock(start as number, end as number);
      return undefined;
    },
    "flash.close"(number) {
      partitions.take(number)?.close();
      return undefined;
    },
    "sleep.read": () => new Uint8Array(sleep.read()),
    "sleep.write"(bytes) {
      sleep.write(bytes as Uint8Array);
      return undefined;
    },
    "sleep.image": () => new Uint8Array(sleep.image()),
    "sleep.deepSleep"(ms) {
      sleep.deepSleep(ms as number);
      return undefined;
    },
    "slots.running": () => described(slots.running()),
    "slots.other": () => described(slots.other()),
    "slots.digest": (byteLength) => new Uint8Array(slots.digest(byteLength as number)),
    "slots.select"(slot) {
      slots.select(slot as number);
      return undefined;
    },
    "slots.markValid"() {
      slots.markValid();
      return undefined;
    },
    "slots.rollback"() {
      slots.rollback();
      return undefined;
    },
    "slots.secureVersion": () => slots.secureVersion(),
    "value.open": (path, format, mode) => domains.add(values.open(opened({ path, format, mode }))),
    "value.read"(number, key) {
      const value = domains.get(number).read(key as string);
      return value === undefined ? undefined : new Uint8Array(value);
    },
    "value.write"(number, key, value) {
      domains.get(number).write(key as string, value as Uint8Array);
      return undefined;
    },
    "value.delete"(number, key) {
      domains.get(number).delete(key as string);
      return undefined;
    },
    // No name of a key has a line end (NVS would take one; nobody here writes any).
    "value.keys": (number) => [...(domains.get(number) as KeyValueDomain & Iterable<string>)].join("\n"),
    "value.close"(number) {
      domains.take(number)?.close();
      return undefined;
    },
    "entropy.read"(byteLength) {
      const bytes = new Uint8Array(byteLength as number);
      board.entropy.read(bytes);
      return bytes;
    },
    "entropy.failed": () => board.entropy.failed(),
    "entropy.fail"() {
      board.entropy.fail();
      return undefined;
    },
  };
}

/** As firmware/crypto/software-keys.ts and native/board-esp32.c have it: one identity, whichever of them reads it. */
const KEYS_DOMAIN = "keys";
const OPERATION = { noise: 0, read: 1, write: 2, delete: 3, failed: 4, fail: 5 } as const;
const ABSENT = Buffer.of(0);
const DONE = Buffer.of(1);
const REFUSED = Buffer.of(2);

/** Answers a message of the native keys, whose form is that of host-sim/xs/src/board-keys.c. */
export function answerKeys(board: Board, message: Buffer): Buffer {
  const length = message[1] as number;
  const slot = message.toString("utf8", 2, 2 + length);
  try {
    switch (message[0]) {
      case OPERATION.noise: {
        const noise = Buffer.alloc(message.readUInt16LE(2));
        board.entropy.read(noise);
        return Buffer.concat([DONE, noise]);
      }
      case OPERATION.read: {
        const value = board.keyValue.read(KEYS_DOMAIN, slot);
        return value === undefined ? ABSENT : Buffer.concat([DONE, value]);
      }
      case OPERATION.write:
        board.keyValue.write(KEYS_DOMAIN, slot, new Uint8Array(message.subarray(2 + length)));
        return DONE;
      case OPERATION.delete:
        board.keyValue.delete(KEYS_DOMAIN, slot);
        return DONE;
      case OPERATION.failed:
        return board.entropy.failed() ? DONE : ABSENT;
      case OPERATION.fail:
        board.entropy.fail();
        return DONE;
      default:
        return REFUSED;
    }
  } catch {
    return REFUSED; // C knows no more than that: a source that is off, a store that is full
  }
}
