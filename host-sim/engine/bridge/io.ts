// Time, timers and the I²C bus over the bridge.

import type { Board } from "../../hardware/board.js";
import { type I2CConstructorOptions, i2cFor } from "../../modules/i2c.js";
import { timeFor } from "../../modules/time.js";
import { type Timer, timerFor } from "../../modules/timer.js";
import type { Value } from "../../xs/wire.js";
import { Handles, type Notices, type Operations } from "./bridge.js";

export function timeOperations(board: Board, notices: Notices): Operations {
  const time = timeFor(() => board);
  const Timers = timerFor(() => board);
  const timers = new Handles<Timer>();
  const clear = (number: Value): undefined => {
    Timers.clear(timers.take(number));
    notices.forget(number as number);
    return undefined;
  };
  return {
    "time.ticks": () => time.ticks,
    "time.now": () => board.clock.nowMs(),
    "time.set"(seconds) {
      time.set(seconds as number);
      return undefined;
    },
    "timer.set"(number, delayMs, repeatMs) {
      clear(number);
      const fire = (): void => notices.post(number as number, "due");
      timers.set(number as number, Timers.set(fire, delayMs as number, repeatMs as number));
      return undefined;
    },
    "timer.clear": clear,
    "timer.delay"(durationMs) {
      Timers.delay(durationMs as number);
      return undefined;
    },
  };
}

export function i2cOperations(board: Board): Operations {
  const I2C = i2cFor(() => board);
  const buses = new Handles<InstanceType<typeof I2C>>();
  return {
    "i2c.data": () => board.i2c.pins.data,
    "i2c.clock": () => board.i2c.pins.clock,
    "i2c.open"(data, clock, hz, address, timeout, format) {
      const options = { data, clock, hz, address, ...(timeout === undefined ? {} : { timeout }) };
      return buses.add(new I2C({ ...options, ...(format === undefined ? {} : { format }) } as I2CConstructorOptions));
    },
    "i2c.write": (number, bytes, stop) => buses.get(number).write(bytes as Uint8Array, stop as boolean | undefined),
    "i2c.read": (byteLength, number, stop) =>
      new Uint8Array(buses.get(number).read(byteLength as number, stop as boolean | undefined)),
    "i2c.close"(number) {
      buses.take(number)?.close();
      return undefined;
    },
  };
}
