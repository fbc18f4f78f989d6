// kill -9 of board, broker, collector, or all of it, at random moments of its work: the same address throughout, no number
// with two payloads, and every record that a board said it had made is stored in the end.
//
// The seed of the moments is printed where it fails; SEED=N repeats one.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../host-sim/world/prng.js";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { pause } from "../patience.js";
import { seedOr } from "../seed.js";
import { endAll, Program, type SystemLine, startBroker } from "./system-run.js";

/** Each takes seconds, since all has to come up again. */
const KILLS = 20;
const SAMPLE_MS = 150;
const PAUSE_MS_MAX = 1500;
/** Looking for a process is not cheap. */
const PS_MS = 250;
const VICTIMS = ["board", "board", "broker", "collector", "board", "all"] as const;

const folder = mkdtempSync(join(tmpdir(), "chainmote-kill-all-"));

test.after(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** The digest of each record that a board said it had made, by stream and seq. */
class Made {
  readonly #digests = new Map<string, string>();
  readonly addresses = new Set<string>();
  readonly #stored = new Set<string>();
  /** Events of the run under way that were taken in already. */
  #taken: { lines?: readonly SystemLine[]; count: number } = { count: 0 };
  #created = 0;

  take(lines: readonly SystemLine[]): void {
    if (this.#taken.lines !== lines) this.#taken = { lines, count: 0 };
    for (const line of lines.slice(this.#taken.count)) {
      this.#taken.count += 1;
      if (line.source === "collector" && line.event === "stored") this.#stored.add(String(line.digest));
      if (!line.source.startsWith("mote")) continue;
      if (line.event === "key") {
        this.addresses.add(String(line.address));
        if (line.created === true) this.#created += 1;
      }
      if (line.event === "error") throw new Error(JSON.stringify(line));
      if (line.event !== "record") continue;
      const place = `${line.stream}/${line.seq}`;
      const digest = String(line.digest);
      assert.is(this.#digests.get(place) ?? digest, digest, `seq ${place} has one payload`);
      this.#digests.set(place, digest);
    }
  }

  get created(): number {
    return this.#created;
  }

  /** Whether the collector's events, with those of every run before, name every record that was made. */
  allIn(lines: readonly SystemLine[]): boolean {
    this.take(lines);
    return this.digests.every((digest) => this.#stored.has(digest));
  }

  get digests(): string[] {
    return [...this.#digests.values()];
  }
}

test(`${KILLS} kills at random moments`, async () => {
  const seed = seedOr();
  try {
    await killAll(seed);
  } catch (error) {
    console.log(`SEED=${seed}`);
    throw error;
  }
});

async function killAll(seed: number): Promise<void> {
  const prng = new Prng(seed);
  const random = (): number => prng.real();
  const data = join(folder, String(seed));
  const made = new Made();
  let broker = await startBroker();
  const start = (...words: string[]): Program =>
    new Program(["start", "--json", "--data", data, "--sample", String(SAMPLE_MS), ...words], { MQTT_URL: broker.url });
  let system = start();
  const working = async (): Promise<void> => {
    const stored = system.of("stored", "mote").length;
    await system.until("a record is made and stored", () => system.of("stored", "mote").length > stored);
  };
  for (let kill = 0; kill < KILLS; kill += 1) {
    const victim = VICTIMS[kill % VICTIMS.length] as (typeof VICTIMS)[number];
    await working();
    await pause(random() * PAUSE_MS_MAX);
    if (victim === "broker") {
      await broker.program.kill();
      await pause(random() * PAUSE_MS_MAX);
      broker = await startBroker(broker.port);
    } else if (victim === "all") {
      await Promise.all([system.kill(), broker.program.kill()]);
      made.take(system.events);
      broker = await startBroker(broker.port);
      system = start();
    } else {
      // The one before may still be on its way up: what it had told is read later than it ended.
      await system.until(`there is a ${victim} to kill`, () => system.killPart(victim), PS_MS);
    }
  }
  await working();
  assert.is(await system.stop(), 0, system.errors.join("\n"));
  made.take(system.events);
  // Once more with time to deliver: one record of this boot, and then none for an hour.
  system = start("--sample", "3600000");
  await system.until("all that was ever made is stored", () => system.of("record").length > 0 && made.allIn(system.events));
  assert.is(await system.stop(), 0, system.errors.join("\n"));
  assert.is(made.addresses.size, 1, [...made.addresses].join(" "));
  assert.is(made.created, 1, "one key, made once");
  judgeExport(new Uint8Array(readFileSync(join(data, "records.cborseq"))), made);
}

function judgeExport(file: Uint8Array, made: Made): void {
  const judge = new Judge(engine);
  const verdicts = [...pieces(file)].map((piece) => judge.judge(piece));
  for (const { fault, fields } of verdicts) assert.is(fault, undefined, `seq ${fields?.seq}: ${JSON.stringify(fault)}`);
  const kept = new Set(verdicts.map(({ digest }) => digest));
  assert.equal(
    made.digests.filter((digest) => !kept.has(digest)),
    [],
    "every record that was made is stored",
  );
  assert.is(judge.motes, 1);
}

test.run();
