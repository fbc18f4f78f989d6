// The board's pins over the bridge.

import type { Board } from "../../hardware/board.js";
import { analogFor, type DigitalConstructorOptions, digitalFor, pulseCountFor } from "../../modules/pins.js";
import { Handles, type Notices, type Operations } from "./bridge.js";

export function pinOperations(board: Board, notices: Notices): Operations {
  const Digital = digitalFor(() => board);
  const Analog = analogFor(() => board);
  const PulseCount = pulseCountFor(() => board);
  const digital = new Handles<InstanceType<typeof Digital>>();
  const analog = new Handles<InstanceType<typeof Analog>>();
  const counters = new Handles<InstanceType<typeof PulseCount>>();
  return {
    "digital.open"(number, pin, mode, edge, watched, initialValue) {
      const options = { pin, mode, edge, initialValue } as DigitalConstructorOptions;
      if (watched === true) options.onReadable = () => notices.post(number as number, "readable");
      digital.set(number as number, new Digital(options));
      return undefined;
    },
    "digital.read": (number) => digital.get(number).read(),
    "digital.write"(number, value) {
      digital.get(number).write(value as number);
      return undefined;
    },
    "digital.close"(number) {
      digital.take(number)?.close();
      notices.forget(number as number);
      return undefined;
    },
    "analog.open": (pin) => analog.add(new Analog({ pin: pin as number })),
    "analog.resolution": (number) => analog.get(number).resolution,
    "analog.read": (number) => analog.get(number).read(),
    "analog.close"(number) {
      analog.take(number)?.close();
      return undefined;
    },
    "pulsecount.open": (signal) => counters.add(new PulseCount({ signal: signal as number })),
    "pulsecount.read": (number) => counters.get(number).read(),
    "pulsecount.write"(number, count) {
      counters.get(number).write(count as number);
      return undefined;
    },
    "pulsecount.close"(number) {
      counters.take(number)?.close();
      return undefined;
    },
  };
}
