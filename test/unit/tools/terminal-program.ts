// A program that shows a system's events and its state as `chainmote start` does, without a system: the events come over a socket.
//
// `node --import tsx test/unit/tools/terminal-program.ts PORT LOG`

import { connect } from "node:net";
import { createInterface } from "node:readline";
import { LiveLines } from "../../../tools/live-lines.js";
import { pause } from "../../../tools/processes/backoff.js";
import { BoundedLog } from "../../../tools/processes/bounded-log.js";
import { untilTold } from "../../../tools/processes/end.js";
import { Screen, type SystemEvent } from "../../../tools/start/screen.js";
import { terminalOutput } from "../../../tools/terminal.js";

const ENDING_MS = 300;

type Order =
  | { readonly source: string; readonly event: SystemEvent }
  | { readonly complain: string }
  | { readonly keep: string }
  | { readonly fail: string }
  | { readonly end: number };

const [port, log = ""] = process.argv.slice(2);
const output = terminalOutput();
const book = new BoundedLog(log);
const screen = new Screen(output, book, {
  ...{ json: false, verbose: false },
  block: { lines: new LiveLines(process.stdout), boards: 2 },
});
const socket = connect(Number(port), "127.0.0.1");
screen.keep("running");

function obey(order: Order): void {
  if ("source" in order) screen.show(order.source, order.event);
  else if ("complain" in order) output.error(order.complain);
  else if ("keep" in order) screen.keep(order.keep);
  else if ("fail" in order) throw new Error(order.fail);
  else process.exit(order.end);
}

createInterface({ input: socket }).on("line", (line) => obey(JSON.parse(line) as Order));
void untilTold().then(async () => {
  screen.keep("ending");
  await pause(ENDING_MS); // as a system takes its time
  screen.close();
  screen.say("told to end");
  book.line("told to end");
  process.exit(0);
});
