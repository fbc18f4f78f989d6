// A board in a process of its own takes releases by the command line over a real broker, with a real collector: from what was
// flashed to v2, then a v3 that ends as soon as it boots, and back to v2, which says why and goes on. On Node by HTTP, and in an
// ESP32-C3's memory, where simulated boards have no sockets but MQTT's, over the broker.

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { type GuestEngine, guestEngine } from "../../host-sim/engine/engines.js";
import { type BoardEvent, type BoardProcess, type Reset, spawnBoard } from "../../host-sim/engine/node.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { main } from "../../tools/cli.js";
import { Collector } from "../../tools/collector/collector.js";
import { openPglite } from "../../tools/collector/database.js";
import { RecordStore } from "../../tools/collector/store.js";
import { engine } from "../../tools/crypto/engine.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { LocalBroker } from "../../tools/mqtt/broker.js";
import { writeBoardFile } from "../../tools/start/board-file.js";
import type { Output } from "../../tools/terminal.js";
import { accounts, CliqueChain } from "../chains/clique-generator.js";
import { until } from "../patience.js";

const V2 = fileURLToPath(new URL("fixtures/update.ts", import.meta.url));
const CRASH = fileURLToPath(new URL("fixtures/crash.ts", import.meta.url));
const CHAIN = "eip155:1337";
const FLEET = { registry: new Uint8Array(20).fill(0xf1), chain: CHAIN };
const FLEET_TEXT = `0x${toHex(FLEET.registry)}@${CHAIN}`;
const FLASH = { journal: 0x40000, otadata: 0x2000, ota_0: 0x40000, ota_1: 0x40000 };
const folder = mkdtempSync(join(tmpdir(), "chainmote-update-"));
const ADMIN = join(folder, "admin.key");
const test = suite("update");

let broker: LocalBroker;
let sntp: SntpServer;
/** Each image by its digest. */
const files = new Map<string, Uint8Array>();
let ranges = 0;
const web = createServer((request, response) => {
  const file = files.get((request.url ?? "").slice(1));
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (file === undefined || from === undefined) {
    response.writeHead(404).end();
    return;
  }
  ranges += 1;
  const bytes = file.subarray(Number(from), Number(to) + 1);
  response.writeHead(206, { "content-length": bytes.length, "content-range": `bytes ${from}-${to}/${file.length}` }).end(bytes);
});
const stores: RecordStore[] = [];
const collectors: Collector[] = [];
let checkpoint: object;
const boards: Board[] = [];

test.before(async () => {
  broker = await LocalBroker.start();
  sntp = await SntpServer.start();
  await new Promise<void>((listening) => void web.listen(0, "127.0.0.1", listening));
  const key = KeyFile.openOrCreate(join(folder, "collector.key"));
  // No node is there: records are stored, and their heads wait.
  const common = { key, engine, mqtt: broker.url, rpc: "http://127.0.0.1:9", chain: CHAIN };
  for (const name of ["node", "small"]) {
    const store = await RecordStore.open(await openPglite());
    stores.push(store);
    collectors.push(new Collector({ ...common, store, prefix: `${name}/` }));
  }
  const timeS = Math.floor(Date.now() / 1000) - 1000;
  const chain = new CliqueChain({ signers: accounts(3), periodS: 1, londonBlock: 0, timeS });
  const rules = { chain: CHAIN, periodS: 1, epoch: 30_000, londonBlock: 0 };
  checkpoint = cliqueCheckpointFromGenesis(engine, chain.genesis.raw, rules);
});

