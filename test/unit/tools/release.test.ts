// chainmote release: which images are signed and which not, what is retained and served, and when it ends. Over a real broker.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { verifySign1 } from "../../../firmware/record/cose.js";
import { Rejection } from "../../../firmware/rejection.js";
import { decodeRelease, type Release } from "../../../firmware/update/release.js";
import { encodePartRequest, encodeReport, partIn } from "../../../firmware/update/wire.js";
import { writeImage } from "../../../host-sim/hardware/esp-image.js";
import { main } from "../../../tools/cli.js";
import { engine } from "../../../tools/crypto/engine.js";
import { KeyFile } from "../../../tools/crypto/key-file.js";
import { LocalBroker } from "../../../tools/mqtt/broker.js";
import type { Output } from "../../../tools/terminal.js";
import { eventually } from "./eventually.js";

const folder = mkdtempSync(join(tmpdir(), "chainmote-release-"));
const KEY = join(folder, "admin.key");
const FLEET = `0x${"5e".repeat(20)}@eip155:1337`;
const MOTE = new Uint8Array(20).fill(3);
const TOPIC = `t/fleets/0x${"5e".repeat(20)}`;
const address = KeyFile.openOrCreate(KEY).address;
const program = { firmware: "/nowhere/main.ts" };
let broker: LocalBroker;

