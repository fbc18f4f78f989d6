// The module `chainmote/serial-link` of a board: the chip's own USB port, USB-Serial-JTAG, as a stream of bytes (serial-link.c). The SDK's
// `embedded:io/serial` has UARTs alone; service-port.ts gives both one form.
//
// Never waits: what is not there yet is not read, and what has no room is not written.

/** Takes the port over from the console, whose lines go on through the same driver. Throws where the chip has none. */
export function open(this: unknown): unknown {
  return native("xs_chainmote_serial_open").call(this);
}

/** Gives it back. */
export function close(this: unknown): unknown {
  return native("xs_chainmote_serial_close").call(this);
}

/** What came, up to `countMax` bytes, at most 256; undefined where nothing did. */
export function read(this: unknown, countMax: number): ArrayBuffer | undefined {
  return native<ArrayBuffer | undefined>("xs_chainmote_serial_read").call(this, countMax);
}

/** Writes all of it or, where there is no room for all, nothing; answers which. At most 128 bytes. */
export function write(this: unknown, bytes: Uint8Array): boolean {
  return native<boolean>("xs_chainmote_serial_write").call(this, bytes);
}
