// The C that JavaScript calls on a board and in the simulator, under the sanitizers, over any calls (test/fuzz/engine): its corpus and inputs
// made here; and that a check which is missing would be seen.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buffersFor, inputOf } from "./calls.js";
import {
  BOARD_MODULES,
  BRIDGE,
  comparer,
  comparerWithout,
  corpusOf,
  NATIVES,
  REPOSITORY,
  TARGETS,
  type Target,
  TLS,
  wordBytes,
} from "./driver.js";
import { SEEDS_OF } from "./seeds.js";

const FULL = process.env.FULL === "1";
/** How many inputs are made: a handshake takes some ten milliseconds. */
const INPUTS: readonly (readonly [Target, number])[] = [
  [BOARD_MODULES, FULL ? 50_000 : 4_000],
  [NATIVES, FULL ? 20_000 : 600],
  [TLS, FULL ? 1_000 : 60],
  [BRIDGE, FULL ? 20_000 : 3_000],
];
const REACHED_MIN = 10;

interface Ran {
  readonly inputs: number;
  readonly calls: number;
  readonly thrown: number;
  readonly reached: number;
}

/** What the program says of the inputs; throws with its own words where it ends badly. */
function ran(program: string, inputs: readonly Uint8Array[]): Ran {
  const { status, signal, stdout, stderr } = spawnSync(program, [], {
    input: Buffer.concat(inputs.flatMap((input) => [wordBytes(input.length), input])),
    env: { ...process.env, ASAN_OPTIONS: "abort_on_error=0:detect_leaks=1", UBSAN_OPTIONS: "print_stacktrace=1" },
  });
  if (status !== 0) throw new Error(`ended with ${signal ?? status}: ${stderr.toString().slice(0, 3000)}`);
  return JSON.parse(stdout.toString()) as Ran;
}

function inputsOf(target: Target, count: number): readonly Uint8Array[] {
  const corpus = readdirSync(corpusOf(target)).sort();
  const made = (SEEDS_OF[target.name] as (seed: string) => Iterator<Uint8Array>)("calls");
  return [
    ...corpus.map((name) => new Uint8Array(readFileSync(join(corpusOf(target), name)))),
    ...Array.from({ length: count }, () => made.next().value as Uint8Array),
  ];
}

const test = suite("C as JavaScript calls it");
for (const [target, count] of INPUTS) {
  const program = await comparer(target);
  if (typeof program !== "string") {
    console.log(`skipped: ${program.missing}`);
    test.skip(target.name, () => {});
    continue;
  }
  test(`${target.name}: the corpus and inputs made here, and no sanitizer has a word to say`, () => {
    const inputs = inputsOf(target, count);
    const said = ran(program, inputs);
    assert.is(said.inputs, inputs.length);
    assert.ok(said.inputs > count, "the corpus is there");
    assert.ok(said.reached > REACHED_MIN, `${target.name} was reached: ${JSON.stringify(said)}`);
    assert.ok(said.thrown < said.calls, JSON.stringify(said));
  });
}

