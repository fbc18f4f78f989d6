// What a test file took of a processor, itself and all that it waited for: told to test/run.ts at its end, on a descriptor of its own.
//
// Where there is no /proc (not Linux), its own part alone is told. Never: told by a file that was killed.

import { readFileSync, writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const DESCRIPTOR = 3;
const TICKS_A_SECOND = 100;
/** cutime and cstime of /proc/self/stat (proc(5), fields 16 and 17), counted from behind the name. */
const OF_CHILDREN = [13, 14];

process.on("exit", () => {
  if (!isMainThread) return;
  const { user, system } = process.cpuUsage();
  let seconds = (user + system) / 1e6;
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    for (const at of OF_CHILDREN) seconds += Number(fields[at]) / TICKS_A_SECOND;
  } catch {
    // Not Linux.
  }
  writeSync(DESCRIPTOR, seconds.toFixed(2));
});
