// The examples that use the package on Node and in a browser, run as whoever copies them would: beside the installed package.

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { chromium as launcher, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { TestMote } from "../unit/tools/records.js";
import { packed, project, root, temporaryFolder } from "./packed.js";

/** What a flow sees of a node. */
interface FlowNode {
  hear(msg: object, send: (all: unknown) => void, done: (error?: Error) => void): Promise<void>;
}

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

test("node-red: the node by Node-RED's own interface: records that hold out of the first output, all else out of the second", async () => {
  const folder = join(app, "node-red");
  cpSync(join(root, "examples/node-red"), folder, { recursive: true });
  const types = new Map<string, new (config: object) => FlowNode>();
  const RED = {
    nodes: {
      createNode: () => undefined,
      registerType: (name: string, type: new (config: object) => FlowNode) => types.set(name, type),
    },
  };
  const { nodes } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))["node-red"] as {
    nodes: Record<string, string>;
  };
  for (const file of Object.values(nodes)) createRequire(join(folder, "package.json"))(`./${file}`)(RED);
  const Type = types.get(Object.keys(nodes)[0] ?? "") as new (config: object) => FlowNode;
  // What createNode gives a node: it hears what comes in, and shows how it is.
  Object.assign(Type.prototype, {
    on(this: FlowNode, _: string, hear: FlowNode["hear"]) {
      this.hear = hear;
    },
    status: () => undefined,
  });
  const mote = new TestMote();
  interface Sent {
    readonly payload: Readonly<Record<string, unknown>>;
    readonly topic: string;
    readonly error?: { readonly code: string };
  }
  const told = async (node: FlowNode, payload: unknown): Promise<readonly (Sent | null)[] | undefined> => {
    let sent: readonly (Sent | null)[] | undefined;
    await new Promise<void>((resolve, reject) => {
      const send = (all: unknown): void => {
        sent = all as readonly (Sent | null)[];
      };
      void node.hear({ payload, topic: "t" }, send, (error) => (error === undefined ? resolve() : reject(error)));
    });
    return sent;
  };
  const node = new Type({});
  const [a, b, c] = [mote.next(), mote.next(), mote.next()];
  const [first, none] = (await told(node, Buffer.from(a.sign1))) ?? [];
  assert.is(none, null);
  const { values, ...record } = first?.payload ?? {};
  const about = { mote: `0x${toHex(mote.address)}`, stream: 0, seq: 0, digest: toHex(a.digest), follows: undefined, after: 7 };
  assert.equal([record, first?.topic], [about, "t"]);
  assert.equal((values as object[])[0], { name: "mote/temperature", value: 21.3, unit: "Cel", time: 1_800_000_000 });
  assert.is(await told(node, Buffer.from(a.sign1)), undefined, "once more");
  assert.is((await told(node, Buffer.from(c.sign1)))?.[0]?.payload.follows, false);
  const spoilt = b.sign1.slice();
  spoilt[100] = (spoilt[100] as number) ^ 1;
  for (const bad of [Buffer.from(spoilt), Buffer.alloc(0), Buffer.alloc(100_000, 0xff), "a text", { an: "object" }, undefined]) {
    const [through, refused] = (await told(node, bad)) ?? [];
    assert.is(through, null);
    assert.match(refused?.error?.code ?? "", /^[a-z0-9-]+$/);
  }
  const choosy = new Type({ motes: `0x${"ab".repeat(20)}` });
  assert.is((await told(choosy, Buffer.from(b.sign1)))?.[1]?.error?.code, "mote-not-allowed");
});

/** Debian's, or where CHROMIUM says. */
const chromium = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path !== "" && existsSync(path),
);
if (chromium === undefined)
  console.log("skipped: the page in a browser (no chromium: apt install chromium, or CHROMIUM=/path/to/it)");
(chromium === undefined ? test.skip : test)(
  "page: a file's records, those that hold and those that do not, in a browser",
  async () => {
    cpSync(join(root, "examples/page"), join(app, "page"), { recursive: true });
    const folder = join(app, "page");
    await build({ absWorkingDir: folder, entryPoints: ["page.js"], bundle: true, outfile: "bundle.js", logLevel: "silent" });
    const browser = await launcher.launch({ executablePath: chromium as string, args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage();
      const faults: string[] = [];
      page.on("pageerror", (error) => faults.push(String(error)));
      page.on("request", (request) => {
        if (!/^(file|data):/.test(request.url())) faults.push(request.url());
      });
      await page.goto(pathToFileURL(join(folder, "index.html")).href);
      const mote = new TestMote();
      const [a, b] = [mote.next(), mote.next()];
      await drop(page, concat(a.sign1, b.sign1));
      const sum = page.locator("#sum");
      await sum.filter({ hasText: "2 of 2 records hold, of 1 mote" }).waitFor();
      assert.is(await sum.getAttribute("class"), "");
      const spoilt = b.sign1.slice();
      spoilt[spoilt.length - 1] = (spoilt[spoilt.length - 1] as number) ^ 1;
      await drop(page, concat(a.sign1, spoilt));
      await sum.filter({ hasText: "1 of 2 records hold, of 1 mote" }).waitFor();
      assert.is(await sum.getAttribute("class"), "fail");
      const rows = await Promise.all((await page.locator("#records tr").all()).map((row) => row.locator("td").allTextContents()));
      assert.equal(rows[0], ["1", `0x${toHex(mote.address)}`, "seq 0", "holds"]);
      assert.match(rows[1]?.[3] ?? "", /^not signature: /);
      assert.equal(await page.locator("#records tr").evaluateAll((all) => all.map(({ className }) => className)), ["", "fail"]);
      // A telephone has nothing to drop: there a file is chosen, and all of it is seen.
      await page.setViewportSize({ width: 360, height: 640 });
      const rival = mote.make({ seq: b.fields.seq, prev: a.digest, boot: 2 });
      const buffer = Buffer.from(concat(a.sign1, b.sign1, rival.sign1));
      await page.locator("#file").setInputFiles({ name: "records.cborseq", mimeType: "application/cbor-seq", buffer });
      await page.locator("#sum a", { hasText: "evidence" }).waitFor();
      assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen");
      if (process.env.SCREENSHOTS !== undefined)
        for (const colorScheme of ["light", "dark"] as const)
          for (const width of [360, 1000]) {
            await page.emulateMedia({ colorScheme });
            await page.setViewportSize({ width, height: 640 });
            await page.screenshot({ path: join(process.env.SCREENSHOTS, `${colorScheme}-${width}.png`) });
          }
      assert.equal(faults, [], "errors, and whatever else than its own files it asked for");
    } finally {
      await browser.close();
    }
  },
);

/** A person drops a file of these bytes. */
async function drop(page: Page, bytes: Uint8Array): Promise<void> {
  const transfer = await page.evaluateHandle(`(() => {
    const made = new DataTransfer();
    made.items.add(new File([Uint8Array.from(${JSON.stringify([...bytes])})], "records.cborseq"));
    return made;
  })()`);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

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

test.run();
