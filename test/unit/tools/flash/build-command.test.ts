// chainmote build over a Moddable SDK and an ESP-IDF that only note what they are told: the command, boards by name, what is taken out of a
// build, what is missing. check:sdk gives the same manifests to the real SDK.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, boardOf, serviceOf } from "../../../../host-sim/boards.js";
import { readImageFolder, unsignedPart } from "../../../../tools/image/image-folder.js";
import { findIdf, findModdable } from "../../../../tools/sdk/sdk-tools.js";
import { fakeSdk, LOCKS, testOfBuild } from "./fake-sdk.js";
import { firmwareBytes } from "./images.js";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-build-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const fake = join(folder, "fake");
mkdirSync(fake);
const { env, calls } = fakeSdk(fake);
const app = join(folder, "My-Mote");
mkdirSync(app);
writeFileSync(join(app, "manifest.json"), "{}");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function build(words: readonly string[], more: NodeJS.ProcessEnv = {}, cwd = root): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, "tools/chainmote.mjs"), "build", ...words], {
    cwd,
    env: { ...process.env, ...env, ...more },
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

interface Call {
  readonly words: readonly string[];
  readonly SDKCONFIGPATH: string;
}
const lastCall = (): Call => JSON.parse(readFileSync(calls, "utf8").trimEnd().split("\n").at(-1) as string) as Call;
const faulty = async (fault: string, words: readonly string[]): Promise<Ended> => {
  writeFileSync(join(fake, "faults"), fault);
  try {
    return await build(words);
  } finally {
    rmSync(join(fake, "faults"));
  }
};

testOfBuild(
  "a board of ours: the command is printed and run as printed, the images are a folder that can be flashed, each partition's size is told",
  async () => {
    const { code, stdout, stderr } = await build(["esp32c3", "--app", app]);
    assert.is(code, 0, stderr);
    const into = join(app, "build/boards/esp32c3-dev");
    const options = join(root, "firmware/board/sdkconfig/esp32c3");
    const partitions = join(root, "firmware/board/partitions/esp32c3.csv");
    const words = ["-m", "-t", "build", "-p", "esp32/esp32c3", "-o", join(into, "mcconfig"), join(app, "manifest.json")];
    assert.equal(lastCall().words, words);
    assert.is(lastCall().SDKCONFIGPATH, options);
    const [command = ""] = stdout.split("\n");
    assert.is(
      command,
      `MODDABLE=${env.MODDABLE} IDF_PATH=${env.IDF_PATH} SDKCONFIGPATH=${options} PARTITIONS_FILE=${partitions} mcconfig ${words.join(" ")}`,
    );
    assert.match(stdout, /\n {2}ota_0 +0x020000 +1,835,008 bytes {2}40,001 written, 2 %\n/);
    assert.match(stdout, /\n {2}heap: JavaScript takes one block of 94,208 bytes/);
    assert.match(stdout, /next {4}chainmote flash .*esp32c3-dev --port PORT\n$/);
    const images = readImageFolder(into);
    assert.equal(
      images.parts.map(({ name, offset }) => [name, offset]),
      [
        ["bootloader", 0],
        ["partition-table", 0xc000],
        ["otadata", 0x1b000],
        ["app", 0x20000],
      ],
    );
    assert.is(images.name, "My-Mote");
  },
);

testOfBuild("the printed command does the same in a shell; --print runs nothing", async () => {
  const before = readFileSync(calls, "utf8");
  const { stdout } = await build(["esp32", "--print"], {}, app);
  assert.is(readFileSync(calls, "utf8"), before);
  const bin = join(env.MODDABLE as string, "build/bin/lin/release");
  const shell = spawn("sh", ["-c", stdout], {
    env: { ...process.env, ...env, PATH: `${bin}:${process.env.PATH}` },
    stdio: "ignore",
  });
  assert.is(await new Promise((resolve) => shell.on("close", resolve)), 0);
  assert.equal(lastCall().words.slice(3, 5), ["-p", "esp32"]);
});

testOfBuild(
  "a target of the SDK: its options with ours behind, our partitions and memory, none of its set-up code; one with an Ethernet has that",
  async () => {
    await build(["esp32c3_cdc", "--app", app]);
    const { words, SDKCONFIGPATH } = lastCall();
    assert.equal(words.slice(3, 5), ["-p", "esp32/esp32c3_cdc"]);
    const manifest = JSON.parse(readFileSync(words.at(-1) as string, "utf8"));
    assert.equal(manifest.include, [join(app, "manifest.json"), "./last.json"]);
    assert.is(manifest.creation.static, 94_208);
    assert.equal(manifest.modules["~"], ["$(BUILD)/devices/esp32/targets/esp32c3_cdc/setup-target"]);
    // By its own name it is released for, and its wiring is that of our board with its chip.
    assert.is(manifest.config.board, "esp32c3_cdc");
    assert.equal(manifest.config.service, { ...serviceOf(boardOf("esp32c3")), board: "esp32c3_cdc" });
    const last = JSON.parse(readFileSync(join(words.at(-1) as string, "../last.json"), "utf8"));
    assert.match(last.build.PARTITIONS_FILE, /partitions\/esp32c3\.csv$/);
    assert.is(last.build.SDKCONFIGPATH, SDKCONFIGPATH);
    const options = readFileSync(join(SDKCONFIGPATH, "sdkconfig.defaults"), "utf8");
    assert.ok(options.indexOf("CONFIG_OF_ESP32C3_CDC=y\n") < options.indexOf("CONFIG_ESP_SYSTEM_PANIC_SILENT_REBOOT=y\n"));
    assert.is(readImageFolder(join(app, "build/boards/esp32c3_cdc-dev")).chip, "esp32c3");
    await build(["ethernet_kit", "--app", app]);
    const ethernet = JSON.parse(readFileSync(lastCall().words.at(-1) as string, "utf8"));
    assert.equal(ethernet.include, [
      join(app, "manifest.json"),
      join(root, "firmware/board/manifest-ethernet.json"),
      "./last.json",
    ]);
  },
);

testOfBuild("a board that differs in its flash alone is itself, whatever the application's manifest names", async () => {
  await build(["esp32s3-n8", "--app", app]);
  const { words } = lastCall();
  assert.equal(words.slice(3, 5), ["-p", "esp32/esp32s3"]);
  const { config } = JSON.parse(readFileSync(words.at(-1) as string, "utf8"));
  assert.equal([config.board, config.service.board], ["esp32s3-n8", "esp32s3-n8"]);
  const { PARTITIONS_FILE } = JSON.parse(readFileSync(join(words.at(-1) as string, "../last.json"), "utf8")).build;
  assert.match(PARTITIONS_FILE, /partitions\/esp32s3-n8\.csv$/);
});

testOfBuild("an image that does not fit its slot is none, and how much it is too long is said", async () => {
  const path = join(fake, "esp32c6-app");
  const sound = readFileSync(path);
  writeFileSync(path, firmwareBytes("esp32c6", 1_703_937));
  try {
    const { code, stderr } = await build(["esp32c6", "--app", app]);
    assert.is(code, 1);
    assert.match(stderr, /^chainmote build: the image has 1,703,937 bytes, 1 more than a slot of ESP32-C6 takes: /m);
    assert.not(existsSync(join(app, "build/boards/esp32c6-dev/images.json")));
  } finally {
    writeFileSync(path, sound);
  }
});

testOfBuild("boards that there are not: those that there are; a chip of none of them", async () => {
  const none = await build(["esp99", "--app", app]);
  assert.is(none.code, 2);
  const list = `there is no board "esp99": ${BOARD_NAMES.join(", ")}, and the 3 targets of the SDK, such as esp32c3_cdc`;
  assert.ok(none.stderr.includes(list), none.stderr);
  const chip = await build(["esp32h2", "--app", app]);
  assert.match(chip.stderr, /esp32h2 has an esp32h2, and there are boards with esp32, esp32c3, esp32c6, esp32s3/);
  for (const name of ["../esp32c3", "esp32c3/..", ""]) assert.is((await build([name, "--app", app])).code, 2, name);
});

testOfBuild("each tool that is missing has one line that says where it comes from", async () => {
  const { code, stderr } = await build(["esp32c3", "--app", app], { MODDABLE: "", IDF_PATH: "", HOME: folder });
  assert.is(code, 1);
  const lines = stderr.trimEnd().split("\n");
  assert.is(lines.length, 2, stderr);
  assert.match(
    lines[0] ?? "",
    /^chainmote build: the Moddable SDK is not here \(MODDABLE names none\): npm install -g xs-dev && xs-dev setup, or github\.com\/Moddable-OpenSource\/moddable, "Getting Started"$/,
  );
  assert.match(
    lines[1] ?? "",
    /^chainmote build: ESP-IDF is not here \(IDF_PATH names none\): xs-dev setup --device esp32, or the SDK's documentation\/devices\/esp32\.md$/,
  );
  assert.match(
    (findModdable({ MODDABLE: folder }) as { missing: string }).missing,
    /has no built tool mcconfig: npm install -g xs-dev/,
  );
  assert.match(
    (findIdf({ IDF_PATH: folder }) as { missing: string }).missing,
    /has no tools\/idf\.py\): xs-dev setup --device esp32/,
  );
  // Where xs-dev puts it.
  const home = join(folder, "home");
  mkdirSync(join(home, ".local/share/esp32/esp-idf/tools"), { recursive: true });
  writeFileSync(join(home, ".local/share/esp32/esp-idf/tools/idf.py"), "");
  assert.is(findIdf({}, home), join(home, ".local/share/esp32/esp-idf"));
  const nothing = await build(["esp32c3"], {}, folder);
  assert.match(nothing.stderr, /has no manifest\.json: chainmote new DIR writes an application, or name one by --app$/m);
});

