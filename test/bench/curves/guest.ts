// Runs on the XS engine: signing, verification and recovery by the native engine and by noble, in instructions, one line of
// JSON for each engine. What a call builds once is not counted.

import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { Keys } from "../../../firmware/ports.js";
import { instructions, print } from "../../../host-sim/xs/guest/host.js";

const RUNS = 3;

function mean(run: () => unknown): number {
  run();
  const from = instructions();
  for (let i = 0; i < RUNS; i += 1) run();
  return Math.round((instructions() - from) / RUNS);
}

function measure(engine: CryptoEngine, keys: Keys): void {
  const key = keys.open("curves") ?? keys.create("curves");
  if ("code" in key) throw new Error(key.code);
  const digest = engine.sha256(new Uint8Array(90).fill(7));
  const signature = keys.sign(key, digest) as Uint8Array;
  const publicKey = keys.publicKey(key);
  const { verify, recover } = engine.secp256k1;
  if (!verify(signature, digest, publicKey)) throw new Error(`${engine.name} does not verify`);
  const counts = [
    mean(() => keys.sign(key, digest)),
    mean(() => verify(signature, digest, publicKey)),
    mean(() => recover(signature, 0, digest)),
  ];
  print(JSON.stringify([engine.name, ...counts]));
}

/** A store that holds one key. */
const secret = new Uint8Array(32).fill(0x41);
const domain = { read: () => secret.slice().buffer, write() {}, delete() {}, close() {} };
const entropy = { failed: () => false, fail() {}, read() {} };

measure(nativeEngine, new NativeKeys());
measure(nobleEngine, new SoftwareKeys({ entropy, store: { open: () => domain } }));