/** A target, what is checked, the check, what stands there without it, an input that shows it. */
const OPEN = { name: "open" };
const PLANTED: readonly (readonly [Target, string, string, string, Uint8Array])[] = [
  [
    BOARD_MODULES,
    "how much is read",
    "if (countMax > READ_BYTES_MAX)\n\t\tcountMax = READ_BYTES_MAX;",
    "",
    inputOf(BOARD_MODULES, [OPEN, { name: "read", with: [100_000] }], [0, 0]),
  ],
  [
    BOARD_MODULES,
    "how much is written",
    "if (count > WRITE_BYTES_MAX)",
    "if (count > 4096)",
    inputOf(BOARD_MODULES, [OPEN, { name: "write", with: [new Uint8Array(200)] }], [0]),
  ],
  [
    BOARD_MODULES,
    "what nobody waits for",
    "usb_serial_jtag_write_bytes(copy, count, 0)",
    "usb_serial_jtag_write_bytes(copy, count, 10)",
    inputOf(BOARD_MODULES, [OPEN, { name: "write", with: [new Uint8Array(8)] }], [0]),
  ],
  [
    BOARD_MODULES,
    "a message that went out in part",
    "written == (int)count",
    "written >= 0",
    inputOf(BOARD_MODULES, [OPEN, { name: "write", with: [new Uint8Array(8)] }], [0, 3]),
  ],
  [
    BRIDGE,
    "a value's length",
    "if (counted && length > left - 1 - fixed)",
    "if (0)",
    inputOf(BRIDGE, [{ name: "notice" }], [0, 4, 5, 6, 255, 255, 255, 0, 7]),
  ],
  [
    NATIVES,
    "what begins at an odd byte",
    "#define NO_MISALIGNED_ACCESSES 1",
    "",
    inputOf(NATIVES, [{ name: "xs_keccak256", with: [new Uint8Array(0), { odd: new Uint8Array(200) }] }]),
  ],
  [
    NATIVES,
    "a digest's length",
    "if (count != K1_DIGEST_BYTES)",
    "if (0)",
    inputOf(NATIVES, [
      { name: "xs_key_create", with: ["device"] },
      { name: "xs_key_sign", with: [{ from: 0 }, new Uint8Array(20)], keep: 4 },
    ]),
  ],
  [
    BRIDGE,
    "a call that has nothing to say",
    "if (bytes > 0)\n\t\tc_memcpy(gFrame + at",
    "c_memcpy(gFrame + at",
    inputOf(BRIDGE, [{ name: "call", with: ["read", new Uint8Array(1), 0] }], [0, 0, 5]),
  ],
  [
    BRIDGE,
    "what moves where no number is given",
    "txInteger at = fxToInteger(the, mxArgv(1));\n\t_xsmcGetBuffer(the, mxArgv(0), &from, &bytes, 0);",
    "_xsmcGetBuffer(the, mxArgv(0), &from, &bytes, 0);\n\ttxInteger at = fxToInteger(the, mxArgv(1));",
    buffersFor(BRIDGE, "flashWrite", [new Uint8Array(8), new Uint8Array(1)]),
  ],
  [
    BOARD_MODULES,
    "a length that was not given",
    "xsmcArgc > 0 ? xsmcToNumber(xsArg(0)) : 0",
    "xsmcToNumber(xsArg(0))",
    buffersFor(BOARD_MODULES, "digest", []),
  ],
  [
    TLS,
    "how much there is to read",
    "if (count > available)\n\t\tcount = available;\n\tbytes =",
    "(void)available;\n\tbytes =",
    inputOf(
      TLS,
      [
        { name: "begin", with: [0] },
        { name: "exchange", with: [{ from: 0 }, 0, 0], keep: 4 },
        { name: "said", with: [40], keep: 4 },
        { name: "exchange", with: [{ from: 0 }, 0, 0], keep: 4 },
        { name: "xs_tls_read", with: [{ from: 0 }, 60], keep: 4 },
      ],
      [0, 0],
    ),
  ],
  [
    TLS,
    "the time",
    "if (!(nowS >= 0 && nowS <= NOW_S_MAX))",
    "if (0)",
    inputOf(TLS, [{ name: "xs_tls_open", with: [new Uint8Array(8), "broker.test", 1e300] }]),
  ],
];
/** Where each variant takes long to build, FULL=1 alone builds them. */
const isQuick = (target: Target): boolean => target !== NATIVES && target !== TLS;
for (const [target, what, check, without, input] of PLANTED.filter(([target]) => FULL || isQuick(target)))
  test(`${target.name}: without the check of ${what} something is seen`, async () => {
    const program = await comparer(target);
    if (typeof program !== "string") return console.log(`skipped: ${program.missing}`);
    assert.is(ran(program, [input]).inputs, 1, "with it nothing is");
    const planted = await comparerWithout(target, check, without);
    if (typeof planted !== "string") return assert.unreachable(planted.missing);
    assert.throws(() => ran(planted, [input]), /does not hold|Sanitizer|runtime error/);
  });

/** C that no target here has, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "chip-esp32.c": "test/unit/board/chip-esp32.test.ts, under the same sanitizers; it reads flash by nvs-pages.c alone",
  "sleep.c": "test/unit/board/sleep.test.ts, under the same sanitizers",
  "open-eth.c": "hands an address on; of the emulator alone",
};
const NATIVE_FOLDERS = ["firmware/board/native", "firmware/board/emulator", "firmware/bytes/native", "firmware/crypto/native"];

test("each file of C of the firmware runs under the sanitizers", () => {
  const covered = new Set(TARGETS.flatMap(({ sources }) => sources));
  for (const folder of NATIVE_FOLDERS)
    for (const name of readdirSync(join(REPOSITORY, folder)).filter((file) => file.endsWith(".c")))
      assert.ok(covered.has(`${folder}/${name}`) || name in ELSEWHERE, `${folder}/${name} is in a target of driver.ts`);
});
test.run();