test.before(async () => {
  broker = await LocalBroker.start();
});
test.after(async () => {
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function run(...words: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const output: Output = {
    line: (text = "") => void out.push(text),
    error: (text) => void err.push(text),
    style: (_style, text) => text,
  };
  return { code: await main(["release", ...words], output), out, err };
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const common = (): string[] => ["--key", KEY, "--fleet", FLEET, "--mqtt", broker.url, "--prefix", "t/", "--board", "esp32c3"];

test("an image that would not boot, of another chip, or of another secure version is refused in words, and nothing is published", async () => {
  const good = writeImage({ chip: "esp32c3", version: "1", program });
  const bent = good.slice();
  bent[300] = (bent[300] as number) ^ 1;
  const cases: readonly (readonly [string, Uint8Array, readonly string[], RegExp])[] = [
    ["noise.bin", new Uint8Array(4096).fill(7), [], /would not boot: it does not begin/],
    ["bent.bin", bent, [], /would not boot: its checksum/],
    ["cut.bin", good.slice(0, 1024), [], /would not boot: it ends within a segment/],
    ["short.bin", good.slice(0, 100), [], /an image of 100 bytes/],
    ["s3.bin", writeImage({ chip: "esp32s3", version: "1", program }), [], /another chip: esp32s3; ESP32-C3 has esp32c3/],
    ["plain.bin", good, ["--burn-version", "2"], /built with the secure version 0/],
    [
      "burn.bin",
      writeImage({ chip: "esp32c3", version: "1", secureVersion: 17, program }),
      ["--burn-version", "17"],
      /has 16 steps/,
    ],
  ];
  for (const [name, bytes, words, expected] of cases) {
    const { code, err } = await run(file(name, bytes), ...common(), ...words);
    assert.is(code, 1, name);
    assert.match(err.join("\n"), expected, name);
  }
});

test("what is missing or wrong in the command line is named", async () => {
  const image = file("some.bin", writeImage({ chip: "esp32c3", version: "1", program }));
  for (const [words, expected] of [
    [[image], /--board NAME is missing/],
    [[image, "--board", "toaster"], /there is no board "toaster"/],
    [[image, "--board", "esp32c3"], /--fleet ADDRESS@CHAIN is missing/],
    [[image, "--board", "esp32c3", "--fleet", FLEET], /--key FILE is missing/],
    [[image, "--board", "esp32c3", "--fleet", FLEET, "--profile", "best"], /--profile takes dev or production/],
    [["--simulated", "main.ts", "--board", "esp32c3"], /--out FILE is missing/],
  ] as const) {
    const { code, err } = await run(...words);
    assert.is(code, 2);
    assert.match(err.join("\n"), expected);
  }
  const { code, err } = await run(image, ...common().map((word) => (word === KEY ? join(folder, "none.key") : word)));
  assert.is(code, 1);
  assert.match(err.join("\n"), /there is no such file/);
  const empty = file("empty.key", new Uint8Array(0));
  const made = await run(image, ...common().map((word) => (word === KEY ? empty : word)));
  assert.is(made.code, 1);
  assert.match(made.err.join("\n"), /does not hold a secp256k1 key/);
  assert.is(readFileSync(empty).length, 0, "no key is made in it");
});

test("the manifest is retained, each part is served as it was asked for, and it ends with the mote's word", async () => {
  const image = writeImage({ chip: "esp32c3", version: "9", program, bytes: 9_001 });
  const digest = engine.sha256(image);
  const running = run(file("nine.bin", image), ...common(), "--sequence", "9", "--motes", "1", "--json");
  const manifests: Uint8Array[] = [];
  const parts: Uint8Array[] = [];
  await broker.subscribe(`${TOPIC}/releases/esp32c3/dev`, (_topic, message) => void manifests.push(new Uint8Array(message)));
  await broker.subscribe(`t/motes/0x${toHex(MOTE)}/image`, (_topic, message) => void parts.push(new Uint8Array(message)));
  await eventually("the manifest", () => manifests.length > 0);
  const signed = verifySign1(engine, manifests[0] as Uint8Array);
  if (signed instanceof Rejection) throw new Error(String(signed));
  assert.equal(signed.kid, address);
  const release = decodeRelease(signed.payload) as Release;
  assert.equal([release.sequence, release.size, toHex(release.digest)], [9, image.length, toHex(digest)]);
  const ask = (fields: object): Promise<void> =>
    broker.publish(`${TOPIC}/images`, encodePartRequest({ id: 1, to: MOTE, digest, offset: 0, bytes: 1, ...fields }), false);
  await ask({ id: 4, digest: new Uint8Array(32) });
  await ask({ id: 5, offset: image.length - 10, bytes: 11 });
  await broker.publish(`${TOPIC}/images`, Uint8Array.of(1, 2, 3), false);
  await ask({ id: 6, offset: 2048, bytes: 2048 });
  await eventually("a part", () => parts.length > 0);
  assert.equal(partIn(parts[0] as Uint8Array, 6, 2048, 2048), image.slice(2048, 4096), "what nobody has is not answered");
  const report = { sequence: 9, offset: 4096, size: image.length, reason: "" };
  const say = (fields: object): Promise<void> =>
    broker.publish(`t/motes/0x${toHex(MOTE)}/update`, encodeReport({ phase: 1, ...report, ...fields }), true);
  await say({ sequence: 8, phase: 3 });
  await say({});
  await say({ phase: 3, offset: image.length });
  const { code, out } = await running;
  assert.is(code, 0, out.join("\n"));
  const events = out.map((line) => JSON.parse(line) as { event: string; state?: string });
  assert.equal(
    events.filter(({ event }) => event === "mote").map(({ state }) => state),
    ["receiving", "valid"],
  );
  assert.ok(events.some(({ event }) => event === "refused"));
});

test("a mote that went back is an exit code of 1; and what is withdrawn is not retained", async () => {
  const image = file("ten.bin", writeImage({ chip: "esp32c3", version: "10", program }));
  await broker.publish(
    `t/motes/0x${toHex(MOTE)}/update`,
    encodeReport({ phase: 5, sequence: 10, offset: 1, size: 1, reason: "unproven: broker" }),
    true,
  );
  const { code, out } = await run(image, ...common(), "--sequence", "10", "--motes", "1");
  assert.is(code, 1);
  assert.match(out.join("\n"), /failed \(unproven: broker\)/);
  assert.is((await run("--withdraw", ...common())).code, 0);
  const seen: number[] = [];
  await broker.subscribe(`${TOPIC}/releases/#`, (_topic, message) => void seen.push(message.length));
  await broker.publish(`${TOPIC}/releases/end`, Uint8Array.of(1), false);
  await eventually("the end", () => seen.length > 0);
  assert.equal(seen, [1]);
});

test.run();
