// The collector's tables on a real PostgreSQL server: one of its own, in a folder of its own, where the machine has the
// programs (Debian: apt install postgresql); skipped, and said so, where it has not.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import { openPostgres } from "../../tools/collector/database.js";
import { freePort } from "../../tools/processes/ports.js";
import { eventually } from "../unit/tools/eventually.js";
import { storeSuite } from "../unit/tools/store-suite.js";

const DEBIAN = "/usr/lib/postgresql";

/** The folder of initdb and postgres, or undefined. */
function programs(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, "bin")) : [];
  return [...versions.reverse(), ...(process.env.PATH ?? "").split(":")].find(
    (folder) => folder !== "" && existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
  );
}

/** The server refuses to run as root: then it runs as the user that its package made. */
function user(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  const [uid, gid] = [id("-u"), id("-g")];
  return uid > 0 && gid > 0 ? { uid, gid } : undefined;
}

const bin = programs();
const as = user();
if (bin === undefined || (process.getuid?.() === 0 && as === undefined)) {
  console.log("skipped: no PostgreSQL on this machine (apt install postgresql)");
  test.skip("the collector's tables on PostgreSQL", () => undefined);
  test.run();
} else {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-postgres-"));
  if (as !== undefined) chownSync(folder, as.uid, as.gid);
  let server: ChildProcess | undefined;
  process.on("exit", () => {
    server?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  storeSuite(
    "PostgreSQL",
    async () => {
      const data = join(folder, "data");
      const made = spawnSync(join(bin, "initdb"), ["-D", data, "-U", "chainmote", "-A", "trust", "--no-sync"], {
        ...as,
        cwd: folder,
        encoding: "utf8",
      });
      if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
      const port = await freePort();
      server = spawn(join(bin, "postgres"), ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder], {
        ...as,
        cwd: folder,
        stdio: "ignore",
      });
      const database = await eventually("the server", async () => {
        const attempt = await openPostgres(`postgres://chainmote@127.0.0.1:${port}/postgres`);
        try {
          await attempt.query("SELECT 1");
          return attempt;
        } catch {
          await attempt.close(); // not up yet
          return undefined;
        }
      });
      return {
        ...database,
        async close() {
          await database.close();
          const gone = new Promise((resolve) => server?.once("exit", resolve));
          server?.kill("SIGINT");
          await gone;
        },
      };
    },
    20_000,
  );
}
