// Runs one conformance set over a folder of vectors and counts what came of its records.
//
// Never stops at a failure, and never counts a record twice.

import * as fs from "node:fs";
import * as path from "node:path";
import { Progress } from "../../tools/progress.js";
import { type ConformanceSet, type Outcome, type Report, Skip, type VectorFile } from "./set.js";

const FAILURES_SHOWN_MAX = 20;
const FAILURE_TEXT_MAX = 400;

/** What came of the records of one path: of all files that match it. */
export class Tally {
  readonly path: string;
  /** Why records were skipped, and how many for each reason. */
  readonly reasons = new Map<string, number>();
  /** The first failures, as `record: why`. */
  readonly failures: string[] = [];
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly #onRecord: (tally: Tally) => void;

  /** @param onRecord told of each record that has run */
  constructor(path: string, onRecord: (tally: Tally) => void = () => undefined) {
    this.path = path;
    this.#onRecord = onRecord;
  }

  note(record: string, outcome: Outcome): void {
    this.#onRecord(this);
    if (outcome === undefined) this.passed += 1;
    else if (outcome instanceof Skip) this.skip(outcome.why, 1);
    else {
      this.failed += 1;
      if (this.failures.length < FAILURES_SHOWN_MAX) this.failures.push(`${record}: ${outcome}`.slice(0, FAILURE_TEXT_MAX));
    }
  }

  skip(why: string, records: number): void {
    this.skipped += records;
    this.reasons.set(why, (this.reasons.get(why) ?? 0) + records);
  }
}

/** How far it is, by paths of the sets. */
export class Bar {
  readonly #progress = new Progress("conformance");
  readonly #paths: number;
  #finished = 0;
  #records = 0;

  constructor(paths: number) {
    this.#paths = paths;
  }

  show({ path, passed, failed }: Tally): void {
    this.#progress.counted(this.#records + passed + failed, "records", this.#finished / this.#paths, path);
  }

  finished({ passed, failed }: Tally): void {
    this.#finished += 1;
    this.#records += passed + failed;
  }

  clear(): void {
    this.#progress.clear();
  }
}

class File implements VectorFile {
  readonly path: string;
  readonly name: string;
  readonly #file: string;
  readonly #tally: Tally;
  #records = 0;
  #mayBeEmpty = false;

  constructor(root: string, relative: string, tally: Tally) {
    this.path = relative;
    this.name = path.posix.basename(relative);
    this.#file = path.join(root, relative);
    this.#tally = tally;
  }

  bytes(): Uint8Array {
    return new Uint8Array(fs.readFileSync(this.#file));
  }

  text(): string {
    return fs.readFileSync(this.#file, "utf8");
  }

  json(): unknown {
    return JSON.parse(this.text()) as unknown;
  }

  check(record: string | number, test: () => Outcome): void {
    let outcome: Outcome;
    try {
      outcome = test();
    } catch (error) {
      outcome = `threw ${String(error)}`;
    }
    this.note(record, outcome);
  }

  async checkAsync(record: string | number, test: () => Promise<Outcome>): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await test();
    } catch (error) {
      outcome = `threw ${String(error)}`;
    }
    this.note(record, outcome);
  }

  leaveOut(why: string, records = 1): void {
    this.#records += records;
    this.#tally.skip(why, records);
  }

  mayBeEmpty(): void {
    this.#mayBeEmpty = true;
  }

  /** A fault of the file as a whole, counted as one failed record. */
  broken(error: unknown): void {
    this.note("the file", `threw ${String(error)}`);
  }

  /** All that is in it was visited: nothing is a fault, too. */
  done(): void {
    if (this.#records === 0 && !this.#mayBeEmpty) this.note("the file", "no record was found in it");
  }

  private note(record: string | number, outcome: Outcome): void {
    this.#records += 1;
    this.#tally.note(this.#label(record), outcome);
  }

  #label(record: string | number): string {
    return this.#tally.path === this.path ? `${record}` : `${this.name} ${record}`;
  }
}

/**
 * Runs `set` over the folder `root` and answers a tally for each of its paths.
 * @param unders only files whose path begins with one of these; the empty text means all
 * @param show called with each tally as it is finished
 * @param onRecord called at each record, with the tally that it counts in
 */
export async function runSet(
  set: ConformanceSet,
  root: string,
  unders: readonly string[],
  show: (tally: Tally) => void,
  onRecord?: (tally: Tally) => void,
): Promise<Tally[]> {
  const tallies: Tally[] = [];
  const visited = new Set<string>();
  const wanted = (file: string): boolean => unders.some((under) => file.startsWith(under));
  const report: Report = {
    async each(pattern, visit) {
      if (!set.paths.includes(pattern)) throw new Error(`the set reads ${pattern}, which its paths do not name`);
      visited.add(pattern);
      const all = matching(root, pattern);
      const some = all.filter(wanted);
      if (some.length === 0 && (all.length > 0 || !wanted(pattern))) return;
      const tally = new Tally(pattern, onRecord);
      if (some.length === 0) tally.skip("no such file in this folder", 1);
      for (const relative of some) {
        const file = new File(root, relative, tally);
        try {
          await visit(file);
          file.done();
        } catch (error) {
          file.broken(error);
        }
      }
      tallies.push(tally);
      show(tally);
    },
  };
  await set.run(report, root);
  for (const pattern of set.paths) if (!visited.has(pattern)) throw new Error(`the set never read its path ${pattern}`);
  return tallies;
}

/** Files below `folder` that hold vectors and that none of `patterns` matches, sorted, relative to `root`. */
export function unread(root: string, folder: string, patterns: readonly string[]): string[] {
  const rules = patterns.map(ruleOf);
  return matching(root, `${folder}/**/*`).filter(
    (file) => !rules.some((rule) => rule.test(file)) && !/(^|\/)(README|LICENSE)[^/]*$/i.test(file),
  );
}

function ruleOf(pattern: string): RegExp {
  return new RegExp(
    `^${pattern.replace(/\*\*\/|\*|[.+?^${}()|[\]\\]/g, (found) =>
      found === "**/" ? "(?:[^/]+/)*" : found === "*" ? "[^/]*" : `\\${found}`,
    )}$`,
  );
}

/** Files below `root` that match `pattern`, sorted, relative, with forward slashes. */
export function matching(root: string, pattern: string): string[] {
  const rule = ruleOf(pattern);
  const star = pattern.indexOf("*");
  const fixed = path.posix.dirname(star < 0 ? pattern : `${pattern.slice(0, star)}x`);
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const relative = folder === "." ? entry.name : `${folder}/${entry.name}`;
      if (fs.statSync(path.join(root, relative)).isDirectory()) walk(relative);
      else if (rule.test(relative)) found.push(relative);
    }
  };
  if (fs.existsSync(path.join(root, fixed))) walk(fixed);
  return found.sort();
}
