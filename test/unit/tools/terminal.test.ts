// The state of a system in a real terminal (tmux): as a person sees it, in every size, until the end, whatever the end is.

import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../../patience.js";
import { Tmux, tmuxFault } from "./tmux.js";

const PROGRAM = fileURLToPath(new URL("terminal-program.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const fault = tmuxFault();
const folder = mkdtempSync(join(tmpdir(), "chainmote-terminal-"));
const HASH = "ab".repeat(32);

/** The program in a terminal of that size, begun as `words` say. */
class Shown {
  readonly terminal: Tmux;
  readonly #server: Server;
  readonly #socket: Socket;

  private constructor(terminal: Tmux, server: Server, socket: Socket) {
    this.terminal = terminal;
    this.#server = server;
    this.#socket = socket;
  }

  static async open(columns: number, rows: number, line: (program: string) => string = (program) => program): Promise<Shown> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const terminal = new Tmux(columns, rows);
    terminal.type(`PS1='$ '; cd ${ROOT} && clear`);
    await terminal.see("a prompt", ([first, ...others]) => first?.trim() === "$" && others.length === 0);
    terminal.type(line(`node --import tsx ${PROGRAM} ${port} ${join(folder, "log")}`));
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => undefined); // it has failed, as it was told to
    return new Shown(terminal, server, socket);
  }

  order(order: object): void {
    this.#socket.write(`${JSON.stringify(order)}\n`);
  }

  event(source: string, event: string, fields: object = {}): void {
    this.order({ source, event: { event, ...fields } });
  }

  close(): void {
    this.#socket.destroy();
    this.#server.close();
    this.terminal.close();
  }
}

