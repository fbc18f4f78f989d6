// The XS host itself: that it runs modules as a board does, in the board's memory, and that every end says why.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BOARD_NAMES, boardOf } from "../../host-sim/boards.js";
import { type Built, buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, type Module, type Program, packImage } from "../../host-sim/xs/image.js";
import { type Report, type RunOptions, runImage } from "../../host-sim/xs/run.js";
import { TARGETS, type Target } from "../../host-sim/xs/toolchain.js";

const HOST = 'import { collect, instructions, listen, memory, print, request } from "host";\n';

/** The modules of a little program: `main` by its text, besides others, and the host's own. */
async function modulesOf(main: string, others: Readonly<Record<string, string>> = {}): Promise<readonly Module[]> {
  const host = await gatherModules({ entry: "host-sim/xs/guest/host.ts" });
  return [
    { name: "main", source: HOST + main },
    ...Object.entries(others).map(([name, source]) => ({ name, source })),
    { name: "host", source: (host[0] as Module).source },
  ];
}

function run(target: Target, built: Built): void {
  const test = suite(`XS host, ${target}`);
  const play = async (
    main: string,
    {
      others = {},
      preload = [],
      board = "esp32c3",
      ...options
    }: RunOptions & { others?: Record<string, string>; preload?: string[]; board?: string } = {},
  ): Promise<Report> => {
    const program: Program = { entry: "main", preload };
    const image = packImage(
      await modulesOf(main, others),
      program,
      { creation: boardOf(board).creation, keysInGuest: true, seed: 7 },
      target === "x64" ? 2 : 1,
    );
    return runImage(built, image, options);
  };

  test("a module prints and the host ends well, on each board's memory", async () => {
    for (const board of BOARD_NAMES) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the template belongs to the program of the guest
      const report = await play('print("hello"); print(`${typeof console} ${typeof setTimeout} ${typeof TextEncoder}`);', {
        board,
      });
      assert.equal([report.code, report.reason], [0, "ended"]);
      assert.equal(report.lines, ["hello", "undefined undefined undefined"]);
    }
  });

  test("modules keep their folders, lose .js, and find each other up and down", async () => {
    const others = {
      "a/b/one":
        'import { two } from "../c/two.js"; import { top } from "../../top.mjs"; export const one = "one " + two + " " + top;',
      "a/c/two": 'import { three } from "./d/three"; export const two = "two " + three;',
      "a/c/d/three": "export const three = import.meta.uri;",
      top: "export const top = 4;",
    };
    for (const preload of [[], ["a/*", "top"]]) {
      const report = await play('import { one } from "a/b/one"; print(one);', { others, preload });
      assert.equal(report.lines, ["one two a/c/d/three 4"]);
    }
  });

  test("what was preloaded survives collections, and is frozen as on a board", async () => {
    const others = {
      data: `export const texts = ["alpha", "beta", ["gamma"]];
        export const big = 2n ** 255n - 19n;
        export const map = new Map([["k", "value of k"]]);
        export const pattern = /^(\\d+)-(\\w+)$/;
        export let count = 0;
        export function next() { count += 1; return count; }
        export class Counter { #n = 40; static made = "counter"; bump() { return ++this.#n; } get name() { return "text " + this.#n; } }
        export const bytes = Object.freeze([1, 2, 3]);`,
    };
    const main = `import { big, bytes, Counter, count, map, next, pattern, texts } from "data";
      const seen = new Set();
      for (let i = 0; i < 60; i += 1) {
        const counter = new Counter();
        counter.bump();
        let garbage = "";
        for (let k = 0; k < 20; k += 1) garbage += texts[k % 2] + k;
        collect();
        next();
        seen.add([texts.join("+"), big % 1000003n, map.get("k"), pattern.exec("12-ab")[2], counter.bump(), counter.name, bytes.length, garbage.length].join(" "));
      }
      print([...seen].join("|"));
      print(String(count));
      for (const attempt of [() => map.set("k", 1), () => { Counter.made = 1; }, () => { Array.prototype.x = 1; }, () => bytes.push(4)])
        try { attempt(); print("changed"); } catch (error) { print(error.constructor.name); }
      texts.push("delta");
      collect();
      print(texts.join("+"));`;
    const expected = [
      `alpha+beta+gamma ${(2n ** 255n - 19n) % 1000003n} value of k ab 42 text 42 3 ${Array.from({ length: 20 }, (_, k) => (k % 2 ? "beta" : "alpha").length + String(k).length).reduce((a, b) => a + b)}`,
      "60",
      "TypeError",
      "TypeError",
      "TypeError",
      "TypeError",
      "alpha+beta+gamma+delta",
    ];
    const report = await play(main, { others, preload: ["data"] });
    assert.equal(report.lines, expected);
    const plain = await play('import { next } from "data"; next(); print(String(next()));', { others });
    assert.equal(plain.lines, ["2"]);
    assert.ok(report.slotsPeakBytes > 0 && plain.slotsPeakBytes > 0);
  });

  test("preloading takes a module's code and objects off the heap", async () => {
    const functions = Array.from({ length: 40 }, (_, i) => `export function f${i}(x) { return x + ${i}; }`).join("\n");
    const main = 'import * as all from "many"; print(String(all.f7(1)));';
    const loaded = await play(main, { others: { many: functions } });
    const preloaded = await play(main, { others: { many: functions }, preload: ["many"] });
    assert.equal([loaded.lines, preloaded.lines], [["8"], ["8"]]);
    assert.ok(
      preloaded.slotsPeakBytes < loaded.slotsPeakBytes - 2_000,
      `${preloaded.slotsPeakBytes} of ${loaded.slotsPeakBytes}`,
    );
  });

  test("chunks and slots share the one block: either can have what the other leaves", async () => {
    const chunks = await play(
      "const all = []; for (let i = 0; i < 48; i += 1) all.push(new Uint8Array(1000)); print(String(all.length));",
    );
    assert.equal(chunks.lines, ["48"]);
    const slots = await play("let list; for (let i = 0; i < 1100; i += 1) list = { list, i }; print(String(list.i));");
    assert.equal(slots.lines, ["1099"]);
  });

  test("a full memory, a deep stack, an exception and a missing module each end with their reason", async () => {
    const endOf = async (main: string): Promise<string> => {
      const { code, reason, lines } = await play(main);
      return [code, reason, ...lines.map((line) => line.split("\n")[0])].join("; ");
    };
    assert.is(await endOf("const all = []; for (;;) all.push(new Uint8Array(100));"), "3; memory full");
    assert.is(await endOf("let all; for (;;) all = { all };"), "3; memory full");
    assert.is(await endOf("(function deep() { deep(); })();"), "3; stack overflow");
    assert.is(await endOf('throw new TypeError("mine");'), "2; uncaught exception; TypeError: mine");
    assert.is(await endOf('import "none";'), '2; uncaught exception; ReferenceError: module "none" not found');
    assert.is(await endOf('Promise.reject(new Error("nobody"));'), "2; unhandled rejection");
    assert.is(await endOf("\nlet x = ;"), "4; a module does not compile; main:3: missing expression");
    assert.is(
      await endOf('function f() @ "xs_none"; f();'),
      "4; a module names a native function that this host has not; xs_none",
    );
    const preloaded = await play("", { others: { bad: "throw new Error('at preload')" }, preload: ["bad"] });
    assert.equal([preloaded.reason, ...preloaded.lines], ["a module cannot be preloaded", "Error: at preload"]);
  });

  test("promises run, requests are answered, and events come one by one until nobody listens", async () => {
    const asked: string[] = [];
    const events = ["one", "two", "three"];
    const report = await play(
      `const text = (buffer) => String.fromCharCode(...new Uint8Array(buffer));
       print(text(request(new Uint8Array([104, 105]))));
       Promise.resolve(1).then((value) => print("job " + value));
       print("end of module");
       listen((event) => { print(text(event)); if (text(event) === "three") listen(); });`,
      {
        request(message) {
          asked.push(message.toString());
          return Buffer.from("answer");
        },
        event: () => Buffer.from(events.shift() ?? "too many"),
      },
    );
    assert.equal(asked, ["hi"]);
    assert.equal(report.lines, ["answer", "end of module", "job 1", "one", "two", "three"]);
    const stopped = await play("listen(() => {});", { event: () => undefined });
    assert.is(stopped.reason, "ended");
  });

  test("a guest that never ends is ended", async () => {
    let message = "";
    await play("for (;;);", { timeoutMs: 1500 }).catch((error: Error) => {
      message = error.message;
    });
    assert.match(message, /did not end within 1500 ms/);
  });

  test("collections are counted beyond 16 bits' worth of doubt, and two runs are alike to the instruction", async () => {
    const main = `for (let i = 0; i < 300; i += 1) collect();
      const from = instructions();
      let n = 0;
      for (let i = 0; i < 1000; i += 1) n += i;
      print(n + " " + (instructions() - from));`;
    const [one, two] = [await play(main), await play(main)];
    assert.ok(one.collections >= 300 && one.collections < 400, `${one.collections}`);
    // Where a process's own stack begins is chance on Linux, and so are the last bytes of its peak.
    const native = target === "rv32" ? {} : { nativeStackPeakBytes: 0 };
    assert.equal({ ...one, ...native }, { ...two, ...native });
    const counted = Number(one.lines[0]?.split(" ")[1]);
    if (target === "rv32") assert.ok(counted > 100_000 && counted < 2_000_000, `${counted}`);
    else assert.is(counted, 0);
  });

  test.run();
}

