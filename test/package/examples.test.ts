// The examples that use the package on Node and in a browser, run as whoever copies them would: beside the installed package.

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { TestMote } from "../unit/tools/records.js";
import { packed, project, root, temporaryFolder } from "./packed.js";

const LINES_MAX = 60;
const work = temporaryFolder();
const app = join(work, "a project");

test.before(() => {
  mkdirSync(app);
  project(app, packed(work));
});
test.after(() => rmSync(work, { recursive: true, force: true }));

test("none has more lines of its own than can be read at once", () => {
  for (const name of readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" }))
    if (/\.(js|ts|html)$/.test(name)) {
      const lines = readFileSync(join(root, "examples", name), "utf8")
        .trimEnd()
        .split("\n").length;
      assert.ok(lines <= LINES_MAX, `${name}: ${lines} lines`);
    }
});

test("backend: values of records that hold, as they come; nothing of what does not", async () => {
  cpSync(join(root, "examples/backend"), app, { recursive: true });
  const broker = await LocalBroker.start();
  const mote = new TestMote();
  const [a, b, lost, c] = [mote.next(), mote.next(), mote.next(), mote.next()];
  const spoilt = lost.sign1.slice();
  spoilt[100] = (spoilt[100] as number) ^ 1;
  const topic = `motes/0x${toHex(mote.address)}/records`;
  const child = spawn(process.execPath, ["backend.js"], {
    cwd: app,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, MQTT_URL: broker.url },
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  try {
    const said = linesOf(child);
    await said.until("stderr", 1);
    assert.equal(said.stderr, ["listening"]);
    for (const message of [a.sign1, a.sign1, b.sign1, spoilt, c.sign1]) await broker.publish(topic, message);
    await broker.publish(`motes/0x${"00".repeat(20)}/records`, mote.next().sign1);
    await said.until("stdout", 6);
    await said.until("stderr", 3);
    const rows = said.stdout.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    assert.equal(
      rows.filter(({ unit }) => unit === "Cel").map(({ seq, value, follows, after }) => [seq, value, follows, after]),
      [
        [0, "21.30", undefined, 7],
        [1, "21.31", true, 7],
        [3, "21.33", false, 7],
      ],
    );
    assert.match(said.stderr[1] ?? "", /^motes\/0x[0-9a-f]{40}\/records: refused: \S+: /);
    assert.match(said.stderr[2] ?? "", /: not listened to: a record of 0x/);
  } finally {
    child.kill("SIGTERM");
    assert.is(await ended, 0);
    await broker.close();
  }
});

test("page: a dropped file's records, those that hold and those that do not", async () => {
  cpSync(join(root, "examples/page"), join(app, "page"), { recursive: true });
  const bundle = await build({
    ...{ absWorkingDir: join(app, "page"), entryPoints: ["page.js"], bundle: true, write: false, platform: "browser" },
    logLevel: "silent",
  });
  const page = new Page();
  runInContext(bundle.outputFiles[0]?.text ?? "", createContext({ document: page }));
  const mote = new TestMote();
  const [a, b] = [mote.next(), mote.next()];
  await page.drop(concat(a.sign1, b.sign1));
  assert.equal([page.at("sum").textContent, page.at("sum").className], ["2 of 2 records hold, of 1 mote", ""]);
  const spoilt = b.sign1.slice();
  spoilt[spoilt.length - 1] = (spoilt[spoilt.length - 1] as number) ^ 1;
  await page.drop(concat(a.sign1, spoilt));
  assert.equal([page.at("sum").textContent, page.at("sum").className], ["1 of 2 records hold, of 1 mote", "fail"]);
  const rows = page.at("records").children.map(({ children }) => children.map(({ textContent }) => textContent));
  assert.equal(rows[0], ["1", `0x${toHex(mote.address)}`, "seq 0", "holds"]);
  assert.match(rows[1]?.[3] ?? "", /^not signature: /);
});

interface Said {
  readonly stdout: string[];
  readonly stderr: string[];
  /** Waits until there are so many lines; the program's end is an error. */
  until(stream: "stdout" | "stderr", count: number): Promise<void>;
}

function linesOf(child: ChildProcess): Said {
  const said = { stdout: [] as string[], stderr: [] as string[] };
  let told: () => void = () => undefined;
  for (const stream of ["stdout", "stderr"] as const)
    createInterface({ input: child[stream] as NodeJS.ReadableStream }).on("line", (line) => {
      said[stream].push(line);
      told();
    });
  const ended = new Promise<never>((_, reject) =>
    child.once("close", (code) => reject(new Error(`it ended with ${code}: ${said.stderr.join("\n")}`))),
  );
  ended.catch(() => undefined);
  return {
    ...said,
    async until(stream, count) {
      while (said[stream].length < count)
        await Promise.race([
          ended,
          new Promise<void>((resolve) => {
            told = resolve;
          }),
        ]);
    },
  };
}

/** What the page's code asks of a browser's document, and no more. */
class Page {
  readonly #elements = new Map<string, PageElement>();
  readonly #listeners = new Map<string, (event: object) => Promise<void>>();

  at(id: string): PageElement {
    const element = this.#elements.get(id) ?? new PageElement();
    this.#elements.set(id, element);
    return element;
  }

  getElementById(id: string): PageElement {
    return this.at(id);
  }

  createElement(): PageElement {
    return new PageElement();
  }

  addEventListener(name: string, listener: (event: object) => Promise<void>): void {
    this.#listeners.set(name, listener);
  }

  /** A person drops a file of these bytes. */
  async drop(bytes: Uint8Array): Promise<void> {
    const file = { arrayBuffer: async () => bytes.slice().buffer };
    await this.#listeners.get("drop")?.({ preventDefault: () => undefined, dataTransfer: { files: [file] } });
  }
}

class PageElement {
  textContent = "";
  className = "";
  children: PageElement[] = [];

  append(...children: PageElement[]): void {
    this.children.push(...children);
  }

  replaceChildren(...children: PageElement[]): void {
    this.children = children;
  }
}

test.run();
