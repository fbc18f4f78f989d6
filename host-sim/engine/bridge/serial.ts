// The board's serial ports over the bridge.

import type { Board } from "../../hardware/board.js";
import { type SerialConstructorOptions, serialFor } from "../../modules/serial.js";
import { serialLinkFor } from "../../modules/serial-link.js";
import { Handles, type Notices, type Operations } from "./bridge.js";

export function serialOperations(board: Board, notices: Notices): Operations {
  const Serial = serialFor(() => board);
  const usb = serialLinkFor(() => board);
  const ports = new Handles<InstanceType<typeof Serial>>();
  return {
    "serial.open"(number, transmit, receive, baud, port, format, watched) {
      const given = { transmit, receive, baud, port, format };
      const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
      const onReadable = (count: number): void => notices.post(number as number, "readable", () => [count]);
      const all = { ...options, ...(watched === true ? { onReadable } : {}) };
      ports.set(number as number, new Serial(all as unknown as SerialConstructorOptions));
      return undefined;
    },
    "serial.read"(number) {
      const bytes = ports.get(number).read();
      return bytes === undefined ? undefined : new Uint8Array(bytes);
    },
    "serial.write"(number, bytes) {
      ports.get(number).write(bytes as Uint8Array);
      return undefined;
    },
    "serial.close"(number) {
      ports.take(number)?.close();
      notices.forget(number as number);
      return undefined;
    },
    "usb.open"() {
      usb.open();
      return undefined;
    },
    "usb.close"() {
      usb.close();
      return undefined;
    },
    "usb.read"(countMax) {
      const bytes = usb.read(countMax as number);
      return bytes === undefined ? undefined : new Uint8Array(bytes);
    },
    "usb.write": (bytes) => usb.write(bytes as Uint8Array),
  };
}
