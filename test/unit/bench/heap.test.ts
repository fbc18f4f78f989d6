// The heap of the whole mote with the SDK's network modules, where no SDK is: the figure that is kept holds, it is of the sources as they
// are, and the documents say it.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../../host-sim/boards.js";
import { REPOSITORY } from "../../../host-sim/xs/image.js";
import { grouped, RUNTIMES } from "../../../tools/bench/report.js";
import { HEAP_BYTES_MAX, hashOfOurs, hashOfSdk, RECORDS_MIN, readFigure, STORED_BYTES } from "../../bench/heap/figure.js";

const figure = readFigure();

test("the firmware is the one whose heap was measured", () => {
  assert.is(
    hashOfOurs(),
    figure.ours,
    "firmware changed since the heap with the SDK's modules was measured: run npm run bench:heap -- --accept with MODDABLE set",
  );
});

test("the SDK, where there is one, is the one whose modules were measured", () => {
  const folder = process.env.MODDABLE ?? "";
  if (folder === "") console.log("MODDABLE is not set: the figure is held to our own files alone");
  else
    assert.equal(
      hashOfSdk(folder),
      figure.sdk,
      "this SDK's modules are not those that were measured: run npm run bench:heap -- --accept, or use the version in test/bench/heap.json",
    );
});

test("the figure is within its limit and the block, of 10,000 records and headers, of every chain, with the broker lost", () => {
  assert.ok(
    figure.heapPeakBytes <= HEAP_BYTES_MAX && HEAP_BYTES_MAX < boardOf("esp32c3").creation.staticBytes,
    `${figure.heapPeakBytes}`,
  );
  assert.equal(
    figure.chains.map(({ chain }) => chain),
    RUNTIMES,
  );
  const most = (ledger: boolean): number =>
    Math.max(...figure.chains.filter(({ chain }) => (chain === "ledger") === ledger).map(({ heapPeakBytes }) => heapPeakBytes));
  assert.equal([figure.heapPeakBytes, figure.ledgerHeapPeakBytes], [most(false), most(true)]);
  assert.ok(figure.ledgerHeapPeakBytes <= HEAP_BYTES_MAX, `${figure.ledgerHeapPeakBytes}`);
  assert.ok(figure.chains.some(({ records, headers }) => records >= RECORDS_MIN && headers >= RECORDS_MIN));
  for (const { chain, losses, stackPeakBytes } of figure.chains) {
    assert.ok(losses >= 3, `${chain}: the broker was lost ${losses} times`);
    assert.ok(stackPeakBytes < 16 * boardOf("esp32c3").creation.stackSlots, `${chain}: ${stackPeakBytes} bytes of the XS stack`);
  }
});

test("a board that keeps its configuration stays within the limit, and an ordinary one takes nothing more", () => {
  assert.equal(
    figure.stored.map(({ documentBytes }) => documentBytes),
    STORED_BYTES,
  );
  for (const { heapPeakBytes } of figure.stored) assert.ok(heapPeakBytes <= HEAP_BYTES_MAX, `${heapPeakBytes}`);
  assert.is(figure.stored[0]?.heapPeakBytes, figure.heapPeakBytes);
});

test("any change of the firmware, of what it preloads or of a board's memory changes the hash; a changed README does not", () => {
  const copy = mkdtempSync(join(tmpdir(), "chainmote-heap-"));
  try {
    for (const part of ["firmware", "host-sim", "test/bench", "manifest.json", "package.json", "README.md"])
      cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true });
    const before = hashOfOurs(copy);
    assert.is(before, hashOfOurs());
    const changed = (file: string, change: (text: string) => string): string => {
      const path = join(copy, file);
      const text = readFileSync(path, "utf8");
      assert.is.not(change(text), text, file);
      writeFileSync(path, change(text));
      const hash = hashOfOurs(copy);
      writeFileSync(path, text);
      return hash;
    };
    assert.is(
      changed("README.md", (text) => `${text}\n`),
      before,
    );
    const changes: readonly [string, (text: string) => string][] = [
      ["firmware/main.ts", (text) => `${text}\n`],
      ["firmware/board/native/entropy.c", (text) => `${text}\n`],
      ["firmware/boards/esp32c3.json", (text) => text.replace("14848", "14336")],
      ["host-sim/modules/guest/timer.ts", (text) => `${text}\n`],
      ["firmware/manifest-mote.json", (text) => text.replace('"chainmote/sampler",', "")],
      [
        "manifest.json",
        (text) => text.replace("./firmware/sensor/sht3x/manifest.json", "./firmware/sensor/bme280/manifest.json"),
      ],
      ["manifest.json", (text) => text.replace('"initial": 1599', '"initial": 2000')],
      ["package.json", (text) => text.replace(/"@agoric\/xsnap": "[^"]+"/, '"@agoric/xsnap": "0"')],
    ];
    for (const [file, change] of changes) assert.is.not(changed(file, change), before, file);
    writeFileSync(join(copy, "firmware/new.ts"), "");
    assert.is.not(hashOfOurs(copy), before, "a new file");
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test("README and docs/boards.md say that figure, and no other of the runtime's heap", () => {
  for (const file of ["README.md", "docs/boards.md"]) {
    const text = readFileSync(join(REPOSITORY, file), "utf8");
    const said = [...text.matchAll(/takes\s+([\d,]+)\s+of\s+(?:the|an)\s+ESP32-C3's\s+([\d,]+)\s+bytes/g)];
    assert.equal(
      said.map(([, taken, all]) => [taken, all]),
      [[grouped(figure.heapPeakBytes), grouped(boardOf("esp32c3").creation.staticBytes)]],
      file,
    );
    assert.not.match(text, /36 KiB|36 KB/, file);
  }
  for (const file of ["README.md", "docs/boards.md", "docs/ledger.md"]) {
    const [, ledger] = /with\s+the\s+whole\s+ledger\s+([\d,]+)/.exec(readFileSync(join(REPOSITORY, file), "utf8")) ?? [];
    assert.is(ledger, grouped(figure.ledgerHeapPeakBytes), file);
  }
  const boards = readFileSync(join(REPOSITORY, "docs/boards.md"), "utf8").replace(/\s+/g, " ");
  const { chunkInitialBytes, heapInitialSlots, stackSlots } = boardOf("esp32c3").ledgerCreation;
  const begins = `chunks with ${grouped(chunkInitialBytes)} bytes, slots with ${grouped(heapInitialSlots)} × 16`;
  assert.ok(boards.includes(begins), begins);
  const slots = (ledger: boolean): number =>
    Math.max(...figure.chains.filter(({ chain }) => (chain === "ledger") === ledger).map((one) => one.stackPeakBytes)) / 16;
  const deepest = `takes ${slots(true)} of the ${stackSlots} slots of stack, the standard mote's ${slots(false)}`;
  assert.ok(boards.includes(deepest), deepest);
});

test.run();
