// Releases in safe mode: a board that no mote is begun on takes a new image by the same checks, with no key opened, and not where NVS is shut.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import type { Device, ResetReason } from "../../../firmware/ports.js";
import { start } from "../../../firmware/provision/start.js";
import { digestOf } from "../../../firmware/record/cose.js";
import { RESETS_MAX } from "../../../firmware/start/resets.js";
import { provingOf } from "../../../firmware/update/proving.js";
import { encodeRelease, PROFILE_DEV, PROFILE_PRODUCTION } from "../../../firmware/update/release.js";
import { RECEIVING, UpdateStore } from "../../../firmware/update/state.js";
import { NOTHING_PROVEN, safeUpdatesOf } from "../../../firmware/update/updates.js";
import { decodePartRequest, encodePart, updateTopicsOf } from "../../../firmware/update/wire.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../../host-sim/device.js";
import { writeImage } from "../../../host-sim/hardware/esp-image.js";
import { memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { Scripted } from "../bus/scripted-client.js";
import { LogBook } from "../hand-clock.js";
import { signed, testKey } from "../record/signing.js";

const ADMIN = testKey("the admin of the fleet");
const FLEET = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };
const MAC = "0a1b2c3d4e5f";
const SECTOR_BYTES = 4096;
const PARTITIONS = { journal: 16 * SECTOR_BYTES, otadata: 2 * SECTOR_BYTES, ota_0: 163_840, ota_1: 163_840 };
const CONFIGURATION = {
  board: "esp32c3",
  wifi: { ssid: "lab" },
  ntp: { servers: ["time.lab"] },
  mqtt: { host: "broker.lab" },
  fleet: { registry: `0x${toHex(FLEET.registry)}`, chain: FLEET.chain },
  collector: `0x${"c0".repeat(20)}`,
  checkpoint: {},
  update: { admin: `0x${toHex(ADMIN.address)}` },
};

function payloadOf(image: Uint8Array, profile: number, sequence: number): Uint8Array {
  const named = { digest: fastEngine.sha256(image), size: image.length, boardClass: "esp32c3" };
  return encodeRelease({ sequence, ...named, profile, fleet: FLEET });
}

function released(image: Uint8Array, profile = PROFILE_DEV, sequence = 1, by = ADMIN): Uint8Array {
  return signed(by, payloadOf(image, profile, sequence));
}

class Bench {
  readonly world = new VirtualClock(1_800_000_000_000);
  readonly storage = memoryStorage({ partitions: PARTITIONS });
  readonly log = new LogBook();
  board: SimulatedDevice | undefined;
  restarts = 0;
  /** Whether the chain says who releases, as firmware/main-ledger.ts has it. */
  registry = false;
  #served = 0;

  boot(reset: ResetReason, chip: DeviceOptions["chip"] = {}): void {
    this.board?.close();
    Scripted.made = [];
    this.#served = 0;
    const { log } = this;
    this.board = createBoard({
      ...{ clock: this.world, storage: this.storage, chip: { mac: MAC, ...chip }, reset },
      onLog: (event, fields) => log.write(event, fields),
    });
    const { device } = this.board;
    const network = { ...device.network, mqtt: { io: Scripted } } as unknown as Device["network"];
    const keys = { open: () => assert.unreachable("no key is opened") } as never;
    const whole: Device = { ...device, network, keys, restart: () => this.restart() };
    const proving = provingOf(whole);
    const configuration = this.registry ? { ...CONFIGURATION, update: {} } : CONFIGURATION;
    start({
      ...{ device: whole, engine: fastEngine, configuration, proving },
      updates: safeUpdatesOf(fastEngine, configuration, proving, this.registry ? NOTHING_PROVEN : undefined),
      open: () => ({ run: () => undefined }),
    });
  }

  private restart(): void {
    this.restarts += 1;
    this.board?.close();
  }

