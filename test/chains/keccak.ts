// Keccak-256 as WebAssembly, for chains of millions of blocks.

import { createKeccak } from "hash-wasm";

const hasher = await createKeccak(256);

export function keccak256Of(bytes: Uint8Array): Uint8Array {
  hasher.init();
  hasher.update(bytes);
  return hasher.digest("binary");
}
