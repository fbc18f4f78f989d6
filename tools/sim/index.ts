// `chainmote/sim`: a simulated board and its parts, for one's own tests on Node.
//
// Promises: the firmware that runs on it finds what it finds on a board, and never knows; time passes where a `VirtualClock` is turned,
// so a day of a mote takes moments and every run is the same; a power cut is `close`, and a new board on the same storage.
// `spawnBoard` runs a main module in a process of its own, on Node or on the XS engine. Never: a radio, a sensor or a flash of this machine.

import type { Device } from "../../firmware/ports.js";
import { createKeys } from "../../host-sim/crypto/board-crypto.js";
import { createBoard, type DeviceOptions, type SimulatedDevice } from "../../host-sim/device.js";
import { setCurrentBoard } from "../../host-sim/modules/current.js";

export { engine } from "../../host-sim/crypto/board-crypto.js";
export type { DeviceOptions } from "../../host-sim/device.js";
export { type GuestEngine, type GuestOptions, guestEngine, type Memory } from "../../host-sim/engine/engines.js";
export {
  type BoardEvent,
  type BoardFile,
  type BoardProcess,
  type Reset,
  type SpawnOptions,
  spawnBoard,
  type WorldChange,
} from "../../host-sim/engine/node.js";
export type { Board, BoardOptions, SensorOptions } from "../../host-sim/hardware/board.js";
export { I2CBus, type Peripheral } from "../../host-sim/hardware/i2c.js";
export { type BoardStorage, type FlashChip, fileStorage, memoryStorage } from "../../host-sim/hardware/storage.js";
export { RealClock, VirtualClock, type WorldClock } from "../../host-sim/world/clock.js";
export type { LinkState, Network, Service } from "../../host-sim/world/network.js";
export { Prng } from "../../host-sim/world/prng.js";
export { LocalBroker } from "../mqtt/broker.js";

/** A board's `Device` as firmware finds it, keys included; its parts, for faults and for more parts; and its power switch. */
export interface SimulatedBoard extends Omit<SimulatedDevice, "device"> {
  readonly device: Device;
}

/** The simulated counterpart of `createDevice()` on a board (firmware/board/provider.ts), as many times as there are boards. */
export function createDevice(options?: DeviceOptions): SimulatedBoard {
  const { device, board, storage, close } = createBoard(options);
  const { entropy, store } = device;
  // For drivers that take their timer from the SDK's module: the newest board's.
  setCurrentBoard(board);
  return { device: { ...device, keys: createKeys({ entropy, store }) }, board, storage, close };
}
