// What a conformance set is, and how it reports.
//
// A set is a module in `sets/` that exports `const set: ConformanceSet`; the runner finds it by reading that folder. Everything
// that a set expects comes out of the vector files: no counts, names, heights or expected values of its own. A path that
// matches nothing is reported as skipped by the runner, not by the set.

/** One module of vectors. */
export interface ConformanceSet {
  /** The folder below the vectors' root, such as `crypto`, `cbor/cose` or `eth-poa/clique`. Unique. */
  readonly name: string;
  /**
   * Every file or pattern that the set reads, relative to the root, with forward slashes. `*` stands for any characters but
   * a slash, `**` followed by a slash for any folders, none included.
   */
  readonly paths: readonly string[];
  /** What it reads besides, by itself, to understand those: patterns as well. */
  readonly beside?: readonly string[];
  /** Runs all of it: one `report.each` for each of `paths`. `root` is the absolute path of the vectors' folder. */
  run(report: Report, root: string): void | Promise<void>;
}

/** What came of one record: undefined where it holds, a text that says why it does not, or `skip(why)`. */
export type Outcome = string | undefined | Skip;

/** A record that the project does not build, refused where it has to be refused: counted apart, never as passed. */
export class Skip {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

export function skip(why: string): Skip {
  return new Skip(why);
}

export interface Report {
  /**
   * Visits each file that matches `pattern`, one of the set's `paths`, in the order of their names. A throw counts as one
   * failed record of that file, so that a broken file never hides the others; so does a file in which no record is found.
   */
  each(pattern: string, visit: (file: VectorFile) => void | Promise<void>): Promise<void>;
}

/** One file of the vectors, and the tally of its records. */
export interface VectorFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  /** Base name, without its folder. */
  readonly name: string;
  bytes(): Uint8Array;
  text(): string;
  /** Parsed JSON (integers beyond 2^53 lose digits, as JSON.parse has it); the caller checks what it uses. */
  json(): unknown;
  /** Runs one record. A throw counts as a failure. `record` names it to a person: an index, a tcId, a height. */
  check(record: string | number, test: () => Outcome): void;
  /** The same for a test that waits. */
  checkAsync(record: string | number, test: () => Promise<Outcome>): Promise<void>;
  /** There may be no record of this path in the file: what there is, another path or another set reads. */
  mayBeEmpty(): void;
  /** Counts records that are not executed, and why. Context records are not counted at all. */
  leaveOut(why: string, records?: number): void;
}