testOfBuild(
  "a tool that fails, and an ESP-IDF whose failure the SDK's make does not tell: no images are left that could be flashed",
  async () => {
    const into = join(app, "build/boards/esp32s3-dev");
    await build(["esp32s3", "--app", app]);
    for (const [fault, said] of [
      ["mcconfig", /^chainmote build: mcconfig ended with 1; what it said is above$/m],
      ["idf", /^chainmote build: mcconfig ended well, and ESP-IDF made no application image; what it said is above$/m],
      ["no arguments", /flasher_args\.json|is no/],
    ] as const) {
      if (fault === "no arguments") rmSync(join(into, "mcconfig"), { recursive: true });
      const { code, stderr } = await faulty(fault, ["esp32s3", "--app", app]);
      assert.is(code, 1);
      assert.match(stderr, said);
      assert.not(existsSync(join(into, "images.json")), fault);
    }
  },
);

testOfBuild("--json: the result alone on stdout", async () => {
  const { stdout, stderr } = await build(["esp32c6", "--app", app, "--json"]);
  const [result] = JSON.parse(stdout);
  assert.is(result.board, "esp32c6");
  assert.is(result.partitions.find(({ name }: { name: string }) => name === "ota_0").used, 40_001);
  assert.match(stderr, /mcconfig says something/);
});