const opened: Shown[] = [];
async function shown(...words: Parameters<typeof Shown.open>): Promise<Shown> {
  const one = await Shown.open(...words);
  opened.push(one);
  return one;
}
test.after.each(() => {
  for (const one of opened.splice(0)) one.close();
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const beginWith = (rows: readonly string[], word: string): readonly string[] => rows.filter((row) => row.startsWith(`${word} `));
const isOnce = (rows: readonly string[]): boolean =>
  ["──", "boards", "records"].every((word) => beginWith(rows, word).length === 1);
const isOver = (rows: readonly string[]): boolean => rows.at(-1) === "$";

/** Two boards, a record each, and one whose connection is lost. */
function live(system: Shown): void {
  for (const mote of ["mote 1", "mote 2"]) {
    system.event(mote, "link", { state: "up" });
    system.event(mote, "head", { number: 41, hash: HASH, verified: 1 });
    system.event(mote, "record", { seq: 7, head: 41, values: ["temperature 17.64 Cel"] });
    system.event("collector", "stored", { mote: "0x1", seq: 7, digest: HASH });
    system.event("collector", "verified", { mote: "0x1", seq: 7, digest: HASH });
    system.event(mote, "stored", { seq: 7 });
  }
  system.event("relay", "head", { number: 44 });
  system.event("mote 2", "link", { state: "down", reason: "漢字かな 👍🏽 \u001b[2J\u009b2J\u202eoff" });
  system.event("mote 2", "alarm", { alarm: "stalled 漢字漢字漢字漢字漢字漢字漢字 \u001b[1A", head: 41 });
}

const STATE = [
  /^── running \d+ s ─+$/,
  /^boards {4}1 of 2 connected {3}head #41, (just now|\d+ s ago).* {3}the chain is at #44$/,
  /^records {3}2 made, 2 stored {3}2 verified/,
  /^mote 2 {4}#41 {8}seq 7, stored {3}not connected {3}alarm: stalled 漢/,
  /^mote 1 {4}#41 {8}seq 7, stored$/,
];

function isState(rows: readonly string[]): boolean {
  return STATE.every((line, i) => line.test(rows.at(i - STATE.length) ?? ""));
}

if (fault !== undefined) console.log(`skipped: ${fault}`);
const inTerminal = fault === undefined ? test : test.skip;

inTerminal("the state stays below the events in every size, and Ctrl-C takes it away", async () => {
  const system = await shown(100, 24);
  const { terminal } = system;
  live(system);
  await terminal.see("the state", isState);
  for (let i = 1; i <= 30; i += 1) system.event("mote 1", "delivered", { seq: 100 + i });
  system.order({ complain: "a complaint" });
  await terminal.see("the last event", (rows) => isState(rows) && rows.includes("a complaint"));
  for (const [columns, rows, seq] of [
    [52, 20, 1001],
    [31, 16, 1002],
    [140, 40, 1003],
    [70, 24, 1004],
  ] as const) {
    terminal.resize(columns, rows);
    system.event("mote 1", "delivered", { seq });
    const all = await terminal.see(
      `the state in ${columns} columns`,
      (lines) => lines.some((line) => line.endsWith(`seq ${seq}`)) && isOnce(lines),
      true,
    );
    for (let i = 1; i <= 30; i += 1) assert.is(all.filter((line) => line.endsWith(` seq ${100 + i}`)).length, 1, `event ${i}`);
  }
  terminal.press("C-c");
  const all = await terminal.see("a prompt", isOver, true);
  assert.equal([...beginWith(all, "boards"), ...beginWith(all, "──"), ...beginWith(all, "records")], [], all.join("\n"));
  assert.is(all.at(-2), "told to end");
  assert.ok(terminal.isAsBefore);
});

inTerminal(
  "a terminal of five rows has what matters most, one of ten columns nothing; while it is suspended it is away",
  async () => {
    rmSync(join(folder, "log"), { force: true });
    const system = await shown(100, 5);
    const { terminal } = system;
    live(system);
    system.order({ complain: "all told" });
    const counted = /^records +2 made, 2 stored +2 verified/;
    await terminal.see(
      "two lines",
      (rows) => rows.at(-3) === "all told" && /^boards/.test(rows.at(-2) ?? "") && counted.test(rows.at(-1) ?? ""),
    );
    terminal.resize(10, 20);
    await terminal.see("nothing", (rows) => !rows.some((row) => /^(boards|records|──)/.test(row)));
    terminal.resize(100, 20);
    await terminal.see("all of it", isState);
    await terminal.see("it once", isOnce, true);
    terminal.press("C-z");
    await terminal.see("a prompt", (rows) => isOver(rows) && beginWith(rows, "boards").length === 0);
    terminal.type("fg");
    await terminal.see("the state once", (rows) => isState(rows) && isOnce(rows));
    // A terminal that is closed leaves the program the time to end in good order.
    terminal.close();
    await until("it ends in good order", () => /^told to end$/m.test(readFileSync(join(folder, "log"), "utf8")));
  },
);

inTerminal("a fault of the program takes it away, and so does its end; what is said of it is seen", async () => {
  for (const order of [{ fail: "something broke" }, { end: 3 }]) {
    const system = await shown(100, 30, (program) => `${program}; echo code $?`);
    const { terminal } = system;
    live(system);
    await terminal.see("the state", isState);
    system.order(order);
    const rows = await terminal.see("a prompt", isOver, true);
    assert.equal([...beginWith(rows, "boards"), ...beginWith(rows, "──")], [], rows.join("\n"));
    assert.ok(rows.includes("fail" in order ? "code 1" : "code 3"), rows.join("\n"));
    if ("fail" in order) assert.ok(rows.some((row) => row.includes("Error: something broke")));
    assert.ok(terminal.isAsBefore);
  }
});

inTerminal("elsewhere there are lines alone, without an escape code: in a pipe, in CI", async () => {
  for (const line of [(program: string) => `${program} 2>&1 | cat -v`, (program: string) => `CI=true NO_COLOR=1 ${program}`]) {
    const system = await shown(120, 24, line);
    const { terminal } = system;
    live(system);
    system.event("mote 1", "delivered", { seq: 99 });
    const rows = await terminal.see("the last event", (lines) => lines.some((text) => text.endsWith("seq 99")));
    assert.equal([...beginWith(rows, "boards"), ...beginWith(rows, "──")], []);
    assert.not.match(rows.join("\n"), /(?<!M-)\^[[G]/); // cat's words for an escape and a bell; M-^ is of UTF-8
    system.order({ end: 0 });
    await until("it ends", () => isOver(terminal.rows()));
  }
});

test.run();
