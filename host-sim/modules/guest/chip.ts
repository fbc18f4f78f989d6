// `chainmote/chip` on the XS engine, over the bridge.

import type { MemoryLeft, ResetReason, Security, StorageFault } from "../../../firmware/ports.js";
import { call } from "./bridge.js";

export function resetReason(): ResetReason {
  return call<ResetReason>("chip.resetReason");
}

export function mac(): Uint8Array {
  return new Uint8Array(call<ArrayBuffer>("chip.mac"));
}

export function security(): Security {
  return {
    secureBoot: call<boolean>("chip.secureBoot"),
    flashEncryption: call<Security["flashEncryption"]>("chip.flashEncryption"),
    nvsEncryption: call<boolean>("chip.nvsEncryption"),
  };
}

export function profile(): "dev" | "production" {
  return call<"dev" | "production">("chip.profile");
}

export function storage(): StorageFault | undefined {
  return call<StorageFault | undefined>("chip.storage");
}

export function memory(): MemoryLeft | undefined {
  const freeBytes = call<number | undefined>("chip.memory", 0);
  if (freeBytes === undefined) return undefined;
  return { freeBytes, largestBytes: call<number>("chip.memory", 1), leastBytes: call<number>("chip.memory", 2) };
}

export function restart(): void {
  call("chip.restart");
}
