// Child processes, logs, keys: what `start` rests on. Locks: lock.test.ts.

import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { addressOf } from "../../../firmware/crypto/identity.js";
import { Rejection } from "../../../firmware/rejection.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { Backoff, pause } from "../../../tools/processes/backoff.js";
import { Bell } from "../../../tools/processes/bell.js";
import { BoundedLog, LOG_BYTES_MAX } from "../../../tools/processes/bounded-log.js";
import { freePort } from "../../../tools/processes/ports.js";
import { type ChildEnd, runningChild, Supervisor } from "../../../tools/processes/supervisor.js";
import { eventually } from "./eventually.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-processes-"));
const tied = new URL("../../../tools/processes/tied.mjs", import.meta.url).href;
test.after(() => rmSync(folder, { recursive: true, force: true }));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("a supervised child that dies is started again; one that is stopped is not, even if it ignores SIGTERM", async () => {
  const ends: ChildEnd[] = [];
  const pids: number[] = [];
  const program = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); process.send("up")';
  let up = 0;
  const supervisor = new Supervisor(
    "child",
    () => {
      const child = spawn(process.execPath, ["--import", tied, "-e", program], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
      child.on("message", () => {
        up += 1;
      });
      pids.push(child.pid as number);
      return runningChild(child);
    },
    (end) => ends.push(end),
  );
  supervisor.start();
  await eventually("the child", () => up === 1);
  process.kill(supervisor.pid as number, "SIGKILL");
  await eventually("its successor", () => up === 2);
  assert.equal(
    ends.map(({ signal }) => signal),
    ["SIGKILL"],
  );
  await supervisor.stop(200);
  assert.is(pids.filter(isAlive).length, 0);
  assert.is(ends.length, 1);
  assert.is(pids.length, 2);
});

test("a program that is not there is an end like any other", async () => {
  const ends: ChildEnd[] = [];
  const supervisor = new Supervisor(
    "nobody",
    () => runningChild(spawn(join(folder, "nobody"))),
    (end) => ends.push(end),
  );
  supervisor.start();
  await eventually("the end", () => ends.length > 0);
  await supervisor.stop();
  assert.match(ends[0]?.signal ?? "", /ENOENT/);
});

