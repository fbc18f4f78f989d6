// chainmote run over an emulator that is a script: its arguments and flash, the watchdog over it, what is missing; the stand-ins of its image.
// Espressif's QEMU itself is not here: that an image boots in it was not tried.

import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import StandInI2C from "../../../../firmware/board/emulator/i2c.js";
import { Sht3x } from "../../../../firmware/sensor/sht3x/sht3x.js";
import { type EmulatorRun, findQemu, prepareEmulator, runEmulator } from "../../../../tools/emulator/emulator.js";
import { readImageFolder } from "../../../../tools/image/image-folder.js";
import { CommandError } from "../../../../tools/terminal.js";
import { fakeSdk, testOfBuild } from "../flash/fake-sdk.js";
import { imagesIn, partsFor } from "../flash/images.js";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-emulator-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test("the flash: parts where they belong, key and journal kept from run to run; QEMU is told what ESP-IDF tells it", () => {
  const into = join(folder, "flash");
  const images = imagesIn(into, "esp32c3");
  const words = prepareEmulator(images, into);
  const flash = readFileSync(join(into, "flash.bin"));
  assert.is(flash.length, 4 << 20);
  for (const { offset, bytes } of partsFor("esp32c3"))
    assert.ok(flash.subarray(offset, offset + bytes.length).equals(Buffer.from(bytes)));
  flash[0xd000] = 0x5a;
  writeFileSync(join(into, "flash.bin"), flash);
  prepareEmulator(images, into);
  assert.is(readFileSync(join(into, "flash.bin"))[0xd000], 0x5a, "what is in nvs stays");
  const line = words.join(" ");
  assert.match(line, /^-M esp32c3 -display none -monitor none -serial stdio -drive file=\S+flash\.bin,if=mtd,format=raw /);
  assert.match(line, / -global driver=nvram\.esp32c3\.efuse,property=drive,value=efuse .* -nic user,model=open_eth$/);
  assert.is(readFileSync(join(into, "efuse.bin")).length, 1_024);
});

const script = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, `#!/usr/bin/env node\n${text}`);
  chmodSync(path, 0o755);
  return path;
};

async function watched(
  program: string,
  more: Partial<EmulatorRun> = {},
): Promise<{ told: string[]; said: string; ended: string }> {
  const told: string[] = [];
  let said = "";
  const run: EmulatorRun = {
    ...{ program, words: [], silenceMs: 1_500, restartsMax: 2, tell: (text) => told.push(text) },
    onBytes: (bytes) => {
      said += Buffer.from(bytes).toString();
      return Promise.resolve(said.includes("enough"));
    },
    ...more,
  };
  try {
    await runEmulator(run);
    return { told, said, ended: "" };
  } catch (error) {
    assert.instance(error, CommandError);
    return { told, said, ended: (error as Error).message };
  }
}

test("watchdog: an emulator that hangs is ended and started again, a few times; one that ends by itself is no success", async () => {
  const hangs = script("hangs", 'console.log("hello"); setInterval(() => undefined, 1e6);');
  const { told, said, ended } = await watched(hangs);
  assert.equal(told, Array(2).fill("the emulator said nothing for 1.5 s: it is started again"));
  assert.is(said, "hello\n".repeat(3));
  assert.is(ended, "the emulator said nothing for 1.5 s, 3 times: it is given up");
  const mends = script(
    "mends",
    `const fs = require("node:fs"), mark = ${JSON.stringify(join(folder, "mark"))};
if (fs.existsSync(mark)) console.log("enough"); else fs.writeFileSync(mark, "");
setInterval(() => undefined, 1e6);`,
  );
  assert.equal([(await watched(mends)).ended, existsSync(join(folder, "mark"))], ["", true]);
  assert.is((await watched(script("ends", "process.exit(3)"))).ended, "the emulator ended by itself (3)");
  assert.match((await watched(join(folder, "none"))).ended, /cannot be run: .*ENOENT/);
});

