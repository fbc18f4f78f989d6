// Installs the packages that package-lock.json names (`npm ci`) where node_modules is missing or of another lock.
//
// Promises: nothing happens where they are in place; progress goes to stderr; two that start at once do not disturb each
// other; where npm fails, its own words are shown. Never: runs an install script of a package, or changes the lock.
// By itself: `node tools/setup.mjs`.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const lock = join(root, "package-lock.json");
const modules = join(root, "node_modules");
/** Holds the hash of the lock that node_modules was installed from. */
const stamp = join(modules, ".chainmote-lock");
/** Is there while somebody installs. */
const busy = join(root, ".chainmote-setup");
const BUSY_POLL_MS = 500;
const BUSY_MS_MAX = 600_000;
const OUTPUT_BYTES_MAX = 65_536;
const PROGRESS_MS = 1000;
/** npm begins with what is wrong and goes on with how it is used. */
const LINES_SHOWN_MAX = 20;

/** True once every package is in place. */
export async function ensureInstalled() {
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (isInstalled(hash)) return true;
  if (!takeTurn()) {
    console.error("chainmote: another process is installing the packages; waiting for it");
    if (!(await turnCame())) return false;
    if (isInstalled(hash)) {
      giveTurn();
      return true;
    }
  }
  try {
    return await install(hash);
  } finally {
    giveTurn();
  }
}

function isInstalled(hash) {
  return (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) || isInstalledByHand(hash);
}

/** Whether somebody ran npm themselves: then npm left a lock of its own that must name the same versions. */
function isInstalledByHand(hash) {
  try {
    const wanted = JSON.parse(readFileSync(lock, "utf8")).packages;
    const found = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")).packages;
    for (const [path, { version, optional }] of Object.entries(wanted))
      if (path !== "" && optional !== true && found[path]?.version !== version) return false;
    writeFileSync(stamp, hash);
    return true;
  } catch {
    return false; // no node_modules, or not one of npm's: install
  }
}

async function install(hash) {
  console.error("chainmote: installing packages (npm ci); this happens once");
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const { code, output } = await runNpm(() => {
    if (process.stderr.isTTY) process.stderr.write(`\r  ${seconds()} s `);
    else if (seconds() % 10 === 0) console.error(`  ${seconds()} s`);
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  if (code !== 0) {
    const lines = output.split("\n").filter((line) => /\S/.test(line.replace(/^npm (error|warn)/, "")));
    console.error(lines.slice(0, LINES_SHOWN_MAX).join("\n"));
    console.error(`chainmote: npm ci failed (${code}); its own words are above`);
    return false;
  }
  writeFileSync(stamp, hash);
  console.error(`chainmote: packages installed in ${seconds()} s`);
  return true;
}

/** Runs npm, the one that runs us where there is one. */
function runNpm(onProgress) {
  const words = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  const own = process.env.npm_execpath;
  const byNode = own !== undefined && /npm-cli\.js$/.test(own);
  const options = { cwd: root, stdio: ["ignore", "pipe", "pipe"], shell: !byNode && process.platform === "win32" };
  const child = byNode ? spawn(process.execPath, [own, ...words], options) : spawn("npm", words, options);
  let output = "";
  const keep = (data) => {
    output = (output + data).slice(-OUTPUT_BYTES_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const timer = setInterval(onProgress, PROGRESS_MS);
  return new Promise((resolve) => {
    const end = (code, more = "") => {
      clearInterval(timer);
      resolve({ code, output: output + more });
    };
    child.once("error", (error) => end(1, `npm could not be started: ${error.message}`));
    child.once("close", (code, signal) => end(code ?? signal));
  });
}

function takeTurn() {
  try {
    mkdirSync(busy);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function giveTurn() {
  rmSync(busy, { recursive: true, force: true });
}

/** Waits until whoever installs is done; one who was killed in the middle is not waited for longer than an install takes. */
async function turnCame() {
  const deadline = Date.now() + BUSY_MS_MAX;
  while (Date.now() < deadline) {
    const age = Date.now() - (statSync(busy, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age > BUSY_MS_MAX) giveTurn();
    if (takeTurn()) return true;
    await new Promise((resolve) => setTimeout(resolve, BUSY_POLL_MS));
  }
  console.error(`chainmote: ${busy} is still there; remove it if nobody is installing`);
  return false;
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !(await ensureInstalled())) process.exitCode = 1;
