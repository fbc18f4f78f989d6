// Commands to a mote in a process of its own, by the command line: a real Ethereum node with the registry, a real broker, a real relay; in an
// ESP32-C3's memory, too. What the registry does not name is not obeyed, and what it names no more neither.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { firmwareOf, type GuestEngine, guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardProcess, type Reset, spawnBoard } from "../../host-sim/engine/node.js";
import { libraryPreloads } from "../../host-sim/engine/xs-image.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { main } from "../../tools/cli.js";
import { Account, type Contract } from "../../tools/contracts/account.js";
import { deployRegistry } from "../../tools/contracts/registry.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { Relay } from "../../tools/relay/relay.js";
import { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { writeBoardFile } from "../../tools/start/board-file.js";
import { type LocalChain, openLocalChain } from "../../tools/start/local-chain.js";
import type { Output } from "../../tools/terminal.js";
import { until } from "../patience.js";

const FIRMWARE = fileURLToPath(new URL("fixtures/commands.ts", import.meta.url));
const EXPIRY = 1_000_000;
const FRESH_S = 5;
const folder = mkdtempSync(join(tmpdir(), "chainmote-commands-"));
const KEY = join(folder, "commander.key");
const test = suite("commands");

let chain: LocalChain;
let broker: LocalBroker;
let sntp: SntpServer;
let relay: Relay;
let account: Account;
let registry: Contract;
let checkpoint: object;
const running = new Set<BoardProcess>();

class Board {
  readonly events: BoardEvent[] = [];
  readonly texts: string[] = [];
  readonly #directory: string;
  readonly #engine: GuestEngine | undefined;
  process: BoardProcess;

  constructor(name: string, engine?: GuestEngine) {
    this.#directory = join(folder, name);
    this.#engine = engine;
    writeBoardFile(this.#directory, {
      checkpoint,
      fleet: { registry: registry.address, chain: chain.chain },
      collector: new Uint8Array(20).fill(1),
      mqtt: broker.url,
      prefix: "",
      sntp: sntp.endpoint,
      sampleMs: 2_000,
      base: { ledger: { intervalMs: 2_000, freshS: FRESH_S } },
    });
    this.process = this.start("power-on");
  }

  start(reset: Reset): BoardProcess {
    this.process = spawnBoard({
      directory: this.#directory,
      reset,
      ...(this.#engine === undefined ? { firmware: FIRMWARE } : { engine: this.#engine }),
      onEvent: (event) => void this.events.push(event),
      onText: (text) => void this.texts.push(text),
    });
    running.add(this.process);
    return this.process;
  }

  of(event: string): BoardEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  get address(): string {
    return String(this.of("key")[0]?.address).toLowerCase();
  }

  async saw(what: string, condition: () => boolean): Promise<void> {
    const tail = (): string =>
      [...this.events.slice(-12).map((event) => JSON.stringify(event)), ...this.texts.slice(-5)].join("\n");
    await until(() => `${what}\n${tail()}`, condition);
  }

  /** What the command line said: the answer, or why there is none. */
  async command(...words: readonly string[]): Promise<Record<string, unknown>> {
    const out: string[] = [];
    const err: string[] = [];
    const output: Output = {
      line: (text = "") => void out.push(text),
      error: (text) => void err.push(text),
      style: (_, text) => text,
    };
    const fleet = `0x${toHex(registry.address)}@${chain.chain}`;
    await main(["command", this.address, ...words, "--key", KEY, "--fleet", fleet, "--mqtt", broker.url, "--json"], output);
    return out[0] === undefined ? { error: err.join("\n") } : (JSON.parse(out[0]) as Record<string, unknown>);
  }
}

test.before(async () => {
  chain = await openLocalChain("clique", { directory: join(folder, "node"), periodS: 1, onEnd: () => undefined });
  await chain.ready();
  checkpoint = await chain.checkpoint();
  broker = await LocalBroker.start();
  sntp = await SntpServer.start();
  relay = new Relay({ rpc: chain.url, mqtt: broker.url, prefix: "", chain: chain.chain, onEvent: () => undefined });
  account = new Account(new JsonRpc(chain.url), KeyFile.openOrCreate(join(folder, "node", "signer.key")));
  registry = await deployRegistry(account, account.address, new Uint8Array(20));
});

test.after(async () => {
  for (const process of running) await process.kill();
  await relay.close();
  await broker.close();
  await sntp.close();
  await chain.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A commander that the registry does not name, names, and names no more. */
async function life(board: Board): Promise<void> {
  const commander = KeyFile.openOrCreate(KEY).address;
  await board.saw("its own place is proven", () => board.of("registry").length > 0);
  const stranger = await board.command("interval", "1000", "--timeout", "8", "--blocks", "5");
  assert.match(String(stranger.error), /no answer in 8 s; it may still be done until block/);
  assert.equal(board.of("command"), []);
  await registry.send(account, "setCommander", commander, EXPIRY);
  const interval = await board.command("interval", "1000", "--timeout", "120");
  assert.is(interval.outcome, "done", JSON.stringify(interval));
  const read = await board.command("read", "--timeout", "120");
  assert.is(read.outcome, "done", JSON.stringify(read));
  assert.match(String((read.values as string[])[0]), /^temperature /);
  const ended = board.process.exited;
  const rebooting = board.command("reboot", "--timeout", "240");
  await ended;
  running.delete(board.process);
  board.start("software");
  assert.is((await rebooting).outcome, "done");
  assert.equal(
    board.of("boot").map(({ boot }) => boot),
    [1, 2],
  );
  const { blockNumber } = await registry.send(account, "removeCommander", commander);
  // What was proven of it before is held for good for so long, and no longer.
  await board.saw("blocks", () => Number(board.of("head").at(-1)?.number) > blockNumber + 2 * FRESH_S);
  const before = board.of("refused").filter(({ code }) => code === "command-stranger").length;
  const former = await board.command("interval", "1500", "--timeout", "20");
  assert.match(String(former.error), /no answer/);
  await board.saw(
    "it is a stranger",
    () => board.of("refused").filter(({ code }) => code === "command-stranger").length > before,
  );
  assert.is(board.of("command").length, 3);
}

test("the registry's commander is obeyed and answered; before he is named, and after, he is not", async () => {
  const board = new Board("mote");
  await life(board);
  await board.process.stop();
});

/** The engine with the fixture, whose features are preloaded as their manifests say. */
async function smallEngine(): Promise<GuestEngine | { readonly missing: string }> {
  const engine = await guestEngine({ target: "m32", memory: "esp32c3", firmware: FIRMWARE });
  if ("missing" in engine) return engine;
  const { modules, preload } = firmwareOf(engine);
  const file = join(folder, "modules.json");
  writeFileSync(file, JSON.stringify({ modules, preload: [...preload, ...libraryPreloads("firmware/command/manifest.json")] }));
  return { ...engine, modules: file };
}

const engine = await smallEngine();
if ("missing" in engine) console.log(`skipped: ${engine.missing}`);
("missing" in engine ? test.skip : test)("in an ESP32-C3's memory: the same", async () => {
  const board = new Board("small", engine as GuestEngine);
  await life(board);
  await board.process.stop();
});

test.run();
