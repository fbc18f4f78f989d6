// The I²C bus of a board in Espressif's QEMU, where nothing is soldered: the module `embedded:io/i2c` of such an image, with a Sensirion SHT3x
// (datasheet version 6, sections 4.3 and 4.12) that measures a room whose warmth rises and falls.
//
// Never: a part of an image for a board.

const ADDRESS_FIRST = 0x44;
const ADDRESS_LAST = 0x45;
const RESULT_BYTES = 6;
const STATUS_BYTES = 3;
const CRC_POLYNOMIAL = 0x31;
const CRC_FIRST = 0xff;
/** Raw values: 22.5 °C and 45 %RH, and what they move by. */
const WARMTH = 25_276;
const WARMTH_SWING = 700;
const WETNESS = 29_491;
const STEPS = 16;

export default class StandInI2C {
  #step = 0;

  constructor({ address }: { address: number }) {
    if (address < ADDRESS_FIRST || address > ADDRESS_LAST)
      throw new Error("nothing answers at this address of the emulator's bus");
  }

  write(_buffer: ArrayBuffer | Uint8Array, _stop?: boolean): void {}

  read(byteLength: number, _stop?: boolean): ArrayBuffer {
    const bytes = new Uint8Array(byteLength);
    if (byteLength === RESULT_BYTES) {
      this.#step = (this.#step + 1) % (2 * STEPS);
      const from = this.#step - STEPS;
      const swing = Math.trunc((WARMTH_SWING * (from < 0 ? -from : from)) / STEPS);
      put(bytes, 0, WARMTH + swing);
      put(bytes, STATUS_BYTES, WETNESS - swing);
    } else if (byteLength === STATUS_BYTES) put(bytes, 0, 0);
    return bytes.buffer;
  }

  close(): void {}
}

/** Two bytes, and their checksum. */
function put(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
  let crc = CRC_FIRST;
  for (let i = at; i < at + 2; i += 1) {
    crc ^= bytes[i] as number;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ CRC_POLYNOMIAL) & 0xff : (crc << 1) & 0xff;
  }
  bytes[at + 2] = crc;
}
