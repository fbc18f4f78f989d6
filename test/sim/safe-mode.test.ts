// Boards in processes of their own: five panics end in safe mode, and an NVS that cannot be read is left as it is, byte for byte, by the
// firmware that is flashed.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectAsync } from "mqtt";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeRelease, PROFILE_DEV } from "../../firmware/update/release.js";
import { manifestTopic } from "../../firmware/update/wire.js";
import {
  type BoardEvent,
  type BoardFile,
  LEDGER_ON_NODE,
  type Reset,
  resetAfter,
  spawnBoard,
} from "../../host-sim/engine/node.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { until } from "../patience.js";
import { signed, testKey } from "../unit/record/signing.js";

const PANICS = fileURLToPath(new URL("fixtures/panics.ts", import.meta.url));
const CONFIG = {
  ntp: { servers: ["time"] },
  mqtt: { host: "broker" },
  fleet: { registry: `0x${"f1".repeat(20)}`, chain: "eip155:1337" },
  collector: `0x${"c0".repeat(20)}`,
  checkpoint: { consensus: "clique" },
};

/** All but what a small value takes. */
const NVS_FILL_BYTES = 45_500;

const test = suite<{ directory: string }>("safe mode");
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), "chainmote-safe-"));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

function configure(directory: string, more: Partial<BoardFile> = {}): void {
  writeFileSync(join(directory, "board.json"), JSON.stringify({ config: CONFIG, ...more }));
}

/** Runs a board until it says one of these events, or ends. */
async function run(directory: string, reset: Reset, until_: readonly string[], firmware?: string) {
  const events: BoardEvent[] = [];
  const text: string[] = [];
  let ended = false;
  const board = spawnBoard({
    ...{ directory, reset, onText: (line: string) => void text.push(line) },
    ...(firmware === undefined ? {} : { firmware }),
    onEvent: (event) => events.push(event),
  });
  void board.exited.then(() => {
    ended = true;
  });
  const said = (): BoardEvent | undefined => events.find(({ event }) => until_.includes(event));
  await until(
    () => JSON.stringify({ events, text }),
    () => ended || said() !== undefined,
  );
  if (!ended) await board.stop();
  return { events, said: said(), code: await board.exited };
}

/** Every file below a folder, with its bytes' hash and its time of change. */
function contents(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => `${path} ${createHash("sha256").update(readFileSync(path)).digest("hex")} ${statSync(path).mtimeMs}`)
    .sort();
}

test("a firmware that panics five times is in safe mode at the fifth start after a panic, until the power comes anew", async ({
  directory,
}) => {
  configure(directory);
  let reset: Reset = "power-on";
  const reasons: unknown[] = [];
  for (let i = 0; i < 5; i += 1) {
    const { events, code } = await run(directory, reset, ["safe-mode"], PANICS);
    assert.equal(
      events.filter(({ event }) => event === "safe-mode"),
      [],
      `start ${i}`,
    );
    reasons.push(events.find(({ event }) => event === "app")?.reset);
    assert.is(code, 2);
    reset = resetAfter(code);
  }
  assert.equal(reasons, ["power-on", "panic", "panic", "panic", "panic"]);
  const safe = await run(directory, reset, ["safe-mode"], PANICS);
  assert.is(safe.said?.cause, "resets");
  assert.is(safe.said?.resets, 5);
  assert.not(safe.events.some(({ event }) => event === "app"));
  const again = await run(directory, "power-on", ["app"], PANICS);
  assert.is(again.said?.reset, "power-on");
});

test("a board that is killed has lost its power: that is no panic, and forgets those before", () => {
  assert.equal([0, 2, 130, 134, 137, 139, 143].map(resetAfter), [
    ...["software", "panic", "power-on", "panic", "power-on", "panic", "power-on"],
  ]);
});

test("orderly restarts, however many, are no panics", async ({ directory }) => {
  configure(directory, { config: { ...CONFIG, orderly: true } });
  let reset: Reset = "power-on";
  for (let i = 0; i < 7; i += 1) {
    const { events, code } = await run(directory, reset, ["safe-mode"], PANICS);
    assert.not(events.some(({ event }) => event === "safe-mode"));
    assert.is(code, 0);
    reset = resetAfter(code);
    assert.is(reset, "software");
  }
});

/** Makes of a sound NVS what cannot be opened, and says by which name. */
const DAMAGES: Readonly<Record<string, (directory: string) => Partial<BoardFile>>> = {
  "nvs-corrupt": (directory) => {
    writeFileSync(join(directory, "nvs", Buffer.from("keys").toString("hex"), "rubbish"), "what NVS never wrote");
    return {};
  },
  "nvs-plaintext": () => ({ chip: { nvsEncryption: true } }),
  "nvs-keys": () => ({ chip: { nvs: "nvs-keys" } }),
};

/** The images that are flashed. */
const IMAGES: readonly (readonly [string, string | undefined])[] = [
  ["the standard mote", undefined],
  ["the mote with the ledger", LEDGER_ON_NODE],
];

/** Every damage under the standard mote, one of each kind under the other. */
const DAMAGED = [...Object.keys(DAMAGES).map((cause) => [IMAGES[0], cause] as const), [IMAGES[1], "nvs-corrupt"] as const];

