// chainmote monitor: what a mote's own firmware logs on a simulated board, over a pseudo-terminal; what ROM and ESP-IDF print of resets and
// crashes, with the functions of an ELF; and any bytes at all.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Mote, parseConfig, Rejection } from "../../../../firmware/index.js";
import { sht3x } from "../../../../firmware/sensor/sht3x/sht3x.js";
import { decodeLine, LogDecoder, type LogLine } from "../../../../tools/monitor/log-decoder.js";
import { Symbols } from "../../../../tools/monitor/symbols.js";
import { LocalBroker } from "../../../../tools/mqtt/broker.js";
import { createDevice, engine, VirtualClock } from "../../../../tools/sim/index.js";
import { Pty, ptyFault } from "../../../pty.js";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "chainmote-monitor-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const fault = ptyFault();
if (fault !== undefined) console.log(`skipped: ${fault}`);
const over = fault === undefined ? test : test.skip;

/** What a mote says within some minutes of its life, as `trace` of firmware/board/local.ts puts it on the console. */
async function logOfMote(minutes: number): Promise<readonly string[]> {
  const { config: configuration } = JSON.parse(readFileSync(join(root, "tools/new/application/config.json"), "utf8"));
  const config = parseConfig({ ...configuration, sensors: [{ type: "sht3x", name: "air", intervalMs: 10_000 }] });
  if (config instanceof Rejection) throw new Error(String(config));
  const clock = new VirtualClock();
  const broker = await LocalBroker.start();
  const network = { [`${config.mqtt.host}:1883`]: broker.accept.bind(broker) };
  const { device, close } = createDevice({ clock, network, seed: "monitor" });
  const lines: string[] = [];
  const log = {
    write: (event: string, fields: object) => void lines.push(JSON.stringify({ event, ...fields })),
  };
  const mote = Mote.open({ device: { ...device, log }, engine, config, sensors: [sht3x] });
  if (mote instanceof Rejection) throw new Error(String(mote));
  mote.run();
  for (let seconds = 0; seconds < minutes * 60; seconds += 1) await clock.advance(1000);
  mote.close();
  close();
  await broker.close();
  return lines;
}

interface Shown {
  readonly child: ChildProcess;
  readonly lines: string[];
  until(pattern: RegExp): Promise<string>;
  end(): Promise<void>;
}

