// A simulated board in this process, as the firmware's `Device` without its keys: for simulations of many boards in one
// process, and for tests. The classes are the mirrors that firmware/board/provider.ts imports in a board's own process, with
// the sharp edges covered that the provider covers (an MQTT client that is closed, a link-local address, a bad datagram).
//
// Promises: two boards share nothing but what they are given (a clock, a storage); a power cut is `close`, after which no
// callback of that board comes, and a new board on the same storage. Never touches the process's globals.

import { tlsSocketOver } from "../firmware/board/tls-socket.js";
import type { Device, Log } from "../firmware/ports.js";
import { boardOf, DEFAULT_BOARD, dataPartitions } from "./boards.js";
import { Board, type BoardOptions } from "./hardware/board.js";
import { type BoardStorage, memoryStorage } from "./hardware/storage.js";
import { builtinFor } from "./modules/builtin.js";
import { chipFor } from "./modules/chip.js";
import { resolverFor } from "./modules/dns.js";
import { entropyFor } from "./modules/entropy.js";
import { flashFor } from "./modules/flash.js";
import { keyValueFor } from "./modules/key-value.js";
import { mqttClientFor } from "./modules/mqtt-client.js";
import { ntpFor } from "./modules/ntp-client.js";
import { analogFor, digitalFor, pulseCountFor } from "./modules/pins.js";
import { sleepFor } from "./modules/sleep.js";
import { slotsFor } from "./modules/slots.js";
import { tcpFor } from "./modules/tcp.js";
import { timerFor } from "./modules/timer.js";
import * as tls from "./modules/tls.js";
import { coveredUdpFor } from "./modules/udp-covered.js";
import { wifiFor } from "./modules/wifi.js";

/** A value of a line of the log. */
export type LogValue = string | number | boolean | null | readonly string[];

export interface DeviceOptions extends Omit<BoardOptions, "storage"> {
  /** A fresh one, in memory, where absent. */
  readonly storage?: BoardStorage;
  readonly onLog?: (event: string, fields: Readonly<Record<string, LogValue>>) => void;
}

export interface SimulatedDevice {
  readonly device: Omit<Device, "keys">;
  /** The parts, for faults: `board.network.link`, `board.sensor.faults`, `board.entropy.fault`, … */
  readonly board: Board;
  readonly storage: BoardStorage;
  /** Power off: ends all that runs on this board, whether the firmware was told to stop or not. */
  close(): void;
}

export function createBoard(options: DeviceOptions = {}): SimulatedDevice {
  const kind = boardOf(options.board ?? DEFAULT_BOARD);
  const storage = options.storage ?? memoryStorage({ partitions: dataPartitions(kind) });
  const hardware = new Board({ ...options, storage });
  const board = () => hardware;
  const Timer = timerFor(board);
  const UDP = coveredUdpFor(board);
  const TCP = tcpFor(board);
  const MQTTClient = mqttClientFor(board, "covered");
  class Station extends wifiFor(board) {
    override get address(): string | undefined {
      return super.address?.includes(":") ? undefined : super.address;
    }
  }
  const dns = { io: resolverFor(board), servers: ["10.0.0.1"], socket: { io: UDP } };
  const log: Log = { write: (event, fields) => options.onLog?.(event, fields) };
  const timer = {
    set: (callback: () => void, delayMs: number) => Timer.set(() => callback(), delayMs),
    clear: (handle: object | undefined) => Timer.clear(handle),
  };
  const secure = { io: tlsSocketOver(tls), TCP: { io: TCP }, timer, log, nowMs: () => hardware.clock.nowMs() };
  const device = {
    clock: {
      ticksMs: () => hardware.clock.elapsedMs(),
      nowMs: () => hardware.clock.nowMs(),
      set: (seconds: number) => hardware.clock.set(seconds),
    },
    timer,
    entropy: entropyFor(board),
    flash: flashFor(board),
    slots: slotsFor(board),
    sleep: sleepFor(board),
    store: keyValueFor(board),
    io: {
      i2c: builtinFor(board).I2C.default,
      analog: analogFor(board),
      digital: digitalFor(board),
      pulsecount: pulseCountFor(board),
    },
    network: {
      wifi: { io: Station },
      ntp: { client: { io: ntpFor(board), servers: ["time"], dns, socket: { io: UDP } } },
      mqtt: { io: MQTTClient, dns, socket: { io: TCP } },
      mqtts: { io: MQTTClient, dns, socket: secure },
    },
    log,
    chip: chipFor(board),
  };
  // The mirrors take wider options than the ports name, as the SDK's classes do.
  return { device: device as unknown as Omit<Device, "keys">, board: hardware, storage, close: () => hardware.stop() };
}
