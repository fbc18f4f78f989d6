// A data logger without a network: it signs what it measures and keeps it on its flash, whence it is read out later
// (`chainmote journal dump`, `chainmote verify`). Of the library it includes the records and the board, no chain and no link.

import WiFi from "embedded:network/interface/wifi";
import { createLocal } from "chainmote/board/local";
import { engine } from "chainmote/crypto";
import { openDeviceKey } from "chainmote/device-key";
import { fieldsOf } from "chainmote/fields";
import { Author, openSequence } from "chainmote/record/author";
import { Journal } from "chainmote/record/journal";
import { packOf } from "chainmote/record/sample";
import { Rejection } from "chainmote/rejection";
import { sht3x } from "chainmote/sensor/sht3x/sht3x";

const INTERVAL_MS = 10_000;
/** No registry: the fleet of this logger is nobody's. */
const FLEET = { registry: new Uint8Array(20), chain: "eip155:1" };

const device = createLocal();
const { clock, flash, keys, log, store, timer } = device;

function held<Value>(value: Value | Rejection): Value {
  if (value instanceof Rejection) throw new Error(String(value));
  return value;
}

/** The chip's noise is pseudo-random until the radio is on: for the first key it is switched on, and joins nothing. */
function openKey() {
  const known = openDeviceKey(device, engine, false);
  if (known !== undefined) return held(known);
  const radio = new WiFi({});
  const made = openDeviceKey(device, engine, true);
  radio.close();
  if (made === undefined) throw new Error("no key");
  return held(made);
}

const { key, address } = openKey();
const journal = held(Journal.mount(flash.open({ path: "journal", mode: "r+" }), { engine, full: "thin" }));
const sequence = held(openSequence(store.open({ path: "logger", format: "buffer" }), journal));
const author = new Author({ engine, keys, key, address, fleet: FLEET, journal, sequence });
const sensor = sht3x.configure(fieldsOf({})).open({ ...device, network: undefined as never });

async function measure(): Promise<void> {
  timer.set(measure, INTERVAL_MS);
  sensor.start();
  await new Promise<void>((resolve) => void timer.set(resolve, sensor.conversionMs + 1));
  const entries = sensor.sample();
  if (entries === undefined) return author.lose(1);
  const measurements = packOf([{ name: "", entries, takenMs: clock.ticksMs() }], clock.ticksMs());
  const written = held(await author.write({ time: 0, timeQuality: 0, measurements }, 1));
  log.write("app", { seq: written.seq });
}
timer.set(measure, sensor.settleMs);
