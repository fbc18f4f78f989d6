// What the commands leave on a disk and how they end, as programs: files for their owner alone whatever the folder was, whole or not
// there; a port that is taken; a proxy in the environment.

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createWhole, keepTreeToOwner, modeFor, removeEmpty, writeWhole } from "../../../tools/files.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import { eventually } from "./eventually.js";
import { FakeNode } from "./fake-node.js";

const COMMAND = fileURLToPath(new URL("../../../tools/chainmote.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-folder-"));
const programs: ChildProcess[] = [];
test.after(() => {
  for (const program of programs) program.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly ended: Promise<number | null>;
}

function program(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Program {
  const child = spawn(process.execPath, [COMMAND, ...words], {
    ...{ stdio: ["ignore", "pipe", "pipe"], cwd: folder, env: { ...process.env, ...environment } },
  });
  programs.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (text += data));
  return { child, text: () => text, ended: new Promise((resolve) => child.once("exit", resolve)) };
}

/** All below a folder that somebody else may read or write, with its mode. */
function open(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .map((name) => [name, statSync(join(path, name)).mode & 0o777] as const)
    .filter(([, mode]) => (mode & 0o077) !== 0)
    .map(([name, mode]) => `${name} ${mode.toString(8)}`);
}

test("collect: everything in a folder that others may read is for its owner alone, what a person names is as that person has it", async () => {
  const node = new FakeNode(3);
  await node.up();
  const broker = await LocalBroker.start();
  const data = join(folder, "collector");
  mkdirSync(data, { mode: 0o755 });
  chmodSync(data, 0o755);
  const exported = join(folder, "records.cborseq");
  const words = ["collect", "--rpc", node.url, "--mqtt", broker.url, "--data", data, "--export-at-end", exported, "--json"];
  try {
    for (const _ of [1, 2]) {
      const { child, text, ended } = program(words);
      await eventually("the collector", () => text().includes('"connected"'));
      assert.equal(open(data), []);
      child.kill("SIGTERM");
      assert.is(await ended, 0, text());
      assert.equal(open(data), []);
    }
    assert.ok(readdirSync(join(data, "records")).length > 10);
    assert.is(statSync(data).mode & 0o777, 0o755, "the folder itself is its owner's affair");
    assert.is(statSync(exported).mode & 0o777, 0o666 & ~process.umask());
    assert.equal(
      readdirSync(data).filter((name) => /\.new$|\.sock$/.test(name)),
      [],
    );
  } finally {
    await node.down();
    await broker.close();
  }
});

test("node: a folder that others may read, a proxy that leads nowhere, and no mark of either in the end", async () => {
  const data = join(folder, "node");
  mkdirSync(data, { mode: 0o755 });
  // A proxy for everything: what is on this machine must be reached without it (Node 22 and later read these).
  const proxy = "http://127.0.0.1:9";
  const environment = {
    NODE_USE_ENV_PROXY: "1",
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    HTTPS_PROXY: proxy,
    NO_PROXY: "",
    no_proxy: "",
  };
  const { child, text, ended } = program(["node", "--chain", "bitcoin", "--data", data, "--json"], environment);
  await eventually("the node", () => text().includes('"listening"'));
  const given = readFileSync(`/proc/${children(child.pid as number)[0]}/environ`, "utf8").split("\0");
  for (const name of ["NO_PROXY", "no_proxy"])
    assert.ok(given.includes(`${name}=127.0.0.1,localhost,[::1]`), given.filter((line) => /proxy/i.test(line)).join());
  assert.equal(open(data), []);
  child.kill("SIGTERM");
  assert.is(await ended, 0, text());
  assert.equal(open(data), []);
});

function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}

test("a port that is taken ends a broker at once, with one line", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const { text, ended } = program(["broker", "--port", String(port)]);
  assert.is(await ended, 1);
  assert.is(text(), `chainmote broker: port ${port} is in use; --port 0 takes a free one\n`);
  server.close();
});

test("start with a broker that is not there says so and ends", async () => {
  const { text, ended } = program(["start", "--data", join(folder, "start")], {
    MQTT_URL: "mqtt://user:secret-word@127.0.0.1:1",
  });
  assert.is(await ended, 1);
  assert.match(text(), /^chainmote start: the broker mqtt:\/\/127\.0\.0\.1:1: ECONNREFUSED$/m);
  assert.not.match(text(), /secret-word/);
});

for (const [where, rpc] of Object.entries({
  path: ["--rpc", "http://127.0.0.1:1/v3/KEY"],
  query: ["--rpc=http://127.0.0.1:1?apikey=KEY"],
  password: ["--rpc", "http://user:KEY@127.0.0.1:1"],
}))
  test(`a command line with a key in a URL's ${where} is not to be read in the list of processes`, async () => {
    const key = "d34db33fc0ffee";
    const words = rpc.map((word) => word.replace("KEY", key));
    const { child, text } = program(["relay", ...words, "--mqtt", "mqtt://127.0.0.1:1"]);
    await eventually("the relay", () => text().includes("relay: "));
    assert.is(text().includes(key), false);
    assert.is(readFileSync(`/proc/${child.pid}/cmdline`, "utf8").includes(key), false);
    child.kill("SIGKILL");
  });

test("a file is there whole or not at all, beside no draft; a link is followed, a device is written into", () => {
  const path = join(folder, "whole", "file");
  mkdirSync(join(folder, "whole"));
  writeWhole(path, "one", "owner");
  assert.equal([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["one", 0o600]);
  writeWhole(path, "two", "umask");
  assert.equal([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["two", 0o666 & ~process.umask()]);
  assert.is(createWhole(path, "three"), false);
  assert.is(readFileSync(path, "utf8"), "two");
  const link = join(folder, "whole", "link");
  symlinkSync(path, link);
  writeWhole(link, "four", "owner");
  assert.equal([readFileSync(path, "utf8"), readdirSync(join(folder, "whole"))], ["four", ["file", "link"]]);
  writeWhole("/dev/null", "five", "umask");
  assert.not.ok(statSync("/dev/null").isFile());
  assert.throws(() => writeWhole(join(folder, "whole"), "six", "owner"));
  assert.throws(() => writeWhole(join(folder, "no", "where"), "six", "owner"));
  assert.equal(readdirSync(join(folder, "whole")), ["file", "link"]);
  removeEmpty(path);
  assert.ok(existsSync(path), "what holds anything stays");
  writeWhole(path, new Uint8Array(9), "owner");
  removeEmpty(path);
  removeEmpty(path);
  assert.not.ok(existsSync(path));
  assert.is(modeFor("owner"), 0o600);
  mkdirSync(join(folder, "whole", "below"));
  writeWhole(join(folder, "whole", "below", "x"), "x", "umask");
  rmSync(link);
  keepTreeToOwner(join(folder, "whole"));
  assert.equal(open(join(folder, "whole")), []);
});

test.run();