const WORK = `const all = [];
for (let i = 0; i < 300; i += 1) all.push({ i, text: "item " + i, bytes: new Uint8Array(i % 40) });
for (let i = 0; i < 9000; i += 1) all[i % 300] = { i: i * 1.5, text: String(i) };`;

const hosts: (readonly [Target, Awaited<ReturnType<typeof buildHost>>])[] = [];
for (const target of TARGETS) hosts.push([target, await buildHost(target)]);
const reports: Report[] = [];
for (const [target, built] of hosts) {
  if ("missing" in built || target === "x64") continue;
  const image = packImage(await modulesOf(WORK), { entry: "main" }, { creation: boardOf("esp32c3").creation });
  reports.push(await runImage(built, image));
}
for (const [target, built] of hosts) {
  if (!("missing" in built)) {
    run(target, built);
    continue;
  }
  console.log(built.missing);
  const skipped = suite(`XS host, ${target}`);
  skipped.skip("all of it", () => {});
  skipped.run();
}

const judges = suite("32-bit judges");
const compare = (): void => {
  const [m32, rv32] = reports as [Report, Report];
  assert.is(m32.code, 0, m32.reason);
  assert.is(m32.slotsPeakBytes, rv32.slotsPeakBytes);
  assert.is(m32.chunksPeakBytes, rv32.chunksPeakBytes);
  assert.is(m32.collections, rv32.collections);
  assert.ok(m32.collections > 10);
};
if (reports.length === 2) judges("m32 and rv32 need the same slots, chunks and collections", compare);
else judges.skip("m32 and rv32 need the same slots, chunks and collections", compare);
judges.run();
