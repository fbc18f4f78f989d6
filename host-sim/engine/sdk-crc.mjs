// The SDK's module `crc`, whose own is C: cyclic redundancy checks of 8 and 16 bits over bytes, carried on from call to call until `reset`.

class Crc {
  #polynomial;
  #initial;
  #crc;
  #reflectInput;
  #reflectOutput;
  #xorOutput;
  #bits;

  constructor(bits, polynomial, initial = 0, reflectInput = false, reflectOutput = false, xorOutput = 0) {
    this.#bits = bits;
    this.#polynomial = polynomial;
    this.#initial = initial;
    this.#crc = initial;
    this.#reflectInput = reflectInput;
    this.#reflectOutput = reflectOutput;
    this.#xorOutput = xorOutput;
  }

  checksum(buffer) {
    const top = 1 << (this.#bits - 1);
    const mask = top * 2 - 1;
    const bytes = ArrayBuffer.isView(buffer)
      ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
      : new Uint8Array(buffer);
    let crc = this.#crc;
    for (const byte of bytes) {
      crc ^= (this.#reflectInput ? reflected(byte, 8) : byte) << (this.#bits - 8);
      for (let i = 0; i < 8; i += 1) crc = (crc & top ? (crc << 1) ^ this.#polynomial : crc << 1) & mask;
    }
    this.#crc = crc;
    return (this.#reflectOutput ? reflected(crc, this.#bits) : crc) ^ this.#xorOutput;
  }

  reset() {
    this.#crc = this.#initial;
    return this;
  }

  close() {}
}

function reflected(value, bits) {
  let result = 0;
  for (let i = 0; i < bits; i += 1) if (value & (1 << i)) result |= 1 << (bits - 1 - i);
  return result;
}

export class CRC8 extends Crc {
  constructor(...options) {
    super(8, ...options);
  }
}

export class CRC16 extends Crc {
  constructor(...options) {
    super(16, ...options);
  }
}

export default CRC8;
