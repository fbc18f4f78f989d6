// What a record costs of a battery, with deep sleep and without, part by part: `chainmote bench --energy`.
//
// Promises: nothing here was measured on a board of ours. Each part is a time and a current, each an estimate, with its source; what is ours to
// count (a record, a signature) is the count of instructions that the ratchet holds, at two cycles each. The sums are of what is printed.
// Never: a figure of the sensor, of a board's regulator, its LED or its USB bridge, which may take more than all of this.

import type { Output } from "../terminal.js";

/** The chip's supply. */
const VOLTS = 3.3;
const CPU_HZ = 160_000_000;
const CYCLES_PER_INSTRUCTION = 2;
/** Of test/bench/ratchet.json: one whole record, its signature included, and the signature. */
export const RECORD_INSTRUCTIONS = 1_673_797;
export const SIGN_INSTRUCTIONS = 949_377;

/** Awake, the radio off; asleep. */
const AWAKE_MA = 23.88;
const ASLEEP_MA = 0.00814;
/** Receiving. What is sent is short and costs 335 mA at most: it is in the times, which are long. */
const RADIO_MA = 84;
const OF_MODULE = "ESP-IDF, Current Consumption Measurement of Modules";
const OF_RADIO = "ESP32-C3 datasheet, RF receiving";
/** A station that stays joined listens for a beacon in each 102 ms. */
const LISTENING = 0.03;

/** A part of what a record costs. */
export interface EnergyPart {
  readonly part: string;
  /** How long it takes each time, and how often it comes for one record. */
  readonly ms: number;
  readonly perRecord: number;
  readonly mA: number;
  /** Of one record. */
  readonly mJ: number;
  readonly source: string;
}

export interface EnergyReport {
  readonly intervalS: number;
  readonly wifiEvery: number;
  /** With deep sleep, and of a mote that stays awake and joined. */
  readonly asleep: readonly EnergyPart[];
  readonly awake: readonly EnergyPart[];
}

const cpuMs = (instructions: number): number => (instructions * CYCLES_PER_INSTRUCTION * 1000) / CPU_HZ;
const part = (name: string, ms: number, perRecord: number, mA: number, source: string): EnergyPart => ({
  ...{ part: name, ms, perRecord, mA, source },
  mJ: (VOLTS * mA * ms * perRecord) / 1000,
});

/** @param wifiEvery at every which wake the mote joins its network; each wake makes one record */
export function energyOf(intervalS: number, wifiEvery: number): EnergyReport {
  const once = 1 / wifiEvery;
  const counted = `instructions of the ratchet at ${CYCLES_PER_INSTRUCTION} cycles each; ${OF_MODULE}`;
  const made = [
    part("measure", 20, 1, AWAKE_MA, `SHT3x datasheet, 15.5 ms; ${OF_MODULE}`),
    part("record", cpuMs(RECORD_INSTRUCTIONS - SIGN_INSTRUCTIONS), 1, AWAKE_MA, counted),
    part("sign", cpuMs(SIGN_INSTRUCTIONS), 1, AWAKE_MA, counted),
  ];
  const send = part("send", 100, 1, RADIO_MA, `a guess: record, PUBACK and receipt; ${OF_RADIO}`);
  const wake = [
    part("boot", 600, 1, AWAKE_MA, `a guess: ROM, bootloader, its check of the image, XS and the mote; ${OF_MODULE}`),
    ...made,
    part("association", 1_500, once, RADIO_MA, `a guess: scan, authentication, four-way handshake; ${OF_RADIO}`),
    part("DHCP", 500, once, RADIO_MA, `a guess; ${OF_RADIO}`),
    part("TLS", 1_500, once, RADIO_MA, `a guess: ECDHE and a chain of two on P-256; ${OF_RADIO}`),
    part("time, headers", 1_000, once, RADIO_MA, `a guess; ${OF_RADIO}`),
    send,
  ];
  const awakeMs = wake.reduce((sum, { ms, perRecord }) => sum + ms * perRecord, 0);
  const sleepMs = Math.max(0, intervalS * 1000 - awakeMs);
  const joined = AWAKE_MA + LISTENING * RADIO_MA;
  const idle = `the processor runs: ${OF_MODULE}; listening 3 % of the time: ${OF_RADIO}`;
  return {
    ...{ intervalS, wifiEvery },
    asleep: [...wake, part("sleep", sleepMs, 1, ASLEEP_MA, OF_MODULE)],
    awake: [
      ...made,
      send,
      part("waiting, joined", intervalS * 1000 - 100 - made.reduce((sum, { ms }) => sum + ms, 0), 1, joined, idle),
    ],
  };
}

const sumOf = (parts: readonly EnergyPart[]): number => parts.reduce((sum, { mJ }) => sum + mJ, 0);

export function printEnergy({ intervalS, wifiEvery, asleep, awake }: EnergyReport, output: Output): void {
  output.line("All of it is an estimate, of an ESP32-C3 at 3.3 V; nothing was measured on a board.");
  const print = (title: string, parts: readonly EnergyPart[]): void => {
    output.line();
    output.line(output.style("bold", title));
    output.line(row("part", "ms", "mA", "mJ a record", "estimated from"));
    for (const { part, ms, perRecord, mA, mJ, source } of parts) {
      const times = perRecord === 1 ? "" : `, once for ${wifiEvery} records`;
      output.line(row(part, ms.toFixed(0), mA < 1 ? mA.toFixed(5) : mA.toFixed(1), mJ.toFixed(2), `${source}${times}`));
    }
    const sum = sumOf(parts);
    const mA = sum / VOLTS / intervalS;
    output.line(row("sum", "", mA.toFixed(3), sum.toFixed(1), `${mA.toFixed(3)} mA on the average`));
  };
  print(`a record each ${intervalS} s, asleep between them, the network at every ${wifiEvery}. wake`, asleep);
  print(`a record each ${intervalS} s, awake and joined`, awake);
  output.line();
  output.line(`with sleep a record takes 1/${(sumOf(awake) / sumOf(asleep)).toFixed(0)} of what it takes without`);
}

function row(part: string, ms: string, mA: string, mJ: string, source: string): string {
  return `${part.padEnd(16)}${ms.padStart(8)}${mA.padStart(10)}${mJ.padStart(13)}  ${source}`;
}
