// What the documents and the comments say of this repository, held against it: each path, command, option, script, part of a test's
// name, link and heading that they name is there, and the budget of docs/boards.md counts with the boards' memories; its other tables are made (test/unit/board/boards.test.ts).
//
// Never: judges a sentence. What belongs to others (the SDK, a node's sources, what a run makes) is listed with whose it is.

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { memoryBytes } from "../../host-sim/xs/presets.js";
import { ROOT, trackedFiles } from "./sources.js";

const TRACKED = trackedFiles();
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const DOCUMENTS = TRACKED.filter((path) => path.endsWith(".md"));
/** These two speak of files that are not there. */
const OF_TESTS = /^test\/unit\/(documents\.test|sources)\.ts$/;
const CODE = TRACKED.filter((path) => /\.(ts|mjs|js|c|h)$/.test(path) && !OF_TESTS.test(path));

/** Paths that are named and are not ours: whose they are. */
const ELSEWHERE: Readonly<Record<string, RegExp>> = {
  "made by a run, by a build, or by the reader": /^((.*\/)?(board|checkpoint|images)\.json|build\/.*|dist\/.*|my-mote\/.*)$/,
  "the SDK's and ESP-IDF's":
    /^(modules|documentation|examples\/io|mc|host)\/|^(esp_netif_lwip\.c|esp_ota_ops\.c|bootloader_utility\.c|i2c_master\.c|wifi-esp32\.c|xsmc\.h|manifest_base\.json|sdkconfig\.h|hal\.h)$/,
  "names of check:sdk's steps": /^firmware\/esp32\w*$/,
  "of other projects: Bitcoin Core, libsecp256k1, bn.js, the C library":
    /^(src\/primitives\/block\.h|ctime_tests\.c|bn\.js|sysexits\.h)$/,
};
/** Their comments and strings speak of the vectors that they read, which lie outside. */
const OF_VECTORS = /^test\/(unit\/)?conformance\//;

/** Every folder and file by each of its endings: `a/b/c.ts` by `c.ts`, `b/c.ts` and itself. */
const ENDINGS: ReadonlySet<string> = new Set(
  TRACKED.flatMap((path) => {
    const pieces = path.split("/");
    return pieces.flatMap((_, end) => pieces.slice(0, end + 1).map((__, begin) => pieces.slice(begin, end + 1).join("/")));
  }),
);
const ROOTS = /^(?:firmware|host-sim|tools|test|docs|examples|\.ci|\.vscode)(?:\/|$)/;
const FILE = /\.(?:ts|mjs|js|c|h|json|csv|md)$/;

function isThere(path: string): boolean {
  const plain = normalize(path.replace(/^\.\//, "").replace(/[/]$/, ""));
  if (/[*A-Z]/.test(plain) && !ENDINGS.has(plain)) {
    // A pattern, or a word in capitals that stands for any.
    const pattern = plain.replace(/[.+?^$()|[\]\\]/g, "\\$&").replace(/\*|(?<![A-Za-z])[A-Z]+(?![A-Za-z.])/g, "[^/]+");
    return [...ENDINGS].some((ending) => new RegExp(`^${pattern}$`).test(ending));
  }
  // As it is imported: a TypeScript file by the name of what it becomes, and a module without any.
  return [plain, plain.replace(/\.js$/, ".ts"), `${plain}.ts`].some((name) => ENDINGS.has(name));
}

const isElsewhere = (path: string): boolean => Object.values(ELSEWHERE).some((pattern) => pattern.test(path));

/** Words of a text that name a file or a folder of ours: by their ending, or by the room that they begin with. */
function pathsIn(text: string): string[] {
  return text
    .split(/[\s"'`(){}[\]<>,;|=→]+/)
    .map((word) => word.replace(/[.:!?)]+$/, "").replace(/^(\$\w+\/|\.\.?\/)+/, ""))
    .filter(
      (word) =>
        (FILE.test(word) || ROOTS.test(word)) && /^[\w./*@-]+$/.test(word) && !/^\.[a-z]+$/.test(word) && !word.startsWith("/"),
    );
}

/** What stands in backticks and in blocks of code, one piece each. */
function quoted(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block]) => (block as string).split("\n"));
  const rest = markdown.replace(/^```[\s\S]*?^```/gm, "");
  return [...blocks, ...[...rest.matchAll(/`([^`]+)`/g)].map(([, piece]) => (piece as string).replace(/\s+/g, " "))];
}

/** The comments of a file, joined where a sentence goes on. */
function comments(code: string): string {
  return [...code.matchAll(/\/\*[\s\S]*?\*\/|(?<![:"'`\w])\/\/[^\n]*/g)]
    .map(([comment]) => comment.replace(/^\s*(\/\/|\/?\*+)/gm, "").replace(/\s+/g, " "))
    .join("\n");
}

