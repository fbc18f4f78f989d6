// Non-volatile storage as ESP-IDF's NVS gives it: namespaces of keys, each name 1 to 15 characters, in one small partition.
//
// Promises: a write is atomic, and done when it returns: after a kill -9 at any moment the old or the new value is there
// (a new file, fsync, rename, fsync of the folder). Refuses what NVS refuses, by its error names, and is never roomier: the
// old value lies there until the new one is whole, a value may straddle one page more than it fills, a page's end may stay
// unused, and the radio's calibration is kept in the same partition.
// Faults it may cause: a full partition; with `failWrites`, flash that refuses every write, a new namespace's name included.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { StorageFault } from "../../firmware/ports.js";

const NAME_BYTES_MAX = 15;
const ENTRY_BYTES = 32;
/** A page is given up for a new value when less than a tenth of a chunk is left in it. */
const ENTRIES_UNUSED_PER_PAGE_MAX = 12;
const PAGE_BYTES = 4096;
/** The least that NVS works with: a page for values, one that is being filled, one kept free. */
const PAGES_MIN = 3;
const ENTRIES_PER_PAGE = 126;
/** Calibration of the radio: a namespace, two numbers and 1,904 bytes. */
const ENTRIES_OF_PHY = 1 + 2 + 2 + 60;
const CHUNK_BYTES_MAX = ENTRY_BYTES * (ENTRIES_PER_PAGE - 1);

/** Where values lie; keys are `namespace` and `key`. */
export interface NvsStore {
  get(namespace: string, key: string): Uint8Array | undefined;
  set(namespace: string, key: string, value: Uint8Array): void;
  delete(namespace: string, key: string): void;
  /** Byte length of every value, by "namespace/key". */
  sizes(): Map<string, number>;
  /** Why NVS could not be opened, or undefined where it is open. Nothing is read or written then. */
  readonly fault?: StorageFault | undefined;
}

export class KeyValuePartition {
  readonly #store: NvsStore;
  readonly #opened = new Set<string>();
  /** Pages that hold values: one is kept free. */
  readonly #pages: number;
  readonly #entriesMax: number;
  readonly #fault: StorageFault | undefined;
  /** Makes every write and delete fail. */
  failWrites = false;

  /** @param byteLength of the partition @param fault why it is not open: then it refuses everything */
  constructor(store: NvsStore, byteLength = 0x6000, fault: StorageFault | undefined = store.fault) {
    if (byteLength % PAGE_BYTES !== 0 || byteLength < PAGES_MIN * PAGE_BYTES) throw new RangeError(`nvs of ${byteLength} bytes`);
    this.#store = store;
    this.#fault = fault;
    this.#pages = byteLength / PAGE_BYTES - 1;
    this.#entriesMax = this.#pages * (ENTRIES_PER_PAGE - ENTRIES_UNUSED_PER_PAGE_MAX) - ENTRIES_OF_PHY;
  }

