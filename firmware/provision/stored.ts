// The board's configuration in the key-value store, so that one image serves a fleet (docs/provisioning.md, "What is kept").
//
// Two copies and a state that says which of them counts. A new configuration goes to the copy that does not count; then one write of the
// state puts it on trial, and one more, once Wi-Fi and broker are reached, makes it the one that counts. A trial that has not got there in
// `TRIAL_MS`, or in `TRIAL_BOOTS_MAX` boots, ends with the former configuration again.
//
// Promises: a power cut at any write leaves a configuration that counted or is on trial, never half of one; what was written is read back.
// Never: a copy that counts, or is on trial, is written over. A store that cannot be read is not taken for an empty one.
// Codes: configuration-unreadable, configuration-corrupt, store-failed, and those of document.ts.

import { crc32, fromText } from "../bytes.js";
import type { ByteBuffer, KeyValueDomain, KeyValueStorage } from "../ports.js";
import { Rejection } from "../rejection.js";
import { DOCUMENT_BYTES_MAX, type Document, readDocument } from "./document.js";

const CONFIGURATION_DOMAIN = "config";
/** From the boot that tries a configuration until its broker must have been reached. */
export const TRIAL_MS = 300_000;
/** So many boots may try one: a configuration that the firmware dies of is not tried for ever. */
export const TRIAL_BOOTS_MAX = 3;

/** Why the last trial failed; docs/provisioning.md lists them. */
const FAILURES: readonly string[] = Object.freeze(["", "wifi", "broker", "start", "boots"]);
export type Failure = "wifi" | "broker" | "start" | "boots";

const STATE_KEY = "state";
const COPIES: readonly string[] = Object.freeze(["", "a", "b"]);
const VERSION = 1;
const STATE_BYTES = 6;
const AT_KEPT = 1;
const AT_TRIED = 2;
const AT_BOOTS = 3;
const AT_FAILURE = 4;
const AT_FLAGS = 5;
/** Provisioning is open at the next boot. */
const FLAG_OPEN = 1;
/** A factory reset is under way. */
const FLAG_RESET = 2;

export class StoredConfiguration {
  readonly #domain: KeyValueDomain;
  /** As it is in the store. */
  #state: Uint8Array;

  private constructor(domain: KeyValueDomain, state: Uint8Array) {
    this.#domain = domain;
    this.#state = state;
  }

  static open(store: KeyValueStorage): StoredConfiguration | Rejection {
    let domain: KeyValueDomain;
    let value: ArrayBuffer | undefined;
    try {
      domain = store.open({ path: CONFIGURATION_DOMAIN, format: "buffer" });
      value = domain.read(STATE_KEY);
    } catch (error) {
      return new Rejection("configuration-unreadable", String(error));
    }
    if (value === undefined) return new StoredConfiguration(domain, emptyState());
    const state = new Uint8Array(value);
    if (isState(state)) return new StoredConfiguration(domain, state);
    domain.close();
    return new Rejection(
      "configuration-corrupt",
      `key ${STATE_KEY} holds ${state.length} bytes that are no state of version ${VERSION}`,
    );
  }

  /** Where the state is corrupt and a person wants the board to be set up anew: nothing counts then, and provisioning opens. */
  static renew(store: KeyValueStorage): void {
    const domain = store.open({ path: CONFIGURATION_DOMAIN, format: "buffer" });
    const state = emptyState();
    state[AT_FLAGS] = FLAG_OPEN;
    domain.write(STATE_KEY, buffer(state));
    domain.close();
  }

  /** Whether the configuration that `document` gives is on trial. */
  get onTrial(): boolean {
    return this.#state[AT_TRIED] !== 0;
  }

  /** Why the last trial ended without success; undefined where it did not. */
  get failure(): string | undefined {
    const failure = this.#state[AT_FAILURE] as number;
    return failure === 0 ? undefined : FAILURES[failure];
  }

