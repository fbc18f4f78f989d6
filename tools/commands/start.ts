// chainmote start: the whole system on this machine, in one command.

import { chmodSync, existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { engineName, type GuestEngine, memoryBytesOf } from "../../host-sim/engine/engines.js";
import { version } from "../cli.js";
import { keepToOwner, makeFolder, modeFor } from "../files.js";
import { needPackages, POSTGRES, STORE } from "../optional.js";
import { publicUrl, readWords } from "../options.js";
import { pause } from "../processes/backoff.js";
import { BoundedLog } from "../processes/bounded-log.js";
import { untilTold } from "../processes/end.js";
import { acquireLock, LockHeld } from "../processes/lock.js";
import { builtEngine, engineWish } from "../start/engine-choice.js";
import { LOCAL_CHAINS, nodePackages } from "../start/local-chain.js";
import { DEFAULT_DATA, layoutOf } from "../start/project.js";
import { Screen } from "../start/screen.js";
import { type Fact, System } from "../start/system.js";
import { Tally } from "../start/tally.js";
import { CommandError, count, type Output, plural, UsageError } from "../terminal.js";
import { checkPrefix, mqttFromEnvironment } from "./relay.js";

export const usage = `chainmote start [--records N] [--boards M] [--chain NAME] [--data DIR] [--engine NAME] [--board NAME]
                [--json] [--verbose]

Runs a node, a broker, a relay, a collector and simulated boards on this machine, until Ctrl-C.

  --records N    end once N records are stored and verified
  --boards M     1 to 64 boards (default 1)
  --chain NAME   what the node makes and the boards follow: clique (Ethereum, the default) or bitcoin (regtest)
  --data DIR     where everything is kept (default .chainmote, .chainmote/bitcoin for that
                 chain); a second start goes on from there
  --export FILE  write the records there when ending (default records.cborseq in the data folder)
  --engine NAME  where the firmware runs: node (default), xs (the real engine, 32-bit, in a board's memory) or
                 rv32 (the same on an emulated RISC-V microcontroller)
  --board NAME   whose memory xs and rv32 have: esp32, esp32s3, esp32c3 (default) or esp32c6
  --crypto NAME  of the boards: native (libsecp256k1 in C; default on xs and rv32), fast (libsecp256k1 on Node; default
                 there) or noble (JavaScript, the reference; on all)
  --period S     seconds between blocks, 1 to 60 (default 1; a chain keeps its own)
  --sample MS    milliseconds between samples, 50 to 86400000 (default 2000)
  --prefix P/    put before every MQTT topic
  --json         one object per event
  --verbose      every event of every part

With MQTT_URL set (mqtt://user:password@host:port) that broker is used, with DATABASE_URL (postgres://…) that database.`;

const BOARDS_MAX = 64;
const RECORDS_MAX = 1_000_000;
const SAMPLE_MS = 2000;
/** How long the folder's last owner may take to be gone. */
const LOCK_WAIT_MS = 3000;
/** How long the receipts of the last records may take, once all are verified. */
const RECEIPTS_MS = 3000;
/** Without any progress for so long, and enough records stored, those cannot be verified. */
const STALL_MS = 120_000;

export async function run(words: readonly string[], output: Output): Promise<number> {
  const options = readWords(words, {
    records: { type: "string" },
    boards: { type: "string" },
    chain: { type: "string" },
    data: { type: "string" },
    export: { type: "string" },
    engine: { type: "string" },
    board: { type: "string" },
    crypto: { type: "string" },
    period: { type: "string" },
    sample: { type: "string" },
    prefix: { type: "string" },
    json: { type: "boolean" },
    verbose: { type: "boolean" },
  });
  const records = options.number("records", 1, RECORDS_MAX);
  const boards = options.number("boards", 1, BOARDS_MAX) ?? 1;
  const periodS = options.number("period", 1, 60) ?? 1;
  const sampleMs = options.number("sample", 50, 86_400_000) ?? SAMPLE_MS;
  const wish = engineWish(options);
  const chain = LOCAL_CHAINS.find((name) => name === (options.text("chain") ?? "clique"));
  if (chain === undefined) throw new UsageError(`--chain takes ${LOCAL_CHAINS.join(" or ")}`);
  const prefix = checkPrefix(options.text("prefix"));
  const mqtt = mqttFromEnvironment();
  if (mqtt !== undefined && !mqtt.startsWith("mqtt:"))
    throw new UsageError("MQTT_URL takes mqtt:// here: the boards' configuration would need the broker's CA");
  const data = resolve(options.text("data") ?? (chain === "clique" ? DEFAULT_DATA : join(DEFAULT_DATA, chain)));
  const layout = layoutOf(data);
  needPackages([...nodePackages(chain), (process.env.DATABASE_URL ?? "") === "" ? STORE : POSTGRES]);
  const exportPath = resolve(options.text("export") ?? layout.records);

  keepToOwner();
  makeFolder(data);
  const lock = await acquireLock(layout.lock, LOCK_WAIT_MS).catch((error: unknown) => {
    throw error instanceof LockHeld ? new CommandError(`${error.message}, which has to end first`) : error;
  });
  try {
    const screen = new Screen(output, new BoundedLog(layout.log), { json: options.has("json"), verbose: options.has("verbose") });
    const tally = new Tally();
    const told = untilTold();
    const done = records === undefined ? undefined : new Signal();
    screen.say(
      `${output.style("bold", `chainmote ${version()}`)}  ${output.style("dim", `data in ${shown(data)}; Ctrl-C ends all`)}`,
    );
    let isTold = false;
    void told.then(() => {
      isTold = true;
    });
    const engine = await builtEngine(
      wish,
      (text) => screen.show("engine", { event: "building", text }),
      () => isTold,
    );
    const system = new System({
      ...{ layout, chain, boards, periodS, sampleMs, prefix, exportPath },
      ...(engine === undefined ? {} : { engine }),
      ...(wish.engine === "node" && wish.crypto === "noble" ? { crypto: wish.crypto } : {}),
      ...(mqtt === undefined ? {} : { mqtt }),
      ...(records === undefined ? {} : { recordsMax: () => records - tally.done }),
      onEvent(source, event) {
        screen.show(source, event);
        if (tally.take(source, event) && records !== undefined && tally.done >= records) done?.give();
      },
    });
    screen.say(output.style("dim", "starting; the first time in a folder takes longest"));
    let failure: string | undefined;
    const over = new AbortController();
    try {
      if (engine !== undefined) showEngine(engine, screen);
      const started = system.start((fact) => showFact(fact, screen)).then(() => screen.say());
      await Promise.race([started, told]);
      await Promise.race([told, ...(done === undefined ? [] : [done.given, stalled(tally, records ?? 0, over.signal)])]);
      if (records !== undefined && tally.done >= records)
        for (const end = performance.now() + RECEIPTS_MS; !tally.receipted && performance.now() < end; ) await pause(50);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    over.abort();
    screen.say();
    await system.stop();
    // The collector, our child, writes for its owner alone; a file that was named is as the person has it.
    if (options.text("export") !== undefined && existsSync(exportPath)) chmodSync(exportPath, modeFor("umask"));
    if (failure !== undefined) throw new CommandError(failure);
    return summary({ screen, tally, records, exportPath, output });
  } finally {
    lock.release();
  }
}

function showFact(fact: Fact, screen: Screen): void {
  const { part, ...fields } = fact;
  const event = { event: part, ...fields };
  if (fact.part === "broker") screen.fact(part, publicUrl(fact.url), { event: part, url: publicUrl(fact.url) });
  else if (fact.part === "node") screen.fact(part, `${fact.rpc}, ${fact.about}`, event);
  else screen.fact(part, fact.part === "collector" ? fact.address : `registry ${fact.registry}`, event);
}

function showEngine(engine: GuestEngine, screen: Screen): void {
  const { built, memory, crypto } = engine;
  const bytes = memoryBytesOf(engine);
  const where = built.target === "rv32" ? "XS on an emulated RISC-V chip" : `XS, ${built.target === "m32" ? 32 : 64}-bit`;
  const whose = memory === "roomy" ? "a roomy memory" : `the memory of an ${memory}`;
  const event = { event: "engine", engine: engineName(engine), target: built.target, board: memory, crypto };
  screen.fact("engine", `${where}, ${whose} (${count(bytes)} bytes), ${crypto} crypto`, { ...event, memoryBytes: bytes });
}

interface Ending {
  readonly screen: Screen;
  readonly tally: Tally;
  readonly records: number | undefined;
  readonly exportPath: string;
  readonly output: Output;
}

function summary({ screen, tally, records, exportPath, output }: Ending): number {
  const seconds = screen.elapsedS.toFixed(1);
  const short = records !== undefined && tally.done < records;
  if (short) {
    const why = tally.stored >= records ? "the others are stored but could not be verified" : "it was told to end";
    output.error(`chainmote start: ${tally.done} of ${plural(records, "record")} verified after ${seconds} s: ${why}`);
  }
  screen.fact("records", `${shown(exportPath)}  ${output.style("dim", `npx chainmote verify ${shown(exportPath)}`)}`, {
    event: "exported",
    file: exportPath,
  });
  const from = tally.motes === 1 ? "" : ` of ${plural(tally.motes, "mote")}`;
  const peak = tally.enginePeak;
  if (peak !== undefined)
    screen.say(
      `engine peak ${count(peak.heapPeakBytes)} of ${count(peak.memoryBytes)} bytes, ${plural(peak.collections, "collection")}`,
    );
  screen.say(`${plural(tally.done, "record")}${from} stored and verified in ${seconds} s`);
  screen.summary({
    event: "summary",
    ok: !short,
    stored: tally.stored,
    verified: tally.done,
    motes: tally.motes,
    ...(peak === undefined ? {} : { heapPeakBytes: peak.heapPeakBytes, collections: peak.collections }),
    seconds: Number(seconds),
  });
  return short ? 1 : 0;
}

/** Resolves where enough records are stored and nothing has moved for `STALL_MS`. */
async function stalled(tally: Tally, records: number, over: AbortSignal): Promise<void> {
  while (!over.aborted && (tally.stored < records || tally.stillMs < STALL_MS)) await pause(1000, over);
}

/** A path as a person would type it. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near !== "" && near.length < path.length && !near.startsWith("../..") ? near : path;
}

class Signal {
  readonly given: Promise<void>;
  #resolve: () => void = () => undefined;
  constructor() {
    this.given = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
  give(): void {
    this.#resolve();
  }
}