test.after(async () => {
  for (const board of boards) await board.off();
  for (const collector of collectors) await collector.close();
  for (const store of stores) await store.close();
  await broker.close();
  await sntp.close();
  web.closeAllConnections();
  web.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A board that is started again whenever its process ends, as a chip is. */
class Board {
  readonly events: BoardEvent[] = [];
  readonly texts: string[] = [];
  readonly #directory: string;
  readonly #engine: GuestEngine | undefined;
  #off = false;
  #process: BoardProcess | undefined;

  constructor(name: string, guest?: GuestEngine) {
    this.#directory = join(folder, name);
    this.#engine = guest;
    const admin = KeyFile.openOrCreate(ADMIN).address;
    writeBoardFile(this.#directory, {
      checkpoint,
      fleet: FLEET,
      collector: KeyFile.openOrCreate(join(folder, "collector.key")).address,
      mqtt: broker.url,
      prefix: `${name}/`,
      sntp: sntp.endpoint,
      sampleMs: 2_000,
      base: {
        update: {
          admin: `0x${toHex(admin)}`,
          ...(guest !== undefined ? {} : { http: { host: "127.0.0.1", port: portOf(web) } }),
        },
      },
    });
    const file = join(this.#directory, "board.json");
    const content = JSON.parse(readFileSync(file, "utf8")) as object;
    writeFileSync(file, JSON.stringify({ ...content, flash: { partitions: FLASH } }));
    boards.push(this);
    void this.#live();
  }

  async #live(): Promise<void> {
    for (let reset: Reset = "power-on"; !this.#off; reset = "software") {
      this.#process = spawnBoard({
        directory: this.#directory,
        reset,
        ...(this.#engine === undefined ? {} : { engine: this.#engine }),
        onEvent: (event) => void this.events.push(event),
        onText: (text) => void this.texts.push(text),
      });
      await this.#process.exited;
    }
  }

  async off(): Promise<void> {
    this.#off = true;
    await this.#process?.stop();
  }

  of(event: string): BoardEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  said(): string[] {
    return this.of("update").map(({ state, reason }) => `${state}${reason === undefined ? "" : ` (${reason})`}`);
  }

  async saw(what: string, condition: () => boolean): Promise<void> {
    const tail = (): string =>
      [...this.events.slice(-15).map((event) => JSON.stringify(event)), ...this.texts.slice(-8)].join("\n");
    await until(() => `${what}\n${tail()}`, condition);
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** The command line. */
async function release(...words: readonly string[]): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const output: Output = {
    line: (text = "") => void lines.push(text),
    error: (text) => void lines.push(text),
    style: (_, text) => text,
  };
  return { code: await main(["release", ...words], output), lines };
}

async function life(name: string, guest?: GuestEngine): Promise<void> {
  const images = { v2: join(folder, `${name}-v2.bin`), v3: join(folder, `${name}-v3.bin`) };
  for (const [main, out] of [
    [V2, images.v2],
    [CRASH, images.v3],
  ] as const) {
    assert.is((await release("--simulated", main, "--board", "esp32c3", "--out", out)).code, 0);
    const file = readFileSync(out);
    files.set(createHash("sha256").update(file).digest("hex"), file);
  }
  const board = new Board(name, guest);
  const common = ["--board", "esp32c3", "--key", ADMIN, "--fleet", FLEET_TEXT, "--mqtt", broker.url, "--prefix", `${name}/`];
  await board.saw("a record is stored", () => board.of("stored").length > 0);
  const first = await release(images.v2, ...common, "--sequence", "1", "--motes", "1", "--json");
  assert.is(first.code, 0, first.lines.join("\n"));
  assert.equal(board.said(), ["receiving", "restarting", "proving", "valid"]);
  assert.is(board.of("app").at(-1)?.version, 2, "v2 runs");
  const second = await release(images.v3, ...common, "--sequence", "2", "--motes", "1");
  assert.is(second.code, 1, second.lines.join("\n"));
  assert.match(second.lines.join("\n"), /failed \(reset\)/);
  assert.equal(board.said().slice(4), ["receiving", "restarting", "rolled-back (reset)"]);
  const stored = board.of("stored").length;
  await board.saw("records go on", () => board.of("stored").length > stored + 1);
  const addresses = new Set(board.of("key").map(({ address }) => address));
  assert.is(addresses.size, 1, "one key through all of it");
  // Without a loop: nothing is begun again.
  assert.is(board.said().length, 7);
  const { length: bytes } = readFileSync(images.v2);
  assert.ok(guest !== undefined || ranges >= Math.ceil(bytes / 2_048), `${ranges} ranges by HTTP`);
  await board.off();
}

test("from what was flashed to v2, and back from a v3 that does not boot", async () => {
  await life("node");
});

const small = await guestEngine({ target: "m32", memory: "esp32c3" });
if ("missing" in small) console.log(`skipped: ${small.missing}`);
("missing" in small ? test.skip : test)("in an ESP32-C3's memory: the same, over the broker", async () => {
  await life("small", small as GuestEngine);
});

test.run();
