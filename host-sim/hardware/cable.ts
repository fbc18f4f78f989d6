// The one cable between a board and a person's machine: at the chip's own USB port where it has one, else at UART 0.
//
// Promises: bytes come and go in order. Faults it may cause, as the parts do: what a UART has no room for (128 bytes) is lost on its way in;
// USB makes the other side wait; a cable that is out takes whatever is written. The log goes the same way as the answers.

/** Where a simulated board of a folder of its own has its serial port. */
export const SERIAL_SOCKET = "serial.sock";
const UART_BYTES = 128;
const USB_BYTES = 512;

/** What holds the other end. */
export interface FarEnd {
  write(bytes: Uint8Array): void;
}

export class Cable {
  readonly kind: "usb" | "uart";
  #coming: number[] = [];
  /** What USB keeps back on the other side. */
  #held: number[] = [];
  #far: FarEnd | undefined;
  #onReadable: (() => void) | undefined;

  constructor(kind: "usb" | "uart") {
    this.kind = kind;
  }

  plug(far: FarEnd | undefined): void {
    this.#far = far;
    this.#held = [];
  }

  /** From the person's machine. */
  receive(bytes: Uint8Array): void {
    if (this.kind === "usb") this.#held.push(...bytes);
    else this.#coming.push(...bytes.subarray(0, UART_BYTES - this.#coming.length));
    this.#move();
    if (this.#coming.length > 0) this.#onReadable?.();
  }

  /** @param onReadable told when something came; the board's own class calls it from outside the firmware */
  open(onReadable: (() => void) | undefined): void {
    this.#onReadable = onReadable;
    this.#coming = [];
  }

  close(): void {
    this.#onReadable = undefined;
  }

  read(countMax: number): Uint8Array | undefined {
    const bytes = Uint8Array.from(this.#coming.splice(0, countMax));
    this.#move();
    return bytes.length === 0 ? undefined : bytes;
  }

  write(bytes: Uint8Array): void {
    this.#far?.write(bytes);
  }

  #move(): void {
    this.#coming.push(...this.#held.splice(0, Math.max(0, USB_BYTES - this.#coming.length)));
  }
}