function monitor(words: readonly string[]): Shown {
  const child = spawn(process.execPath, [join(root, "tools/chainmote.mjs"), "monitor", ...words], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let told: () => void = () => undefined;
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      told();
    });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void ended.then(() => told());
  return {
    child,
    lines,
    async until(pattern) {
      for (;;) {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${lines.join("\n")}`);
        await new Promise<void>((resolve) => {
          told = resolve;
        });
      }
    },
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

over(
  "a mote's own log, readably: its key, its records, by level; the rest with --level debug, as objects with --json",
  async () => {
    const log = await logOfMote(3);
    for (const [level, shown, hidden] of [
      ["info", /^ *\d+\.\d s {2}record +seq 1 {2}.*Cel/, /delivered=|"event"/],
      ["warn", /link +down/, /record/],
      ["debug", /time +timeQuality=/, /^never$/],
    ] as const) {
      const pty = await Pty.open(() => undefined);
      const shows = monitor(["--port", pty.path, "--level", level]);
      await shows.until(/baud; Ctrl-C ends/);
      pty.send(
        Buffer.from(
          `${[...log, '{"event":"link","state":"down","reason":"by the test"}', '{"event":"error","what":"last","detail":"x"}'].join("\r\n")}\r\n`,
        ),
      );
      await shows.until(/error +last: x/);
      assert.ok(
        shows.lines.some((line) => shown.test(line)),
        `${level}: ${shows.lines.join("\n")}`,
      );
      assert.not(
        shows.lines.some((line) => hidden.test(line)),
        level,
      );
      await shows.end();
      await pty.close();
    }
    const pty = await Pty.open(() => undefined);
    const shows = monitor(["--port", pty.path, "--json", "--level", "debug", "--stored", "2"]);
    await shows.until(/baud; Ctrl-C ends/);
    pty.send(
      Buffer.from(
        `${[...log, '{"event":"stored","seq":0,"digest":"00"}', '{"event":"stored","seq":1,"digest":"00"}'].join("\r\n")}\r\n`,
      ),
    );
    await new Promise<void>((resolve) => shows.child.once("close", () => resolve()));
    assert.is(shows.child.exitCode, 0, "it ends once two are stored");
    const said = shows.lines
      .slice(1)
      .map((line) => JSON.parse(line))
      .map(({ t: _, level: __, ...event }) => JSON.stringify(event));
    assert.equal(said.slice(0, log.length), log, "every event as the mote said it");
    await pty.close();
  },
);

over("a board that is unplugged is waited for", async () => {
  const pty = await Pty.open(() => undefined);
  const shows = monitor(["--port", pty.path]);
  await shows.until(/baud; Ctrl-C ends/);
  await pty.close();
  await shows.until(/^chainmote monitor: .* has gone; waiting for it$/);
  assert.is(shows.child.exitCode, null);
  await shows.end();
});

const line = (text: string): Omit<LogLine, "style" | "event"> => {
  const { level, word, text: said, addresses } = decodeLine(text);
  return { level, word, text: said, addresses };
};

test("why the chip began anew, by the ROM's numbers", () => {
  for (const [text, level, cause] of [
    ["rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)", "info", "power on"],
    ["rst:0xc (RTC_SW_CPU_RST),boot:0xc (SPI_FAST_FLASH_BOOT)", "warn", "software, one core: a restart, or a crash"],
    [
      "ets Jul 29 2019 12:21:46 rst:0x7 (TG0WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
      "error",
      "watchdog of timer group 0 (a task hung)",
    ],
    ["rst:0xf (RTCWDT_BROWN_OUT_RESET),boot:0x13", "error", "brown-out: the supply fell below what the chip needs"],
    ["rst:0x5 (DSLEEP),boot:0xc", "info", "deep sleep"],
    ["rst:0x15 (USB_UART_CHIP_RESET),boot:0xc", "info", "the host, over USB"],
    ["rst:0x3f (WHATEVER)", "warn", "cause 63"],
  ] as const)
    assert.equal(line(text), { level, word: "reset", text: cause, addresses: [] });
  assert.equal(line("Saved PC:0x42004cf8").addresses, ["0x42004cf8"]);
});

test("crashes of both kinds of chip, and a heap that is full: errors, with the addresses of code and none of data", () => {
  assert.is(line("Guru Meditation Error: Core  0 panic'ed (Load access fault). Exception was unhandled.").word, "crash");
  assert.equal(line("MEPC    : 0x42008a3c  RA      : 0x42008a30  SP      : 0x3fc98f20  GP      : 0x3fc8c000").addresses, [
    "0x42008a3c",
    "0x42008a30",
  ]);
  assert.equal(line("Backtrace: 0x400d1234:0x3ffb1230 0x400d5678:0x3ffb1250").addresses, ["0x400d1234", "0x400d5678"]);
  assert.equal(line("abort() was called at PC 0x40383ae1 on core 0").addresses, ["0x40383ae1"]);
  assert.equal([line("XS abort: memory full").level, line("XS abort: memory full").word], ["error", "heap"]);
  assert.equal(line("E (1234) wifi: no mem").level, "error");
  assert.equal(line("\x1b[0;33mW (12) x: y\x1b[0m").level, "warn");
  assert.equal(line("I (12) x: y").level, "info");
});

test("any bytes in any pieces: bounded lines without control characters, and every whole event among them", () => {
  const event = '{"event":"record","seq":7,"stream":0,"values":[]}';
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (pieces) => {
      const decoder = new LogDecoder();
      const lines = pieces.flatMap((piece) => [...decoder.push(piece)]);
      lines.push(...decoder.push(Buffer.from("x".repeat(20_000))), ...decoder.push(Buffer.from(`\n${event}\n`)));
      for (const { text } of lines) {
        assert.ok(text.length <= 400);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        assert.not.match(text, /[\x00-\x1f\x7f]/);
      }
      assert.is(lines.at(-1)?.event.seq, 7);
    }),
  );
});

const COMPILER = "riscv64-unknown-elf-gcc";
const compiler = spawnSync(COMPILER, ["--version"]).status === 0;
if (!compiler) console.log("skipped: the functions of a crash (apt install gcc-riscv64-unknown-elf)");
(compiler ? over : test.skip)("a crash is shown with the functions and lines of the image's ELF", async () => {
  const source = join(folder, "crash.c");
  const elf = join(folder, "firmware.elf");
  writeFileSync(source, "int inner(int x)\n{\n\treturn *(volatile int *)x;\n}\nvoid _start(void)\n{\n\tinner(3);\n}\n");
  const words = ["-g", "-O0", "-march=rv32imc", "-mabi=ilp32", "-nostdlib", "-Wl,-Ttext=0x42000000", "-o", elf, source];
  execFileSync(COMPILER, words);
  const symbols = await Symbols.open(elf);
  if (!(symbols instanceof Symbols)) throw new Error(symbols.missing);
  const frames = await symbols.framesOf(["0x42000002", "0x42ffffff"]);
  assert.is(frames.length, 1, "an address that the ELF does not know says nothing");
  assert.match(frames[0] ?? "", /^0x42000002: inner at .*crash\.c:2$/);
  const pty = await Pty.open(() => undefined);
  const shows = monitor(["--port", pty.path, "--elf", elf]);
  await shows.until(/baud; Ctrl-C ends/);
  pty.send(
    Buffer.from("Guru Meditation Error: Core  0 panic'ed (Load access fault).\r\nMEPC    : 0x42000002  RA : 0x3fc00000\r\n"),
  );
  assert.match(await shows.until(/inner at/), /^ +0x42000002: inner at .*crash\.c:2$/);
  await shows.end();
  await pty.close();
  assert.match(((await Symbols.open(source)) as { missing: string }).missing, /is no ELF of an ESP32's$/);
});

test.run();
