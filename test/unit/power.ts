// A board that loses its power before or after a step that matters: a write to the store or the flash, an erase, a signature. From then on
// each such step throws, since no firmware is there any more that could do it, until the power is put on again.

import type { ByteBuffer, Device, KeyValueDomain } from "../../firmware/ports.js";

export class Power {
  on = true;
  steps = 0;
  /** The power goes at this step; −1 for never. */
  cutAt = -1;
  /** Told once, when it goes. */
  onCut: () => void = () => undefined;

  step(): void {
    if (this.on && this.steps === this.cutAt) {
      this.on = false;
      this.onCut();
    }
    this.steps += 1;
    if (!this.on) throw new Error("no power");
  }

  guarded<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      this.step();
      const result = work(...args);
      this.step();
      return result;
    };
  }
}

/** What a test sees of each step before it is done; it may throw, which the firmware takes for the part's own fault. */
export interface Watching {
  readonly onWrite?: (key: string, value: Uint8Array) => void;
  /** What a read of the store answers, given what is there. */
  readonly onRead?: (key: string, value: ArrayBuffer | undefined) => ArrayBuffer | undefined;
  readonly onSign?: (digest: Uint8Array) => void;
  readonly onRestart?: () => void;
}

/** The same device on this power. `onRestart` absent: a board that cannot start anew by itself. */
export function poweredBy(power: Power, device: Device, { onWrite, onRead, onSign, onRestart }: Watching): Device {
  const restart = (): void => {
    try {
      power.guarded(() => onRestart?.())();
    } catch {
      // No firmware is there any more that it could be thrown at.
    }
  };
  const domain = (inner: KeyValueDomain): KeyValueDomain => ({
    read: (key) => (onRead === undefined ? inner.read(key) : onRead(key, inner.read(key))),
    write: power.guarded((key: string, value: Parameters<KeyValueDomain["write"]>[1]) => {
      onWrite?.(key, new Uint8Array(value));
      inner.write(key, value);
    }),
    delete: (key) => inner.delete(key),
    close: () => inner.close(),
  });
  return {
    ...device,
    store: { open: (options) => domain(device.store.open(options)) },
    flash: {
      open: (options) => {
        const partition = device.flash.open(options);
        return {
          status: () => partition.status(),
          read: partition.read.bind(partition),
          write: power.guarded((buffer: ByteBuffer, offset: number) => partition.write(buffer, offset)),
          eraseBlock: power.guarded((start: number, end?: number) => partition.eraseBlock(start, end)),
          close: () => partition.close(),
        };
      },
    },
    keys: {
      open: (slot) => device.keys.open(slot),
      create: (slot) => device.keys.create(slot),
      publicKey: (key) => device.keys.publicKey(key),
      sign: power.guarded((key: Parameters<Device["keys"]["sign"]>[0], digest: Uint8Array) => {
        onSign?.(digest);
        return device.keys.sign(key, digest);
      }),
      close: (key) => device.keys.close(key),
    },
    restart: onRestart === undefined ? undefined : restart,
  } as Device;
}
