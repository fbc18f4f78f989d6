// No code without a caller: no file that nothing takes, no export that nobody needs, no method that nobody calls.
//
// An export is dead where no other file takes it, or where tests alone do and its own file has no use for it either: then it lives for its
// test. What its own file needs and a test looks at besides is alive; so is a type that its own file names in what it exports.
// A method or a field that a class shows is dead where no file but a test says its name again. What the next work calls is listed, with why.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  exportsOf,
  ROOT,
  resolver,
  type SourceFile,
  saysPaths,
  sourceFiles,
  takes,
  trackedFiles,
  withoutComments,
} from "./sources.js";

/** What stays although nothing calls it: why, and what, as `file`, `file: export` or `file: Class.member`. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  "the next work anchors records in a chain: it marks what is anchored, and proves it to whoever asks, by merkleblock too": [
    "firmware/record/merkle.ts: checkInclusion",
    "firmware/record/merkle.ts: checkConsistency",
    "firmware/proof/merkle-block.ts: proveTransactions",
  ],
  "the next work reads accounts, contracts and receipts by proof (docs/ledger.md)": [
    "firmware/proof/envelope.ts: readReceipt",
    "firmware/proof/envelope.ts: logOf",
  ],
  "the next work begins a fleet: it deploys the contracts, pays and enrols motes, and has them prove the registry's slots": [
    "firmware/record/enrolment.ts: encodeRotation",
    "firmware/record/enrolment.ts: decodeRotation",
    "tools/contracts/layout.ts: REGISTRY_SLOTS",
    "tools/contracts/layout.ts: ANCHOR_SLOTS",
    "tools/contracts/layout.ts: MANDATE_FIELDS",
    "tools/contracts/layout.ts: SUCCESSOR_FIELDS",
    "tools/contracts/layout.ts: ANCHORED_FIELDS",
    "tools/contracts/layout.ts: moteOfWord",
    "tools/contracts/layout.ts: mappingSlot",
  ],
  "what the drivers of the Moddable SDK import of its module crc": [
    "host-sim/engine/sdk-crc.mjs: CRC8",
    "host-sim/engine/sdk-crc.mjs: CRC16",
  ],
  "what a test has to see, and what shows nowhere else": [
    "firmware/ledger/registry-slots.ts: REVOKED",
    "firmware/record/journal.ts: .retiredSectors",
    "tools/processes/lock.ts: lockHolder",
  ],
};

/** What is begun by somebody outside: npm, Node's test runner, mcconfig, a browser, whoever installs the package. */
const BEGUN = [
  /\.test\.ts$/,
  /^examples\//,
  /^tools\/new\/application\//,
  /^firmware\/(main|main-bitcoin|face)\.ts$/,
  /^host-sim\/engine\/resolve\.mjs$/,
  /^firmware\/sensor\/(\w+)\/\1\.ts$/,
];
/** Folders that a program reads whole: each file in them is taken, by the names that the program says. */
const READ_WHOLE: Readonly<Record<string, string>> = {
  "test/conformance/sets/": "test/conformance/run.ts",
  "test/sim/fixtures/": "test/xs/board.test.ts",
};

