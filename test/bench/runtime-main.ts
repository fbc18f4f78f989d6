// The whole runtime on the XS engine, for as long as its owner lets it run: a mote with its follower, journal, author,
// outbox and link, on a board inside the guest (host-sim/xs/guest). runtime-world.ts is broker, collector and relay.
//
// Prints what it has cost and what the memory holds each time that so many records more are stored, and once more at the end.
// What that itself takes is taken off.

import configuration from "bench/configuration";
import features from "bench/features";
import { parseConfig } from "../../firmware/config.js";
import { nativeEngine } from "../../firmware/crypto/engine-native.js";
import { NativeKeys } from "../../firmware/crypto/native-keys.js";
import { Mote } from "../../firmware/mote.js";
import type { Device, KeyValueStorage, Log, MqttBase } from "../../firmware/ports.js";
import { Rejection } from "../../firmware/rejection.js";
import { sht3x } from "../../firmware/sensor/sht3x/sht3x.js";
import { GuestClock, GuestEntropy, GuestFlash, GuestI2C, GuestValues } from "../../host-sim/xs/guest/board.js";
import {
  collect,
  instructions,
  MEMORY_BYTES,
  memory,
  microseconds,
  parts,
  print,
  profile,
  wordOf,
} from "../../host-sim/xs/guest/host.js";
import { type GuestBroker, GuestMqtt, GuestNtp, GuestStation, GuestTimer } from "../../host-sim/xs/guest/link.js";

const words = new Uint8Array(MEMORY_BYTES);

/** What features have begun goes on, as on a board, where nothing else runs until no promise is left. */
const TURNS_OF_FEATURES = 16;
let ownInstructions = 0;
let ownMicroseconds = 0;

/** @param live whether what is alive is looked at, which takes a collection */
function sample(records: number, live: boolean): void {
  const fromInstructions = instructions();
  const fromMicroseconds = microseconds();
  const cost = { instructions: fromInstructions - ownInstructions, microseconds: fromMicroseconds - ownMicroseconds };
  memory(words);
  const collections = wordOf(words, "collections");
  const takenPeakBytes = wordOf(words, "blockPeak");
  const stackPeakBytes = wordOf(words, "stackPeak");
  if (live) collect();
  memory(words);
  const liveChunkBytes = wordOf(words, "chunks");
  const liveSlotBytes = wordOf(words, "slots");
  const nativeStackPeakBytes = wordOf(words, "nativeStackPeak");
  print(
    JSON.stringify({
      ...{ records, ...cost, collections, takenPeakBytes, liveChunkBytes, liveSlotBytes, stackPeakBytes, nativeStackPeakBytes },
    }),
  );
  ownInstructions += instructions() - fromInstructions;
  ownMicroseconds += microseconds() - fromMicroseconds;
}

function deviceOf(clock: GuestClock, timer: GuestTimer, broker: GuestBroker, startMs: number): Device {
  const log: Log = { write: (event, fields) => print(JSON.stringify({ event, ...fields })) };
  const store: KeyValueStorage = { open: () => new GuestValues() };
  const ntp = { io: GuestNtp, servers: [], timeMs: () => startMs + clock.ticksMs() };
  return {
    clock,
    timer,
    entropy: new GuestEntropy(),
    keys: new NativeKeys(),
    flash: { open: () => new GuestFlash() },
    store,
    io: { i2c: { io: GuestI2C, data: 1, clock: 2 } },
    network: { wifi: { io: GuestStation }, ntp: { client: ntp }, mqtt: { io: GuestMqtt, broker } as unknown as MqttBase },
    log,
  };
}

async function main(): Promise<void> {
  const { startMs, sampleRecords, live, profiled, mote: json } = configuration;
  const clock = new GuestClock();
  const timer = new GuestTimer(clock);
  const broker: GuestBroker = { client: undefined, acknowledged: 0 };
  const config = parseConfig(json);
  if (config instanceof Rejection) throw new Error(config.detail);
  const device = deviceOf(clock, timer, broker, startMs);
  const own = features();
  const options = { device, engine: nativeEngine, config, sensors: [sht3x] };
  const mote = Mote.open(own === undefined ? options : { ...options, features: own });
  if (mote instanceof Rejection) throw new Error(mote.detail);
  mote.run();
  let sampled = 0;
  for (;;) {
    const more = broker.client?.poll() ?? false;
    if (more === "over") break;
    const records = broker.acknowledged;
    if (records >= sampled + sampleRecords) {
      sampled = records;
      sample(records, live);
      // One or the other: looking at the heap takes a while after each collection.
      if (records === profiled && instructions() > 0) profile(true);
      else if (records === profiled) parts(true);
    }
    if (more) continue;
    timer.fire();
    while (!timer.isSet) await undefined;
    if (own !== undefined) for (let turn = 0; turn < TURNS_OF_FEATURES; turn += 1) await undefined;
  }
  profile(false);
  if (instructions() === 0) parts(false);
  mote.close();
  sample(broker.acknowledged, live);
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
  throw error;
});
