// One owner per folder: a lock file that names the process which holds it.
//
// Promises: of two that ask, one gets it; a lock whose process is gone is taken over; a process that merely got the same
// number later (after a restart of the machine, say) is not mistaken for the holder where the system tells when a process
// began (Linux). Never: waits for longer than it is told to.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pause } from "./backoff.js";

export interface Lock {
  release(): void;
}

/** Somebody else holds it. */
export class LockHeld extends Error {
  readonly pid: number;
  constructor(path: string, pid: number) {
    super(`${dirname(path)} is in use by process ${pid}`);
    this.pid = pid;
  }
}

const RETRY_MS = 50;

/**
 * @param path of the lock file; its folder is made where absent
 * @param waitMs how long to wait for another holder to end
 * @throws LockHeld where another process still holds it then
 */
export async function acquireLock(path: string, waitMs = 0): Promise<Lock> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const own = JSON.stringify({ pid: process.pid, began: processBegan(process.pid) });
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    if (created(path, own)) return { release: () => releaseLock(path, own) };
    const found = read(path);
    if (found === undefined) continue;
    const holder = holderOf(found);
    if (holder === undefined) {
      takeAway(path, found);
      continue;
    }
    if (performance.now() >= deadlineMs) throw new LockHeld(path, holder);
    await pause(RETRY_MS);
  }
}

/** The living process that a lock file names, or undefined. */
export function lockHolder(path: string): number | undefined {
  const found = read(path);
  return found === undefined ? undefined : holderOf(found);
}

/** Puts the lock there with its content at once, so that nobody ever reads a half-written one. */
function created(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}.new`;
  writeFileSync(draft, content, { mode: 0o600 });
  const made = linked(draft, path);
  rmSync(draft, { force: true });
  return made;
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function holderOf(content: string): number | undefined {
  let holder: { pid?: unknown; began?: unknown };
  try {
    holder = JSON.parse(content) as { pid?: unknown; began?: unknown };
  } catch {
    return undefined; // torn by a power cut: nobody holds it
  }
  if (typeof holder !== "object" || holder === null || typeof holder.pid !== "number") return undefined;
  if (!isAlive(holder.pid) || processBegan(holder.pid) !== holder.began) return undefined;
  return holder.pid;
}

/** Moves a stale lock out of the way; if another was quicker, what was moved is theirs and goes back. */
function takeAway(path: string, stale: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (read(aside) !== stale) linked(aside, path);
  rmSync(aside, { force: true });
}

function releaseLock(path: string, own: string): void {
  if (read(path) === own) rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process began, as the system tells it (Linux: boot and ticks since), or "" where it does not. */
function processBegan(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${ticks}`;
  } catch {
    return ""; // no /proc, or the process ended meanwhile: then only its number counts
  }
}