/** Espressif's, which comes with esptool. */
const espsecure = [process.env.ESPTOOL ?? "", join(root, "build/esptool/bin/esptool"), "esptool"]
  .map((esptool) => join(esptool, "../espsecure"))
  .find((program) => existsSync(program));
if (espsecure === undefined)
  console.log("skipped: signing (python3 -m venv build/esptool && build/esptool/bin/pip install esptool==5.6.0)");

testOfBuild(
  "production: none without its locks, none with the emulator's stand-ins; its bootloader though ESP-IDF lists none; signed where a key is named",
  async () => {
    const words = ["esp32c3", "--app", app, "--profile", "production"];
    const none = await build(words, {}, root);
    assert.match(
      none.stderr,
      /this is no production build: secure boot \(CONFIG_SECURE_BOOT_V2_ENABLED\), .* did not come out$/m,
    );
    writeFileSync(join(fake, "sdkconfig"), LOCKS.map((option) => `CONFIG_${option}=y\n`).join(""));
    assert.match((await faulty("stand-ins", words)).stderr, /it has the emulator's stand-ins for noise and sensor$/m);
    rmSync(join(app, "build/boards/esp32c3-production"), { recursive: true });
    const { code, stdout, stderr } = await faulty("no bootloader listed", words);
    assert.is(code, 0, stderr);
    assert.match(stdout, /not signed, so chainmote flash will not take it: --signing-key FILE\n.*--profile production\n$/);
    const images = readImageFolder(join(app, "build/boards/esp32c3-production"));
    assert.is(images.parts[0]?.name, "bootloader");
    assert.is(unsignedPart(images)?.name, "bootloader");
    assert.match((await build([...words, "--signing-key", join(folder, "no-key")])).stderr, /no-key: there is no such file$/m);
    assert.is(
      (await build(["esp32c3", "--app", app, "--signing-key", "key"])).code,
      2,
      "nothing looks at a signature of the profile dev",
    );
    if (espsecure === undefined) return;
    const key = join(folder, "key.pem");
    execFileSync(espsecure, ["generate-signing-key", "--version", "2", "--scheme", "rsa3072", key], { stdio: "ignore" });
    const PATH = `${join(espsecure, "..")}:${process.env.PATH}`;
    const signing = await build([...words, "--signing-key", key], { PATH });
    assert.is(signing.code, 0, signing.stderr);
    const signed = readImageFolder(join(app, "build/boards/esp32c3-production"));
    assert.is(unsignedPart(signed), undefined);
    for (const name of ["bootloader.bin", "firmware.bin"])
      execFileSync(espsecure, ["verify-signature", "--version", "2", "--keyfile", key, join(signed.folder, name)], {
        stdio: "ignore",
      });
  },
);

test.run();
