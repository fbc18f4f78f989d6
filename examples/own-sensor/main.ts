// An application with a sensor of its own: the voltage of a battery, by a divider on an analogue pin. A type of sensor is an object; the runtime
// does the rest. It is provisioned and updated as the standard mote is (firmware/main.ts).

import Analog from "embedded:io/analog";
import { configuration, createDevice } from "chainmote/board/provider";
import { servicePorts } from "chainmote/board/service-port";
import { engine } from "chainmote/crypto";
import { type Fields, fraction, Mote, Rejection, type Sensor, type SensorType } from "chainmote/index";
import { start } from "chainmote/provision/start";
import slots from "chainmote/slots";
import { provingOf } from "chainmote/update/proving";
import { safeUpdatesOf, updatesOf } from "chainmote/update/updates";

const FULL_SCALE_V = 3.1;
const UNPLUGGED_V = 0.2;

const battery: SensorType = {
  type: "battery",
  configure(fields: Fields) {
    const pin = fields.uint("pin", 0, 48);
    const divider = fields.number("divider", 1, 100, 2);
    return { open: () => new Battery(pin, divider) };
  },
};

class Battery implements Sensor {
  readonly settleMs = 0;
  readonly conversionMs = 0;
  readonly #input: Analog;
  readonly #divider: number;

  constructor(pin: number, divider: number) {
    this.#input = new Analog({ pin });
    this.#divider = divider;
  }

  start(): void {}

  sample() {
    const share = this.#input.read() / (2 ** this.#input.resolution - 1);
    const volts = share * FULL_SCALE_V * this.#divider;
    if (volts < UNPLUGGED_V) throw new Rejection("battery-absent", `${volts.toFixed(2)} V`);
    return [{ n: "battery", u: "V", v: fraction(volts, 2) }];
  }

  close(): void {
    (this.#input as unknown as { close(): void }).close();
  }
}

const board = { ...createDevice(), ...servicePorts(), slots };
const proving = provingOf(board);
start({
  ...{ device: board, engine, configuration, proving, updates: safeUpdatesOf(engine, configuration, proving) },
  open(config, device) {
    const updates = updatesOf(device, config, configuration, proving);
    return Mote.open({ device, engine, config, sensors: [battery], features: updates === undefined ? [] : [updates] });
  },
});
