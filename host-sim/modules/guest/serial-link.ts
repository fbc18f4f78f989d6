// `chainmote/serial-link` on the XS engine: the chip's own USB port, over the bridge.

import { call } from "./bridge.js";

export function open(): void {
  call("usb.open");
}

export function close(): void {
  call("usb.close");
}

export function read(countMax: number): ArrayBuffer | undefined {
  return call<ArrayBuffer | undefined>("usb.read", countMax);
}

export function write(bytes: Uint8Array): boolean {
  return call<boolean>("usb.write", bytes);
}
