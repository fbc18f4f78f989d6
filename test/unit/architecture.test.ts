// Keeps the import rules of docs/design.md: who may import whom, where third-party packages and Moddable modules may
// enter, and which globals the firmware may name. A rule that could not fail would be no rule: each is tried on a
// sentence that breaks it.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Rooms of the firmware from the ground up; a file imports only from its own room and from those before it. */
const FLOORS: readonly (readonly string[])[] = [
  ["events"],
  ["ports"],
  ["rejection"],
  ["bytes", "persistence", "refusal-log"],
  ["codec"],
  ["crypto", "fields"],
  ["record", "chain", "proof"],
  ["sensor"],
  ["config"],
  ["bus"],
  ["link"],
  ["feature"],
  ["ledger"],
  ["command"],
  ["update"],
  ["timekeeper", "sampler", "readiness", "pacer", "teller"],
  ["delivery", "device-key"],
  ["start"],
  ["provision", "sleep"],
  ["mote"],
  ["index"],
  ["board"],
  ["main", "main-bitcoin", "main-ledger", "face"],
];

/** The same within `firmware/chain`: rooms of one floor do not know each other. */
const CHAIN_FLOORS: readonly (readonly string[])[] = [
  ["consensus"],
  ["ethereum", "bitcoin", "follow"],
  ["clique", "bft"],
  ["checkpoint", "checkpoint-bft", "checkpoint-bitcoin", "checkpoint-clique"],
];
/** What nobody's consensus may take, and what takes nobody's: the follower knows a consensus by its interface alone. */
const APART: Readonly<Record<string, readonly string[]>> = { clique: ["follow", "bitcoin"], bft: ["follow", "bitcoin"] };

interface Source {
  readonly path: string;
  readonly text: string;
}

function sources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|mjs|c|h)$/.test(name) && !name.endsWith(".d.ts"))
    .map((name) => ({ path: join(folder, name), text: readFileSync(join(root, folder, name), "utf8") }));
}

