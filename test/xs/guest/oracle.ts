// Runs on the XS engine: does what it is told with the native engine and keys, and says what came of it. A job is JSON,
// bytes in it are hexadecimal, handles are numbers. test/xs/session.ts is the other side.

import { fromHex, toHex } from "../../../firmware/bytes.js";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import type { KeyHandle } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";
import { collect, dump, dumpNative, listen, print, request } from "../../../host-sim/xs/guest/host.js";

/** What can be asked: a name and its parameters. */
export type Job = readonly [string, ...(string | number | boolean | readonly string[])[]];

const keyrings = [new NativeKeys()];
const handles: KeyHandle[] = [];
/** Bytes that stay on the heap, so that a dump can be seen to show what is there. */
let kept: Uint8Array = new Uint8Array(0);

function bytes(hex: unknown): Uint8Array {
  const decoded = fromHex(String(hex));
  if (decoded instanceof Rejection) throw new Error(decoded.detail);
  return decoded;
}

function parts(list: unknown): Uint8Array[] {
  return (list as string[]).map(bytes);
}

function handle(index: unknown): KeyHandle {
  return handles[index as number] ?? { slot: "none" };
}

function keep(key: KeyHandle | undefined): number | undefined {
  return key === undefined ? undefined : handles.push(key) - 1;
}

function keyring(index: unknown): NativeKeys {
  return keyrings[index as number] as NativeKeys;
}

const actions: Record<string, (...parameters: unknown[]) => unknown> = {
  sha256: (list) => toHex(nativeEngine.sha256(...parts(list))),
  hmac: (key, list) => toHex(nativeEngine.hmacSha256(bytes(key), ...parts(list))),
  keccak256: (list) => toHex(nativeEngine.keccak256(...parts(list))),
  verify: (signature, digest, key, highS) =>
    nativeEngine.secp256k1.verify(bytes(signature), bytes(digest), bytes(key), highS as boolean),
  recover(signature, recovery, digest) {
    const key = nativeEngine.secp256k1.recover(bytes(signature), recovery as number, bytes(digest));
    return key === undefined ? undefined : toHex(key);
  },
  recoverAddress(seal, digest) {
    const address = nativeEngine.secp256k1.recoverAddress?.(bytes(seal), bytes(digest));
    return address === undefined ? undefined : toHex(address);
  },
  boot: () => keyrings.push(new NativeKeys()) - 1,
  open: (keys, slot) => keep(keyring(keys).open(slot as string)),
  create(keys, slot) {
    const made = keyring(keys).create(slot as string);
    return made instanceof Rejection ? { code: made.code, detail: made.detail } : keep(made);
  },
  public: (keys, key) => toHex(keyring(keys).publicKey(handle(key))),
  sign: (keys, key, digest) => toHex(keyring(keys).sign(handle(key), bytes(digest))),
  signText: (keys, key, text) => toHex(keyring(keys).sign(handle(key), text as unknown as Uint8Array)),
  close: (keys, key) => keyring(keys).close(handle(key)),
  forget() {
    handles.length = 0;
    collect();
    return kept.length;
  },
  keep(hex) {
    kept = bytes(hex);
  },
  dump: () => dump(),
  dumpNative: () => dumpNative(),
  /** Shows what can be shown of a handle. */
  show(index) {
    const key = handle(index) as unknown as Record<string, unknown>;
    print(`${String(key)} ${JSON.stringify(key)} ${Object.getOwnPropertyNames(key).join()} ${JSON.stringify(keyrings)}`);
    for (const name of Object.getOwnPropertyNames(key)) print(`${name}: ${String(key[name])}`);
  },
};

function perform(job: Job): unknown {
  const [name, ...parameters] = job;
  try {
    return { value: (actions[name] as (...parameters: unknown[]) => unknown)(...parameters) };
  } catch (error) {
    return { error: String(error) };
  }
}

/** XS's own conversions (its extensions of the language); a loop in JavaScript would fill the heap with pieces. */
const { fromString } = ArrayBuffer as unknown as { fromString(text: string): ArrayBuffer };
const { fromArrayBuffer } = String as unknown as { fromArrayBuffer(buffer: ArrayBuffer): string };

listen((event) => {
  const jobs = JSON.parse(fromArrayBuffer.call(String, event)) as Job[];
  request(fromString.call(ArrayBuffer, JSON.stringify(jobs.map(perform))));
});
