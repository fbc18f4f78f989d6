// chainmote bench: what the firmware's work costs, on Node, on the XS engine in a board's memory, or on a board.

import { ratchetFile, ratchetReport, writeRatchet } from "../bench/ratchet.js";
import { type BenchReport, printReport, RUNTIMES } from "../bench/report.js";
import { readWords, type Words } from "../options.js";
import { Progress } from "../progress.js";
import { type Output, plainText, UsageError } from "../terminal.js";

export const usage = `chainmote bench [--target node] [--crypto noble|fast] [--json]
chainmote bench --target xs|rv32 [--chains NAME,…] [--records N] [--json] [--ratchet]
chainmote bench --heap|--profile [--chains NAME] [--json]
chainmote bench --port /dev/tty… [--baud N] [--json]
chainmote bench --verify [--records N] [--json]
chainmote bench --fleet [--boards N] [--minutes N] [--json]
chainmote bench --energy [--interval N] [--wifi-every N] [--json]

Measures keys, signatures, hashes, CBOR, one whole record, one header of each chain, and the memory of
the whole runtime as it follows each chain (runtime: Clique; runtime-ibft, …; runtime-ledger: Clique, with the ledger).
  --target   node: tinybench on this Node (default), with our CBOR beside cbor-x and cborg, and our headers a second
             beside bcoin, bitcoinjs-lib and @ethereumjs/block (clique-…, bitcoin-…: time for one header)
             xs: the XS engine in an ESP32-C3's memory, as a 32-bit process: times, collections, heap peaks
             rv32: the same on an emulated RISC-V core: exact instruction counts
  --crypto   with node: noble (default) or fast, the engine of the tools
  --verify   how many records a second \`chainmote verify\` checks: with the reference, without threads, with them
  --fleet    how much simulated time of a fleet of whole motes passes in a minute: with the reference, with the fast
             engine, with a link in the process, with what boards may share
  --energy   what a record takes of a battery, with deep sleep and without, part by part: estimates, each with its source
  --interval with --energy: seconds from one record to the next, 300 where absent
  --wifi-every  with --energy: at every which wake the network is joined, 12 where absent
  --boards   with --fleet: how many there are, 50 where absent
  --minutes  with --fleet: how many simulated ones, 240 where absent; at most 10 with the reference
  --records  with xs and rv32: how many records and headers each long run has; 10000 where absent; with --verify: how many
             records there are, 50000 where absent
  --chains   with xs and rv32: which chains there is a long run for, of ${RUNTIMES.join(", ")};
             ledger is Clique, and the mote has the whole ledger; all where absent
  --heap     whose the heap is, on the XS engine: what each module of the whole mote has alive, and had at most after any collection
  --profile  where the instructions of one record with its header and receipt go, on the emulated RISC-V core: by module and function
  --port     reads the report of a board that runs the bench firmware (test/bench/firmware) from its serial port
  --baud     of the port, 115200 where absent
  --json     one object for machines
  --ratchet  with rv32: fails where a count is over its limit, or more than 2 % over test/bench/ratchet.json
  --accept   with rv32: writes these counts to test/bench/ratchet.json

Exit code: 0, 1 where something cannot be measured or the ratchet holds against it, 2 for a mistake in the command line.

Examples:
  npm run bench -- --target rv32
  npm run bench -- --target xs --chains clique,ledger --records 1000
  npm run bench -- --verify --json`;

const TARGETS = ["node", "xs", "rv32"] as const;
const RECORDS = 10_000;
const RECORDS_MIN = 200;
const RECORDS_MAX = 1_000_000;
const BOARDS_MAX = 1000;
/** Of so many a record may still be under way. */
const MINUTES_MIN = 2;
const MINUTES_MAX = 100_000;
const INTERVAL_S = 300;
/** Shorter than a wake takes, nothing is left to sleep. */
const INTERVAL_S_MIN = 10;
const INTERVAL_S_MAX = 86_400;
const WIFI_EVERY = 12;
const WIFI_EVERY_MAX = 10_000;
const BAUD = 115_200;
const BAUD_MAX = 4_000_000;