function importsOf(source: Source): string[] {
  const code = source.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/(?:^|[^.\w])(?:import|export)\s*(?:[^"';]*?\sfrom\s*)?\(?\s*"([^"]+)"/g)].map(
    (match) => match[1] as string,
  );
}

function room(path: string): string {
  return relative("firmware", path).split("/")[0]?.replace(/\.ts$/, "") ?? "";
}

function floorOf(name: string): number {
  return FLOORS.findIndex((floor) => floor.includes(name));
}

/** What is wrong where one file of `firmware/chain` imports another. */
function chainFault(path: string, target: string): string | undefined {
  const [own, other] = [path, target].map(
    (file) =>
      relative("firmware/chain", file)
        .split("/")[0]
        ?.replace(/\.[jt]s$/, "") ?? "",
  );
  const floor = (name: string | undefined): number => CHAIN_FLOORS.findIndex((rooms) => rooms.includes(name ?? ""));
  if (floor(own) < 0) return `"${own}" is no room of chain/`;
  if (own === other || (floor(other) < floor(own) && !APART[own ?? ""]?.includes(other ?? ""))) return undefined;
  return `chain/${own} imports chain/${other}`;
}

/** What is wrong with the imports of one firmware file; empty where nothing is. */
function firmwareFaults(source: Source): string[] {
  const faults: string[] = [];
  const own = room(source.path);
  if (floorOf(own) < 0) faults.push(`${source.path}: "${own}" is no room of the design`);
  for (const imported of importsOf(source)) {
    // A module that the manifest puts under another name imports by module names: XS resolves paths from a module's name.
    const specifier = imported.startsWith("firmware/") ? `${relative(dirname(source.path), imported)}.js` : imported;
    if (!imported.startsWith(".") && specifier === imported) {
      const moddable =
        /^(embedded:|mc\/|chainmote\/)/.test(specifier) || ["timer", "time", "net", "crypt", "worker"].includes(specifier);
      const allowed = moddable
        ? own === "board" || own.startsWith("main") || own === "face"
        : ["codec", "crypto"].includes(own) && !specifier.startsWith("node:");
      if (!allowed) faults.push(`${source.path}: imports "${specifier}"`);
      continue;
    }
    if (!specifier.endsWith(".js")) faults.push(`${source.path}: "${specifier}" does not end in .js`);
    const target = relative(root, resolve(root, dirname(source.path), specifier));
    if (!target.startsWith("firmware/")) {
      faults.push(`${source.path}: leaves the firmware for "${target}"`);
      continue;
    }
    const other = room(target.replace(/\.js$/, ""));
    const within = own === "chain" && other === "chain" ? chainFault(source.path, target) : undefined;
    if (within !== undefined) faults.push(`${source.path}: ${within}`);
    // Types only.
    if (other === "ports" || other === "events" || other === own) continue;
    if (floorOf(other) >= floorOf(own))
      faults.push(`${source.path}: ${own} imports ${other}, which stands on its floor or above`);
  }
  return faults;
}

/** Globals beyond the ECMAScript language, by word; `trace` and timers of the board belong to board/. */
const FOREIGN =
  /(?<![.\w#"'`])(process|Buffer|console|setTimeout|setInterval|setImmediate|fetch|performance|structuredClone|queueMicrotask|TextEncoder|TextDecoder|URL|atob|btoa|crypto|require|trace)\s*[.(]/;

function globalFaults(source: Source): string[] {
  if (room(source.path) === "board" || !source.path.endsWith(".ts")) return [];
  const code = source.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  const found = FOREIGN.exec(code);
  const faults = found === null ? [] : [`${source.path}: names the global "${found[1]}"`];
  if (/Date\.now|Math\.random|new Date\b/.test(code))
    faults.push(`${source.path}: takes time or randomness from the language, not from a port`);
  if (/^(export )?const \w+[^=\n]*= *(new (Uint|Int|Float|Big)\w*Array|\/[^/])/m.test(code))
    faults.push(`${source.path}: a typed array or a regular expression at module level cannot be preloaded`);
  if (/simulat(ed|or)\b.*\?|isSimul/i.test(code)) faults.push(`${source.path}: asks whether it is simulated`);
  return faults;
}

/**
 * XS takes a BigInt that lies in flash, as a preloaded module's constants do, for unequal to the same one on the heap where
 * it is compared by ===, !==, == or != (13.3 and 17.9 alike); order and arithmetic are right. Nothing but a board would show.
 */
function constantFaults(all: readonly Source[]): string[] {
  const names = all.flatMap(({ text }) =>
    [...text.matchAll(/^(?:export )?const (\w+)(?:: bigint)? = [^;]*?\b(?:\d|0x)[\da-f_]*n\b/gm)].map(
      (match) => match[1] as string,
    ),
  );
  if (names.length === 0) return [];
  const compared = new RegExp(`[=!]==? *\\(?(?:\\w+ *\\? *)?\\b(?:${names.join("|")})\\b|\\b(?:${names.join("|")})\\b *[=!]==? `);
  return all.filter(({ text }) => compared.test(text)).map(({ path }) => `${path}: compares a BigInt constant by === or !==`);
}

/**
 * host-sim may know the ports and bytes of the firmware, nothing else: a simulated chain must not inherit our codec's bugs. Its boards
 * have the firmware's own TLS socket, for which nothing else stands in; what a board is, is read by the one reader of JSON; the room of its engines knows the interface that they implement
 * and the keys that a firmware without native ones has.
 */
function simulatorFaults(source: Source): string[] {
  const known = source.path.startsWith("host-sim/crypto/")
    ? /^firmware\/(ports|bytes|rejection|crypto\/(engine|software-keys))\.js$/
    : /^firmware\/(ports|bytes|fields|rejection|board\/tls-socket)\.js$/;
  return importsOf(source)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(root, resolve(root, dirname(source.path), specifier)))
    .filter((target) => !target.startsWith("host-sim/") && !known.test(target))
    .map((target) => `${source.path}: imports "${target}"`);
}

test("firmware imports point one way, and nothing foreign enters", () => {
  assert.equal(
    sources("firmware")
      .filter((source) => source.path.endsWith(".ts"))
      .flatMap(firmwareFaults),
    [],
  );
});

test("firmware names no global beyond the language", () => {
  assert.equal(sources("firmware").flatMap(globalFaults), []);
});

test("no BigInt constant is compared by identity, which XS gets wrong in flash", () => {
  assert.equal(constantFaults(sources("firmware")), []);
});

test("host-sim knows the firmware's ports, bytes and TLS socket alone", () => {
  assert.equal(
    sources("host-sim")
      .filter((source) => /\.(ts|mjs)$/.test(source.path))
      .flatMap(simulatorFaults),
    [],
  );
});

test("each source file opens with what it is", () => {
  const faults = ["firmware", "host-sim", "tools"]
    .flatMap(sources)
    .filter(({ text }) => !/^(#![^\n]*\n)?(\/\/|\/\*)/.test(text))
    .map(({ path }) => `${path}: opens without a word on what it is`);
  assert.equal(faults, []);
});

/** Folders below test/unit that belong to no room of the firmware: the rest of the repository, and what every implementation of a port does. */
const OTHER_FOLDERS = ["bench", "conformance", "host-sim", "ports", "sdk", "tools"];

/** Tests of no one file: what they are of. */
const CROSS_CUTTING: Readonly<Record<string, string>> = {
  application: "the face of the runtime, as an application uses it",
  architecture: "rules of all sources",
  "dead-code": "rules of all sources",
  documents: "the pages of docs/",
  leftovers: "what test runs leave behind",
  pty: "the pseudo-terminals of tests",
  seed: "what tests draw by",
  "board/manifest": "the manifests",
  "board/boards": "the files of boards, and what is written from them",
  "board/new-board.soak": "a board of one's own, by one file",
  "board/sdkconfig": "the SDK's configuration of each chip",
  "bus/portal": "uplink and client against a captive portal",
  "chain/header-limits": "the longest of everything, together",
  "chain/header-rules": "the table of docs/header-rules.md",
  "update/formats": "bytes of the next version of every stored format",
  "chain/late-times": "times of headers, for each consensus",
  "chain/bft/bench": "the cases that are benchmarked",
  "chain/bft/chains": "whole chains of the BFT family",
  "chain/bft/follower": "the follower on the BFT family",
  "board/chip-esp32": "the C of that name, in the SDK's app_main",
  "board/sleep": "the C of that name",
  "board/nvs-pages": "the C of that name, which looks at NVS before it is opened",
  "chain/bft/jump": "jumps, by every consensus of the family",
  "chain/bft/link": "jumps that are linked",
  "chain/bft/thresholds": "the table of docs/threat-model.md",
  "chain/bitcoin/follower": "the follower on Bitcoin",
  "chain/bitcoin/real": "headers of the real chain",
  "chain/ethereum/stored-states": "states that were stored before, of Clique and the BFT family",
  "chain/follow/forged": "the follower among forged headers",
  "command/lies": "commands, of all kinds that do not hold",
  "crypto/engines-agree": "the engines, each against the others",
  "crypto/secret-timing.soak": "the engines' timing",
  "crypto/upstream.soak": "the engines against published vectors",
  "record/bit-rot": "the journal on a flash whose bits turn",
  "record/document": "the example of docs/record-format.md",
  "record/failing-sectors": "the journal on a flash that fails",
  "record/honest-evidence": "no mote makes evidence against itself, by the rows of docs/threat-model.md",
  "record/misread": "the journal on a flash that reads wrong",
  "sensor/pins": "analogue, contact, pulses",
};

/** Files that have no test of their own name, and none that takes them by name: the test that holds them all the same. */
const HELD_ELSEWHERE: Readonly<Record<string, string>> = {
  "board/crypto-native": "test/xs/keys.test.ts",
  "board/crypto-noble": "test/sim/engines.soak.test.ts",
  "board/emulator/open-eth": "test/sdk/check.ts",
  "board/emulator/station": "test/sdk/check.ts",
  "board/local": "test/sdk/check.ts",
  "board/native/chip": "test/sdk/check.ts",
  "board/native/entropy": "test/xs/keys.test.ts",
  "board/native/serial-link": "test/sdk/check.ts",
  "board/native/sleep": "test/sdk/check.ts",
  "board/native/slots": "test/sdk/check.ts",
  "board/native/tls": "test/xs/tls.test.ts",
  "board/provider": "test/sim/engines.soak.test.ts",
  "board/service-port": "test/sim/provision.test.ts",
  "board/sockets": "test/unit/board/mqtt-client.test.ts",
  "board/station-ethernet": "test/sdk/check.ts",
  "bytes/primitives": "test/unit/bytes.test.ts",
  "bytes/primitives-native": "test/xs/octets.test.ts",
  "ledger/state-proofs": "test/sim/anchor.soak.test.ts",
  "main-bitcoin": "test/sim/bitcoin-anchor.soak.test.ts",
  "main-ledger": "test/sim/anchor.soak.test.ts",
  "chain/bft/ibft1": "test/unit/chain/bft/chains.test.ts",
  "chain/bft/ibft2": "test/unit/chain/bft/chains.test.ts",
  "chain/bft/qbft": "test/unit/chain/bft/chains.test.ts",
  "chain/bft/seals": "test/unit/chain/bft/rules.test.ts",
  "chain/bft/votes": "test/unit/chain/bft/rules.test.ts",
  "chain/bitcoin/header": "test/unit/chain/bitcoin/consensus.test.ts",
  "chain/checkpoint-bft": "test/unit/board/manifest.test.ts",
  "chain/checkpoint-bitcoin": "test/unit/board/manifest.test.ts",
  "chain/checkpoint-clique": "test/unit/board/manifest.test.ts",
  "chain/ethereum/address-set": "test/unit/chain/clique/votes.test.ts",
  "chain/ethereum/checkpoint-fields": "test/unit/chain/clique/checkpoint.test.ts",
  "chain/ethereum/delta": "test/unit/chain/ethereum/stored-states.test.ts",
  "chain/ethereum/gas": "test/unit/chain/clique/consensus.test.ts",
  "chain/ethereum/state": "test/unit/chain/ethereum/stored-states.test.ts",
  "chain/follow/branching": "test/unit/chain/follow/rival.test.ts",
  "chain/follow/fork-evidence": "test/unit/chain/bft/follower.test.ts",
  "chain/follow/linking": "test/unit/chain/bft/link.test.ts",
  "codec/cbor-decode": "test/unit/codec/cbor.test.ts",
  "codec/cbor-encode": "test/unit/codec/cbor.test.ts",
  "codec/cbor-writer": "test/unit/codec/cbor.test.ts",
  "crypto/engine-native": "test/xs/keys.test.ts",
  "crypto/native-keys": "test/xs/keys.test.ts",
  face: "test/sim/examples.test.ts",
  main: "test/sim/start.test.ts",
  "start/safe-mode": "test/unit/start/start.test.ts",
  teller: "test/unit/application.test.ts",
};

/** Of a test's path below test/unit without its ending, the file of the firmware that it is of: `delivery` of `delivery-receipts`. */
function subjectOf(test: string, files: ReadonlySet<string>): string | undefined {
  const words = test.replace(/\.soak$/, "").split("-");
  for (let count = words.length; count > 0; count -= 1) {
    const stem = words.slice(0, count).join("-");
    // A sensor has a folder of its own.
    for (const file of [stem, `${stem}/${stem.split("/").at(-1)}`]) if (files.has(file)) return file;
  }
  return undefined;
}

/** How unit/ departs from the firmware that it mirrors. */
function mirrorFaults(firmware: readonly string[], tests: readonly Source[]): string[] {
  const faults: string[] = [];
  const files = new Set(firmware);
  const rooms = new Set(firmware.filter((file) => file.includes("/")).map((file) => file.split("/")[0] as string));
  const held = new Set(Object.keys(HELD_ELSEWHERE));
  for (const { path, text } of tests) {
    const test = path.replace(/\.ts$/, "").replace(/\.test$/, "");
    const folder = test.includes("/") ? (test.split("/")[0] as string) : "";
    if (folder !== "" && !rooms.has(folder) && !OTHER_FOLDERS.includes(folder))
      faults.push(`test/unit/${folder}: no room of the firmware, nor of the rest`);
    for (const [, file] of text.matchAll(/firmware\/([\w/-]+)\.js"/g)) held.add(file as string);
    if (!path.endsWith(".test.ts") || OTHER_FOLDERS.includes(folder)) continue;
    const subject = subjectOf(test, files);
    if (subject === undefined && CROSS_CUTTING[test] === undefined) faults.push(`test/unit/${path}: names no file of that room`);
    if (subject !== undefined) held.add(subject);
  }
  for (const file of firmware) if (!held.has(file)) faults.push(`firmware/${file}.ts: no test is named like it or takes it`);
  return faults;
}

/** Modules by their paths below firmware/ without the ending, and everything below test/unit. */
function mirrored(): [string[], Source[]] {
  const firmware = sources("firmware").filter(({ path }) => path.endsWith(".ts"));
  const tests = sources("test/unit").filter(({ path }) => path.endsWith(".ts"));
  return [
    firmware.map(({ path }) => relative("firmware", path).replace(/\.ts$/, "")),
    tests.map(({ path, text }) => ({ path: relative("test/unit", path), text })),
  ];
}

test("unit/ mirrors the firmware: a folder for each room, and each test named like the file that it is of", () => {
  const [firmware, tests] = mirrored();
  assert.equal(mirrorFaults(firmware, tests), []);
  const paths = new Set(tests.map(({ path }) => path.replace(/\.test\.ts$/, "")));
  for (const test of Object.keys(CROSS_CUTTING)) assert.ok(paths.has(test), `${test} is no test any more`);
  for (const [file, test] of Object.entries(HELD_ELSEWHERE)) {
    assert.ok(firmware.includes(file), `${file} is no file any more`);
    assert.ok(existsSync(join(root, test)), `${test} is no test any more`);
  }
});

test("a test that makes up a board has it from hand-device.ts", () => {
  const made = sources("test")
    .filter(
      ({ path, text }) => path !== "test/unit/architecture.test.ts" && /\{[^{}]*\}[^{}]{0,3}as unknown as Device\b/.test(text),
    )
    .map(({ path }) => path);
  // It has simulated hardware, and one part bent.
  assert.equal(made, ["test/unit/sensor/pins.test.ts"]);
});

test("each rule notices what it forbids", () => {
  const faulty = (path: string, text: string): string[] => firmwareFaults({ path, text }).concat(globalFaults({ path, text }));
  for (const [path, text] of [
    ["firmware/record/x.ts", 'import { a } from "../chain/clique/consensus.js";'],
    ["firmware/chain/bft/x.ts", 'import { a } from "../clique/state.js";'],
    ["firmware/chain/clique/x.ts", 'import { a } from "../follow/window.js";'],
    ["firmware/chain/follow/x.ts", 'import { a } from "../ethereum/header.js";'],
    ["firmware/chain/ethereum/x.ts", 'import { a } from "../clique/state.js";'],
    ["firmware/chain/x.ts", 'import { a } from "./consensus.js";'],
    ["firmware/codec/x.ts", 'import { a } from "../crypto/engine.js";'],
    ["firmware/link/x.ts", 'import mqtt from "mqtt";'],
    ["firmware/bus/x.ts", 'import { a } from "../delivery.js";'],
    ["firmware/bus/x.ts", 'import { a } from "../link/relay.js";'],
    ["firmware/crypto/x.ts", 'import { sign } from "node:crypto";'],
    ["firmware/mote.ts", 'import Timer from "timer";'],
    ["firmware/mote.ts", 'import { a } from "../host-sim/device.js";'],
    ["firmware/mote.ts", 'import { a } from "./bytes";'],
    ["firmware/utils/x.ts", "export const a = 1;"],
    ["firmware/mote.ts", "setTimeout(() => {}, 1);"],
    ["firmware/mote.ts", "const t = Date.now();"],
    ["firmware/mote.ts", "const table = new Uint8Array(4);"],
  ] as const)
    assert.is.not(faulty(path, text).length, 0, `${path}: ${text}`);
  for (const comparison of ["a === TWO", "TWO !== a", "a !== (b ? TWO : ONE)", "a != TWO"])
    assert.is.not(
      constantFaults([{ path: "x.ts", text: `const ONE = 1n;\nexport const TWO = 2n ** 1n;\n${comparison} ;` }]).length,
      0,
    );
  assert.is(
    constantFaults([{ path: "x.ts", text: "const TWO = 2n;\nif (a < TWO || a > TWO || a === b) return a + TWO;" }]).length,
    0,
  );
  const [firmware, tests] = mirrored();
  for (const path of ["net/uplink.test.ts", "bus/courier.test.ts", "courier.test.ts"])
    assert.is(mirrorFaults(firmware, [...tests, { path, text: "" }]).length, path.startsWith("net/") ? 2 : 1, path);
  assert.is(mirrorFaults([...firmware, "bus/courier"], tests).length, 1);
  assert.is(mirrorFaults([...firmware, "bus/courier"], [...tests, { path: "bus/courier-late.test.ts", text: "" }]).length, 0);
  assert.is.not(simulatorFaults({ path: "host-sim/x.ts", text: 'import { a } from "../firmware/codec/rlp.js";' }).length, 0);
  for (const [path, text] of [
    ["host-sim/modules/x.ts", 'import { a } from "../../firmware/crypto/engine.js";'],
    ["host-sim/crypto/x.ts", 'import { a } from "../../firmware/record/cose.js";'],
  ] as const)
    assert.is.not(simulatorFaults({ path, text }).length, 0, `${path}: ${text}`);
  assert.equal(
    faulty("firmware/link/x.ts", 'import { decode } from "../codec/cbor.js";\nimport type { Clock } from "../ports.js";'),
    [],
  );
});

test.run();