test("a tied child does not outlive a parent that is killed", async () => {
  const grandchild = "setInterval(() => {}, 1000)";
  const parent = `
    const { spawn } = require("node:child_process");
    const child = spawn(process.execPath, ["--import", ${JSON.stringify(tied)}, "-e", ${JSON.stringify(grandchild)}], { stdio: ["ignore", "ignore", "ignore", "ipc"], detached: true });
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const process_ = spawn(process.execPath, ["-e", parent], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  process_.stdout.on("data", (data) => {
    text += data;
  });
  const pid = await eventually("the child's number", () => (text.endsWith("\n") ? Number(text) : undefined));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(isAlive(pid));
  process_.kill("SIGKILL");
  await eventually("the child's end", () => !isAlive(pid));
});

test("a log keeps its bound, its newest lines, and quiet where it cannot be written", () => {
  const path = join(folder, "log");
  const log = new BoundedLog(path);
  const line = "x".repeat(4000);
  for (let i = 0; i < (2.5 * LOG_BYTES_MAX) / 4000; i += 1) log.line(`${i} ${line}`);
  assert.ok(statSync(path).size <= LOG_BYTES_MAX + 5000);
  assert.ok(statSync(`${path}.1`).size <= LOG_BYTES_MAX + 5000);
  assert.is(log.tail.length, 20);
  const nowhere = new BoundedLog(join(folder, "no", "such", "folder"));
  nowhere.line("kept");
  assert.equal(nowhere.tail, ["kept"]);
  assert.match(nowhere.failure ?? "", /ENOENT/);
});

test("delays double up to their bound and begin anew after a success", () => {
  const backoff = new Backoff({ firstMs: 100, maxMs: 1000 }, () => 1);
  assert.equal(
    [1, 2, 3, 4, 5, 6].map(() => backoff.next()),
    [100, 200, 400, 800, 1000, 1000],
  );
  backoff.succeeded();
  assert.is(backoff.next(), 100);
  assert.is(new Backoff({ firstMs: 100, maxMs: 1000 }, () => 0).next(), 75);
});

test("free ports can be taken, for TCP and for UDP", async () => {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  for (const port of ports) assert.ok(port > 1023 && port < 65_536);
});

test("a key file is made once, for its owner alone, and tells its secret to nobody", () => {
  const path = join(folder, "keys", "a.key");
  const key = KeyFile.openOrCreate(path);
  const secret = readFileSync(path, "utf8");
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.is(statSync(path).mode & 0o777, 0o600);
  const again = KeyFile.openOrCreate(path);
  assert.is(readFileSync(path, "utf8"), secret);
  assert.is(toHex(again.address), toHex(key.address));
  assert.is(toHex(addressOf(engine, key.publicKey)), toHex(key.address));
  const digest = engine.sha256(new Uint8Array(3));
  assert.ok(engine.secp256k1.verify(key.sign(digest), digest, key.publicKey));
  assert.not.match(JSON.stringify(key) + String(key) + Object.values(key).map(toHex).join(), new RegExp(secret));
  // What a crash leaves where a key was being made never was one.
  for (const content of ["", "\0".repeat(64)]) {
    const lost = join(folder, "keys", `lost-${content.length}.key`);
    writeFileSync(lost, content, { mode: 0o644 });
    const made = KeyFile.openOrCreate(lost);
    assert.match(readFileSync(lost, "utf8"), /^[0-9a-f]{64}$/);
    assert.is(statSync(lost).mode & 0o777, 0o600);
    assert.is.not(toHex(made.address), toHex(key.address));
  }
  // One that was copied with another mode is its owner's alone again.
  chmodSync(path, 0o644);
  assert.is(toHex(KeyFile.openOrCreate(path).address), toHex(key.address));
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.equal(readdirSync(join(folder, "keys")).sort(), ["a.key", "lost-0.key", "lost-64.key"], "no drafts are left");
  for (const content of [" ", "zz".repeat(32), "00".repeat(32), "ff".repeat(32), "12"]) {
    writeFileSync(path, content);
    assert.throws(
      () => KeyFile.openOrCreate(path),
      (error: Error) =>
        /a\.key does not hold .* remove this one/.test(error.message) && (content === " " || !error.message.includes(content)),
    );
  }
});

test("a header rebuilt from JSON has every field of the node, however long its tail, and is minimal", () => {
  const hex = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => `0x${toHex(bytes)}`);
  const scalar = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => `0x${value.toString(16)}`);
  const head = {
    ...{
      parentHash: hex(32),
      sha3Uncles: hex(32),
      miner: hex(20),
      stateRoot: hex(32),
      transactionsRoot: hex(32),
      receiptsRoot: hex(32),
    },
    ...{ logsBloom: hex(256), difficulty: scalar, number: scalar, gasLimit: scalar, gasUsed: scalar, timestamp: scalar },
    ...{ extraData: hex(97), mixHash: hex(32), nonce: hex(8) },
  };
  const tail = {
    ...{ baseFeePerGas: scalar, withdrawalsRoot: hex(32), blobGasUsed: scalar, excessBlobGas: scalar },
    ...{ parentBeaconBlockRoot: hex(32), requestsHash: hex(32), blockAccessListHash: hex(32), slotNumber: scalar },
  };
  const names = [...Object.keys(head), ...Object.keys(tail)];
  const scalars = new Set([
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
    "slotNumber",
  ]);
  fc.assert(
    fc.property(fc.record({ ...head, ...tail }), fc.integer({ min: 15, max: names.length }), (fields, length) => {
      const block: Record<string, string> = { hash: "0x", size: "0x1" };
      for (const name of names.slice(0, length).reverse()) block[name] = (fields as Record<string, string>)[name] as string;
      const raw = rebuildHeader(block);
      assert.not.instance(raw, Rejection);
      const items = RLP.decode(raw as Uint8Array) as Uint8Array[];
      assert.is(items.length, length);
      for (const [i, item] of items.entries()) {
        const name = names[i] as string;
        const told = block[name] as string;
        if (!scalars.has(name)) assert.is(`0x${toHex(item)}`, told);
        else assert.is(item.length === 0 ? 0n : BigInt(`0x${toHex(item)}`), BigInt(told));
        if (scalars.has(name)) assert.ok(item[0] !== 0, `${name} is minimal`);
      }
    }),
    { numRuns: 60 },
  );
});

test("a block with a field missing or malformed is refused with its name", () => {
  assert.match((rebuildHeader(null) as Rejection).toString(), /block-malformed/);
  assert.match((rebuildHeader({ parentHash: "0xzz" }) as Rejection).detail, /parentHash/);
  assert.match((rebuildHeader({}) as Rejection).detail, /parentHash is no hexadecimal text/);
});

test("a bell ends a wait at once, also one that begins after it; several rings are one; time alone ends it as well", async () => {
  const bell = new Bell();
  const HOUR_MS = 3_600_000;
  const first = bell.wait(HOUR_MS);
  bell.ring();
  await first;
  bell.ring();
  bell.ring();
  await bell.wait(HOUR_MS);
  let ended = false;
  const third = bell.wait(HOUR_MS).then(() => {
    ended = true;
  });
  await pause(20);
  assert.not.ok(ended, "both rings ended the wait before");
  bell.ring();
  await third;
  await bell.wait(1);
});

test.run();
