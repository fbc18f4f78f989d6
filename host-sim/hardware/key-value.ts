// Non-volatile storage as ESP-IDF's NVS gives it: namespaces of keys, each name 1 to 15 characters, in one small partition.
//
// Promises: a write is atomic, and done when it returns: after a kill -9 at any moment the old or the new value is there
// (a new file, fsync, rename, fsync of the folder). Refuses what NVS refuses, by its error names.
// Faults it may cause: a full partition; with `failWrites`, flash that refuses every write.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const NAME_LENGTH_MAX = 15;
const ENTRY_BYTES = 32;
/** A partition of 0x6000 bytes: six pages of 126 entries, one page kept free. */
const ENTRIES_MAX = 5 * 126;
/** Header and index of a blob. */
const ENTRIES_PER_BLOB = 2;

/** Where values lie; keys are `namespace` and `key`. */
export interface NvsStore {
  get(namespace: string, key: string): Uint8Array | undefined;
  set(namespace: string, key: string, value: Uint8Array): void;
  delete(namespace: string, key: string): void;
  /** Byte length of every value, by "namespace/key". */
  sizes(): Map<string, number>;
}

export class KeyValuePartition {
  readonly #store: NvsStore;
  /** Makes every write and delete fail. */
  failWrites = false;

  constructor(store: NvsStore) {
    this.#store = store;
  }

  read(namespace: string, key: string): Uint8Array | undefined {
    checkNames(namespace, key);
    return this.#store.get(namespace, key);
  }

  write(namespace: string, key: string, value: Uint8Array): void {
    checkNames(namespace, key);
    if (this.failWrites) throw new Error("ESP_ERR_FLASH_OP_FAIL");
    let entries = entriesOf(value.length);
    for (const [name, byteLength] of this.#store.sizes()) entries += name === `${namespace}/${key}` ? 0 : entriesOf(byteLength);
    if (entries > ENTRIES_MAX) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
    this.#store.set(namespace, key, value);
  }

  delete(namespace: string, key: string): void {
    checkNames(namespace, key);
    if (this.failWrites) throw new Error("ESP_ERR_FLASH_OP_FAIL");
    this.#store.delete(namespace, key);
  }
}

/** Throws as `nvs_open` does. */
export function checkNamespace(namespace: string): void {
  if (namespace.length < 1 || namespace.length > NAME_LENGTH_MAX) throw new Error("ESP_ERR_NVS_INVALID_NAME");
}

function checkNames(namespace: string, key: string): void {
  checkNamespace(namespace);
  if (key.length < 1) throw new Error("ESP_ERR_NVS_INVALID_NAME");
  if (key.length > NAME_LENGTH_MAX) throw new Error("ESP_ERR_NVS_KEY_TOO_LONG");
}

function entriesOf(byteLength: number): number {
  return ENTRIES_PER_BLOB + Math.ceil(byteLength / ENTRY_BYTES);
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

/** In a folder: a subfolder for each namespace, a file for each key, names in hexadecimal; the owner's alone, for the keys. */
export class FileNvs implements NvsStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    for (const namespace of readdirSync(root))
      for (const file of readdirSync(join(root, namespace))) if (file.endsWith(".new")) rmSync(join(root, namespace, file));
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
    for (const namespace of readdirSync(this.#root))
      for (const file of readdirSync(join(this.#root, namespace))) {
        const name = `${unhex(namespace)}/${unhex(file)}`;
        sizes.set(name, readFileSync(join(this.#root, namespace, file)).length);
      }
    return sizes;
  }

  #folder(namespace: string): string {
    return join(this.#root, hex(namespace));
  }
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