for (const [[name, firmware], cause] of DAMAGED as readonly (readonly [(typeof IMAGES)[number], string])[])
  test(`${cause}: ${name} is in safe mode, and no file of NVS or flash has changed`, async ({ directory }) => {
    const damage = DAMAGES[cause] as (directory: string) => Partial<BoardFile>;
    configure(directory);
    const keys = join(directory, "nvs", Buffer.from("keys").toString("hex"));
    mkdirSync(keys, { recursive: true });
    writeFileSync(join(keys, Buffer.from("device").toString("hex")), new Uint8Array(32).fill(9));
    configure(directory, damage(directory));
    const before = contents(join(directory, "nvs"));
    const { said, events } = await run(directory, "power-on", ["safe-mode", "error"], firmware);
    assert.is(said?.event, "safe-mode");
    assert.is(said?.cause, cause);
    assert.equal(
      events.filter(({ event }) => event === "key" || event === "boot"),
      [],
    );
    assert.equal(contents(join(directory, "nvs")), before);
    // What the bootloader notes at the first start of a chip is not the firmware's.
    for (const image of readdirSync(join(directory, "flash")).filter((name) => name !== "otadata.bin"))
      assert.ok(
        readFileSync(join(directory, "flash", image)).every((byte) => byte === 0xff),
        image,
      );
  });

/** A value of NVS, as a board finds it. */
function keep(directory: string, namespace: string, key: string, value: Uint8Array): void {
  const folder = join(directory, "nvs", Buffer.from(namespace).toString("hex"));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, Buffer.from(key).toString("hex")), value);
}

for (const [name, firmware] of IMAGES) {
  test(`no room in NVS: ${name} is in safe mode where the start writes, and where a trial is counted; nothing is erased`, async ({
    directory,
  }) => {
    configure(directory);
    keep(directory, "keys", "device", new Uint8Array(32).fill(9));
    keep(directory, "config", "a", new TextEncoder().encode(JSON.stringify({ mqtt: { host: "new.lab" } })));
    keep(directory, "config", "state", Uint8Array.of(1, 0, 1, 0, 0, 0));
    keep(directory, "filler", "a", new Uint8Array(NVS_FILL_BYTES));
    const before = contents(join(directory, "nvs"));
    for (const reset of ["power-on", "panic"] as const) {
      const { said, events } = await run(directory, reset, ["safe-mode", "error", "app"], firmware);
      assert.equal([said?.event, said?.cause], ["safe-mode", "nvs-full"], JSON.stringify(events));
      assert.equal(contents(join(directory, "nvs")), before, reset);
    }
  });

  test(`a fifth panic: ${name} is in safe mode, and key and journal are not touched`, async ({ directory }) => {
    configure(directory);
    keep(directory, "keys", "device", new Uint8Array(32).fill(9));
    keep(directory, "boots", "resets", new Uint8Array(4));
    const { said, events } = await run(directory, "panic", ["safe-mode", "error", "boot"], firmware);
    assert.equal([said?.event, said?.cause, said?.resets], ["safe-mode", "resets", 5], JSON.stringify(events));
    assert.not.ok(events.some(({ event }) => event === "key"));
    assert.ok(contents(join(directory, "nvs")).some((line) => line.includes(Buffer.from("device").toString("hex"))));
    assert.ok(readFileSync(join(directory, "flash", "journal.bin")).every((byte) => byte === 0xff));
  });

  test(`a mote that is refused: ${name} is in safe mode, with the cause`, async ({ directory }) => {
    configure(directory, { config: { ...CONFIG, wifi: { ssid: "lab" } } });
    const { said, events } = await run(directory, "power-on", ["safe-mode", "boot"], firmware);
    assert.equal([said?.event, said?.cause], ["safe-mode", "start"], JSON.stringify(events));
  });
}

test("either image takes releases in safe mode: what is retained for its boards is looked at, by the rule that is its own", async ({
  directory,
}) => {
  const broker = await LocalBroker.start();
  const admin = testKey("anybody");
  const release = { sequence: 1, digest: new Uint8Array(32), size: 600, boardClass: "esp32c3", profile: PROFILE_DEV };
  const manifest = signed(
    admin,
    encodeRelease({ ...release, fleet: { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" } }),
  );
  const client = await connectAsync(broker.url);
  const topic = manifestTopic("", { registry: new Uint8Array(20).fill(0xf1) }, "esp32c3", PROFILE_DEV);
  await client.publishAsync(topic, Buffer.from(manifest), { qos: 1, retain: true });
  try {
    for (const [name, firmware] of IMAGES) {
      const update = firmware === undefined ? { admin: `0x${"ad".repeat(20)}` } : {};
      const config = { ...CONFIG, board: "esp32c3", wifi: { ssid: "lab" }, update };
      configure(directory, { config, network: { "broker:1883": new URL(broker.url).host } });
      keep(directory, "boots", "resets", new Uint8Array(4));
      const { said, events } = await run(directory, "panic", ["refused", "boot"], firmware);
      const code = firmware === undefined ? "release-signer" : "release-unproven";
      assert.equal([said?.what, said?.code], ["release", code], `${name} ${JSON.stringify(events)}`);
    }
  } finally {
    await client.endAsync();
    await broker.close();
  }
});

test("an NVS that is a file, and one that was encrypted under an image without encryption", async ({ directory }) => {
  configure(directory);
  writeFileSync(join(directory, "nvs"), "not even a folder");
  assert.is((await run(directory, "power-on", ["safe-mode", "error"])).said?.cause, "nvs-corrupt");
  assert.is(readFileSync(join(directory, "nvs"), "utf8"), "not even a folder");
  rmSync(join(directory, "nvs"));
  configure(directory, { chip: { nvsEncryption: true } });
  await run(directory, "power-on", ["app"], PANICS);
  configure(directory);
  const before = contents(join(directory, "nvs"));
  assert.is((await run(directory, "power-on", ["safe-mode", "error"])).said?.cause, "nvs-corrupt");
  assert.equal(contents(join(directory, "nvs")), before);
});

test.run();
