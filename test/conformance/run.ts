// `npm run conformance [-- [--engine NAME] SET…]`: public test vectors through the firmware's own code.
//
// --engine says what the set `crypto` runs on: all that run on Node (default), noble, fast, m32 or rv32 (crypto/under-test.ts).
//
// Reads the folder named by VECTORS, or ../shared/vectors beside the project. A SET is the name of a set (`crypto`), the last
// part of one (`cose` for `cbor/cose`), a folder above several (`eth-poa`; `cbor` takes `cbor/cose` along), or a path inside one
// (`crypto/wycheproof`). None means all. Each set runs once, however often it is named. Ends with 1 where a record fails, a file
// cannot be read or holds no record, the folder is missing, a SET is unknown, or nothing was executed. Files of those folders that
// no set reads are named.

import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { besideLiveLines } from "../../tools/live-lines.js";
import { CHOICES } from "./crypto/under-test.js";
import type { ConformanceSet } from "./set.js";
import { Bar, runSet, type Tally, unread } from "./tally.js";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** More files than these in one folder are said by their number. */
const UNREAD_SHOWN_MAX = 10;
const PROJECT = path.resolve(HERE, "../..");

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const at = words.indexOf("--engine");
  const engine = at < 0 ? "all" : (words[at + 1] ?? "nothing");
  const names = words.filter((_, i) => at < 0 || (i !== at && i !== at + 1));
  if (!(CHOICES as readonly string[]).includes(engine)) return complain(`--engine takes ${CHOICES.join(", ")}, not ${engine}`);
  process.env.CONFORMANCE_ENGINE = engine;
  const root = path.resolve(process.env.VECTORS ?? path.join(PROJECT, "../shared/vectors"));
  if (!fs.statSync(root, { throwIfNoEntry: false })?.isDirectory()) {
    return complain(`no folder of vectors at ${root}: name one by VECTORS=DIR`);
  }
  const sets = await loadSets();
  const chosen = choose(sets, names);
  if (typeof chosen === "string") return complain(chosen);
  const total = { passed: 0, failed: 0, skipped: 0 };
  const bar = new Bar(chosen.reduce((sum, { set }) => sum + set.paths.length, 0));
  for (const { set, unders } of chosen) {
    let tallies: readonly Tally[];
    try {
      tallies = await runSet(
        set,
        root,
        unders,
        (tally) => {
          print(tally);
          bar.finished(tally);
        },
        (tally) => bar.show(tally),
      );
    } catch (error) {
      total.failed += 1;
      say(`${set.name}: ${String(error)}\n`);
      continue;
    }
    for (const tally of tallies) {
      total.passed += tally.passed;
      total.failed += tally.failed;
      total.skipped += tally.skipped;
    }
  }
  bar.clear();
  printUnread(root, sets, chosen, names.length === 0);
  const executed = total.passed + total.failed;
  if (executed === 0) process.stderr.write("nothing was executed\n");
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  return executed === 0 || total.failed > 0 ? 1 : 0;
}

async function loadSets(): Promise<ConformanceSet[]> {
  const sets: ConformanceSet[] = [];
  for (const file of fs.readdirSync(path.join(HERE, "sets")).sort()) {
    if (!file.endsWith(".ts")) continue;
    const module = (await import(pathToFileURL(path.join(HERE, "sets", file)).href)) as { set?: ConformanceSet };
    if (module.set === undefined) throw new Error(`test/conformance/sets/${file} exports no set`);
    sets.push(module.set);
  }
  return sets.sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Choice {
  readonly set: ConformanceSet;
  /** Prefixes of the paths to run; the empty one means all. */
  readonly unders: readonly string[];
}

/** The sets that `names` select, or what is wrong with them. */
function choose(sets: readonly ConformanceSet[], names: readonly string[]): Choice[] | string {
  const unders = new Map<ConformanceSet, Set<string>>();
  const add = (set: ConformanceSet, under: string): void => {
    const known = unders.get(set) ?? new Set<string>();
    unders.set(set, known.add(under));
  };
  if (names.length === 0) for (const set of sets) add(set, "");
  for (const raw of names) {
    const name = raw.replace(/\/+$/, "");
    const whole = sets.filter((set) => set.name === name || set.name.startsWith(`${name}/`) || set.name.endsWith(`/${name}`));
    for (const set of whole) add(set, "");
    if (whole.length > 0) continue;
    const inside = sets.filter((set) => set.paths.some((pattern) => name !== "" && pattern.startsWith(name)));
    const nested = sets.filter((set) => name.startsWith(`${set.name}/`));
    const partial = new Set([...inside, ...nested]);
    for (const set of partial) add(set, name);
    if (partial.size === 0) return `no set is called ${name}; there are ${sets.map((set) => set.name).join(", ")}`;
  }
  return [...unders].map(([set, wanted]) => ({ set, unders: [...wanted] }));
}

function say(text: string): void {
  besideLiveLines(process.stdout, text);
}

function print(tally: Tally): void {
  say(`${tally.path}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`);
  for (const [why, records] of tally.reasons) say(`  ${records} skipped: ${why}\n`);
  for (const failure of tally.failures) say(`  failed: ${failure}\n`);
  const more = tally.failed - tally.failures.length;
  if (more > 0) say(`  and ${more} more\n`);
}

/** Says which files no set reads, in the folders of the sets that were run whole, or in all; many of one folder in one line. */
function printUnread(root: string, sets: readonly ConformanceSet[], chosen: readonly Choice[], all: boolean): void {
  const whole = chosen.filter(({ unders }) => unders.includes("")).map(({ set }) => set.name.split("/")[0] as string);
  const folders = all ? fs.readdirSync(root).filter((name) => fs.statSync(path.join(root, name)).isDirectory()) : whole;
  const patterns = sets.flatMap((set) => [...set.paths, ...(set.beside ?? [])]);
  for (const folder of [...new Set(folders)].sort()) {
    const files = unread(root, folder, patterns);
    if (files.length > UNREAD_SHOWN_MAX) say(`  no set reads ${files.length} files in ${folder}\n`);
    else for (const file of files) say(`  no set reads ${file}\n`);
  }
}

function complain(line: string): number {
  process.stderr.write(`conformance: ${line}\n`);
  return 1;
}