test("QEMU: the program or its folder, or one line that says how to get it", () => {
  const bin = join(folder, "qemu/bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "qemu-system-riscv32"), "");
  for (const named of [join(folder, "qemu"), bin, join(bin, "qemu-system-riscv32")])
    assert.is(findQemu("esp32c3", named), join(bin, "qemu-system-riscv32"));
  for (const named of ["", folder])
    assert.match(
      (findQemu("esp32c3", named) as { missing: string }).missing,
      /idf_tools\.py install qemu-riscv32, and QEMU_ESP32 set/,
    );
  assert.match((findQemu("esp32", "") as { missing: string }).missing, /has no esp32: esp32c3$/);
});

function chainmote(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(root, "tools/chainmote.mjs"), ...words], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

testOfBuild(
  "chainmote run: builds with the stand-ins, and ends once so many records are stored; a line for each tool that is missing",
  async () => {
    const fake = join(folder, "sdk");
    mkdirSync(fake);
    const { env } = fakeSdk(fake);
    const app = join(folder, "app");
    mkdirSync(app);
    writeFileSync(join(app, "manifest.json"), "{}");
    const qemu = script(
      "qemu-system-riscv32",
      'for (const seq of [0, 1, 2]) console.log(JSON.stringify({ event: "stored", seq, digest: "00" }));\nsetInterval(() => undefined, 1e6);',
    );
    const words = ["run", "--emulator", "esp32c3", "--app", app, "--stored", "3", "--json"];
    const { code, stdout, stderr } = await chainmote(words, { ...env, QEMU_ESP32: qemu });
    assert.is(code, 0, stderr);
    assert.equal(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).seq),
      [0, 1, 2],
    );
    const manifest = JSON.parse(readFileSync(join(app, "build/emulator/esp32c3/manifest/app/manifest.json"), "utf8"));
    assert.equal(manifest.include, [
      join(app, "manifest.json"),
      join(root, "firmware/board/emulator/manifest.json"),
      "./last.json",
    ]);
    const { build } = JSON.parse(readFileSync(join(app, "build/emulator/esp32c3/manifest/app/last.json"), "utf8"));
    assert.match(readFileSync(join(build.SDKCONFIGPATH, "sdkconfig.defaults"), "utf8"), /CONFIG_ETH_USE_OPENETH=y\n$/);
    assert.ok(readImageFolder(join(app, "build/emulator/esp32c3")).emulated, "no board takes them");
    const missing = await chainmote(words, { HOME: folder, MODDABLE: "", IDF_PATH: "", QEMU_ESP32: "" });
    assert.is(missing.code, 1);
    const lines = missing.stderr.trimEnd().split("\n");
    assert.equal(
      lines.map((line) => /^chainmote run: (\S+ \S+)/.exec(line)?.[1]),
      ["Espressif's QEMU", "the Moddable", "ESP-IDF is"],
    );
    assert.is((await chainmote(["run", "--emulator", "esp32"], {})).code, 2);
  },
);

test("the sensor's stand-in is an SHT3x to the driver: right checksums, a room's values, and nobody at other addresses", () => {
  let nowMs = 0;
  const clock = { ticksMs: () => nowMs };
  const sensor = new Sht3x({ sensor: { io: StandInI2C as never, data: 2, clock: 3 }, clock });
  const seen = new Set<string>();
  for (let samples = 0; samples < 40; samples += 1) {
    sensor.start();
    nowMs += sensor.conversionMs;
    const [temperature] = sensor.sample() ?? [];
    seen.add(JSON.stringify(temperature));
  }
  assert.ok(seen.size > 5, "it rises and falls");
  assert.is(sensor.status(), 0);
  assert.throws(() => new StandInI2C({ address: 0x23 }), /nothing answers/);
});

/** The preprocessor alone, over headers that are empty: whether the noise's stand-in may be compiled. */
function compiles(...macros: readonly string[]): boolean {
  const headers = join(folder, "headers");
  mkdirSync(join(headers, "nvs_flash/include"), { recursive: true });
  for (const header of ["mc.defines", "esp_attr", "esp_random", "esp_system", "esp_wifi", "sdkconfig", "nvs_flash/include/nvs"])
    writeFileSync(join(headers, `${header}.h`), "");
  const source = join(root, "firmware/crypto/native/board-esp32.c");
  const words = ["-E", "-DESP32=4", ...macros.map((macro) => `-D${macro}=1`), "-I", headers, "-o", "/dev/null", source];
  const { status, stderr } = spawnSync("gcc", words, { encoding: "utf8" });
  if (status !== 0) assert.match(stderr, /the emulator's stand-in for noise is no part of a production image/);
  return status === 0;
}

const gcc = spawnSync("gcc", ["--version"]).status === 0;
if (!gcc) console.log("skipped: the noise's stand-in under the compiler (apt install gcc)");
(gcc ? test : test.skip)("an image with the noise's stand-in cannot be compiled with any lock of the profile production", () => {
  assert.ok(compiles("MODDEF_CHAINMOTE_EMULATOR"));
  for (const lock of ["CONFIG_SECURE_BOOT", "CONFIG_SECURE_FLASH_ENC_ENABLED", "CONFIG_NVS_ENCRYPTION"]) {
    assert.not(compiles("MODDEF_CHAINMOTE_EMULATOR", lock), lock);
    assert.ok(compiles(lock), `${lock} without the stand-in`);
  }
});

test.run();
