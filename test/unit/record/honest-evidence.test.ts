// What the registry's contract takes for evidence (docs/ledger.md), against every row of the table of restored states in
// docs/threat-model.md: no honest mote makes it, but for the full offline restore. The signer of author-bench.ts watches: it throws where
// one number is signed for two payloads, or a lower stream has a higher boot. So every test of its bench, power cuts among them, looks for both.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeSign1 } from "../../../firmware/record/cose.js";
import { RESERVED_SEQS } from "../../../firmware/record/sequence.js";
import { Bench, type Booted, held, KEY, recordsOf, write } from "./author-bench.js";

/** What can be put back. */
interface Image {
  readonly flash: Uint8Array;
  readonly counters: ArrayBuffer | undefined;
}

const counters = (bench: Bench) => bench.board.device.store.open({ path: "mote", format: "buffer" });

function imageOf(bench: Bench): Image {
  return { flash: bench.flash.dump().slice(), counters: counters(bench).read("sequence") as ArrayBuffer | undefined };
}

function putBackJournal(bench: Bench, { flash }: Image): void {
  bench.erase();
  bench.flash.write(flash, 0);
}

function putBackCounters(bench: Bench, { counters: value }: Image): void {
  if (value === undefined) counters(bench).delete("sequence");
  else counters(bench).write("sequence", new Uint8Array(value));
}

/** Some boots that write some records, the last without an orderly end. */
async function live(bench: Bench, boots: number, records: number): Promise<Booted> {
  let booted = bench.boot();
  for (let boot = 1; ; boot += 1) {
    for (let i = 0; i < records; i += 1) await write(booted.author, i);
    if (boot === boots) return booted;
    booted.sequence.close();
    booted = bench.boot();
  }
}

/** The mote's newest record, as the broker retains it. */
function retained({ journal }: Booted): Uint8Array {
  const { payload, signature } = held(journal.read(journal.lastSeq as number));
  return encodeSign1(KEY.address, payload, signature as Uint8Array);
}

/** Goes on for some boots after the state was changed; the bench's signer throws where that makes evidence. */
async function goOn(bench: Bench, latest?: Uint8Array): Promise<void> {
  for (let boot = 0; boot < 3; boot += 1) {
    const { author, sequence } = bench.boot();
    if (latest !== undefined) assert.not.instance(author.adopt(latest), Error);
    for (let i = 0; i < 5; i += 1) await write(author, 100 + i);
    if (boot === 1) sequence.close();
  }
}

const ROWS: Readonly<Record<string, (bench: Bench, old: Image) => void>> = {
  "the journal, erased": (bench) => bench.erase(),
  "the journal, an image older than a block of numbers": putBackJournal,
  "the counters alone, erased": (bench) => counters(bench).delete("sequence"),
  "the counters alone, an older image": putBackCounters,
};

for (const [row, change] of Object.entries(ROWS))
  test(`no honest mote makes evidence: ${row}`, async () => {
    for (const orderly of [true, false])
      for (const kept of [true, false]) {
        const bench = new Bench("real", "plain", 64);
        (await live(bench, 2, 3)).sequence.close();
        const old = imageOf(bench);
        const last = await live(bench, 3, RESERVED_SEQS);
        if (orderly) last.sequence.close();
        const latest = retained(last);
        change(bench, old);
        await goOn(bench, kept ? latest : undefined);
      }
  });

test("no honest mote makes evidence: the journal, a younger image, whether or not the broker retains more", async () => {
  for (const kept of [true, false])
    for (const orderly of [true, false]) {
      const bench = new Bench("real", "plain", 64);
      (await live(bench, 2, 3)).sequence.close();
      const booted = bench.boot();
      for (let i = 0; i < 3; i += 1) await write(booted.author, i);
      const old = imageOf(bench);
      for (let i = 0; i < 3; i += 1) await write(booted.author, i);
      if (orderly) booted.sequence.close();
      const latest = retained(booted);
      putBackJournal(bench, old);
      await goOn(bench, kept ? latest : undefined);
    }
});

test("no honest mote makes evidence: journal and counters, with what the broker retains", async () => {
  const bench = new Bench("real", "plain", 64);
  (await live(bench, 2, 3)).sequence.close();
  const old = imageOf(bench);
  const latest = retained(await live(bench, 4, 20));
  putBackJournal(bench, old);
  putBackCounters(bench, old);
  await goOn(bench, latest);
});

test("no honest mote makes evidence: a copy of journal and counters made while it ran, whose counters are older than its journal", async () => {
  const bench = new Bench("real", "plain", 64);
  (await live(bench, 2, 3)).sequence.close();
  const early = imageOf(bench);
  await live(bench, 2, 40);
  const late = imageOf(bench);
  const latest = retained(await live(bench, 5, 20));
  putBackJournal(bench, late);
  putBackCounters(bench, early);
  await goOn(bench, latest);
});

test("no honest mote makes evidence: counters lost or put back, and the newest records have rotted", async () => {
  for (const erased of [true, false]) {
    const bench = new Bench("real", "plain", 64);
    (await live(bench, 2, 3)).sequence.close();
    const old = imageOf(bench);
    const { journal } = await live(bench, 7, 1);
    for (const { kept } of recordsOf(journal).slice(-3)) bench.rot(kept.payload);
    if (erased) counters(bench).delete("sequence");
    else putBackCounters(bench, old);
    await goOn(bench);
  }
});

test("the full offline restore does make it: one number, two payloads", async () => {
  const bench = new Bench("real", "plain", 64);
  (await live(bench, 2, 3)).sequence.close();
  const old = imageOf(bench);
  await live(bench, 1, 5);
  putBackJournal(bench, old);
  putBackCounters(bench, old);
  try {
    await goOn(bench);
    assert.unreachable("no evidence");
  } catch (error) {
    assert.match(String(error), /equivocation at 0\/7/);
  }
});

test.run();
