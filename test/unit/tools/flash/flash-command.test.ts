// chainmote flash as a person runs it, over a pseudo-terminal, on a simulated bootloader that somebody holds the BOOT button for; and
// Espressif's own esptool against the same bootloader, for what we made of their page.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { OPERATION, RomBoard, type RomBoardOptions } from "../../../../host-sim/hardware/rom-bootloader.js";
import { Pty, ptyFault } from "../../../pty.js";
import { partsFor, signedPartsFor, writeImages } from "./images.js";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-flash-command-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const fault = ptyFault();
if (fault !== undefined) console.log(`skipped: ${fault}`);
const over = fault === undefined ? test : test.skip;

async function withBoard<T>(
  options: Omit<RomBoardOptions, "send">,
  work: (port: string, board: RomBoard, pty: Pty) => Promise<T>,
): Promise<T> {
  const board: RomBoard = new RomBoard({ bootHeld: true, ...options, send: (bytes) => pty.send(bytes) });
  const pty: Pty = await Pty.open((bytes) => board.receive(bytes));
  try {
    return await work(pty.path, board, pty);
  } finally {
    await pty.close();
  }
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, words: readonly string[], typed = "", more: NodeJS.ProcessEnv = {}): Promise<Ended> {
  // A machine that asks for the SDK would be told by these two.
  const env = { ...process.env, MODDABLE: "", IDF_PATH: "", ...more };
  const child = spawn(program, words, { cwd: root, env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(typed);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

const chainmote = (words: readonly string[], typed?: string, more: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  run(process.execPath, [join(root, "tools/chainmote.mjs"), "flash", ...words], typed, more);

const images = (chip: string, profile: "dev" | "production" = "dev"): string => {
  const into = join(folder, `${chip}-${profile}`);
  if (!existsSync(into)) writeImages(into, chip, profile === "dev" ? partsFor(chip) : signedPartsFor(chip), profile);
  return into;
};

function assertWritten(board: RomBoard, chip: string, parts = partsFor(chip)): void {
  for (const { name, offset, bytes } of parts)
    assert.ok(Buffer.from(board.flash.subarray(offset, offset + bytes.length)).equals(Buffer.from(bytes)), name);
}

for (const [chip, words] of [
  ["esp32", []],
  ["esp32c3", ["--no-stub"]],
  ["esp32s3", ["--baud", "115200"]],
] as const)
  over(`${chip} ${words.join(" ")}: prebuilt images, no SDK, no ESP-IDF; what is written is said`, async () => {
    await withBoard({ chip }, async (port, board) => {
      const { code, stdout, stderr } = await chainmote([images(chip), "--port", port, ...words]);
      assert.is(code, 0, stderr);
      assertWritten(board, chip);
      assert.match(stdout, /7c:df:a1:00:00:01, 4,194,304 bytes of flash\n/);
      assert.match(stdout, /firmware\.bin +100 %\n[\s\S]*bootloader\.bin +100 %\n[\s\S]*done: press its RESET button/);
    });
  });

over("--json: one object on stdout, whatever is told on stderr", async () => {
  await withBoard({ chip: "esp32c6" }, async (port) => {
    const { code, stdout } = await chainmote([images("esp32c6"), "--port", port, "--json"]);
    assert.is(code, 0);
    const { ok, mac, parts } = JSON.parse(stdout);
    assert.equal(
      { ok, mac, parts },
      { ok: true, mac: "7c:df:a1:00:00:01", parts: ["partition-table", "otadata", "app", "bootloader"] },
    );
  });
});

over("production: what is burnt for ever is said, and nothing is written until this board's MAC is typed", async () => {
  const words = [images("esp32c3", "production"), "--profile", "production"];
  for (const [typed, goes] of [
    ["", false],
    ["yes\n", false],
    ["7C:DF:A1:00:00:02\n", false],
    ["7C:DF:A1:00:00:01\n", true],
  ] as const)
    await withBoard({ chip: "esp32c3", nvsKey: true }, async (port, board) => {
      const { code, stderr } = await chainmote([...words, "--port", port], typed);
      assert.match(
        stderr,
        /is burnt, for ever:\n {2}- [\s\S]*\n {2}- secure boot 2 on, by the bootloader, [\s\S]*type the board's MAC address to go on/,
      );
      if (goes) assertWritten(board, "esp32c3", signedPartsFor("esp32c3"));
      else {
        assert.match(stderr, /is not this board's MAC address; nothing was written to the board\n$/);
        assert.ok(board.flash.every((byte) => byte === 0xff));
      }
      assert.is(code, goes ? 0 : 1);
    });
  const { code, stderr } = await chainmote([images("esp32c3", "production"), "--port", "/dev/null"]);
  assert.is(stderr, "chainmote flash: these images are of the profile production: say --profile production\n");
  assert.is(code, 1);
});

over("the cable is pulled while the firmware is written: one line, exit code 1, and what is on the board", async () => {
  let pty: Pty | undefined;
  // First what is there is looked at, then what was written.
  let looks = 0;
  const onCommand = (operation: number): void => {
    if (operation !== OPERATION.md5) return;
    looks += 1;
    if (looks === 3) void pty?.close();
  };
  const options = { chip: "esp32c3", onCommand };
  await withBoard(options, async (port, _, opened) => {
    pty = opened;
    const { code, stderr } = await chainmote([images("esp32c3"), "--port", port]);
    assert.is(code, 1);
    assert.match(stderr, /^chainmote flash: the port has gone: is the board still plugged in\?; .*run it again\n$/);
  });
});

test("ports and folders that are not there, and no board's name: one line each", async () => {
  for (const [words, line, code] of [
    [[images("esp32c3"), "--port", "/dev/there-is-none"], /^chainmote flash: there is no port \/dev\/there-is-none/, 1],
    [[], /^chainmote flash: the folder of images is missing, or the board's name \(see chainmote flash --help\)$/, 2],
    [["esp32c3"], /^chainmote flash: esp32c3 is not built with the profile dev: chainmote build esp32c3$/, 1],
    [[join(folder, "none")], /^chainmote flash: there is no folder /, 1],
    [[folder], /^chainmote flash: .* has no images\.json: chainmote build BOARD writes such a folder$/, 1],
    [[images("esp32c3"), "--profile", "test"], /^chainmote flash: --profile takes dev or production, not "test"/, 2],
  ] as const) {
    const { code: ended, stderr } = await chainmote(words);
    assert.match(stderr.trimEnd(), line);
    assert.is(ended, code);
  }
});

/** Espressif's, beside its esptool; on the PATH of what runs here. */
const withEspefuse = (esptool: string | undefined): NodeJS.ProcessEnv =>
  esptool === undefined || esptool === "esptool" ? {} : { PATH: `${join(esptool, "..")}:${process.env.PATH}` };

const esptool = [process.env.ESPTOOL ?? "", join(root, "build/esptool/bin/esptool"), "esptool"].find(
  (program) => program !== "" && spawnSync(program, ["version"]).status === 0,
);
if (esptool === undefined)
  console.log(
    "skipped: Espressif's esptool against the bootloader (python3 -m venv build/esptool && build/esptool/bin/pip install esptool==5.6.0)",
  );

for (const chip of ["esp32c3", "esp32c6", "esp32s3"])
  (esptool === undefined ? test.skip : over)(
    `production, ${chip}: once the MAC is typed its key for NVS is burnt by Espressif's espefuse, unreadable, and then the images are written`,
    async () => {
      const words = [images(chip, "production"), "--profile", "production"];
      const base = { esp32c3: 0x60008800, esp32c6: 0x600b0800, esp32s3: 0x60007000 }[chip] as number;
      await withBoard({ chip }, async (port, board) => {
        const no = await chainmote([...words, "--port", port], "no\n", withEspefuse(esptool));
        assert.is(no.code, 1);
        assert.is(board.register(base + 0x38), 0, "nothing is burnt without the MAC");
      });
      await withBoard({ chip }, async (port, board) => {
        const { code, stderr } = await chainmote([...words, "--port", port], "7c:df:a1:00:00:01\n", withEspefuse(esptool));
        assert.is(code, 0, stderr);
        assert.match(stderr, /burning the key for its NVS/);
        assert.is((board.register(base + 0x38) >> 12) & 0xf, 8, "for HMAC");
        assert.is(board.register(base + 0x30) & (1 << 5), 1 << 5, "read-protected");
        assertWritten(board, chip, signedPartsFor(chip));
      });
    },
  );

over("production without espefuse: nothing is burnt or written, and a line says where it comes from", async () => {
  await withBoard({ chip: "esp32c3" }, async (port, board) => {
    const words = [images("esp32c3", "production"), "--profile", "production", "--port", port];
    const { code, stderr } = await chainmote(words, "7c:df:a1:00:00:01\n", { PATH: join(process.execPath, "..") });
    assert.is(code, 1);
    assert.match(
      stderr,
      /espefuse is not here, .*: pip install esptool, or source \$IDF_PATH\/export\.sh; nothing was written to the board\n$/,
    );
    assert.ok(board.flash.every((byte) => byte === 0xff));
  });
});

for (const chip of ["esp32", "esp32c3", "esp32c6", "esp32s3"])
  for (const stub of [true, false])
    (esptool === undefined ? test.skip : over)(
      `Espressif's esptool takes the simulated ${chip} for one, ${stub ? "with its stub" : "without"}: writes, verifies, reads back`,
      async () => {
        await withBoard({ chip }, async (port, board) => {
          const words = ["--port", port, "--before", "no-reset", "--after", "no-reset", ...(stub ? [] : ["--no-stub"])];
          const parts = partsFor(chip).flatMap(({ path, offset }) => [`0x${offset.toString(16)}`, join(images(chip), path)]);
          const { code, stdout } = await run(esptool as string, [...words, "write-flash", ...parts]);
          assert.is(code, 0, stdout);
          assert.is(stdout.match(/Hash of data verified/g)?.length, 4, stdout);
          assert.match(stdout, new RegExp(`Connected to ${chip.toUpperCase().replace(/(?<=32)(?=.)/, "-")}`));
          assert.match(stdout, /MAC: +7c:df:a1:00:00:01/);
          assertWritten(board, chip);
          if (!stub) return;
          const file = join(folder, `${chip}.bin`);
          for (const rts of [true, false]) board.setLines({ dtr: false, rts }); // the stub is gone, somebody still holds the button
          const read = await run(esptool as string, [...words, "read-flash", "0x20000", "0x3000", file]);
          assert.is(read.code, 0, read.stdout);
          assert.ok(readFileSync(file).equals(Buffer.from(board.flash.subarray(0x20000, 0x23000))));
        });
      },
    );

test.run();
