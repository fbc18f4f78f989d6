// What a test file left running, found by a mark in the environment that all its descendants inherit, however they are tied.
//
// Promises: whoever has the mark is ended; who had ended in time by themselves are not told. Never: ends a process without the mark.
// Where there is no /proc (not Linux), nobody is found.

import { readdirSync, readFileSync } from "node:fs";
import { pause } from "./patience.js";

/** The variable of the environment that holds the mark. */
export const MARK = "CHAINMOTE_TEST_FILE";
/** A child that is tied to its parent needs a moment to notice that end. */
const GRACE_MS = 5_000;
const POLL_MS = 20;

/** The process ids, with their command lines, of those whose mark begins with `mark`; without this process and the dead. */
function marked(mark: string): Map<number, string> {
  const found = new Map<number, string>();
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return found;
  }
  for (const name of names) {
    if (Number(name) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`${MARK}=${mark}`)) continue;
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").join(" ").trim();
      if (words !== "") found.set(Number(name), words); // a zombie has no command line
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}

/** Ends what is left of those with this mark; answers the command lines of those that had to be ended. */
export async function endLeftovers(mark: string): Promise<readonly string[]> {
  let left = marked(mark);
  for (const endMs = performance.now() + GRACE_MS; left.size > 0 && performance.now() < endMs; left = marked(mark))
    await pause(POLL_MS);
  for (const pid of left.keys()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
  return [...left.entries()].map(([pid, words]) => `${pid} ${words}`);
}
