// The package, packed and put into an empty project on a path with spaces, its dependencies there and nothing else: the command works, the
// exported modules load and have types. What npm itself does with it is install.soak.test.ts.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BoardEvent, spawnBoard } from "../../host-sim/engine/node.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { until } from "../patience.js";
import { writeImages } from "../unit/tools/flash/images.js";
import { commandsWork } from "./commands.js";
import { packed, project, root, run, temporaryFolder } from "./packed.js";

const work = temporaryFolder();
const app = join(work, "a project of someone's");
const own = join(app, "node_modules/chainmote");

interface Manifest {
  readonly private?: boolean;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

let tarball = "";
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

/** What this tree is made with. */
const versions: Readonly<Record<string, string>> = { ...manifest.dependencies, ...manifest.devDependencies };

test.before(() => {
  mkdirSync(app);
  tarball = packed(work);
  project(app, tarball);
});
test.after(() => rmSync(work, { recursive: true, force: true }));

test("the command: help, verify in this thread and in others, doctor, and what is missing", () =>
  commandsWork(app, process.execPath, [join(own, "tools/chainmote.mjs")]));

test("what is exported is there, loads, and is what its types say", async () => {
  assert.is(manifest.private, undefined);
  for (const target of Object.values(manifest.exports).flatMap((to) => (typeof to === "string" ? [to] : Object.values(to))))
    if (!target.includes("*") && (target.startsWith("./dist/") || existsSync(join(root, target))))
      assert.ok(existsSync(join(own, target)), target);
  const use = `import { type SequenceVerdict, verifySequence, fromHex, Rejection } from "chainmote/verify";
import { openChain } from "chainmote/headers";
import { createDevice, VirtualClock } from "chainmote/sim";
const bytes = fromHex("00");
const verdict: SequenceVerdict = verifySequence(bytes instanceof Rejection ? new Uint8Array(0) : bytes);
// @ts-expect-error: a verdict is no number, so that this fails where there are no types
const none: number = verdict;
const chain = openChain({ consensus: "none" });
const clock = new VirtualClock();
const { device, close } = createDevice({ clock });
const ticks: number = device.clock.ticksMs();
close();
console.log(JSON.stringify([verdict.ok, verdict.fail, chain instanceof Rejection ? chain.code : "", ticks, typeof none]));
`;
  writeFileSync(join(app, "use.ts"), use);
  const options = { target: "es2022", module: "nodenext", types: ["node"], typeRoots: [join(root, "node_modules/@types")] };
  const compilerOptions = { ...options, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
  const types = await run(app, process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."]);
  assert.is(types.stdout, "");
  const used = await run(app, process.execPath, ["use.js"]);
  assert.is(used.stdout, '[false,1,"consensus-unsupported",0,"object"]\n', used.stderr);
});

test("chainmote new writes an application whose test passes, that a board runs, and nothing into a folder that holds anything", async () => {
  const command = join(own, "tools/chainmote.mjs");
  const made = await run(work, process.execPath, [command, "new", "an application", "--from", "1.2.3"]);
  assert.is(made.stdout.split("\n")[1], 'cd "an application" && npm install && npm test', made.stderr);
  const folder = join(work, "an application");
  const { name, dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.equal({ name, dependencies }, { name: "an-application", dependencies: { chainmote: "1.2.3" } });
  for (const tool of Object.keys(devDependencies)) assert.is(devDependencies[tool], versions[tool], tool);
  assert.ok(existsSync(join(folder, ".gitignore")) && existsSync(join(folder, ".github/workflows/test.yml")));
  project(folder, tarball, Object.keys(devDependencies));
  for (const words of [
    [join(root, "node_modules/typescript/bin/tsc")],
    ["--import", "tsx", "--import", "chainmote/sim/modules", "--test", "test/application.test.ts"],
  ]) {
    const tested = await run(folder, process.execPath, words);
    assert.is(tested.code, 0, tested.stdout + tested.stderr);
  }
  const broker = await LocalBroker.start();
  const words = [command, "board", "--app", folder, "--mqtt", broker.url, "--data", join(work, "board"), "--json", "--verbose"];
  const board = spawn(process.execPath, words, { cwd: work, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => board.once("close", resolve));
  let record = "";
  for await (const line of createInterface({ input: board.stdout })) {
    if (!line.includes('"event":"record"')) continue;
    record += line;
    board.kill("SIGINT");
  }
  await ended;
  await broker.close();
  assert.match(record, /"started 1"/);
  const again = await run(work, process.execPath, [command, "new", "an application"]);
  assert.is(again.code, 1);
  assert.match(again.stderr, /^chainmote new: an application is there already, and not empty\n$/);
});

test("that application is provisioned, updated, and in safe mode, as the standard mote is", async () => {
  const folder = join(work, "an application");
  const { config } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as { config: object };
  for (const [what, file, event] of [
    ["a blank board waits to be given a configuration", { serial: true, config: {} }, { event: "configuration", state: "open" }],
    ["safe mode", { chip: { nvs: "nvs-corrupt" }, config }, { event: "safe-mode", cause: "nvs-corrupt" }],
    ["it takes releases of an admin", { config: { ...config, update: { admin: "nobody" } } }, { event: "error", what: "start" }],
  ] as const) {
    const directory = join(work, `board of ${what}`);
    mkdirSync(directory);
    writeFileSync(join(directory, "board.json"), JSON.stringify(file));
    const events: BoardEvent[] = [];
    const onEvent = (one: BoardEvent): void => void events.push(one);
    const board = spawnBoard({ directory, firmware: join(folder, "main.ts"), onEvent, onText: () => undefined });
    const is = (one: BoardEvent): boolean =>
      Object.entries(event).every(([name, value]) => (one as Record<string, unknown>)[name] === value);
    await until(
      () => `${what}: ${JSON.stringify(events)}`,
      () => events.some(is),
    );
    if (event.event === "error") assert.match(String(events.find(is)?.detail), /^update\.admin: /);
    assert.not.ok(events.some((one) => one.event === "record" || (one.event === "key" && event.event === "safe-mode")));
    await board.kill();
  }
});

/** The commands of README.md's path, those of each block. */
function pathOfNewcomer(): readonly string[][] {
  const [, section = ""] =
    /^## From a clone to the first verified record\n([\s\S]*?)^## /m.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  return [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block]) =>
    (block as string)
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/\s+#\s.*$/, "")),
  );
}

/** Its words for the command, and its environment: `npm start` and `npm run native` are commands of that name in a clone. */
function wordsOf(line: string): { readonly words: readonly string[]; readonly env: NodeJS.ProcessEnv } {
  const [, variables = "", rest = ""] = /^((?:[A-Z_]+=\S+ )*)(.*)$/.exec(line) ?? [];
  const own = rest.replace(/^npm (?:run )?(start|native)( --)?/, "chainmote $1").replace(/^npx /, "");
  const [program, ...words] = own.split(/\s+/);
  assert.is(program, "chainmote", line);
  const env = Object.fromEntries(
    variables
      .trim()
      .split(" ")
      .filter((text) => text !== "")
      .map((text) => text.split("=") as [string, string]),
  );
  return { words, env };
}

test("a newcomer's path: two commands, and five on a board; each is taken, and what it lacks is a line that says where that comes from", async () => {
  const [simulated = [], onBoard = [], ...others] = pathOfNewcomer();
  assert.equal(others, []);
  assert.ok(simulated.length >= 1 && simulated.length <= 2, `${simulated.length} commands`);
  assert.ok(onBoard.length >= 1 && onBoard.length <= 5, `${onBoard.length} commands`);
  // As far as a command looks before it needs its tool.
  const folder = join(work, "a newcomer's");
  mkdirSync(folder);
  project(folder, tarball);
  writeFileSync(join(folder, "manifest.json"), "{}");
  writeImages(join(folder, "build/boards/esp32c3-dev"), "esp32c3");
  mkdirSync(join(folder, ".chainmote/boards/1"), { recursive: true });
  writeFileSync(
    join(folder, ".chainmote/boards/1/board.json"),
    JSON.stringify({ config: { collector: `0x${"c0".repeat(20)}` }, network: {} }),
  );
  const empty = join(work, "nothing");
  mkdirSync(empty);
  const said: string[] = [];
  for (const line of [...simulated, ...onBoard]) {
    const { words, env } = wordsOf(line);
    // Neither programs nor the SDK.
    const bare = { NO_COLOR: "1", PATH: empty, HOME: empty, ...env };
    const command = join(folder, "node_modules/chainmote/tools/chainmote.mjs");
    const { status, stderr } = spawnSync(process.execPath, [command, ...words], { cwd: folder, env: bare, encoding: "utf8" });
    assert.is(status, 1, `${line}: ${stderr}`);
    const lines = stderr.trimEnd().split("\n");
    said.push(...lines);
    for (const one of lines) {
      assert.ok(one.startsWith(`chainmote ${words[0]}: `), `${line}: ${one}`);
      if (words[0] !== "verify") assert.match(one, /npm install|xs-dev|apt install|chainmote native|npm run native/, line);
    }
    if (words[0] !== "build") assert.is(lines.length, 1, `${line}: ${stderr}`);
  }
  for (const tool of [/Moddable SDK/, /ESP-IDF/, /serialport/, /esptool-js/, /@ethereumjs\/client/])
    assert.ok(
      said.some((one) => tool.test(one)),
      String(tool),
    );
});

test("it imports its own dependencies and Node's modules, asks for no others than optional peers, and reads no lock", () => {
  const allowed = [...Object.keys(manifest.dependencies), ...builtinModules.flatMap((name) => [name, `node:${name}`])];
  const peers = Object.keys(manifest.peerDependencies);
  // What is the board's, or stands for it (host-sim/modules/table.json), and modules of an image.
  const board = /^(embedded:|mc\/|chainmote\/|firmware\/|host-sim\/|timer$|time$)/;
  const faults: string[] = [];
  for (const name of readdirSync(join(own, "dist"), { recursive: true, encoding: "utf8" })) {
    if (!/\.m?js$/.test(name)) continue;
    const code = readFileSync(join(own, "dist", name), "utf8").replace(/^\s*(\/\/|\*).*$/gm, "");
    for (const [, form, specifier = ""] of code.matchAll(
      /(?:^|[^.\w])(from|import|import\(|require\()\s*"([.@a-z][\w@./:-]*)"/g,
    )) {
      if (specifier.startsWith(".")) {
        assert.ok(existsSync(join(own, "dist", name, "..", specifier)), `${name} imports ${specifier}`);
        continue;
      }
      const wanted = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "";
      const isPeer = form === "import(" && peers.includes(wanted);
      if (!allowed.includes(wanted) && !isPeer && !board.test(specifier)) faults.push(`${name}: ${form} ${specifier}`);
    }
    if (/package-lock|setup\.mjs/.test(code)) faults.push(`${name}: knows of the lock`);
  }
  assert.equal(faults, []);
  assert.equal(
    peers.filter((name) => manifest.peerDependenciesMeta[name]?.optional !== true),
    [],
  );
  for (const name of peers) assert.is(manifest.devDependencies[name], manifest.peerDependencies[name], `${name} in a clone`);
});

test("it holds what a board is built of, and nothing of ours alone", () => {
  const names = execFileSync("find", [".", "-type", "f"], { cwd: own, encoding: "utf8" }).replace(
    /^\.\/tools\/new\/application\/.*\n/gm,
    "",
  );
  for (const needed of [
    "./manifest.json",
    "./firmware/main.ts",
    "./firmware/crypto/native/k1.c",
    "./host-sim/xs/src/main.c",
    "./dist/tools/page/browser/index.html",
  ])
    assert.ok(names.includes(`${needed}\n`), needed);
  assert.not.match(names, /\.test\.|\/test\/|package-lock|tsconfig|\.tgz|\/\.[a-z]/);
  // What stands for a chip's ROM in tests, and a demonstration of a clone's.
  assert.not.match(names, /rom-bootloader|\/demo\//);
});

test.run();
