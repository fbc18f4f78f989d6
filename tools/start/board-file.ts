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
  /** mqtt(s)://user:password@host:port */
  readonly mqtt: string;
  /** DER that the broker's chain has to end in, which turns TLS on. */
  readonly ca?: Uint8Array;
  readonly prefix: string;
  /** `host:port` of the time server. */
  readonly sntp: string;
  /** What `base` says where absent. */
  readonly sampleMs?: number;
  /** The reference in place of the fast engine, where the firmware runs on Node. */
  readonly crypto?: "noble";
  /** What the board's own application is configured with besides: its sensors, its journal, fields of its own. */
  readonly base?: object;
  /** For the mote's ledger: the contract that anchors, 20 bytes. Then the journal keeps what is not anchored. */
  readonly anchor?: Uint8Array;
  /** On Bitcoin: it waits for its anchors. Then the journal keeps what is not anchored. */
  readonly anchorsOnBitcoin?: boolean;
  /** For the mote's ledger: who enrols it, and whose checkpoints it takes, 20 bytes each. */
  readonly enroller?: Uint8Array;
  readonly recovery?: Uint8Array;
  /** File of the module that attaches the application's parts to the simulated board. */
  readonly parts?: string;
}

const BROKER = "broker.lab";
const BROKER_PORT = 1883;
const TLS_PORT = 8883;
const TIME = "time.lab";
const NTP_PORT = 123;
const KEEP_ALIVE_MS = 10_000;
const HEALTH_MS = 10_000;
/** How often a mote asks for what it waits for. */
export const LEDGER_MS = 5_000;
/** In wei for a gas; of a chain of this machine's own, whose base fee is at most one gwei. */
export const FEES = { gasMax: 1_000_000, maxFeePerGas: 100_000_000_000, tip: 1_000_000_000 };

export function writeBoardFile(directory: string, settings: BoardSettings): void {
  makeFolder(directory);
  const path = join(directory, "board.json");
  const url = new URL(settings.mqtt);
  const { ca } = settings;
  // The certificate names the host: then the board has to call it by that name.
  const broker =
    ca === undefined ? { host: BROKER, port: BROKER_PORT } : { host: url.hostname, port: Number(url.port) || TLS_PORT };
  const { crypto, base, parts } = settings;
  const content = {
    seed: seedOf(path),
    ...(crypto === undefined ? {} : { crypto }),
    ...(parts === undefined ? {} : { parts }),
    config: {
      ...base,
      wifi: { ssid: "chainmote" },
      ntp: { servers: [TIME] },
      mqtt: {
        ...broker,
        ...(ca === undefined ? {} : { ca: toHex(ca) }),
        prefix: settings.prefix,
        keepAliveMs: KEEP_ALIVE_MS,
        ...(url.username === "" ? {} : { user: decodeURIComponent(url.username) }),
        ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      },
      checkpoint: settings.checkpoint,
      fleet: { registry: `0x${toHex(settings.fleet.registry)}`, chain: settings.fleet.chain },
      collector: `0x${toHex(settings.collector)}`,
      ...(settings.sampleMs === undefined ? {} : { sampling: { intervalMs: settings.sampleMs } }),
      health: { intervalMs: HEALTH_MS },
      ...ledgerOf(settings),
    },
    network: {
      // An address of IPv6 stands between brackets in a URL alone.
      [`${broker.host}:${broker.port}`]: `${url.hostname.replace(/^\[|\]$/g, "")}:${Number(url.port) || (ca === undefined ? BROKER_PORT : TLS_PORT)}`,
      [`${TIME}:${NTP_PORT}`]: settings.sntp,
    },
  };
  writeWhole(path, `${JSON.stringify(content, null, 2)}\n`, "owner");
}

/** What the standard mote with the ledger is configured with besides; nothing of the mote without. */
function ledgerOf({ anchor, anchorsOnBitcoin, enroller, recovery, base }: BoardSettings): object {
  if (anchorsOnBitcoin === true) return { ledger: { intervalMs: LEDGER_MS }, journal: { keep: "anchored" } };
  if (anchor === undefined && enroller === undefined) return {};
  const named = Object.entries({ anchor, enroller, recovery }).filter(([, address]) => address !== undefined);
  const addresses = named.map(([name, address]) => [name, `0x${toHex(address as Uint8Array)}`]);
  const { journal, ledger } = (base ?? {}) as { readonly journal?: object; readonly ledger?: object };
  return {
    ledger: { intervalMs: LEDGER_MS, fees: FEES, ...ledger, ...Object.fromEntries(addresses) },
    ...(anchor === undefined ? {} : { journal: { ...journal, keep: "anchored" } }),
  };
}

/** The seed of the board in `path`, or a new one. */
export function seedOf(path: string): string {
  removeEmpty(path);
  if (existsSync(path)) {
    const { seed } = JSON.parse(readFileSync(path, "utf8")) as { seed?: unknown };
    if (typeof seed === "string") return seed;
  }
  return randomUUID();
}
