// Whatever goes away for a while: the mote goes on measuring and signing, asks for what is away with growing pauses, and
// delivers all once it is back.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { endAll, type Part, Program, startBroker } from "./system-run.js";

const SAMPLE_MS = 500;
/** Records that are made while something is away, so that it is away for a while by the mote's own work. */
const RECORDS_MEANWHILE = 20;
/** Attempts to connect while the broker is away: 1, 2, 4, 8 … seconds apart, not one after the other. */
const ATTEMPTS = 5;

const folder = mkdtempSync(join(tmpdir(), "chainmote-outage-"));

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

async function working(system: Program): Promise<void> {
  const stored = system.of("stored", "mote").length;
  await system.until("records are stored", () => system.of("stored", "mote").length > stored + 1);
}

/** Every record that the mote has made by now is stored, in its own eyes. */
async function deliversAll(system: Program): Promise<void> {
  const made = system.of("record", "mote").map(({ digest }) => String(digest));
  const stored = (): Set<string> => new Set(system.of("stored", "mote").map(({ digest }) => String(digest)));
  await system.until("all is delivered", () => made.every((digest) => stored().has(digest)));
}

/** The mote goes on measuring and signing, whatever is away. */
async function goesOn(system: Program): Promise<void> {
  const before = system.of("record", "mote").length;
  await system.until("records go on", () => system.of("record", "mote").length >= before + RECORDS_MEANWHILE);
}

/** Stops a part without ending it: it keeps its connections and says nothing, which is harder to notice than its end. */
async function hang(system: Program, part: Part): Promise<void> {
  const pids = system.pids(part);
  assert.is(pids.length, 1, part);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    await goesOn(system);
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
}

test("the broker away for a while, the node and the collector silent for a while", async () => {
  const data = join(folder, "data");
  const broker = await startBroker();
  const system = new Program(["start", "--json", "--data", data, "--sample", String(SAMPLE_MS)], { MQTT_URL: broker.url });
  await working(system);

  const already = system.of("link", "mote").length;
  await broker.program.kill();
  const waits = (): number[] =>
    system
      .of("link", "mote")
      .slice(already)
      .flatMap(({ retryMs }) => (typeof retryMs === "number" ? [retryMs] : []));
  await goesOn(system);
  await system.until("attempts to connect", () => waits().length >= ATTEMPTS);
  const grown = waits().every((ms, i, all) => i === 0 || ms >= (all[i - 1] as number));
  assert.ok(grown && (waits()[ATTEMPTS - 1] as number) >= 8 * (waits()[0] as number), waits().join(" "));
  await startBroker(broker.port);
  await working(system);
  await deliversAll(system);

  await hang(system, "node");
  const head = Number(system.of("head", "mote").at(-1)?.number);
  await system.until("the head moves again", () => Number(system.of("head", "mote").at(-1)?.number) > head);
  await deliversAll(system);

  await hang(system, "collector");
  await deliversAll(system);

  assert.is(await system.stop(), 0, system.errors.join("\n"));
  assert.equal(system.of("error", "mote"), []);
  const judge = new Judge(engine);
  let told = 0;
  let last = "";
  for (const piece of pieces(new Uint8Array(readFileSync(join(data, "records.cborseq"))))) {
    const { fault, fields, digest } = judge.judge(piece);
    assert.is(fault, undefined, `seq ${fields?.seq}: ${JSON.stringify(fault)}`);
    told += fields?.gap ?? 0;
    last = String(digest);
  }
  // A busy machine may be late for a sample: that is no fault, but it has to be told, in the log and in a record.
  const end = system.events.findIndex(
    ({ event, source, digest }) => event === "record" && source === "mote 1" && digest === last,
  );
  const until = system.events.slice(0, end).filter(({ event, source }) => event === "gap" && source === "mote 1");
  const lost = until.reduce((sum, { samples }) => sum + Number(samples), 0);
  assert.is(told, lost, "what the records tell of samples that were lost");
});

test.run();
