// The start, that of an application and that of an image which keeps a configuration: what ends in safe mode, what safe mode does and leaves
// alone, and when resets are counted together. On simulated boards that share a storage, on virtual time.

import { test as once } from "uvu";
import * as assert from "uvu/assert";
import { decode } from "../../../firmware/codec/cbor.js";
import type { MoteConfig } from "../../../firmware/config.js";
import { SoftwareKeys } from "../../../firmware/crypto/software-keys.js";
import type { Device, ResetReason } from "../../../firmware/ports.js";
import { start as startKept } from "../../../firmware/provision/start.js";
import { Rejection } from "../../../firmware/rejection.js";
import { RESETS_MAX } from "../../../firmware/start/resets.js";
import type { SafePartType } from "../../../firmware/start/safe-mode.js";
import { start } from "../../../firmware/start/start.js";
import { FIRMWARE_VERSION } from "../../../firmware/start/told.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../../host-sim/device.js";
import { type BoardStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { Scripted } from "../bus/scripted-client.js";
import { LogBook } from "../hand-clock.js";

const MINUTE_MS = 60_000;
const CONFIGURATION = {
  wifi: { ssid: "lab" },
  ntp: { servers: ["time.lab"] },
  mqtt: { host: "broker.lab", prefix: "farm/" },
  fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
  collector: `0x${"c0".repeat(20)}`,
  checkpoint: {},
};
const MAC = "0a1b2c3d4e5f";

/** Whether the image keeps a configuration (provision/start.ts). */
let keeps = false;

/** Each is held by either start. */
function test(name: string, body: () => void | Promise<void>): void {
  for (const which of [false, true])
    once(which ? `${name}; where a configuration is kept` : name, () => {
      keeps = which;
      return body();
    });
}

class Bench {
  readonly world = new VirtualClock(1_800_000_000_000);
  readonly storage: BoardStorage = memoryStorage();
  readonly log = new LogBook();
  board: SimulatedDevice | undefined;
  opened = 0;
  restarted = 0;
  updates: SafePartType | undefined;
  /** What opening the mote throws. */
  throws: string | Rejection | undefined;
  refuses: Rejection | undefined;
  /** How often the image was said to be none. */
  unfit = 0;

  /** Power or a reset: another board on the same storage. Answers the cause of safe mode, or undefined where a mote was begun. */
  boot(reset: ResetReason, options: DeviceOptions = {}, configuration: unknown = CONFIGURATION): string | undefined {
    this.board?.close();
    Scripted.made = [];
    const log = this.log;
    const chip = { mac: MAC, ...options.chip };
    this.board = createBoard({
      ...{ clock: this.world, storage: this.storage, ...options, chip, reset },
      onLog: (event, fields) => log.write(event, fields),
    });
    const { device } = this.board;
    const network = { ...device.network, mqtt: { io: Scripted } } as unknown as Device["network"];
    const whole: Device = {
      ...device,
      network,
      keys: new SoftwareKeys({ ...device, engine: fastEngine }),
      restart: () => this.restart(),
    };
    const before = this.log.of("safe-mode").length;
    const open = (_config: MoteConfig) => {
      this.opened += 1;
      if (this.throws instanceof Rejection) throw this.throws;
      if (this.throws !== undefined) throw new Error(this.throws);
      return this.refuses ?? { run: () => undefined };
    };
    const unfit = (): void => {
      this.unfit += 1;
    };
    const proving = { unfit };
    if (keeps) startKept({ device: whole, engine: fastEngine, configuration, open, updates: this.updates, proving });
    else start(whole, configuration, open, this.updates);
    const lines = this.log.of("safe-mode");
    return lines.length > before ? String(lines.at(-1)?.cause) : undefined;
  }

  private restart(): void {
    this.restarted += 1;
    this.board?.close();
  }

  /** All that NVS holds. */
  values(): Readonly<Record<string, string>> {
    const entries = [...this.storage.nvs.sizes().keys()].map((name) => {
      const [namespace, key] = name.split("/") as [string, string];
      return [name, Buffer.from(this.storage.nvs.get(namespace, key) as Uint8Array).toString("hex")];
    });
    return Object.fromEntries(entries);
  }
}

test("each start but a wake begins with one line: firmware, why, locks, NVS, slot, heap; nothing that names the chip", () => {
  const bench = new Bench();
  const memory = { freeBytes: 140_000, largestBytes: 110_592, leastBytes: 139_000 };
  bench.boot("brown-out", { chip: { profile: "production", secureBoot: true, flashEncryption: "release", memory } });
  const [first] = bench.log.lines;
  assert.equal(first, {
    firmware: FIRMWARE_VERSION,
    ...{ event: "start", reset: "brown-out", profile: "production", nvs: "open" },
    ...{ secureBoot: true, flashEncryption: "release", nvsEncryption: false, freeBytes: 140_000, largestBytes: 110_592 },
    ...{ slot: 0, image: "valid" },
  });
  assert.not.match(JSON.stringify(bench.log.lines).toLowerCase(), MAC);
  bench.boot("deep-sleep");
  assert.is(bench.log.of("start").length, 1);
  bench.boot("power-on", { chip: { nvs: "nvs-corrupt" } });
  assert.is(bench.log.of("start")[1]?.nvs, "nvs-corrupt");
});

test("five resets within ten minutes that nobody wanted end in safe mode, whichever they are, and the mote is not opened", () => {
  const reasons: readonly ResetReason[] = ["panic", "task-watchdog", "interrupt-watchdog", "watchdog", "brown-out", "unknown"];
  for (const reason of reasons) {
    const bench = new Bench();
    assert.is(bench.boot("power-on"), undefined);
    for (let i = 1; i < RESETS_MAX; i += 1) assert.is(bench.boot(reason), undefined, `${reason} ${i}`);
    assert.is(bench.opened, RESETS_MAX);
    assert.is(bench.boot(reason), "resets");
    assert.is(bench.opened, RESETS_MAX);
    assert.is(bench.boot(reason), "resets", "and stay in it");
    assert.match(String(bench.log.of("safe-mode")[0]?.detail), `5 resets within ten minutes, the last: ${reason}`);
  }
});

test("resets that lie further apart are not counted together: the minutes that the board ran in between are", async () => {
  const bench = new Bench();
  for (let i = 0; i < 40; i += 1) {
    assert.is(bench.boot("panic"), undefined, `reset ${i}`);
    await bench.world.advance(2.6 * MINUTE_MS);
    await bench.world.advance(0.5 * MINUTE_MS);
  }
  const fast = new Bench();
  let cause: string | undefined;
  for (let i = 0; i < RESETS_MAX; i += 1) {
    cause = fast.boot("panic");
    await fast.world.advance(1.9 * MINUTE_MS);
  }
  assert.is(cause, "resets", "1.9 minutes apart");
});

test("ten quiet minutes forget all, and from then on nothing is written and no timer runs", async () => {
  const bench = new Bench();
  for (let i = 1; i < RESETS_MAX; i += 1) bench.boot("panic");
  const running = bench.board?.board.world.waiting as number;
  await bench.world.advance(10 * MINUTE_MS);
  assert.equal(bench.values(), {});
  assert.is(bench.board?.board.world.waiting, running - 1);
  for (let i = 1; i < RESETS_MAX; i += 1) assert.is(bench.boot("panic"), undefined);
  assert.is(bench.boot("panic"), "resets");
});

test("power, the reset button and an orderly restart forget all; a wake goes on as before", () => {
  for (const [reason, forgets] of [
    ["power-on", true],
    ["external", true],
    ["software", true],
    ["deep-sleep", false],
  ] as const) {
    const bench = new Bench();
    for (let i = 0; i < RESETS_MAX; i += 1) bench.boot("panic");
    assert.is(bench.boot(reason), forgets ? undefined : "resets", reason);
    assert.is(bench.boot("panic"), forgets ? undefined : "resets", reason);
  }
});

test("NVS that is not open is safe mode, by its name, and nothing of it is read, written or erased", () => {
  for (const nvs of [
    "nvs-missing",
    "nvs-full",
    "nvs-newer",
    "nvs-corrupt",
    "nvs-plaintext",
    "nvs-keys",
    "nvs-unreadable",
  ] as const) {
    const bench = new Bench();
    bench.storage.nvs.set("keys", "device", new Uint8Array(32).fill(7));
    const before = bench.values();
    assert.is(bench.boot("panic", { chip: { nvs } }), nvs);
    assert.is(bench.opened, 0);
    assert.equal(bench.values(), before, nvs);
    assert.is(bench.boot("power-on"), undefined, "and the mote is there again once NVS is");
  }
});

test("NVS that refuses a write is safe mode, where the start itself writes and where the mote does", () => {
  const full = new Bench();
  full.storage.nvs.set("filler", "a", new Uint8Array(45_500));
  const before = full.values();
  assert.is(full.boot("panic"), "nvs-full");
  assert.is(full.opened, 0);
  assert.equal(full.values(), before);
  const later = new Bench();
  later.throws = "ESP_ERR_NVS_NOT_ENOUGH_SPACE";
  assert.is(later.boot("power-on"), "nvs-full");
  later.throws = "ESP_ERR_FLASH_OP_FAIL";
  assert.is(later.boot("power-on"), "nvs-failed");
  assert.match(String(later.log.of("safe-mode").at(-1)?.detail), "ESP_ERR_FLASH_OP_FAIL");
});

test("what the mote throws otherwise goes on, and is a crash", () => {
  const bench = new Bench();
  bench.throws = "assertion failed: a mistake of ours";
  assert.throws(() => bench.boot("power-on"), /a mistake of ours/);
  assert.equal(bench.log.of("safe-mode"), []);
});

test("safe mode publishes its cause, retained, on a topic of the board's MAC, and again each minute; nothing else", async () => {
  const bench = new Bench();
  bench.storage.nvs.set("keys", "device", new Uint8Array(32).fill(7));
  bench.boot("brown-out", { chip: { nvs: "nvs-plaintext", profile: "production" } });
  await bench.world.advance(10_000);
  const client = Scripted.made.at(-1) as Scripted;
  client.room = 1e6;
  client.accept([1]);
  await bench.world.advance(130_000);
  const writes = client.writes.filter(({ options }) => options.topic !== undefined);
  assert.is(writes.length, 3);
  for (const { data, options } of writes) {
    assert.is(options.topic, `farm/boards/${MAC}/health`);
    assert.is(options.retain, true);
    const health = decode(new Uint8Array(data as Uint8Array)) as Map<number, unknown>;
    assert.equal(
      [...health],
      [
        [0, 1],
        [1, "nvs-plaintext"],
        [2, "NVS is not open; nothing in it was erased"],
        [3, 0],
        [4, "brown-out"],
        [5, "production"],
      ],
    );
  }
  assert.equal(bench.log.of("key"), [], "no key is opened");
  assert.is(client.options.id, `mote-${MAC}`);
  assert.is((client.options.will as { topic: string }).topic, `farm/boards/${MAC}/health`);
});

once("an image that takes updates takes them in safe mode, too: on topics of its own and on the board's", async () => {
  keeps = true;
  const bench = new Bench();
  const taken: string[] = [];
  let steps = 0;
  bench.updates = (owner) => ({
    subscriptions: [`${owner.config.mqtt.prefix}releases`],
    received: (topic, message) => taken.push(`${topic} ${message.length}`) > 0,
    linkChanged: () => undefined,
    step() {
      steps += 1;
      return owner.bus.up ? 5000 : 60_000;
    },
  });
  bench.boot("power-on", { chip: { nvs: "nvs-corrupt" } });
  await bench.world.advance(10_000);
  const client = Scripted.made.at(-1) as Scripted;
  client.room = 1e6;
  client.accept([1, 1]);
  client.message("farm/releases", new Uint8Array(7));
  client.message(`farm/boards/${MAC}/updates`, new Uint8Array(9));
  await bench.world.advance(60_000);
  assert.equal(taken, ["farm/releases 7", `farm/boards/${MAC}/updates 9`]);
  assert.ok(steps > 10, `${steps} steps`);
});

test("after an hour it starts anew, for a cause may pass", async () => {
  const bench = new Bench();
  bench.boot("power-on", { chip: { nvs: "nvs-failed" } });
  await bench.world.advance(3_599_000);
  assert.is(bench.restarted, 0);
  await bench.world.advance(61_000);
  assert.is(bench.restarted, 1);
});

test("a mote that is refused leaves safe mode, with its cause and its updates, by which another image may come", async () => {
  for (const thrown of [false, true]) {
    const bench = new Bench();
    let made = 0;
    bench.updates = () => {
      made += 1;
      return undefined;
    };
    const fault = new Rejection("config-invalid", "ledger: expected an object");
    if (thrown) bench.throws = fault;
    else bench.refuses = fault;
    assert.is(bench.boot("power-on"), "start");
    assert.is(bench.log.of("safe-mode").at(-1)?.detail, "config-invalid");
    assert.match(String(bench.log.of("error")[0]?.detail), /^ledger: /);
    await bench.world.advance(10_000);
    assert.equal([Scripted.made.length, made], [1, 1]);
    assert.is(bench.unfit, keeps ? 1 : 0, "an image that has still to prove itself goes");
  }
});

once("the network of safe mode is that of the kept configuration, as far as it can be read", async () => {
  keeps = true;
  const bench = new Bench();
  const copy = new TextEncoder().encode(JSON.stringify({ mqtt: { host: "broker.kept" } }));
  bench.storage.nvs.set("config", "a", copy);
  bench.storage.nvs.set("config", "state", Uint8Array.of(1, 1, 0, 0, 0, 0));
  const before = bench.values();
  for (const [nvs, host] of [
    [undefined, "broker.kept"],
    ["nvs-corrupt", "broker.lab"],
  ] as const) {
    for (let i = 0; i < RESETS_MAX; i += 1) bench.boot("panic", nvs === undefined ? {} : { chip: { nvs } });
    await bench.world.advance(10_000);
    assert.is((Scripted.made.at(-1) as Scripted).options.host, host);
    const { "config/a": a, "config/state": state } = bench.values();
    assert.equal({ "config/a": a, "config/state": state }, before);
  }
});

test("a configuration that does not hold is said in either mode, and nothing is begun", async () => {
  const bench = new Bench();
  assert.is(bench.boot("power-on", {}, {}), undefined);
  assert.is(bench.opened, 0);
  assert.is(bench.log.of("error")[0]?.code, "config-invalid");
  assert.is(bench.boot("power-on", { chip: { nvs: "nvs-corrupt" } }, {}), "nvs-corrupt");
  await bench.world.advance(MINUTE_MS);
  assert.is(bench.log.of("error").length, 2);
  assert.is(Scripted.made.length, 0);
});

test("without a chip that says anything of itself the mote is begun", () => {
  const log = new LogBook();
  let opened = 0;
  const { device, close } = createBoard();
  const { chip: _, ...rest } = device;
  start({ ...rest, log, keys: new SoftwareKeys({ ...device, engine: fastEngine }) } as Device, CONFIGURATION, () => {
    opened += 1;
    return { run: () => undefined };
  });
  assert.is(opened, 1);
  close();
});

once.run();
