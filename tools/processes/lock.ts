// One owner per folder: a lock that its holder's end sets free, however it ends, seen from other containers as well.
//
// Promises: of any number that ask, one gets it; who holds it is never told by a process number alone, since a number means something
// else in another container (PID namespace): the holder listens on a socket in the folder, and whether somebody listens there is the
// system's word, true for everyone on this machine who shares the folder. A lock whose holder was killed is free at once; one that
// cannot be judged is held ("cannot say" is not "no"), and the message says what to remove. Never: waits for longer than it is told
// to. Not for folders that several machines share (NFS): there nobody can tell.
//
// The lock is the highest-numbered of the files NAME.1, NAME.2, …: to take over a lock that is free is to make the next, which only
// one can. Nobody removes the highest, so whoever was slow finds a higher one, and gives way. It stays when it is released, emptied.

import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { createWhole, makeFolder, writeWhole } from "../files.js";
import { pause } from "./backoff.js";

export interface Lock {
  release(): void;
}

/** Somebody else holds it. */
export class LockHeld extends Error {
  /** As its own system numbers it. */
  readonly pid: number;
  constructor(path: string, { pid, where, sure }: Holder, file: string) {
    const unsure = sure ? "" : `; if it is gone, remove ${file}`;
    super(`${dirname(path)} is in use by process ${pid}${where}${unsure}`);
    this.pid = pid;
  }
}

interface Holder {
  readonly pid: number;
  /** Empty where its number is one of ours. */
  readonly where: string;
  /** Whether it is known to live; otherwise nobody can say. */
  readonly sure: boolean;
}

interface Generation {
  readonly number: number;
  readonly file: string;
  readonly content: string;
}

/** What a lock file says of its holder. */
interface Identity {
  readonly pid: number;
  readonly began: string;
  /** The machine's start, and the PID namespace; empty where the system does not tell. */
  readonly boot: string;
  readonly space: string;
  /** Name of the socket in the folder; absent where the folder can hold none. */
  readonly socket?: string;
}

const RETRY_MS = 50;
const CONNECT_MS = 2000;
const RELEASED = "{}";
/** Of a socket's name everywhere (sun_path of unix(7) on macOS, with the final zero). */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * @param path of the lock; its folder is made where absent
 * @param waitMs how long to wait for another holder to end
 * @throws LockHeld where another process still holds it then
 */
export async function acquireLock(path: string, waitMs = 0): Promise<Lock> {
  makeFolder(dirname(path));
  const deadlineMs = performance.now() + waitMs;
  let door: Door | undefined;
  try {
    for (;;) {
      const newest = newestOf(path);
      const holder = newest === undefined ? undefined : await holderOf(path, newest.content);
      if (newest !== undefined && holder !== undefined) {
        if (performance.now() >= deadlineMs) throw new LockHeld(path, holder, newest.file);
        await pause(RETRY_MS);
        continue;
      }
      door ??= await Door.open(path);
      const number = (newest?.number ?? 0) + 1;
      const own = `${path}.${number}`;
      if (!createWhole(own, JSON.stringify(identity(door.socket)))) continue;
      if (newestOf(path)?.number !== number) {
        rmSync(own, { force: true });
        continue;
      }
      removeOlder(path, number);
      const held = door;
      door = undefined;
      return { release: () => release(own, held) };
    }
  } finally {
    door?.close();
  }
}

/** The process that holds a lock, or undefined. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const newest = newestOf(path);
  return newest === undefined ? undefined : (await holderOf(path, newest.content))?.pid;
}

/** The socket on which a holder listens for as long as it lives. */
class Door {
  /** Its name in the folder; undefined where it could not be made. */
  readonly socket: string | undefined;
  readonly #server: Server | undefined;
  readonly #way: Way | undefined;

  static async open(path: string): Promise<Door> {
    const name = `${basename(path)}.${randomBytes(6).toString("hex")}.sock`;
    const way = wayTo(dirname(path), name);
    if (way === undefined) return new Door(undefined, undefined, undefined);
    const server = createServer((visitor) => visitor.destroy());
    const opened = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(way.path, () => resolve(true));
    });
    if (opened) return new Door(name, server.unref(), way);
    way.close();
    return new Door(undefined, undefined, undefined);
  }

  private constructor(socket: string | undefined, server: Server | undefined, way: Way | undefined) {
    this.socket = socket;
    this.#server = server;
    this.#way = way;
    server?.on("error", () => undefined); // of one visitor: the door stays open
  }

  close(): void {
    this.#server?.close(() => this.#way?.close());
  }
}

