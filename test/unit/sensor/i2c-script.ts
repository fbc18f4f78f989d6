// A bus that expects exactly the transactions of a script, for tests of drivers.

import * as assert from "uvu/assert";
import type { ByteBuffer, I2C, I2CBus, I2COptions } from "../../../firmware/ports.js";
import { Rejection } from "../../../firmware/rejection.js";

export type Step = { write: readonly number[]; nack?: boolean } | { read: number; bytes?: readonly number[] };

/** A bus that expects exactly these transactions; a read without bytes is not acknowledged. */
export function scripted(steps: readonly Step[]) {
  const opened: I2COptions[] = [];
  let at = 0;
  let closed = 0;
  class Scripted implements I2C {
    constructor(options: I2COptions) {
      opened.push(options);
    }
    write(buffer: ByteBuffer): void {
      const step = steps[at++];
      assert.ok(step !== undefined && "write" in step, `step ${at}: a write was not expected`);
      assert.equal([...new Uint8Array(buffer as Uint8Array)], step.write, `step ${at}`);
      if (step.nack) throw new Error("write failed");
    }
    read(byteLength: number): ArrayBuffer {
      const step = steps[at++];
      assert.ok(step !== undefined && "read" in step, `step ${at}: a read was not expected`);
      assert.is(byteLength, step.read, `step ${at}`);
      if (step.bytes === undefined) throw new Error("read failed");
      return Uint8Array.from(step.bytes).buffer as ArrayBuffer;
    }
    close(): void {
      closed += 1;
    }
  }
  let ticks = 0;
  const sensor: I2CBus = { io: Scripted, data: 21, clock: 22 };
  return {
    opened,
    clock: { ticksMs: () => ticks },
    sensor,
    pass(ms: number): void {
      ticks += ms;
    },
    closed: () => closed,
    /** Every transaction took place. */
    done: () => assert.is(at, steps.length, "transactions left"),
  };
}

export function rejectionOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Rejection) return error.code;
    throw error;
  }
  return "none";
}
