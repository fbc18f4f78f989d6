// A factory reset: key, counters, what the mote believed, records and configuration are gone (docs/provisioning.md, "Factory reset").
//
// Promises: what was begun is finished, whatever cuts it: the mark that it is under way goes last, with the configuration. The key goes
// first: no number is used twice with it. Never: erases what tells old firmware from new (`update`) or counts resets (`boots`); wipes what
// the store has marked as erased, which lies in flash until its page is used again.

import type { Device, FlashPartition, KeyValueDomain } from "../ports.js";
import type { StoredConfiguration } from "./stored.js";

/** In this order. */
const DOMAINS: readonly string[] = Object.freeze(["keys", "mote"]);
const KEYS_MAX = 256;
const JOURNAL = "journal";
const RETRY_MS = 10_000;

/** Goes on with the reset, a piece at a time, and calls back when nothing of it is left to do. */
export function finishReset(device: Device, stored: StoredConfiguration, done: () => void): void {
  for (const path of DOMAINS) {
    const domain = device.store.open({ path, format: "buffer" }) as KeyValueDomain & Iterable<string>;
    const keys: string[] = [];
    for (const key of domain) if (keys.length < KEYS_MAX) keys.push(key);
    for (const key of keys) domain.delete(key);
    domain.close();
  }
  const journal = device.flash.open({ path: JOURNAL, mode: "r+" });
  eraseFrom(device, journal, 0, () => {
    stored.erase();
    journal.close();
    done();
  });
}

/** A block takes up to half a second: the machine has its turn between two. What the flash refuses is tried again. */
function eraseFrom(device: Device, journal: FlashPartition, block: number, done: () => void): void {
  const { timer, log } = device;
  try {
    if (block === journal.status().blocks) {
      done();
      return;
    }
    journal.eraseBlock(block);
    timer.set(() => eraseFrom(device, journal, block + 1, done), 0);
  } catch (error) {
    log.write("error", { what: "factory reset", detail: String(error) });
    timer.set(() => eraseFrom(device, journal, block, done), RETRY_MS);
  }
}
