// board.json of a simulated board: the configuration of its mote, and how its network leads to servers of this machine.
//
// Promises: the mote's configuration names hosts as a real one would; the map leads them to loopback. The file is the
// owner's alone, since it may hold the broker's password. What chance gave a board (its climate) stays with its folder.

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import type { Fleet } from "../collector/intake.js";
import { makeFolder, removeEmpty, writeWhole } from "../files.js";

export interface BoardSettings {
  /** As the chain's consensus reads it. */
  readonly checkpoint: object;
  readonly fleet: Fleet;
  /** Address of the collector's key, 20 bytes. */
  readonly collector: Uint8Array;
  /** mqtt://user:password@host:port */
  readonly mqtt: string;
  readonly prefix: string;
  /** `host:port` of the time server. */
  readonly sntp: string;
  readonly sampleMs: number;
  /** The reference in place of the fast engine, where the firmware runs on Node. */
  readonly crypto?: "noble";
}

const BROKER = "broker.lab";
const BROKER_PORT = 1883;
const TIME = "time.lab";
const NTP_PORT = 123;
const KEEP_ALIVE_MS = 10_000;
const HEALTH_MS = 10_000;

export function writeBoardFile(directory: string, settings: BoardSettings): void {
  makeFolder(directory);
  const path = join(directory, "board.json");
  const url = new URL(settings.mqtt);
  const content = {
    seed: seedOf(path),
    ...(settings.crypto === undefined ? {} : { crypto: settings.crypto }),
    config: {
      wifi: { ssid: "chainmote" },
      ntp: { servers: [TIME] },
      mqtt: {
        host: BROKER,
        port: BROKER_PORT,
        prefix: settings.prefix,
        keepAliveMs: KEEP_ALIVE_MS,
        ...(url.username === "" ? {} : { user: decodeURIComponent(url.username) }),
        ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      },
      checkpoint: settings.checkpoint,
      fleet: { registry: `0x${toHex(settings.fleet.registry)}`, chain: settings.fleet.chain },
      collector: `0x${toHex(settings.collector)}`,
      sampling: { intervalMs: settings.sampleMs },
      health: { intervalMs: HEALTH_MS },
    },
    network: {
      [`${BROKER}:${BROKER_PORT}`]: `${url.hostname}:${url.port === "" ? BROKER_PORT : url.port}`,
      [`${TIME}:${NTP_PORT}`]: settings.sntp,
    },
  };
  writeWhole(path, `${JSON.stringify(content, null, 2)}\n`, "owner");
}

function seedOf(path: string): string {
  removeEmpty(path);
  if (existsSync(path)) {
    const { seed } = JSON.parse(readFileSync(path, "utf8")) as { seed?: unknown };
    if (typeof seed === "string") return seed;
  }
  return randomUUID();
}