export function read(words: readonly string[]): Words {
  return readWords(words, {
    target: { type: "string" },
    crypto: { type: "string" },
    records: { type: "string" },
    chains: { type: "string" },
    port: { type: "string" },
    baud: { type: "string" },
    json: { type: "boolean" },
    ratchet: { type: "boolean" },
    accept: { type: "boolean" },
    verify: { type: "boolean" },
    fleet: { type: "boolean" },
    boards: { type: "string" },
    minutes: { type: "string" },
    heap: { type: "boolean" },
    profile: { type: "boolean" },
    energy: { type: "boolean" },
    interval: { type: "string" },
    "wifi-every": { type: "string" },
  });
}

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = read(words);
  const alone = ["verify", "fleet", "heap", "profile", "energy"].filter((name) => options.has(name));
  if (alone.length > 1) throw new UsageError(`--${alone.join(" and --")} are two measurements: name one of them`);
  if (options.has("verify")) return await benchOfVerify(options, output);
  if (options.has("fleet")) return await benchOfFleet(options, output);
  refuse(options, ["boards", "minutes"], "for --fleet alone");
  if (options.has("energy")) return await benchOfEnergy(options, output);
  refuse(options, ["interval", "wifi-every"], "for --energy alone");
  if (options.has("heap") || options.has("profile")) {
    refuse(options, ["target", "crypto", "records", "port", "baud", "ratchet", "accept"], "not for --heap or --profile");
    const chain = oneOf("chains", options.text("chains") ?? "clique", RUNTIMES);
    const parts = await import("../bench/parts.js");
    return options.has("heap")
      ? parts.printHeap(chain, options.has("json"), output)
      : parts.printProfile(chain, options.has("json"), output);
  }
  const port = options.text("port");
  const target = oneOf("target", options.text("target") ?? "node", TARGETS);
  const records = options.number("records", RECORDS_MIN, RECORDS_MAX);
  const baud = options.number("baud", 300, BAUD_MAX);
  const crypto = options.text("crypto");
  if (port !== undefined && options.text("target") !== undefined)
    throw new UsageError("--port reads a board, --target measures here: name one of them");
  if (baud !== undefined && port === undefined) throw new UsageError("--baud is for --port");
  if (crypto !== undefined && (target !== "node" || port !== undefined)) throw new UsageError("--crypto is for --target node");
  if (records !== undefined && target === "node") throw new UsageError("--records is for --target xs and rv32");
  const named = options.text("chains");
  if (named !== undefined && (target === "node" || port !== undefined))
    throw new UsageError("--chains is for --target xs and rv32");
  const chains = named?.split(",").map((name) => oneOf("chains", name, RUNTIMES)) ?? RUNTIMES;
  if (new Set(chains).size < chains.length) throw new UsageError("--chains takes each chain once");
  if ((options.has("ratchet") || options.has("accept")) && (target !== "rv32" || port !== undefined))
    throw new UsageError("--ratchet and --accept are for --target rv32");
  if ((options.has("ratchet") || options.has("accept")) && named !== undefined)
    throw new UsageError("--ratchet and --accept want every chain");

  let report: BenchReport;
  try {
    if (port !== undefined) report = await (await import("../bench/port.js")).readBoard(port, baud ?? BAUD, progress);
    else if (target === "node") {
      const { benchNode, NODE_CRYPTO } = await import("../bench/node.js");
      report = await benchNode(oneOf("crypto", crypto ?? "noble", NODE_CRYPTO), progress);
    } else report = await (await import("../bench/guest.js")).benchGuest(target, records ?? RECORDS, progress, chains);
  } finally {
    bar.clear();
  }
  if (options.has("json")) output.line(JSON.stringify(report));
  else printReport(report, output);
  if (options.has("accept")) {
    await writeRatchet(report);
    output.error(`written: ${ratchetFile}`);
  }
  return options.has("ratchet") ? await ratchetReport(report, output) : 0;
}

const FIRMWARE_OPTIONS = ["target", "crypto", "chains", "port", "baud", "ratchet", "accept"];

async function benchOfVerify(options: Words, output: Output): Promise<number> {
  refuse(options, [...FIRMWARE_OPTIONS, "boards", "minutes"], "not for --verify");
  const records = options.number("records", RECORDS_MIN, RECORDS_MAX);
  const { benchVerify, printVerify, VERIFY_RECORDS } = await import("../bench/verify.js");
  const rates = await benchVerify(records ?? VERIFY_RECORDS, progress).finally(() => bar.clear());
  if (options.has("json")) output.line(JSON.stringify({ of: "verify", results: rates }));
  else printVerify(rates, output);
  return 0;
}

async function benchOfFleet(options: Words, output: Output): Promise<number> {
  refuse(options, [...FIRMWARE_OPTIONS, "records"], "not for --fleet");
  const boards = options.number("boards", 1, BOARDS_MAX);
  const minutes = options.number("minutes", MINUTES_MIN, MINUTES_MAX);
  const { benchFleet, FLEET_BOARDS, FLEET_MINUTES, printFleet } = await import("../bench/fleet.js");
  const rates = await benchFleet(boards ?? FLEET_BOARDS, minutes ?? FLEET_MINUTES, progress).finally(() => bar.clear());
  if (options.has("json")) output.line(JSON.stringify({ of: "fleet", results: rates }));
  else printFleet(rates, output);
  return 0;
}

async function benchOfEnergy(options: Words, output: Output): Promise<number> {
  refuse(options, [...FIRMWARE_OPTIONS, "records"], "not for --energy");
  const intervalS = options.number("interval", INTERVAL_S_MIN, INTERVAL_S_MAX) ?? INTERVAL_S;
  const wifiEvery = options.number("wifi-every", 1, WIFI_EVERY_MAX) ?? WIFI_EVERY;
  const { energyOf, printEnergy } = await import("../bench/energy.js");
  const report = energyOf(intervalS, wifiEvery);
  if (options.has("json")) output.line(JSON.stringify({ of: "energy", estimate: true, ...report }));
  else printEnergy(report, output);
  return 0;
}

function refuse(options: Words, names: readonly string[], why: string): void {
  const named = names.find((name) => options.has(name) || options.text(name) !== undefined);
  if (named !== undefined) throw new UsageError(`--${named} is ${why}`);
}

const bar = new Progress("chainmote bench");

function progress(text: string, share?: number): void {
  bar.step(text, share);
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  if (!(choices as readonly string[]).includes(value))
    throw new UsageError(`--${name} takes ${choices.join(", ")}, not "${plainText(value, 40)}"`);
  return value as T;
}
