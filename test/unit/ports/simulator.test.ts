// The contracts of all ports, run against the simulated board on Node (the keys have tests of their own).

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BoardNetwork } from "../../../firmware/ports.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../../host-sim/device.js";
import { fileStorage, memoryStorage } from "../../../host-sim/hardware/storage.js";
import { VirtualClock } from "../../../host-sim/world/clock.js";
import { SntpServer } from "../../../host-sim/world/sntp-server.js";
import { pause, until } from "../../patience.js";
import { entropyContract } from "./entropy.contract.js";
import { i2cContract } from "./i2c.contract.js";
import { keyValueContract } from "./key-value.contract.js";
import { mqttContract } from "./mqtt.contract.js";
import { ntpContract } from "./ntp.contract.js";
import { timerContract } from "./timer.contract.js";
import { wifiContract } from "./wifi.contract.js";

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A board that has its address. */
async function online(options: DeviceOptions, pass: () => Promise<void>): Promise<SimulatedDevice> {
  const simulated = createBoard(options);
  const wifi = new simulated.device.network.wifi.io({});
  wifi.connect({ SSID: "lab" });
  await pass();
  if (!simulated.board.radio.online) throw new Error("no address");
  return simulated;
}

i2cContract("simulated", async () => {
  const clock = new VirtualClock();
  const { device } = createBoard({ clock });
  await clock.advance(10); // power-up
  return device.io.i2c;
});

keyValueContract("simulated, in memory", () => {
  const storage = memoryStorage();
  return { boot: () => createBoard({ storage }).device.store };
});

keyValueContract("simulated, in a folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-nvs-"));
  folders.push(folder);
  return { boot: () => createBoard({ storage: fileStorage(folder, { partitions: {} }) }).device.store };
});

timerContract("simulated, virtual time", () => {
  const clock = new VirtualClock();
  const { device } = createBoard({ clock });
  return { timer: device.timer, clock: device.clock, pass: (durationMs) => clock.advance(durationMs) };
});

timerContract("simulated, real time", () => {
  const { device } = createBoard();
  return { timer: device.timer, clock: device.clock, pass: pause };
});

for (const [title, entropy] of [
  ["real noise", {}],
  ["seeded", { seed: "contract" }],
] as const)
  entropyContract(`simulated, ${title}`, () => {
    const { device } = createBoard({ entropy });
    return { entropy: device.entropy, feed: () => new device.network.wifi.io({}).close() };
  });

wifiContract("simulated", () => {
  const clock = new VirtualClock();
  const { device, board } = createBoard({ clock, radio: { accessPoints: { lab: { password: "right" } } } });
  return {
    wifi: device.network.wifi,
    setAccessPoint(present) {
      board.network.link = present ? "up" : "down";
    },
    pass: (durationMs) => clock.advance(durationMs),
    ssid: "lab",
    password: "right",
  };
});

ntpContract("simulated", async () => {
  const clock = new VirtualClock();
  const good = await SntpServer.start({ epochMs: () => clock.epochMs() });
  const silent = await SntpServer.start();
  silent.fault = "silent";
  const network = { "good:123": good.endpoint, "silent:123": silent.endpoint };
  const { device, close } = await online({ clock, network }, () => clock.advance(200));
  return {
    ntp: device.network.ntp as BoardNetwork["ntp"],
    names: { good: "good", silent: "silent", unknown: "unknown" },
    trueMs: () => clock.epochMs(),
    async pass(durationMs, done) {
      // Datagrams are real: time stands still for a while after each tenth of a second, so that they can arrive.
      for (let passed = 0; passed < durationMs && done?.() !== true; passed += 100) {
        await clock.advance(100);
        if (passed < 3000) await pause(5);
      }
    },
    async close() {
      close();
      await Promise.all([good.close(), silent.close()]);
    },
  };
});

for (const [segments, where] of [
  ["even", "over sockets"],
  ["ragged", "over sockets"],
  ["even", "in this process"],
  ["ragged", "in this process"],
] as const)
  mqttContract(`simulated, ${segments} segments, ${where}`, async (broker) => {
    const network = { "broker:1883": where === "over sockets" ? broker.endpoint : broker.accept };
    const simulated: SimulatedDevice = createBoard({ network, segments, radio: { associationMs: 1, addressMs: 1 } });
    const wifi = new simulated.device.network.wifi.io({});
    wifi.connect({ SSID: "lab" });
    await until("an address", () => wifi.address?.includes(".") === true);
    return { mqtt: simulated.device.network.mqtt, host: "broker", close: simulated.close };
  });