const escaped = (name: string): string => name.replace(/\$/g, "\\$");
/** Tests, and the simulator, whose boards and worlds are there for tests to use. */
const isTest = (path: string): boolean => /^(test|host-sim)\//.test(path);
const words = (code: string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const word of code.match(/[\w$]+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
};

/** What a class shows: a method, or a field with a value. */
const MEMBER =
  /^ {2}(?:(?:readonly|override|static|async|get|set) )*\*?([a-z]\w*)(?:\([^;]*?\)(?::[^;=]*?)? \{$|(?:: [^;{\n]+?)? = [^;]*?;$)/gm;
const NO_MEMBER = /^(constructor|if|for|while|switch|catch|return|private)$/;
/** A method that only hands on to one of its own name is no caller of it. */
const HANDED_ON = /(?<=^ {2}(\w+)\([^\n]* \{\n[^\n]*)\.\1(?=\()/gm;

/** Which names of a file others take: those that are no tests, and tests. */
interface Taken {
  readonly code: Set<string>;
  readonly tests: Set<string>;
}

/** What is dead among `files`; `begun` names those that are taken whole from outside. */
function deadAmong(files: readonly SourceFile[], begun: (path: string) => boolean, texts: readonly SourceFile[] = []): string[] {
  const resolve = resolver(new Set(files.map(({ path }) => path)));
  const counts = new Map(files.map(({ path, code }) => [path, words(code)]));
  const taken = new Map<string, Taken>(files.map(({ path }) => [path, { code: new Set(), tests: new Set() }]));
  const take = (target: string, by: string, names: Iterable<string>): void => {
    const into = taken.get(target)?.[isTest(by) ? "tests" : "code"];
    into?.add("");
    for (const name of names) into?.add(name);
  };
  for (const { path, code } of files)
    for (const { specifier, names } of takes(code))
      for (const target of resolve(specifier, path)) if (target !== path) take(target, path, names);
  const stems = new Map<string, string[]>();
  for (const { path } of files) {
    const pieces = path.replace(/(\.d)?\.[cm]?[jt]s$/, "").split("/");
    for (let n = 1; n <= pieces.length; n += 1) {
      const end = pieces.slice(-n).join("/");
      stems.set(end, [...(stems.get(end) ?? []), path]);
    }
  }
  for (const { path, code } of [...files, ...texts])
    for (const said of saysPaths(code))
      for (const target of stems.get(said) ?? [])
        if (target !== path) take(target, path, ["default", ...(counts.get(path) ?? words(code)).keys()]);
  for (const [folder, reader] of Object.entries(READ_WHOLE))
    for (const { path } of files)
      if (path.startsWith(folder)) take(path, reader, ["default", ...(counts.get(reader)?.keys() ?? [])]);
  for (const { path, text } of files) {
    if (begun(path)) take(path, "", ["*"]);
    // By hand, as its first lines say.
    if (/^(#!|\/\/.*`node --import tsx )/m.test(text.slice(0, 1_000))) take(path, "", []);
  }

  const dead: string[] = [];
  const said = { code: new Set<string>(), tests: new Set<string>() };
  for (const { path, code } of files)
    for (const [word] of words(
      code.replace(HANDED_ON, "").replace(MEMBER, (whole, name) => (NO_MEMBER.test(name) ? whole : whole.replace(name, ""))),
    ))
      said[isTest(path) ? "tests" : "code"].add(word);
  for (const { path, code } of files) {
    const { code: byCode, tests: byTests } = taken.get(path) as Taken;
    const ambient = /^\s*declare module "/m.test(code);
    if (byCode.size === 0 && !(isTest(path) && byTests.size > 0) && !ambient) {
      dead.push(path);
      continue;
    }
    for (const name of exportsOf(code)) {
      const has = (names: Set<string>): boolean => names.has(name) || names.has("*");
      const own = (counts.get(path)?.get(name) ?? 0) > 1;
      const type = new RegExp(`^export (?:declare )?(?:interface|type) ${escaped(name)}\\b`, "m").test(code);
      if (has(byCode) || (has(byTests) && (own || isTest(path))) || (type && own)) continue;
      dead.push(`${path}: ${name}`);
    }
    if (begun(path)) continue;
    for (const [, name] of code.matchAll(MEMBER)) {
      if (name === undefined || NO_MEMBER.test(name)) continue;
      if (!said.code.has(name) && !(isTest(path) && said.tests.has(name))) dead.push(`${path}: .${name}`);
    }
  }
  return dead;
}

const TEXTS: readonly SourceFile[] = trackedFiles()
  .filter((path) => /(package|manifest[^/]*|table)\.json$|^\.ci\/run$|\.[ch]$/.test(path))
  .map((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return { path, text, code: text.replaceAll('"', " ").replace(/^.*$/gm, '"$&"') };
  });
/** What package.json shows to those who install the package. */
const SHOWN: readonly string[] = Object.values(
  JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).exports as Record<string, { default?: string }>,
).flatMap(({ default: built }) => (built === undefined ? [] : [built.replace("./dist/", "").replace(/\.js$/, ".ts")]));

test("every file, export and method has somebody who needs it", () => {
  const kept = Object.values(KEPT).flat();
  const dead = deadAmong(sourceFiles(), (path) => SHOWN.includes(path) || BEGUN.some((pattern) => pattern.test(path)), TEXTS);
  assert.equal(
    dead.filter((one) => !kept.includes(one)),
    [],
    "dead: remove it, or keep it to its own file",
  );
  assert.equal(
    kept.filter((one) => !dead.includes(one)),
    [],
    "has a caller by now: off the list",
  );
});

test("what is dead is noticed, and what is alive is not", () => {
  const of = (path: string, text: string): SourceFile => ({ path, text, code: withoutComments(text) });
  const begun = (path: string): boolean => path === "tools/main.ts";
  const dead = deadAmong(
    [
      of(
        "tools/main.ts",
        'import { used, type Shape } from "./a.js";\nimport * as all from "./b.js";\nawait import("./c.js").then((c) => c.late());\nall.one();\nconst x = "tied.mjs";',
      ),
      of(
        "tools/a.ts",
        'export const used = 1;\nexport const own = 2;\nexport const looked = own + 1;\nexport const tested = 4;\nexport interface Shape {}\nexport interface Part {}\nexport function made(): Part {}\n// import { own } from "./a.js"\nlooked;',
      ),
      of(
        "tools/b.ts",
        "export function one() {}\nexport function two() {}\nexport class C {\n  called(): void {\n  }\n  forgotten(): void {\n  }\n}\nnew C().called();",
      ),
      of("tools/c.ts", "export function late() {}\nexport function never() {}"),
      of("tools/tied.mjs", "run();"),
      of("tools/lonely.ts", "run();"),
      of("test/unit/a.test.ts", 'import { looked, tested, made } from "../../tools/a.js";\nimport "../../tools/lonely.js";'),
    ],
    (path) => begun(path) || path.endsWith(".test.ts"),
  );
  assert.equal(dead, [
    "tools/a.ts: own",
    "tools/a.ts: tested",
    "tools/a.ts: made",
    "tools/b.ts: two",
    "tools/b.ts: C",
    "tools/b.ts: .forgotten",
    "tools/c.ts: never",
    "tools/lonely.ts",
  ]);
});

test.run();
