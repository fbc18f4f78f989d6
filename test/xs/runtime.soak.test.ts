// The whole runtime in the memory of an ESP32-C3, on the real engine: a mote with follower, journal, author, outbox and link
// over some hundred records and headers of each chain. The runs over ten thousand are `npm run bench:ratchet`.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REORG_DEPTH } from "../../firmware/chain/follow/window.js";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { NATIVE_STACK_MARGIN_BYTES } from "../../host-sim/xs/presets.js";
import { growth, type RuntimeRun, runRuntime } from "../../tools/bench/guest.js";
import { LIMITS } from "../../tools/bench/ratchet.js";
import { RUNTIME_CHAINS, runtimeName } from "../../tools/bench/report.js";
import type { RuntimeSample } from "../bench/runtime-world.js";

/** Past one outage of the relay, and past an epoch. */
const RECORDS = 450;
const JUMPING = ["ibft", "ibft2", "qbft"];
const RECORDS_RV32 = 200;
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
  for (const chain of RUNTIME_CHAINS)
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

  for (const chain of ["clique", "bitcoin"] as const)
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
}

test.run();
