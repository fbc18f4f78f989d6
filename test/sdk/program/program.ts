// The proof on the SDK's own engine, with the native engine and keys as a board has them. sdk-main.c calls `run`.

import { nativeEngine } from "../../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import { type ProofInput, prove } from "./proof.js";

export function run(text: string): string {
  return prove(nativeEngine, new NativeKeys(), JSON.parse(text) as ProofInput).join("\n");
}
