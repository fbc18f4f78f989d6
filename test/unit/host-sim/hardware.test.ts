// The parts of the simulated board that the port contracts do not reach: clocks that wrap and drift, a broken noise source,
// non-volatile storage that a process dies over, the SHT3x as its datasheet has it.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createBoard } from "../../../host-sim/device.js";
import { BoardClock } from "../../../host-sim/hardware/board-clock.js";
import { EntropySource } from "../../../host-sim/hardware/entropy.js";
import { FileNvs, KeyValuePartition, MemoryNvs, type NvsStore } from "../../../host-sim/hardware/key-value.js";
import { crc8, generatedTrace, recordedTrace, Sht3x } from "../../../host-sim/hardware/sht3x.js";
import { fileStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { Prng } from "../../../host-sim/world/prng.js";

test("the tick counter is a signed 32-bit number that wraps; the elapsed time does not", async () => {
  const world = new VirtualClock();
  const clock = new BoardClock(world, { ticksAtBoot: 0x7fffffff - 5 });
  const before = clock.ticks();
  await world.advance(10);
  assert.is(clock.ticks(), -0x80000000 + 4);
  assert.is((clock.ticks() - before) | 0, 10);
  assert.is(clock.elapsedMs(), 10);
});

test("the wall clock begins in 1970, is set in whole seconds, and drifts", async () => {
  const world = new VirtualClock();
  const clock = new BoardClock(world, { driftPpm: 100 });
  await world.advance(1000);
  assert.is(clock.nowMs(), 1000);
  clock.set(1_700_000_000.9);
  assert.is(clock.nowMs(), 1_700_000_000_000);
  await world.advance(10_000_000);
  assert.ok(Math.abs(clock.nowMs() - 1_700_000_000_000 - 10_001_000) <= 1, "a hundred parts per million fast");
});

test("a broken noise source is stuck or biased, as it was told to be", () => {
  const bytes = new Uint8Array(4096);
  const source = new EntropySource(() => true, { noiseFailed: false }, { seed: "e", fault: "stuck" });
  source.read(bytes);
  assert.ok(bytes.every((byte) => byte === bytes[0]));
  source.fault = "biased";
  source.read(bytes);
  const zeros = bytes.filter((byte) => byte === 0).length;
  assert.ok(zeros > 2800 && zeros < 3400, `${zeros} of 4096 are zero`);
  source.fault = "none";
  source.read(bytes);
  assert.ok(bytes.filter((byte) => byte === 0).length < 60);
});

test("seeded noise is the same again, unseeded never", () => {
  const draw = (options: { seed?: string }): string => {
    const bytes = new Uint8Array(16);
    new EntropySource(() => true, { noiseFailed: false }, options).read(bytes);
    return bytes.join();
  };
  assert.is(draw({ seed: "a" }), draw({ seed: "a" }));
  assert.is.not(draw({ seed: "a" }), draw({ seed: "b" }));
  assert.is.not(draw({}), draw({}));
});

function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-hardware-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a write that a dead process left half done is as if it had never been", () =>
  inFolder((folder) => {
    new FileNvs(folder).set("mote", "seq", Uint8Array.of(1));
    const namespace = join(folder, readdirSync(folder)[0] as string);
    const file = readdirSync(namespace)[0] as string;
    writeFileSync(join(namespace, `${file}.new`), Uint8Array.of(9, 9));
    const store = new FileNvs(folder);
    assert.equal([...(store.get("mote", "seq") as Uint8Array)], [1]);
    assert.equal([...store.sizes()], [["mote/seq", 1]]);
    assert.equal(readdirSync(namespace), [file]);
  }));

test("names of any characters stay apart and inside their folder", () =>
  inFolder((folder) => {
    mkdirSync(join(folder, "nvs"));
    const store = new FileNvs(join(folder, "nvs"));
    const names = ["..", "../..", "a/b", "A", "a", "con", "é", " ", "%2e", ".new"];
    for (const [i, name] of names.entries()) store.set(name, name, Uint8Array.of(i));
    for (const [i, name] of names.entries()) assert.equal([...(store.get(name, name) as Uint8Array)], [i], name);
    assert.equal(readdirSync(folder), ["nvs"]);
    assert.is(store.sizes().size, names.length);
  }));

for (const kind of ["memory", "folder"] as const)
  test(`non-volatile storage in a ${kind} is a map that lasts (property)`, () =>
    inFolder((folder) => {
      const name = fc.constantFrom("a", "b", "seq", "fifteen-letters");
      const step = fc.record({ namespace: name, key: name, value: fc.option(fc.uint8Array({ maxLength: 40 })) });
      let runs = 0;
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          runs += 1;
          const path = join(folder, String(runs));
          const memory = new MemoryNvs();
          const reopen = (): NvsStore => (kind === "memory" ? memory : new FileNvs(path));
          const model = new Map<string, string>();
          for (const { namespace, key, value } of steps) {
            const partition = new KeyValuePartition(reopen());
            if (value === null) partition.delete(namespace, key);
            else partition.write(namespace, key, value);
            if (value === null) model.delete(`${namespace}/${key}`);
            else model.set(`${namespace}/${key}`, value.join());
            for (const n of ["a", "seq"])
              for (const k of ["a", "seq"]) assert.is(reopen().get(n, k)?.join(), model.get(`${n}/${k}`));
          }
          assert.is(reopen().sizes().size, model.size);
        }),
        { numRuns: kind === "memory" ? 200 : 15 },
      );
    }));