function missingPaths(texts: Iterable<readonly [string, string]>): string[] {
  const missing: string[] = [];
  for (const [where, text] of texts)
    for (const path of pathsIn(text)) if (!isThere(path) && !isElsewhere(path)) missing.push(`${where}: ${path}`);
  return [...new Set(missing)];
}

test("every path that a document names is there", () => {
  const texts = DOCUMENTS.flatMap((path) =>
    quoted(read(path)).map((piece) => [path, piece.replace(/\bnpm test -- .*|\bnpm run check:sdk -- .*/, "")] as const),
  );
  assert.ok(texts.length > 500, "documents are read");
  assert.equal(missingPaths(texts), []);
});

test("every file that a comment names is there", () => {
  assert.equal(
    missingPaths(CODE.filter((path) => !OF_VECTORS.test(path)).map((path) => [path, comments(read(path))] as const)),
    [],
  );
});

const headingsOf = (markdown: string): string[] =>
  [...markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading as string).replace(/`/g, ""),
  );
const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replace(/ /g, "-");

test("every link leads to a file that is there, and to a heading in it", () => {
  const missing: string[] = [];
  for (const path of DOCUMENTS)
    for (const [, target] of read(path)
      .replace(/^```[\s\S]*?^```/gm, "")
      .matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target as string)) continue;
      const [file, anchor] = (target as string).split("#") as [string, string?];
      const to = file === "" ? path : join(dirname(path), file);
      if (!TRACKED.includes(to)) missing.push(`${path}: ${target}`);
      else if (anchor !== undefined && !headingsOf(read(to)).map(slug).includes(anchor)) missing.push(`${path}: ${target}`);
    }
  assert.equal(missing, []);
});

test("every heading that is named with its document is there", () => {
  const missing: string[] = [];
  let found = 0;
  for (const path of [...DOCUMENTS, ...CODE]) {
    const text = path.endsWith(".md") ? read(path).replace(/\s+/g, " ") : comments(read(path));
    for (const [, document, list] of text.matchAll(/\b(?:docs\/)?([a-z-]+\.md)`?,? ((?:(?:, | and )?"[^"]+")+)/g)) {
      const at = `docs/${document}`;
      if (!TRACKED.includes(at)) continue;
      const headings = [
        ...headingsOf(read(at)),
        ...[...read(at).matchAll(/\*\*([^*]+?)[.:]?\*\*/g)].map(([, bold]) => bold as string),
      ];
      for (const [, heading] of (list as string).matchAll(/"([^"]+)"/g)) {
        found += 1;
        if (!headings.some((one) => one.replace(/^\d+\.? /, "").startsWith((heading as string).replace(/[,.]$/, ""))))
          missing.push(`${path}: ${document}, "${heading}"`);
      }
    }
  }
  assert.ok(found >= 10, `${found} are named`);
  assert.equal(missing, []);
});

