// One owner per folder: among processes of one system, of several containers, killed, stopped, slow; never two.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eachLine } from "../../../tools/processes/bounded-log.js";
import { acquireLock, LockHeld, lockHolder } from "../../../tools/processes/lock.js";
import { WAIT_MS_MAX } from "../../patience.js";
import { eventually } from "./eventually.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-lock-"));
const children: ChildProcess[] = [];
test.after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** Takes the lock that it is told, says so or why not, and waits. */
const PROGRAM = `
  import { acquireLock } from "${new URL("../../../tools/processes/lock.ts", import.meta.url).href}";
  const lock = await acquireLock(process.argv[1], Number(process.argv[2])).catch((error) => console.log(error.message));
  if (lock !== undefined) console.log("held by " + process.pid);
  else process.exit(1);
  process.on("SIGTERM", () => { lock.release(); process.exit(0); });
  setInterval(() => {}, 1000);`;

interface Contender {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly said: () => Promise<string>;
}

/** Another process that asks for a lock; in a PID namespace of its own, where process numbers begin anew. */
function contender(path: string, waitMs: number, apart = false): Contender {
  const words = ["--import", "tsx", "--input-type=module", "-e", PROGRAM, path, String(waitMs)];
  const unshare = ["--pid", "--fork", "--kill-child", process.execPath, ...words];
  const options = { cwd: root, stdio: ["ignore", "pipe", "inherit"] as ["ignore", "pipe", "inherit"] };
  const child = apart ? spawn("unshare", unshare, options) : spawn(process.execPath, words, options);
  children.push(child);
  const lines: string[] = [];
  eachLine(child.stdout, (line) => lines.push(line));
  return { child, lines, said: () => eventually("its word", () => lines[0]) };
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once("exit", resolve));
}

/** Whether this machine lets us make PID namespaces. */
const canUnshare = spawnSync("unshare", ["--pid", "--fork", "--kill-child", "true"]).status === 0;

test("of two that ask for a lock one gets it; the other is told by whom it is held", async () => {
  const path = join(folder, "a", "lock");
  const lock = await acquireLock(path);
  const error = await acquireLock(path, 100).catch((reason: unknown) => reason);
  assert.instance(error, LockHeld);
  assert.match((error as Error).message, new RegExp(`is in use by process ${process.pid}$`));
  assert.is(await lockHolder(path), process.pid);
  lock.release();
  assert.is(await lockHolder(path), undefined);
  (await acquireLock(path)).release();
  // It does not grow: one small file stays, and no socket.
  for (let i = 0; i < 5; i += 1) (await acquireLock(path)).release();
  await eventually("the sockets' end", () => readdirSync(join(folder, "a")).length === 1);
});

const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
const space = readlinkSync("/proc/self/ns/pid");
const dead = spawnSync(process.execPath, ["-e", "0"]).pid;

test("a lock of a process that is gone, of another one with its number, of another boot, or torn, is taken over", async () => {
  const free: readonly [string, object | string][] = [
    ["gone", { pid: dead, began: "" }],
    ["another with its number", { pid: process.ppid, began: "1" }],
    ["before the machine was started anew", { pid: process.ppid, began: "1", boot: "another", space: "pid:[1]" }],
    ["released", {}],
    ["empty", ""],
    ["torn", "{"],
    ["null", "null"],
    ["a number", "7"],
  ];
  for (const [what, content] of free) {
    const path = join(folder, what, "lock");
    mkdirSync(join(folder, what));
    writeFileSync(`${path}.4`, typeof content === "string" ? content : JSON.stringify({ boot, space, ...content }));
    const lock = await acquireLock(path);
    assert.is(await lockHolder(path), process.pid, what);
    lock.release();
  }
});

