// What every flash port must do, whoever implements it: the SDK's class on a board, the simulated one on Node and XS.
// Asserts only what the firmware relies on; nothing about how erased flash reads.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FlashStorage } from "../../../firmware/ports.js";

const BLOCK_BYTES = 4096;
const UNIT_BYTES = 32;

/** Runs the contract against `open`, which gives a storage with a partition named `path` of 3 blocks or more. */
export function flashContract(name: string, open: () => { storage: FlashStorage; path: string }): void {
  const test = suite(`flash contract: ${name}`);
  const fill = (length: number, from: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (from + i * 7) & 0xff);

  test("states its size, its block length and its blocks", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    const { size, blockLength, blocks } = partition.status();
    assert.is(blockLength, BLOCK_BYTES);
    assert.is(size, blocks * blockLength);
    assert.ok(blocks >= 3);
    partition.close();
  });

  test("gives back what was written after an erase, as a new buffer and into a given one", () => {
    const { storage, path } = open();
    const partition = storage.open({ path, mode: "r+" });
    partition.eraseBlock(1);
    const bytes = fill(5 * UNIT_BYTES, 3);
    partition.write(bytes, BLOCK_BYTES + 2 * UNIT_BYTES);
    const read = partition.read(bytes.length, BLOCK_BYTES + 2 * UNIT_BYTES);
    assert.instance(read, ArrayBuffer);
    assert.equal(new Uint8Array(read), bytes);
    const into = new Uint8Array(64);
    assert.is(partition.read(into.subarray(8, 8 + UNIT_BYTES), BLOCK_BYTES + 3 * UNIT_BYTES), UNIT_BYTES);
    assert.equal(into.slice(8, 8 + UNIT_BYTES), bytes.slice(UNIT_BYTES, 2 * UNIT_BYTES));
    assert.equal(into.slice(0, 8), new Uint8Array(8));
    assert.equal(into.slice(8 + UNIT_BYTES), new Uint8Array(64 - 8 - UNIT_BYTES));
    partition.close();
  });

  test("takes an ArrayBuffer too", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    partition.eraseBlock(0);
    const bytes = fill(UNIT_BYTES, 9);
    partition.write(bytes.slice().buffer, 0);
    const into = new ArrayBuffer(UNIT_BYTES);
    assert.is(partition.read(into, 0), UNIT_BYTES);
    assert.equal(new Uint8Array(into), bytes);
    partition.close();
  });

  test("writes units one after the other without touching their neighbours", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    partition.eraseBlock(0);
    const before = new Uint8Array(partition.read(4 * UNIT_BYTES, 0));
    const first = fill(UNIT_BYTES, 1);
    partition.write(first, UNIT_BYTES);
    const second = fill(UNIT_BYTES, 100);
    partition.write(second, 2 * UNIT_BYTES);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, UNIT_BYTES)), first);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 2 * UNIT_BYTES)), second);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 0)), before.slice(0, UNIT_BYTES));
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 3 * UNIT_BYTES)), before.slice(3 * UNIT_BYTES));
    partition.close();
  });

  test("erases the blocks named, counted in blocks, and no other", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    partition.eraseBlock(0, 3);
    const erased = new Uint8Array(partition.read(UNIT_BYTES, 0));
    const bytes = fill(UNIT_BYTES, 50);
    for (const block of [0, 1, 2]) partition.write(bytes, block * BLOCK_BYTES);
    partition.eraseBlock(0, 1);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 0)), erased);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, BLOCK_BYTES)), bytes);
    partition.eraseBlock(1);
    assert.not.equal(new Uint8Array(partition.read(UNIT_BYTES, BLOCK_BYTES)), bytes);
    assert.equal(new Uint8Array(partition.read(UNIT_BYTES, 2 * BLOCK_BYTES)), bytes);
    partition.close();
  });

  test("reads erased flash the same every time", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    partition.eraseBlock(2);
    const once = new Uint8Array(partition.read(BLOCK_BYTES, 2 * BLOCK_BYTES));
    assert.equal(new Uint8Array(partition.read(BLOCK_BYTES, 2 * BLOCK_BYTES)), once);
    partition.close();
  });

  test("keeps what was written when it is opened again", () => {
    const { storage, path } = open();
    const bytes = fill(UNIT_BYTES, 77);
    const partition = storage.open({ path });
    partition.eraseBlock(0);
    partition.write(bytes, 0);
    partition.close();
    const again = storage.open({ path });
    assert.equal(new Uint8Array(again.read(UNIT_BYTES, 0)), bytes);
    again.close();
  });

  test("refuses what lies outside the partition", () => {
    const { storage, path } = open();
    const partition = storage.open({ path });
    const { size, blocks } = partition.status();
    assert.throws(() => partition.read(UNIT_BYTES, size));
    assert.throws(() => partition.read(UNIT_BYTES, size - 1));
    assert.throws(() => partition.write(new Uint8Array(UNIT_BYTES), size));
    assert.throws(() => partition.eraseBlock(blocks));
    assert.throws(() => partition.eraseBlock(0, blocks + 1));
    partition.close();
  });

  test("refuses a partition that is not there, writes where only reading was asked for, and use after close", () => {
    const { storage, path } = open();
    assert.throws(() => storage.open({ path: "no-such-name" }));
    const partition = storage.open({ path, mode: "r" });
    assert.throws(() => partition.write(new Uint8Array(UNIT_BYTES), 0));
    assert.throws(() => partition.eraseBlock(0));
    partition.read(UNIT_BYTES, 0);
    partition.close();
    assert.throws(() => partition.read(UNIT_BYTES, 0));
  });

  test.run();
}