  get resetting(): boolean {
    return ((this.#state[AT_FLAGS] as number) & FLAG_RESET) !== 0;
  }

  /** The one on trial, else the one that counts; undefined where there is none. */
  document(): Document | undefined | Rejection {
    const copy = (this.#state[AT_TRIED] || this.#state[AT_KEPT]) as number;
    if (copy === 0) return undefined;
    let value: ArrayBuffer | undefined;
    try {
      value = this.#domain.read(COPIES[copy] as string);
    } catch (error) {
      return new Rejection("configuration-unreadable", String(error));
    }
    if (value === undefined) return new Rejection("configuration-corrupt", `copy ${COPIES[copy]} is not there`);
    return readDocument(new Uint8Array(value));
  }

  /** Counts this boot where a configuration is on trial; a trial that had its boots is ended. Answers whether one is under way. */
  beginTrial(): boolean {
    if (!this.onTrial) return false;
    const boots = (this.#state[AT_BOOTS] as number) + 1;
    if (boots > TRIAL_BOOTS_MAX) {
      this.fail("boots");
      return false;
    }
    this.change((state) => {
      state[AT_BOOTS] = boots;
    });
    return true;
  }

  /** Puts a configuration on trial from the next boot on. */
  try(document: Document): Rejection | undefined {
    return this.put(document, (state, copy) => {
      state[AT_TRIED] = copy;
    });
  }

  /** A configuration that counts at once: what could be tried of it was. */
  keep(document: Document): Rejection | undefined {
    return this.put(document, (state, copy) => {
      state[AT_KEPT] = copy;
    });
  }

  /** The configuration on trial has reached its broker: from now on it counts. */
  succeed(): void {
    this.change((state) => {
      state[AT_KEPT] = state[AT_TRIED] as number;
      state[AT_TRIED] = 0;
      state[AT_FAILURE] = 0;
    });
  }

  /** The configuration before counts again. */
  fail(failure: Failure): void {
    this.change((state) => {
      state[AT_TRIED] = 0;
      state[AT_FAILURE] = FAILURES.indexOf(failure);
    });
  }

  /** Provisioning is open at the next boot, once. */
  openNext(): void {
    this.change((state) => {
      state[AT_FLAGS] = (state[AT_FLAGS] as number) | FLAG_OPEN;
    });
  }

  /** Whether provisioning was opened for this boot; it is not for the next. */
  takeOpened(): boolean {
    if (((this.#state[AT_FLAGS] as number) & FLAG_OPEN) === 0) return false;
    this.change((state) => {
      state[AT_FLAGS] = (state[AT_FLAGS] as number) & ~FLAG_OPEN;
    });
    return true;
  }

  /** A factory reset begins, which goes on at each boot until it is done (reset.ts). */
  beginReset(): void {
    this.change((state) => {
      state[AT_FLAGS] = FLAG_RESET;
    });
  }

  /** The end of a factory reset: both copies and, last, the state are gone. */
  erase(): void {
    for (const copy of COPIES) if (copy !== "") this.#domain.delete(copy);
    this.#domain.delete(STATE_KEY);
    this.#state = emptyState();
  }

  close(): void {
    this.#domain.close();
  }

  /** Writes the copy that does not count, reads it back, and lets `choose` name it in the state. */
  private put(document: Document, choose: (state: Uint8Array, copy: number) => void): Rejection | undefined {
    let bytes: Uint8Array | undefined = fromText(JSON.stringify(document));
    if (bytes.length > DOCUMENT_BYTES_MAX)
      return new Rejection("document-too-long", `${bytes.length} bytes as they are kept, at most ${DOCUMENT_BYTES_MAX}`);
    const copy = this.#state[AT_KEPT] === 1 ? 2 : 1;
    const name = COPIES[copy] as string;
    try {
      // A trial under way has its configuration in this very copy.
      if (this.onTrial)
        this.change((state) => {
          state[AT_TRIED] = 0;
        });
      // Its room is wanted: the store would hold the old value until the new one is whole.
      this.#domain.delete(name);
      this.#domain.write(name, buffer(bytes));
      // Known by their length and their CRC from here on: twice as many would be the most that a board has on its heap.
      const { length } = bytes;
      const check = crc32(bytes);
      bytes = undefined;
      const back = this.#domain.read(name);
      if (back === undefined || back.byteLength !== length || crc32(new Uint8Array(back)) !== check)
        return new Rejection("store-failed", "the store gives back another configuration than was written");
      this.change((state) => {
        state[AT_BOOTS] = 0;
        state[AT_FAILURE] = 0;
        choose(state, copy);
      });
    } catch (error) {
      return new Rejection("store-failed", String(error));
    }
    return undefined;
  }

  private change(by: (state: Uint8Array) => void): void {
    const state = this.#state.slice();
    by(state);
    this.#domain.write(STATE_KEY, buffer(state));
    this.#state = state;
  }
}

function emptyState(): Uint8Array {
  const state = new Uint8Array(STATE_BYTES);
  state[0] = VERSION;
  return state;
}

function isState(state: Uint8Array): boolean {
  const [version, kept = 3, tried = 3, boots = 0, failure = FAILURES.length, flags = 4] = state;
  return (
    state.length === STATE_BYTES &&
    version === VERSION &&
    kept <= 2 &&
    tried <= 2 &&
    (tried === 0 || tried !== kept) &&
    boots <= TRIAL_BOOTS_MAX &&
    failure < FAILURES.length &&
    flags <= (FLAG_OPEN | FLAG_RESET)
  );
}

/** As the SDK's store takes it. */
function buffer(bytes: Uint8Array): ByteBuffer {
  return bytes.buffer as ArrayBuffer;
}
