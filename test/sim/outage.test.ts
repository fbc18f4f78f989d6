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
import { pause } from "./scene.js";
import { endAll, type Part, Program, startBroker } from "./system-run.js";

const SAMPLE_MS = 500;
const BROKER_AWAY_MS = 60_000;
const PART_AWAY_MS = 12_000;
/** Of a sample each half a second, how many must have become records meanwhile: a machine under load is slow. */
const RECORDS_SHARE = 0.6;
/** Attempts to connect in a minute: 1, 2, 4 … seconds apart, not one after the other. */
const ATTEMPTS_MAX = 20;
const BACK_MS = 90_000;

const folder = mkdtempSync(join(tmpdir(), "chainmote-outage-"));

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

async function working(system: Program): Promise<void> {
  const stored = system.of("stored", "mote").length;
  await system.until("records are stored", () => system.of("stored", "mote").length > stored + 1, BACK_MS);
}

/** Every record that the mote has made by now is stored, in its own eyes. */
async function deliversAll(system: Program): Promise<void> {
  const made = system.of("record", "mote").map(({ digest }) => String(digest));
  const stored = (): Set<string> => new Set(system.of("stored", "mote").map(({ digest }) => String(digest)));
  await system.until("all is delivered", () => made.every((digest) => stored().has(digest)), BACK_MS);
}

/** Records made in the last `ms` milliseconds are as many as the samples were, about. */
function wentOn(system: Program, before: number, ms: number): void {
  const made = system.of("record", "mote").length - before;
  assert.ok(made > (ms / SAMPLE_MS) * RECORDS_SHARE, `${made} records in ${ms} ms`);
}

/** Stops a part without ending it: it keeps its connections and says nothing, which is harder to notice than its end. */
async function hang(system: Program, part: Part): Promise<void> {
  const pids = system.pids(part);
  assert.is(pids.length, 1, part);
  const before = system.of("record", "mote").length;
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  await pause(PART_AWAY_MS);
  for (const pid of pids) process.kill(pid, "SIGCONT");
  wentOn(system, before, PART_AWAY_MS);
}

test("the broker away for a minute, the node and the collector silent for a while", async () => {
  const data = join(folder, "data");
  const broker = await startBroker();
  const system = new Program(["start", "--json", "--data", data, "--sample", String(SAMPLE_MS)], { MQTT_URL: broker.url });
  await working(system);

  const before = system.of("record", "mote").length;
  const downs = system.of("link", "mote").length;
  await broker.program.kill();
  await pause(BROKER_AWAY_MS);
  wentOn(system, before, BROKER_AWAY_MS);
  const attempts = system.of("link", "mote").length - downs;
  assert.ok(attempts >= 1 && attempts <= ATTEMPTS_MAX, `${attempts} changes of the link in a minute`);
  await startBroker(broker.port);
  await working(system);
  await deliversAll(system);

  await hang(system, "node");
  const head = Number(system.of("head", "mote").at(-1)?.number);
  await system.until("the head moves again", () => Number(system.of("head", "mote").at(-1)?.number) > head, BACK_MS);
  await deliversAll(system);

  await hang(system, "collector");
  await deliversAll(system);

  assert.is(await system.stop(), 0, system.errors.join("\n"));
  const lost = system.of("gap", "mote").reduce((sum, { samples }) => sum + Number(samples), 0);
  assert.ok(lost < system.of("record", "mote").length / 20, `${lost} samples were not taken in time`);
  assert.equal(system.of("error", "mote"), []);
  const judge = new Judge(engine);
  for (const piece of pieces(new Uint8Array(readFileSync(join(data, "records.cborseq"))))) {
    const { fault, fields } = judge.judge(piece);
    assert.is(fault, undefined, `seq ${fields?.seq}: ${JSON.stringify(fault)}`);
  }
});

test.run();
