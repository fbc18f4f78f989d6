// What the heap of the whole mote with the SDK's network modules was when somebody last measured it (test/bench/heap.json), and of
// which files: of the SDK's each one, of ours all that decide what is on the heap.
//
// Promises: the hash of ours changes with any file of the firmware, and with the engine's host, the board's memories, what stands
// for modules of the SDK, the measurement itself and what the manifest preloads. It needs no SDK.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DOCUMENT_BYTES_MAX } from "../../../firmware/provision/document.js";
import { REPOSITORY } from "../../../host-sim/xs/image.js";
import type { RuntimeName } from "../../../tools/bench/report.js";

export const figureFile = "test/bench/heap.json";
/** The most that chunks, slots and stack may take of an ESP32-C3's block with MQTT connected. */
export const HEAP_BYTES_MAX = 77_824;
/** A run that is kept is so long at least, in records and in headers. */
export const RECORDS_MIN = 10_000;

/** Specifier → file of the SDK, as its manifests name them. */
export const SDK_MODULES: Readonly<Record<string, string>> = {
  "embedded:network/mqtt/client": "examples/io/tcp/mqttclient/mqttclient.js",
  "embedded:network/ntp/client": "examples/io/udp/ntp/ntp.js",
  "embedded:network/dns/resolver/udp": "examples/io/udp/dns/dns.js",
  "dns/serializer": "modules/network/dns/dnsserializer.js",
  dns: "modules/network/dns/dns.js",
};

/** Folders and files of ours that decide what is on the heap. */
const OURS = [
  "firmware",
  "host-sim/engine/xs-image.ts",
  "host-sim/modules/guest",
  "host-sim/modules/table.json",
  "host-sim/xs",
  "test/bench/deep-trie.ts",
  "test/bench/heap",
  "test/bench/ledger-world.ts",
  "test/bench/runtime-chains.ts",
  "test/bench/runtime-world.ts",
];
/** An ordinary configuration with a certificate, and the longest one. */
export const STORED_BYTES: readonly number[] = [4_000, DOCUMENT_BYTES_MAX];

/** Packages that are on the heap, or make it. */
const PACKAGES = ["@agoric/xsnap", "esbuild", "keccak"];

export interface ChainFigure {
  /** Of `ledger`: Clique, and the mote has the whole ledger. */
  readonly chain: RuntimeName;
  readonly records: number;
  readonly headers: number;
  /** Times that the broker was lost. */
  readonly losses: number;
  /** The most that chunks, slots and stack had taken of the block. */
  readonly heapPeakBytes: number;
  readonly stackPeakBytes: number;
}

export interface StoredFigure {
  /** Of the configuration, as it is kept. */
  readonly documentBytes: number;
  readonly heapPeakBytes: number;
}

export interface HeapFigure {
  readonly board: "esp32c3";
  /** Of the standard mote, of all chains the most. */
  readonly heapPeakBytes: number;
  /** Of the mote with the ledger. */
  readonly ledgerHeapPeakBytes: number;
  readonly chains: readonly ChainFigure[];
  /** Clique again, where the board keeps its configuration (firmware/provision): what reading it has taken. */
  readonly stored: readonly StoredFigure[];
  readonly sdk: { readonly version: string; readonly files: Readonly<Record<string, string>> };
  /** SHA-256 over our files. */
  readonly ours: string;
}

export function readFigure(): HeapFigure {
  return JSON.parse(readFileSync(join(REPOSITORY, figureFile), "utf8")) as HeapFigure;
}

export function writeFigure(figure: HeapFigure): void {
  writeFileSync(join(REPOSITORY, figureFile), `${JSON.stringify(figure, undefined, 2)}\n`);
}

/** @param root the repository, or a copy of it */
export function hashOfOurs(root = REPOSITORY): string {
  const hash = createHash("sha256");
  const add = (name: string, bytes: Uint8Array | string): void =>
    void hash.update(`${name}\0${bytes.length}\0`).update(bytes).update("\0");
  for (const name of OURS.flatMap((part) => filesBelow(root, part))) add(name, readFileSync(join(root, name)));
  const { creation, include, platforms } = JSON.parse(readFileSync(join(root, "manifest.json"), "utf8")) as Manifest;
  add("manifest.json", JSON.stringify([creation, include, platforms["esp32/esp32c3"]?.creation]));
  // The ledger's manifest is among the firmware's files.
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Packages;
  for (const name of PACKAGES) add(name, dependencies[name] ?? devDependencies[name] ?? "");
  return hash.digest("hex");
}

interface Manifest {
  readonly creation: unknown;
  readonly include: readonly string[];
  readonly platforms: Readonly<Record<string, { readonly creation?: unknown }>>;
}

type Packages = Readonly<Record<"dependencies" | "devDependencies", Readonly<Record<string, string>>>>;

/** Paths from the root, in one order everywhere; `part` itself where it is a file. */
function filesBelow(root: string, part: string): readonly string[] {
  const path = join(root, part);
  if (/\.\w+$/.test(part)) return [part];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(part, join(entry.parentPath, entry.name).slice(path.length + 1)))
    .sort();
}

/** Version and hashes of the SDK in `folder`, or one line that says what it lacks. */
export function hashOfSdk(folder: string): HeapFigure["sdk"] | { readonly missing: string } {
  const lacking = ["tools/VERSION", ...Object.values(SDK_MODULES)].find((file) => !existsSync(join(folder, file)));
  if (lacking !== undefined) return { missing: `${folder} is no Moddable SDK that we know: there is no ${lacking}` };
  const files: Record<string, string> = {};
  for (const file of Object.values(SDK_MODULES))
    files[file] = createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
  return { version: readFileSync(join(folder, "tools/VERSION"), "utf8").trim(), files };
}