interface Way {
  readonly path: string;
  close(): void;
}

/** A path to `name` in `folder` that a socket's address has room for. */
function wayTo(folder: string, name: string): Way | undefined {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return { path, close: () => undefined };
  try {
    const descriptor = openSync(folder, "r");
    const short = `/proc/self/fd/${descriptor}/${name}`;
    readlinkSync(dirname(short));
    return { path: short, close: () => closeSync(descriptor) };
  } catch {
    return undefined; // no Linux
  }
}

function newestOf(path: string): Generation | undefined {
  const base = basename(path);
  for (;;) {
    let number = 0;
    for (const name of readdirSync(dirname(path))) {
      if (!name.startsWith(`${base}.`)) continue;
      const digits = name.slice(base.length + 1);
      if (/^[1-9]\d{0,14}$/.test(digits)) number = Math.max(number, Number(digits));
    }
    if (number === 0) return undefined;
    const file = `${path}.${number}`;
    const content = read(file);
    if (content !== undefined) return { number, file, content };
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parsed(content: string): Partial<Identity> {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {}; // not ours, or emptied by hand
  }
}

/** Who holds the lock that says `content`, or undefined where nobody does. */
async function holderOf(path: string, content: string): Promise<Holder | undefined> {
  const { pid, began, boot, space, socket } = parsed(content);
  if (typeof pid !== "number") return undefined;
  const own = identity(undefined);
  const isNear = space === own.space && boot === own.boot;
  const where = isNear ? "" : " of another container (PID namespace)";
  const listens = socket === undefined ? undefined : await isListening(dirname(path), basename(String(socket)));
  if (listens === true) return { pid, where, sure: true };
  if (listens === false) return undefined;
  // Without a socket: what its number says, where that means the same here.
  if (isNear) return isAlive(pid) && processBegan(pid) === began ? { pid, where, sure: true } : undefined;
  if (boot !== own.boot) return undefined; // the machine has been started anew since
  return { pid, where, sure: false };
}

/** Whether somebody listens on a socket; undefined where it is not there or does not tell. */
function isListening(folder: string, name: string): Promise<boolean | undefined> {
  const way = wayTo(folder, name);
  if (way === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const visitor = connect(way.path);
    const settle = (answer: boolean | undefined): void => {
      clearTimeout(timer);
      visitor.destroy();
      way.close();
      resolve(answer);
    };
    const timer = setTimeout(() => settle(true), CONNECT_MS); // a holder that is stopped is one all the same
    visitor.once("connect", () => settle(true));
    visitor.once("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED") settle(false);
      else settle(code === "ENOENT" ? undefined : true);
    });
  });
}

function removeOlder(path: string, number: number): void {
  const [folder, base] = [dirname(path), basename(path)];
  for (const name of readdirSync(folder)) {
    const digits = name.startsWith(`${base}.`) ? name.slice(base.length + 1) : "";
    if (!/^[1-9]\d{0,14}$/.test(digits) || Number(digits) >= number) continue;
    const { socket } = parsed(read(join(folder, name)) ?? "");
    if (typeof socket === "string" && socket.startsWith(`${base}.`)) rmSync(join(folder, basename(socket)), { force: true });
    rmSync(join(folder, name), { force: true });
  }
}

function release(file: string, door: Door): void {
  try {
    writeWhole(file, RELEASED, "owner");
  } catch {
    // A disk that is full, a folder that is gone: the closed door says it as well.
  }
  door.close();
}

function identity(socket: string | undefined): Identity {
  const { pid } = process;
  return { pid, began: processBegan(pid), boot: bootOf(), space: spaceOf(), ...(socket === undefined ? {} : { socket }) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function bootOf(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function spaceOf(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

/** When a process began, in ticks since the machine's start (Linux); "" where the system does not tell: then only its number counts. */
function processBegan(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid === process.pid ? "self" : pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