const SCRIPTS: readonly string[] = Object.keys(JSON.parse(read("package.json")).scripts);
const VERBS: readonly string[] = [...read("tools/cli.ts").matchAll(/^ {2}(\w+): \["/gm)].map(([, verb]) => verb as string);
const TESTS: readonly string[] = TRACKED.filter((path) => path.endsWith(".test.ts")).map((path) => path.replace(/^test\//, ""));

/** What is wrong with the commands in one piece of text. */
function commandFaults(piece: string): string[] {
  const faults: string[] = [];
  const line = piece.replace(/\s#\s.*$/, "").replace(/\\\|/g, "|");
  const options = (verb: string, rest: string): void => {
    const source = read(`tools/commands/${verb}.ts`);
    for (const [option] of rest.matchAll(/--[a-z][a-z-]+/g))
      if (!source.includes(option) && option !== "--help") faults.push(`${verb} has no ${option}`);
  };
  for (const [, script] of line.matchAll(/\bnpm run ([\w:-]+)/g))
    if (!SCRIPTS.includes(script as string)) faults.push(`npm run ${script}`);
  for (const [, verb, rest] of line.matchAll(/(?:\bnpx |^)chainmote ([a-z]+)\b([^`;&]*)/g))
    if (VERBS.includes(verb as string)) options(verb as string, rest as string);
    else faults.push(`chainmote ${verb}`);
  for (const [, rest] of line.matchAll(/\bnpm start\b([^`;&]*)/g)) options("start", rest as string);
  const parts = /\bnpm test -- ([^&;#]*)/.exec(line)?.[1]?.trim().split(/ +/) ?? [];
  for (const part of parts)
    if (/^[a-z]/.test(part) && !TESTS.some((name) => name.includes(part))) faults.push(`npm test -- ${part}`);
  return faults;
}

test("every command, script and option that a document names is there, and so is each part of a test's name", () => {
  assert.ok(VERBS.length >= 14 && TESTS.length > 150);
  const faults = DOCUMENTS.filter((path) => !path.startsWith("tools/new/")).flatMap((path) =>
    quoted(read(path)).flatMap((piece) => commandFaults(piece).map((fault) => `${path}: ${fault}`)),
  );
  assert.equal(faults, []);
});

/** The rows of the table whose first row holds `first`: cells without their marks. */
function table(markdown: string, first: string): string[][] {
  const lines = markdown.split("\n");
  const begin = lines.findIndex((line) => line.startsWith("|") && line.includes(first));
  assert.ok(begin >= 0, `a table with ${first}`);
  const end = lines.findIndex((line, i) => i > begin && !line.startsWith("|"));
  return lines.slice(begin, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.replace(/`/g, "").trim()),
  );
}

const grouped = (value: number): string => value.toLocaleString("en-US");

test("boards.md counts the boards' memory in its budget as their files have it", () => {
  const [, one, others] =
    table(read("docs/boards.md"), "| ESP32-C3 | others |").find(([first]) => first?.startsWith("memory for JavaScript")) ?? [];
  const { chunkInitialBytes, heapInitialSlots, stackSlots, staticBytes } = {
    ...boardOf("esp32").creation,
    staticBytes: boardOf("esp32c3").creation.staticBytes,
  };
  assert.is(one, `${grouped(staticBytes)}, one block`);
  const parts = [chunkInitialBytes, 16 * heapInitialSlots, 16 * stackSlots].map(grouped).join(" + ");
  assert.is(others, `${parts} = ${grouped(memoryBytes(boardOf("esp32").creation))}`);
});

test("api.md has a row for each type of sensor, and for no other", () => {
  const said = table(read("docs/api.md"), "| type | part |")
    .slice(2)
    .map(([type]) => type);
  const types = TRACKED.filter((path) => path.startsWith("firmware/sensor/")).flatMap(
    (path) => /\btype: "(\w+)",\s+configure/.exec(read(path))?.[1] ?? [],
  );
  assert.equal(said.sort(), types.sort());
});

test("each rule notices what is not there", () => {
  assert.equal(missingPaths([["a", comments('x; // see gone.ts\nconst url = "http://b/gone.ts";')]]), ["a: gone.ts"]);
  assert.equal(missingPaths([["a", "see `firmware/gone.ts`, gone/bridge.ts and firmware/ports.ts, test/nowhere, docs/"]]), [
    "a: firmware/gone.ts",
    "a: gone/bridge.ts",
    "a: test/nowhere",
  ]);
  for (const [piece, fault] of [
    ["npm run nothing", "npm run nothing"],
    ["npx chainmote nothing", "chainmote nothing"],
    ["npx chainmote verify --nothing", "verify has no --nothing"],
    ["npm start -- --rpc URL --nothing", "start has no --nothing"],
    ["npm test -- unit/delivery unit/nothing", "npm test -- unit/nothing"],
  ] as const)
    assert.equal(commandFaults(piece), [fault]);
  assert.equal(commandFaults("npm start -- --rpc URL --checkpoint FILE"), []);
});

test.run();
