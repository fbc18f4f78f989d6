// Runs the application in the simulator: a board with my sensor on its bus, a broker, and time that passes as fast as it can.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseConfig, Rejection } from "chainmote";
import { createDevice, engine, LocalBroker, VirtualClock } from "chainmote/sim";
import { numericText, verifyRecord, verifySequence } from "chainmote/verify";
import { openApplication } from "../application.js";
import attach from "../board.js";

test("my sensor's values arrive in signed records that hold", async () => {
  const { config: configuration } = JSON.parse(readFileSync(new URL("../config.json", import.meta.url), "utf8"));
  const clock = new VirtualClock();
  const broker = await LocalBroker.start();
  const records: Uint8Array[] = [];
  await broker.subscribe("motes/+/records", (_topic, record) => records.push(record));
  const network = { [`${configuration.mqtt.host}:1883`]: broker.accept.bind(broker) };
  const { device, board, close } = createDevice({ clock, network, seed: "my test" });
  attach(board);
  const config = parseConfig(configuration);
  assert(!(config instanceof Rejection), String(config));
  const mote = openApplication({ device, engine, config });
  assert(!(mote instanceof Rejection), String(mote));
  mote.run();
  for (let seconds = 0; records.length < 4 && seconds < 600; seconds += 1) await clock.advance(1000);
  mote.close();
  close();
  await broker.close();

  assert.equal(verifySequence(records).hold, records.length);
  const values = records.flatMap((bytes) => {
    const record = verifyRecord(bytes);
    assert(!(record instanceof Rejection), String(record));
    return record.measurements.map(({ name, unit, value }) => `${name} ${numericText(value)} ${unit ?? ""}`.trim());
  });
  assert(values.includes("started 1"), values.join());
  assert(values.includes("light/illuminance 1000.0 lx"), values.join());
});
