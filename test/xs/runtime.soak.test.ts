// The whole runtime in the memory of an ESP32-C3, on the real engine: a mote with follower, journal, author, outbox and link
// over some hundred records and headers of each chain; and one with the whole ledger, under proofs at their longest, anchors, commands and
// transactions. The runs over ten thousand are `npm run bench:ratchet`.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REORG_DEPTH } from "../../firmware/chain/follow/window.js";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { NATIVE_STACK_MARGIN_BYTES } from "../../host-sim/xs/presets.js";
import { growth, type RuntimeRun, runRuntime } from "../../tools/bench/guest.js";
import { LIMITS } from "../../tools/bench/ratchet.js";
import { RUNTIMES, runtimeName } from "../../tools/bench/report.js";
import type { RuntimeSample } from "../bench/runtime-world.js";

/** Past one outage of the relay, and past an epoch. */
const RECORDS = 450;
const JUMPING = ["ibft", "ibft2", "qbft"];
const RECORDS_RV32 = 200;
/** Past the mote's enrolment by a transaction and a first anchor; a proof takes the emulator seconds. */
const LEDGER_RECORDS_RV32 = 24;
/** What is left of the XS stack at the least, in slots: what a sensor's driver or an application's own feature goes deeper. */
const STACK_MARGIN_SLOTS = 64;
/** What is under way at a sample. */
const LIVE_SWING_BYTES = 1_024;
const esp32c3 = boardOf("esp32c3").creation;

const test = suite("runtime in a board's memory");
const m32 = await buildHost("m32");
const rv32 = await buildHost("rv32");

function last(run: RuntimeRun): RuntimeSample {
  return run.samples[run.samples.length - 1] as RuntimeSample;
}

if ("missing" in m32) {
  console.log(m32.missing);
  test.skip("on m32", () => {});
} else {
  for (const chain of RUNTIMES)
    test(`${chain}: ${RECORDS} records and headers: none lost or refused, all valid, the heap flat and within its limit`, async () => {
      const run = await runRuntime(m32, RECORDS, { chain });
      assert.equal(run.faults, []);
      assert.is(run.report.reason, "ended");
      assert.ok(run.records >= RECORDS && run.headers >= RECORDS, `${run.records} records, ${run.headers} headers`);
      assert.is(run.jumps, JUMPING.includes(chain) ? 1 : 0);
      assert.is(growth(run.samples), undefined);
      const { heapPeakBytes = 0, collections = 0 } = LIMITS[runtimeName(chain)] ?? {};
      assert.ok(last(run).takenPeakBytes > 40_000 && last(run).takenPeakBytes <= heapPeakBytes, `${last(run).takenPeakBytes}`);
      const [first] = run.samples as [RuntimeSample];
      const perRecord = (last(run).collections - first.collections) / (last(run).records - first.records);
      assert.ok(perRecord > 0 && perRecord <= collections, `${perRecord} collections per record`);
      assert.ok(last(run).stackPeakBytes < 16 * esp32c3.stackSlots, `${last(run).stackPeakBytes} bytes of the XS stack`);
    });

  test("ledger: what lives does not grow, every part of it works all the while, and the stack has room", async () => {
    const run = await runRuntime(m32, RECORDS, { chain: "ledger" });
    assert.equal(run.faults, []);
    const { proofs = 0, anchored = 0, commands = 0, transactions = 0, peers = 0 } = run.ledger ?? {};
    assert.ok(
      proofs >= RECORDS && anchored >= 20 && commands >= 12 && transactions >= 3 && peers >= 12,
      JSON.stringify(run.ledger),
    );
    const live = run.samples.map(({ liveChunkBytes, liveSlotBytes }) => liveChunkBytes + liveSlotBytes);
    const third = Math.floor(live.length / 3);
    const [first, second, end] = [live.slice(0, third), live.slice(third, -third), live.slice(-third)].map((part) =>
      Math.max(...part),
    );
    // The policy comes in the first third's end.
    assert.ok((end as number) <= Math.max(first as number, second as number) + LIVE_SWING_BYTES, live.join(" "));
    const { stackPeakBytes, collections, takenPeakBytes } = last(run);
    const slots = stackPeakBytes / 16;
    console.log(
      `ledger: ${takenPeakBytes} bytes, ${slots} slots of stack, ${collections} collections over ${run.records} records`,
    );
    assert.ok(slots <= esp32c3.stackSlots - STACK_MARGIN_SLOTS, `${slots} slots of stack`);
  });

  for (const chain of ["clique", "bitcoin", "ledger"] as const)
    test(`${chain}: a chain that leaves 200 blocks for others is followed, in the memory that a mote takes anyway`, async () => {
      const run = await runRuntime(m32, RECORDS, { chain, leftBlocks: 200 });
      assert.equal(run.faults, []);
      assert.is(run.reorganised.length, 1);
      assert.ok((run.reorganised[0] as number) > REORG_DEPTH);
      assert.ok(last(run).takenPeakBytes <= (LIMITS[runtimeName(chain)]?.heapPeakBytes ?? 0), `${last(run).takenPeakBytes}`);
    });

  test("a board with too little memory or stack ends with its reason, and that is a fault of the run", async () => {
    const small = await runRuntime(m32, RECORDS, { creation: { ...esp32c3, staticBytes: 40_000, heapInitialSlots: 1_200 } });
    assert.match(small.faults[0] ?? "", /^it ended with "memory full"/);
    const shallow = await runRuntime(m32, RECORDS, { creation: { ...esp32c3, stackSlots: 400 } });
    assert.match(shallow.faults[0] ?? "", /^it ended with "stack overflow"/);
  });
}

if ("missing" in m32 || "missing" in rv32) {
  if ("missing" in rv32) console.log(rv32.missing);
  test.skip("on rv32", () => {});
} else {
  test("m32 judges for rv32: the same collections, and the same of the block, to the byte", async () => {
    const runs = [await runRuntime(m32, RECORDS_RV32), await runRuntime(rv32, RECORDS_RV32)] as const;
    const [judged, real] = runs.map((run) =>
      run.samples.map(({ nativeStackPeakBytes: _, instructions: _i, microseconds: _m, ...sample }) => sample),
    ) as [unknown[], unknown[]];
    assert.equal(judged, real);
    assert.equal(runs[1].faults, []);
    const { nativeStackPeakBytes } = last(runs[1]);
    console.log(`C stack of the whole runtime on rv32: ${nativeStackPeakBytes} of ${esp32c3.nativeStackBytes} bytes`);
    assert.ok(nativeStackPeakBytes + NATIVE_STACK_MARGIN_BYTES <= esp32c3.nativeStackBytes, `${nativeStackPeakBytes}`);
  });

  test("ledger: a transaction is signed on rv32, and the C stack has its margin", async () => {
    const run = await runRuntime(rv32, LEDGER_RECORDS_RV32, { chain: "ledger" });
    assert.equal(run.faults, []);
    assert.is(run.ledger?.transactions, 1);
    const { nativeStackPeakBytes, stackPeakBytes } = last(run);
    console.log(`ledger on rv32: ${nativeStackPeakBytes} bytes of C stack, ${stackPeakBytes / 16} slots`);
    assert.ok(nativeStackPeakBytes + NATIVE_STACK_MARGIN_BYTES <= esp32c3.nativeStackBytes, `${nativeStackPeakBytes}`);
  });
}

test.run();