  /** As `nvs_open`: only for reading, a namespace has to be there; else its name is written where it is not. */
  open(namespace: string, readOnly: boolean): void {
    checkNamespace(namespace);
    this.#mustBeOpen();
    if (this.#namespaces().has(namespace)) return;
    if (readOnly) throw new Error("ESP_ERR_NVS_NOT_FOUND");
    if (this.failWrites) throw new Error("ESP_ERR_FLASH_OP_FAIL");
    if (this.#entries() + 1 > this.#entriesMax) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.#opened.add(namespace);
  }

  read(namespace: string, key: string): Uint8Array | undefined {
    checkNames(namespace, key);
    this.#mustBeOpen();
    return this.#store.get(namespace, key);
  }

  write(namespace: string, key: string, value: Uint8Array): void {
    checkNames(namespace, key);
    this.#mustBeOpen();
    if (this.failWrites) throw new Error("ESP_ERR_FLASH_OP_FAIL");
    if (value.length > this.#pages * CHUNK_BYTES_MAX) throw new Error("ESP_ERR_NVS_VALUE_TOO_LONG");
    if (this.#entries() + entriesOf(value.length) > this.#entriesMax) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.#store.set(namespace, key, value);
  }

  /** Keys of a namespace. */
  keys(namespace: string): readonly string[] {
    checkNamespace(namespace);
    this.#mustBeOpen();
    const front = `${namespace}/`;
    return [...this.#store.sizes().keys()].filter((name) => name.startsWith(front)).map((name) => name.slice(front.length));
  }

  #mustBeOpen(): void {
    if (this.#fault !== undefined) throw new Error("ESP_ERR_NVS_NOT_INITIALIZED");
  }

  #entries(): number {
    let entries = this.#namespaces().size;
    for (const byteLength of this.#store.sizes().values()) entries += entriesOf(byteLength);
    return entries;
  }

  #namespaces(): Set<string> {
    const names = new Set(this.#opened);
    for (const name of this.#store.sizes().keys()) names.add(name.slice(0, name.indexOf("/")));
    return names;
  }

  delete(namespace: string, key: string): void {
    checkNames(namespace, key);
    this.#mustBeOpen();
    if (this.failWrites) throw new Error("ESP_ERR_FLASH_OP_FAIL");
    this.#store.delete(namespace, key);
  }
}

function checkNamespace(namespace: string): void {
  if (namespace.length < 1 || Buffer.byteLength(namespace) > NAME_BYTES_MAX) throw new Error("ESP_ERR_NVS_INVALID_NAME");
}

function checkNames(namespace: string, key: string): void {
  checkNamespace(namespace);
  if (key.length < 1) throw new Error("ESP_ERR_NVS_INVALID_NAME");
  if (Buffer.byteLength(key) > NAME_BYTES_MAX) throw new Error("ESP_ERR_NVS_KEY_TOO_LONG");
}

function entriesOf(byteLength: number): number {
  const chunks = 1 + Math.ceil(byteLength / CHUNK_BYTES_MAX);
  return 1 + chunks + Math.ceil(byteLength / ENTRY_BYTES);
}

/** In memory: lasts as long as the object, through as many boards as are built on it. */
export class MemoryNvs implements NvsStore {
  readonly #values = new Map<string, Uint8Array>();

  get(namespace: string, key: string): Uint8Array | undefined {
    return this.#values.get(`${namespace}/${key}`)?.slice();
  }

  set(namespace: string, key: string, value: Uint8Array): void {
    this.#values.set(`${namespace}/${key}`, value.slice());
  }

  delete(namespace: string, key: string): void {
    this.#values.delete(`${namespace}/${key}`);
  }

  sizes(): Map<string, number> {
    return new Map([...this.#values].map(([name, value]) => [name, value.length]));
  }
}

/** Lies beside the namespaces where NVS is encrypted. */
const ENCRYPTED_MARK = "encrypted";
/** A namespace, a key, or a key whose value was being written. */
const NAME = /^([0-9a-f]{2}){1,15}(\.new)?$/;

/**
 * In a folder: a subfolder for each namespace, a file for each key, names in hexadecimal; the owner's alone, for the keys. What is there and
 * was not written by this class is a fault, and then the folder stays as it is, byte for byte.
 */
export class FileNvs implements NvsStore {
  readonly #root: string;
  readonly fault: StorageFault | undefined;

  /** @param encrypted whether NVS is: what was written otherwise cannot be read */
  constructor(root: string, encrypted = false) {
    this.#root = root;
    this.fault = faultOf(root, encrypted);
    if (this.fault !== undefined) return;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const namespace of this.#namespaces())
      for (const file of readdirSync(join(root, namespace))) if (file.endsWith(".new")) rmSync(join(root, namespace, file));
    if (encrypted) closeSync(openSync(join(root, ENCRYPTED_MARK), "w", 0o600));
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    try {
      return new Uint8Array(readFileSync(join(this.#folder(namespace), hex(key))));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  set(namespace: string, key: string, value: Uint8Array): void {
    const folder = this.#folder(namespace);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, hex(key));
    const file = openSync(`${path}.new`, "w", 0o600);
    try {
      for (let at = 0; at < value.length; ) at += writeSync(file, value, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    syncFolder(folder);
  }

  delete(namespace: string, key: string): void {
    const folder = this.#folder(namespace);
    rmSync(join(folder, hex(key)), { force: true });
    syncFolder(folder);
  }

  sizes(): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const namespace of this.#namespaces())
      for (const file of readdirSync(join(this.#root, namespace))) {
        const name = `${unhex(namespace)}/${unhex(file)}`;
        sizes.set(name, readFileSync(join(this.#root, namespace, file)).length);
      }
    return sizes;
  }

  #namespaces(): readonly string[] {
    return readdirSync(this.#root).filter((name) => name !== ENCRYPTED_MARK);
  }

  #folder(namespace: string): string {
    return join(this.#root, hex(namespace));
  }
}

/** What keeps the folder from being opened, looked at and never changed. */
function faultOf(root: string, encrypted: boolean): StorageFault | undefined {
  if (!existsSync(root)) return undefined;
  if (!statSync(root).isDirectory()) return "nvs-corrupt";
  const names = readdirSync(root).filter((name) => name !== ENCRYPTED_MARK);
  const marked = existsSync(join(root, ENCRYPTED_MARK));
  if (names.length > 0 && encrypted && !marked) return "nvs-plaintext";
  if (marked && !encrypted) return "nvs-corrupt";
  for (const namespace of names) {
    const folder = join(root, namespace);
    if (!NAME.test(namespace) || !statSync(folder).isDirectory()) return "nvs-corrupt";
    for (const file of readdirSync(folder)) if (!NAME.test(file) || !statSync(join(folder, file)).isFile()) return "nvs-corrupt";
  }
  return undefined;
}

function hex(name: string): string {
  return Buffer.from(name, "utf8").toString("hex");
}

function unhex(name: string): string {
  return Buffer.from(name, "hex").toString("utf8");
}

function syncFolder(path: string): void {
  let folder: number;
  try {
    folder = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // nothing was ever written there
    throw error;
  }
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