test("a partition refuses what NVS has no room for, and every write where the flash refuses", () => {
  const partition = new KeyValuePartition(new MemoryNvs());
  assert.throws(() => partition.write("a", "k", new Uint8Array(20_001)), /VALUE_TOO_LONG/);
  partition.write("a", "k", new Uint8Array(14_000));
  assert.throws(() => partition.write("a", "l", new Uint8Array(2000)), /NOT_ENOUGH_SPACE/);
  assert.throws(() => partition.write("a", "k", new Uint8Array(2000)), /NOT_ENOUGH_SPACE/, "the old value is still there");
  partition.write("a", "k", new Uint8Array(10));
  partition.write("a", "l", new Uint8Array(2000));
  partition.failWrites = true;
  assert.throws(() => partition.open("b", false), /FLASH_OP_FAIL/, "a namespace's name is written, too");
  partition.open("a", false);
  assert.throws(() => partition.write("a", "k", Uint8Array.of(1)), /FLASH_OP_FAIL/);
  assert.is(partition.read("a", "k")?.length, 10);
});

test("flash and storage last through a power cut, in memory and in a folder", () =>
  inFolder((folder) => {
    for (const open of [() => fileStorage(folder), memoryStorage]) {
      const storage = open();
      const first = createBoard({ storage });
      const partition = first.device.flash.open({ path: "journal" });
      assert.equal(partition.status(), { size: 0x40000, blockLength: 4096, blocks: 64 });
      assert.equal([...new Uint8Array(partition.read(4, 0))], [255, 255, 255, 255]);
      partition.write(
        Uint8Array.from({ length: 32 }, (_, i) => i),
        32,
      );
      first.device.store.open({ path: "mote" }).write("boot", Uint8Array.of(7));
      first.close();
      const again = createBoard({ storage: open === memoryStorage ? storage : open() });
      assert.equal([...new Uint8Array(again.device.flash.open({ path: "journal" }).read(3, 33))], [1, 2, 3]);
      assert.is(new Uint8Array(again.device.store.open({ path: "mote" }).read("boot") as ArrayBuffer)[0], 7);
      again.close();
    }
    assert.throws(() => createBoard().device.flash.open({ path: "nowhere" }));
    assert.throws(() => memoryStorage({ partitions: { journal: 1000 } }), /journal/);
    assert.throws(() => memoryStorage({ partitions: { "../x": 4096 } }), /name/);
  }));

test("the configuration is frozen and the giver's own object is not", () => {
  const config = { mqtt: { host: "broker" } };
  const { board } = createBoard({ config });
  assert.ok(Object.isFrozen((board.config as typeof config).mqtt));
  config.mqtt.host = "other";
  assert.is((board.config as typeof config).mqtt.host, "broker");
});

test("CRC-8 as in the datasheet's example", () => {
  assert.is(crc8(Uint8Array.of(0xbe, 0xef)), 0x92);
});

test("the SHT3x is silent while it measures, hands a result out once, and measures in 12.5 to 15 ms", async () => {
  const clock = new VirtualClock();
  const part = new Sht3x(clock, new Prng("p"), () => ({ temperature: 25, humidity: 50 }));
  assert.not.ok(part.write(Uint8Array.of(0x24, 0x00)), "still powering up");
  await clock.advance(2);
  assert.ok(part.write(Uint8Array.of(0x24, 0x00)));
  assert.not.ok(part.write(Uint8Array.of(0x24, 0x00)), "a command while it measures");
  await clock.advance(12.4, 0);
  assert.is(part.read(6), undefined);
  await clock.advance(2.7, 0);
  const { bytes, stretchMs } = part.read(6) as { bytes: Uint8Array; stretchMs: number };
  assert.is(stretchMs, 0);
  assert.is(crc8(bytes.subarray(0, 2)), bytes[2]);
  assert.is(crc8(bytes.subarray(3, 5)), bytes[5]);
  assert.is(((bytes[0] as number) << 8) | (bytes[1] as number), Math.round((70 / 175) * 65_535));
  assert.is(part.read(6), undefined);
  assert.not.ok(part.write(Uint8Array.of(0x12, 0x34)), "an unknown command");
});

test("asked to stretch, the SHT3x holds the clock for what is left of the measurement", async () => {
  const clock = new VirtualClock();
  const part = new Sht3x(clock, new Prng("p"), () => ({ temperature: 25, humidity: 50 }));
  await clock.advance(2);
  part.write(Uint8Array.of(0x2c, 0x06));
  await clock.advance(5, 0);
  const stretchMs = part.read(6)?.stretchMs as number;
  assert.ok(stretchMs >= 7.5 && stretchMs <= 10, `${stretchMs} ms`);
});

test("a recorded trace is followed and repeated; a generated one stays in a room's bounds", () => {
  const trace = recordedTrace([
    [100, 10, 40],
    [110, 20, 60],
    [120, 10, 40],
  ]);
  assert.equal(trace(0), { temperature: 10, humidity: 40 });
  assert.equal(trace(5), { temperature: 15, humidity: 50 });
  assert.equal(trace(10), { temperature: 20, humidity: 60 });
  assert.equal(trace(25), { temperature: 15, humidity: 50 });
  assert.equal(recordedTrace([[0, 21, 45]])(1000), { temperature: 21, humidity: 45 });
  assert.throws(() => recordedTrace([]));
  fc.assert(
    fc.property(fc.string(), fc.double({ min: 0, max: 4e9, noNaN: true }), (seed, seconds) => {
      const { temperature, humidity } = generatedTrace(new Prng(seed))(seconds);
      assert.ok(temperature > 10 && temperature < 30 && humidity > 20 && humidity < 80, `${temperature} °C, ${humidity} %`);
    }),
  );
});

test.run();
