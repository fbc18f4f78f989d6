// PGlite for the tests and the programs that they start (test/compiled.ts): a database that begins anew begins as a copy of one that PGlite has
// made, as making one takes ten times as long as all that a test does with it.
//
// Promises: the copy is what this version of PGlite makes, byte for byte; a folder that has a database keeps it.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PGlite as Made, type PGliteOptions } from "@electric-sql/pglite";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "node_modules/@electric-sql/pglite/package.json"), "utf8"));
const COPY = join(root, `build/pglite-${version}.tar`);

async function copyOfNew(): Promise<Blob> {
  if (!existsSync(COPY)) {
    const made = await Made.create();
    const bytes = await (await made.dumpDataDir("none")).arrayBuffer();
    await made.close();
    mkdirSync(join(root, "build"), { recursive: true });
    writeFileSync(`${COPY}.${process.pid}`, Buffer.from(bytes));
    renameSync(`${COPY}.${process.pid}`, COPY);
  }
  return new Blob([readFileSync(COPY)]);
}

export const PGlite = {
  async create(options: PGliteOptions): Promise<Made> {
    const { dataDir } = options;
    const kept = dataDir !== undefined && existsSync(join(dataDir, "PG_VERSION"));
    return Made.create(kept ? options : { ...options, loadDataDir: await copyOfNew() });
  },
};
