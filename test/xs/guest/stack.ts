// Runs on the XS engine: what each cryptographic call takes of the C stack, as the canary shows it, one after the other from
// the least on.

import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import type { KeyHandle } from "../../../firmware/ports.js";
import { MEMORY_BYTES, memory, print, wordOf } from "../../../host-sim/xs/guest/host.js";

const words = new Uint8Array(MEMORY_BYTES);

function tell(what: string): void {
  memory(words);
  print(JSON.stringify([what, wordOf(words, "nativeStackPeak")]));
}

const keys = new NativeKeys();
const digest = new Uint8Array(32).fill(7);
tell("start");
const key = keys.create("stack") as KeyHandle;
const publicKey = keys.publicKey(key);
tell("create");
const signature = keys.sign(key, digest);
tell("sign");
if (!nativeEngine.secp256k1.verify(signature, digest, publicKey)) throw new Error("does not verify");
tell("verify");
nativeEngine.secp256k1.recover(signature, 0, digest);
tell("recover");
