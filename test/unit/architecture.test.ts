// Keeps the import rules of docs/design.md: who may import whom, where third-party packages and Moddable modules may
// enter, and which globals the firmware may name. A rule that could not fail would be no rule: each is tried on a
// sentence that breaks it.

import { readdirSync, readFileSync } from "node:fs";
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
  ["bytes", "persistence"],
  ["codec", "fields"],
  ["crypto"],
  ["record", "chain", "proof"],
  ["ledger"],
  ["sensor"],
  ["config"],
  ["link"],
  ["timekeeper", "sampler", "readiness", "refusal-log", "pacer", "teller"],
  ["delivery", "device-key"],
  ["mote"],
  ["index"],
  ["board"],
  ["main", "face"],
];

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
        ? own === "board" || own === "main" || own === "face"
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
 * have the firmware's own TLS socket, for which nothing else stands in; the room of its engines knows the interface that they implement
 * and the keys that a firmware without native ones has.
 */
function simulatorFaults(source: Source): string[] {
  const known = source.path.startsWith("host-sim/crypto/")
    ? /^firmware\/(ports|bytes|rejection|crypto\/(engine|software-keys))\.js$/
    : /^firmware\/(ports|bytes|rejection|board\/tls-socket)\.js$/;
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

test("each rule notices what it forbids", () => {
  const faulty = (path: string, text: string): string[] => firmwareFaults({ path, text }).concat(globalFaults({ path, text }));
  for (const [path, text] of [
    ["firmware/record/x.ts", 'import { a } from "../chain/clique.js";'],
    ["firmware/codec/x.ts", 'import { a } from "../crypto/engine.js";'],
    ["firmware/link/x.ts", 'import mqtt from "mqtt";'],
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