  /** The broker is reached, and has this manifest; parts of this image are served. */
  async release(
    image: Uint8Array,
    profile = PROFILE_DEV,
    topicProfile = profile,
    manifest = released(image, profile),
  ): Promise<void> {
    const topics = updateTopicsOf("", Buffer.from(MAC, "hex"), FLEET, "esp32c3", topicProfile);
    await this.world.advance(10_000);
    const client = Scripted.made.at(-1) as Scripted;
    client.room = 1e9;
    client.accept([1, 1, 1]);
    client.message(topics.manifest, manifest);
    for (let turn = 0; turn < 400 && this.restarts === 0; turn += 1) {
      await this.world.advance(100);
      for (; this.#served < client.writes.length; this.#served += 1) {
        const { data, options } = client.writes[this.#served] as Scripted["writes"][number];
        if (options.topic !== topics.requests) continue;
        const request = decodePartRequest(new Uint8Array(data as Uint8Array)) as { id: number; offset: number; bytes: number };
        client.message(
          topics.parts,
          encodePart(request.id, request.offset, image.slice(request.offset, request.offset + request.bytes)),
        );
      }
    }
  }

  crash(chip?: DeviceOptions["chip"]): void {
    for (let i = 0; i < RESETS_MAX; i += 1) this.boot("panic", chip);
    assert.is(this.log.of("safe-mode").at(-1)?.cause, "resets");
  }

  said(): unknown[] {
    return this.log.of("update").map(({ state }) => state);
  }

  refusals(): unknown[] {
    return this.log.of("refused").map(({ code }) => code);
  }
}

const image = writeImage({ chip: "esp32c3", version: "v2", secureVersion: 0, bytes: 20_000, program: { firmware: "v2" } });

test("after five crashes the next image is taken by its release, starts, and has to prove itself", async () => {
  const bench = new Bench();
  bench.crash();
  await bench.release(image);
  assert.equal(bench.said(), ["receiving", "restarting"], JSON.stringify(bench.refusals()));
  assert.is(bench.restarts, 1);
  bench.boot("software");
  assert.equal(bench.board?.board.slots?.running(), { slot: 1, state: "pending" });
  assert.is(bench.board?.board.image?.program?.firmware, "v2");
});

test("an image in safe mode that has still to prove itself shows nothing by that, takes no other, and goes", async () => {
  const bench = new Bench();
  bench.crash();
  await bench.release(image);
  bench.boot("software", { nvs: "nvs-corrupt" });
  assert.is(bench.log.of("safe-mode").at(-1)?.cause, "nvs-corrupt");
  bench.restarts = 0;
  await bench.release(image);
  assert.ok(!bench.said().includes("valid"), `${bench.said()}`);
  await bench.world.advance(16 * 60_000);
  assert.is(bench.restarts, 1);
  bench.boot("software");
  assert.is(bench.board?.board.slots?.running().slot, 0);
});

test("where NVS is not open it is not known which sequence was the last: none is taken", async () => {
  const bench = new Bench();
  bench.boot("power-on", { nvs: "nvs-corrupt" });
  await bench.release(image);
  assert.equal([bench.said(), bench.restarts], [[], 0]);
  assert.ok(bench.refusals().includes("update-store-lost"), `${bench.refusals()}`);
});

test("a mote with a registry goes on with the release that it took while all was proven, and takes no other: not its admin's, nor a former one's", async () => {
  const bench = new Bench();
  bench.registry = true;
  bench.crash();
  await bench.release(image);
  assert.equal([bench.said(), bench.refusals()], [[], ["release-unproven"]], "nothing was taken before");
  // What normal work leaves of a release that it has taken.
  const domain = bench.board?.device.store as Device["store"];
  const manifest = digestOf(fastEngine, ADMIN.address, payloadOf(image, PROFILE_DEV, 1));
  const taken = { phase: RECEIVING, reason: 0, missing: 0, attempts: 0, slot: 1, sequence: 1, offset: 0, secureVersion: 0 };
  new UpdateStore(domain).write({ ...taken, size: image.length, digest: fastEngine.sha256(image), manifest });
  for (const by of [ADMIN, testKey("a former admin")]) {
    bench.crash();
    await bench.release(image, PROFILE_DEV, PROFILE_DEV, released(image, PROFILE_DEV, 2, by));
    assert.equal([bench.said(), bench.refusals().at(-1)], [[], "release-unproven"]);
  }
  bench.crash();
  await bench.release(image, PROFILE_DEV, PROFILE_DEV, new Uint8Array(90));
  assert.equal([bench.said(), bench.refusals().at(-1)], [[], "cose-malformed"]);
  bench.crash();
  const forged = released(image);
  forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
  await bench.release(image, PROFILE_DEV, PROFILE_DEV, forged);
  assert.equal([bench.said(), bench.refusals().at(-1)], [[], "signature-invalid"]);
  bench.crash();
  await bench.release(image);
  assert.equal(bench.said(), ["receiving", "restarting"], JSON.stringify(bench.refusals()));
  bench.boot("software");
  assert.is(bench.board?.board.image?.program?.firmware, "v2");
});

test("the profile is what the image was built with: production takes no dev's, whatever the topic", async () => {
  const bench = new Bench();
  bench.crash({ profile: "production" });
  await bench.release(image, PROFILE_DEV, PROFILE_PRODUCTION);
  assert.equal([bench.said(), bench.refusals()], [[], ["release-profile"]]);
  const other = new Bench();
  other.crash({ profile: "production" });
  await other.release(image, PROFILE_PRODUCTION);
  assert.equal(other.said(), ["receiving", "restarting"]);
});

test.run();
