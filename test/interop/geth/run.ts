// npm run interop:geth: a mote on a network of real geth nodes (clique.ts), with a geth of a version that still seals Clique.
//
// Promises: where GETH names a binary, that is used; where Go is installed, geth is built once below build/, from Go's module
// proxy; where there is neither, one line says so, and that is no failure. The exit code and the closing line are those of the tests.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The last one that seals Clique; newer Go needs the linker's flag for one of its packages. */
const PACKAGE = "github.com/ethereum/go-ethereum/cmd/geth@v1.13.15";
const FLAGS = ["-ldflags=-checklinkname=0"];
const root = fileURLToPath(new URL("../../..", import.meta.url));

function gethBinary(): string | undefined {
  const given = process.env.GETH;
  if (given !== undefined && given !== "") return given;
  const folder = join(root, "build", "geth");
  const binary = join(folder, "geth");
  if (existsSync(binary)) return binary;
  if (spawnSync("go", ["version"], { stdio: "ignore" }).status !== 0) return undefined;
  console.log("building geth with Go; this happens once and takes some minutes");
  mkdirSync(folder, { recursive: true });
  const { status } = spawnSync("go", ["install", ...FLAGS, PACKAGE], {
    cwd: folder,
    env: { ...process.env, GOBIN: folder },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error(`go install ${PACKAGE} ended with ${status}; its own words are above`);
  return binary;
}

const binary = gethBinary();
if (binary === undefined) console.log("skipped: no geth, and no Go to build one (GETH=/path/to/geth names one)");
else {
  const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("clique.ts", import.meta.url))], {
    env: { ...process.env, GETH: binary },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
    process.stdout.write(data);
  });
  const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? 1)));
  const count = (word: string): number => Number(new RegExp(`^ *${word}: +(\\d+)`, "m").exec(output)?.[1] ?? 0);
  const failed = Math.max(count("Total") - count("Passed"), code === 0 && count("Total") > 0 ? 0 : 1);
  console.log(`${count("Passed")} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