test("a holder that cannot be judged holds, and the message says what to remove", async () => {
  const path = join(folder, "unsure", "lock");
  mkdirSync(join(folder, "unsure"));
  writeFileSync(`${path}.2`, JSON.stringify({ pid: dead, began: "1", boot, space: "pid:[1]" }));
  const error = await acquireLock(path).catch((reason: unknown) => reason);
  assert.match(String(error), /in use by process \d+ of another container \(PID namespace\); if it is gone, remove .*lock\.2$/);
  rmSync(`${path}.2`);
  (await acquireLock(path)).release();
});

test("many that ask at once: one after the other, never two", async () => {
  const path = join(folder, "many", "lock");
  let holders = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const lock = await acquireLock(path, 100_000);
      holders += 1;
      assert.is(holders, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      holders -= 1;
      lock.release();
    }),
  );
});

test("whoever was slow finds that the lock has been taken and set free since, and taken again", async () => {
  const path = join(folder, "slow", "lock");
  const lock = await acquireLock(path);
  const own = readFileSync(`${path}.1`, "utf8");
  writeFileSync(`${path}.1`, "{}");
  const slow = acquireLock(path);
  // It has seen that number 1 is free; before it makes number 2, number 2 has come and gone, and 3 is held.
  writeFileSync(`${path}.3`, own);
  rmSync(`${path}.1`);
  assert.instance(await slow.catch((error: unknown) => error), LockHeld);
  assert.is(await lockHolder(path), process.pid);
  lock.release();
});

test("a path that a socket's address has no room for is locked all the same", async () => {
  const path = join(folder, "d".repeat(80), "e".repeat(80), "lock");
  const holder = contender(path, 0);
  assert.match(await holder.said(), /^held by/);
  const { socket } = JSON.parse(readFileSync(`${path}.1`, "utf8")) as { socket?: string };
  assert.match(socket ?? "", /^lock\.[0-9a-f]{12}\.sock$/);
  assert.instance(await acquireLock(path).catch((error: unknown) => error), LockHeld);
  holder.child.kill("SIGKILL");
  await gone(holder.child);
  (await acquireLock(path)).release();
});

test("a holder that is killed frees its lock at once, one that is stopped keeps it", async () => {
  const path = join(folder, "killed", "lock");
  const holder = contender(path, 0);
  assert.is(await holder.said(), `held by ${holder.child.pid}`);
  holder.child.kill("SIGSTOP");
  assert.instance(await acquireLock(path).catch((error: unknown) => error), LockHeld);
  holder.child.kill("SIGKILL");
  await gone(holder.child);
  const lock = await acquireLock(path);
  lock.release();
});

test("across PID namespaces: a living holder keeps its lock though its number means another process here, or none", async () => {
  if (!canUnshare) return; // what is not allowed here cannot take a lock either; the message's test above stands for it
  const path = join(folder, "apart", "lock");
  const holder = contender(path, 0, true);
  // unshare's child is the first of its namespace.
  assert.is(await holder.said(), "held by 1");
  const error = await acquireLock(path, 200).catch((reason: unknown) => reason);
  assert.match(String(error), /is in use by process 1 of another container \(PID namespace\)$/);
  const second = contender(path, 0, true);
  assert.match(await second.said(), /is in use by process 1 of another container/);
  // Of those who wait, one is next when the holder is killed, and only one.
  const waiting = Array.from({ length: 3 }, () => contender(path, 120_000, true));
  holder.child.kill("SIGKILL");
  await eventually("one of them", () => waiting.some(({ lines }) => lines.length > 0));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.is(waiting.filter(({ lines }) => lines.length > 0).length, 1);
  const next = waiting.find(({ lines }) => lines.length > 0) as Contender;
  next.child.kill("SIGKILL");
  await eventually("the one after it", () => waiting.filter(({ lines }) => lines.length > 0).length === 2);
  for (const { child } of waiting) {
    child.kill("SIGKILL");
    await gone(child);
  }
  // Who was in the namespace ends a moment after it.
  (await acquireLock(path, WAIT_MS_MAX)).release();
});

test.run();
