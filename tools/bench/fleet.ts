// How much simulated time of a fleet passes in a minute: whole motes on Node, one record and one header a minute for each board, spread
// over a thread for each processor. A busy machine gives less; the processor's own time for a board-minute says what an idle one would.

import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { BuildProgress } from "../../host-sim/xs/build.js";
import type { FleetOptions } from "../../test/bench/fleet.js";
import { CommandError, count, type Output, plainText } from "../terminal.js";
import { ended } from "../threads.js";

export const FLEET_BOARDS = 50;
/** Long enough that V8 has compiled what is hot. */
export const FLEET_MINUTES = 240;
/** The reference takes some ten times as long. */
const NOBLE_MINUTES_MAX = 10;
const THREAD = new URL("fleet-thread.mjs", import.meta.url);

export interface FleetRate {
  readonly name: string;
  readonly boards: number;
  readonly minutes: number;
  readonly boardHoursPerMinute: number;
  /** Of all threads together, in microseconds for a board's minute. */
  readonly cpuMicros: number;
  /** The reference's processor time by this one's. */
  readonly ratio: number;
}

interface Way extends Omit<FleetOptions, "boards"> {
  readonly name: string;
}

const WAYS: readonly Way[] = [
  { name: "noble", crypto: "noble", shared: false, link: "sockets" },
  { name: "fast engine", crypto: "fast", shared: false, link: "sockets" },
  { name: "and a link in the process", crypto: "fast", shared: false, link: "process" },
  { name: "and shared recoveries", crypto: "fast", shared: true, link: "process" },
];

export async function benchFleet(boards: number, minutes: number, progress: BuildProgress): Promise<readonly FleetRate[]> {
  const rates: FleetRate[] = [];
  for (const way of WAYS) {
    progress(`fleet: ${count(boards)} boards, ${way.name}`, rates.length / WAYS.length);
    const rate = await run(way, boards, way.crypto === "noble" ? Math.min(minutes, NOBLE_MINUTES_MAX) : minutes);
    const reference = rates[0] ?? rate;
    rates.push({ ...rate, ratio: Math.round((10 * reference.cpuMicros) / rate.cpuMicros) / 10 });
  }
  return rates;
}

export function printFleet(rates: readonly FleetRate[], output: Output): void {
  const width = Math.max(...rates.map(({ name }) => name.length));
  output.line(output.style("bold", `${"".padEnd(width)}  board-hours a minute  processor, µs a board-minute  by noble's`));
  for (const { name, boardHoursPerMinute, cpuMicros, ratio } of rates) {
    const cells = [count(boardHoursPerMinute).padStart(20), count(cpuMicros).padStart(28), `${ratio.toFixed(1)} ×`.padStart(10)];
    output.line(`${name.padEnd(width)}  ${cells.join("  ")}`);
  }
}

async function run({ name, ...options }: Way, boards: number, minutes: number): Promise<FleetRate> {
  const shares = sharesOf(boards);
  const threads = shares.map((share) => {
    const workerData: FleetOptions = { ...options, boards: share };
    return new Worker(THREAD, { workerData, execArgv: [] });
  });
  try {
    await Promise.all(threads.map(said));
    const [beginMs, beganCpu] = [performance.now(), process.cpuUsage()];
    await Promise.all(
      threads.map((thread) => {
        thread.postMessage(minutes);
        return said(thread);
      }),
    );
    const { user, system } = process.cpuUsage(beganCpu);
    const seconds = (performance.now() - beginMs) / 1000;
    return {
      ...{ name, boards, minutes },
      boardHoursPerMinute: Math.round((boards * minutes) / seconds),
      cpuMicros: Math.round((user + system) / (boards * minutes)),
      ratio: 1,
    };
  } catch (error) {
    throw new CommandError(plainText(String(error)));
  } finally {
    await Promise.all(threads.map(ended));
  }
}

/** As many boards for each processor, or one more. */
function sharesOf(boards: number): number[] {
  const threads = Math.min(boards, availableParallelism());
  return Array.from({ length: threads }, (_, at) => Math.floor((boards + at) / threads));
}

/** Waits for the thread's next word; rejects where it fails instead. */
async function said(thread: Worker): Promise<void> {
  await Promise.race([
    once(thread, "message"), // rejects with the thread's own error
    once(thread, "exit").then(([code]) => {
      throw new Error(`a thread of the fleet ended with code ${code}`);
    }),
  ]);
}
