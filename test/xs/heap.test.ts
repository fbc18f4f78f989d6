// The whole mote on the real engine against a real broker that is lost again and again, in virtual time: with the network modules of the
// SDK on its heap where MODDABLE names one, and over their mirrors. The run over 10,000 records is `npm run bench:heap`.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { growth } from "../../tools/bench/guest.js";
import { HEAP_BYTES_MAX } from "../bench/heap/figure.js";
import { creationOf, runHeap } from "../bench/heap/run.js";

/** The broker is lost in each of three ways. */
const RECORDS = 400;
const LOSSES = 3;
/** The mote with the ledger: past its enrolment, two anchors and a command. */
const LEDGER_RECORDS = 60;

const test = suite("the whole mote, its broker lost");
const m32 = await buildHost("m32");
const folder = process.env.MODDABLE ?? "";
if (folder === "")
  console.log("MODDABLE is not set: the SDK's own network modules are not on the heap, their mirrors run beside it");
const variants = folder === "" ? [undefined] : [undefined, folder];

if ("missing" in m32) {
  console.log(m32.missing);
  test.skip("on m32", () => {});
} else
  for (const sdk of variants) {
    const name = sdk === undefined ? "mirrors" : "the SDK's modules";
    test(`${name}: ${RECORDS} records, none lost or refused, no restart, and the heap neither grows nor passes its limit`, async () => {
      const run = await runHeap(m32, { sdk, records: RECORDS, chain: "clique" });
      assert.equal(run.faults, []);
      assert.is(run.report.reason, "ended");
      assert.ok(run.records >= RECORDS && run.headers >= RECORDS, `${run.records} records, ${run.headers} headers`);
      assert.is(run.losses, LOSSES);
      assert.ok(run.connections > LOSSES + 2, `${run.connections} connections, of which two were refused`);
      assert.is(growth(run.samples), undefined);
      const { blockPeakBytes, stackPeakBytes } = run.report;
      assert.ok(blockPeakBytes > 40_000 && blockPeakBytes <= HEAP_BYTES_MAX, `${blockPeakBytes} bytes`);
      assert.ok(stackPeakBytes < 16 * boardOf("esp32c3").creation.stackSlots, `${stackPeakBytes} bytes of the XS stack`);
    });

    const long: typeof test | (() => void) = process.env.FULL === "1" ? test : () => undefined;
    long(`${name}: with the whole ledger under proofs at their longest the heap does not grow after the start`, async () => {
      const run = await runHeap(m32, { sdk, records: LEDGER_RECORDS, chain: "ledger" });
      assert.equal(run.faults, []);
      const { blockPeakBytes, stackPeakBytes } = run.report;
      const { chunkInitialBytes, heapInitialSlots, stackSlots } = creationOf("ledger");
      const atStart = 16 * Math.ceil((chunkInitialBytes + 16 * (heapInitialSlots + stackSlots) + 16) / 16);
      assert.ok(blockPeakBytes <= atStart && atStart <= HEAP_BYTES_MAX, `${blockPeakBytes} bytes, ${atStart} at the start`);
      assert.ok(stackPeakBytes < 16 * stackSlots, `${stackPeakBytes} bytes of the XS stack`);
    });

    test(`${name}: a block that is too small is a fault of the run`, async () => {
      const creation = { ...boardOf("esp32c3").creation, staticBytes: 38_000, heapInitialSlots: 1_100 };
      const { faults } = await runHeap(m32, { sdk, records: RECORDS, chain: "clique", creation });
      assert.match(faults[0] ?? "", /^it ended with "memory full"/);
    });
  }

test.run();
