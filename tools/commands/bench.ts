// chainmote bench: what the firmware's work costs, on Node, on the XS engine in a board's memory, or on a board.

import { ratchetFile, ratchetReport, writeRatchet } from "../bench/ratchet.js";
import { type BenchReport, printReport, RUNTIME_CHAINS } from "../bench/report.js";
import { readWords } from "../options.js";
import { type Output, plainText, UsageError } from "../terminal.js";

export const usage = `chainmote bench [--target node] [--crypto noble|fast] [--json]
chainmote bench --target xs|rv32 [--chains NAME,…] [--records N] [--json] [--ratchet]
chainmote bench --heap|--profile [--chains NAME] [--json]
chainmote bench --port /dev/tty… [--baud N] [--json]

Measures keys, signatures, hashes, CBOR, one whole record, one header of each chain, and the memory of
the whole runtime as it follows each chain (runtime: Clique; runtime-ibft, …).
  --target   node: tinybench on this Node (default), with our CBOR beside cbor-x and cborg, and our headers a second
             beside bcoin, bitcoinjs-lib and @ethereumjs/block (clique-…, bitcoin-…: time for one header)
             xs: the XS engine in an ESP32-C3's memory, as a 32-bit process: times, collections, heap peaks
             rv32: the same on an emulated RISC-V core: exact instruction counts
  --crypto   with node: noble (default) or fast, the engine of the tools
  --records  with xs and rv32: how many records and headers each long run has; 10000 where absent
  --chains   with xs and rv32: which chains there is a long run for, of ${RUNTIME_CHAINS.join(", ")};
             all where absent
  --heap     whose the heap is, on the XS engine: what each module of the whole mote has alive, and had at most after any collection
  --profile  where the instructions of one record with its header and receipt go, on the emulated RISC-V core: by module and function
  --port     reads the report of a board that runs the bench firmware (test/bench/firmware) from its serial port
  --baud     of the port, 115200 where absent
  --json     one object for machines
  --ratchet  with rv32: fails where a count is over its limit, or more than 2 % over test/bench/ratchet.json
  --accept   with rv32: writes these counts to test/bench/ratchet.json

Exit code: 0, 1 where something cannot be measured or the ratchet holds against it, 2 for a mistake in the command line.`;

const TARGETS = ["node", "xs", "rv32"] as const;
const RECORDS = 10_000;
const RECORDS_MIN = 200;
const RECORDS_MAX = 1_000_000;
const BAUD = 115_200;
const BAUD_MAX = 4_000_000;

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = readWords(words, {
    target: { type: "string" },
    crypto: { type: "string" },
    records: { type: "string" },
    chains: { type: "string" },
    port: { type: "string" },
    baud: { type: "string" },
    json: { type: "boolean" },
    ratchet: { type: "boolean" },
    accept: { type: "boolean" },
    heap: { type: "boolean" },
    profile: { type: "boolean" },
  });
  if (options.has("heap") || options.has("profile")) {
    const others = ["target", "crypto", "records", "port", "baud", "ratchet", "accept"].find((name) => options.has(name));
    if (others !== undefined || (options.has("heap") && options.has("profile")))
      throw new UsageError(`--heap and --profile stand alone, but for --chains and --json`);
    const chain = oneOf("chains", options.text("chains") ?? "clique", RUNTIME_CHAINS);
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
  const chains = named?.split(",").map((name) => oneOf("chains", name, RUNTIME_CHAINS)) ?? RUNTIME_CHAINS;
  if (new Set(chains).size < chains.length) throw new UsageError("--chains takes each chain once");
  if ((options.has("ratchet") || options.has("accept")) && (target !== "rv32" || port !== undefined))
    throw new UsageError("--ratchet and --accept are for --target rv32");
  if ((options.has("ratchet") || options.has("accept")) && named !== undefined)
    throw new UsageError("--ratchet and --accept want every chain");

  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${plainText(text, 100)}`);
  };
  let report: BenchReport;
  try {
    if (port !== undefined) report = await (await import("../bench/port.js")).readBoard(port, baud ?? BAUD, progress);
    else if (target === "node") {
      const { benchNode, NODE_CRYPTO } = await import("../bench/node.js");
      report = await benchNode(oneOf("crypto", crypto ?? "noble", NODE_CRYPTO), progress);
    } else report = await (await import("../bench/guest.js")).benchGuest(target, records ?? RECORDS, progress, chains);
  } finally {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  }
  if (options.has("json")) output.line(JSON.stringify(report));
  else printReport(report, output);
  if (options.has("accept")) {
    await writeRatchet(report);
    output.error(`written: ${ratchetFile}`);
  }
  return options.has("ratchet") ? await ratchetReport(report, output) : 0;
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  if (!(choices as readonly string[]).includes(value))
    throw new UsageError(`--${name} takes ${choices.join(", ")}, not "${plainText(value, 40)}"`);
  return value as T;
}
