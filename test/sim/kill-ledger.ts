// kill -9 of real processes at random moments of signing, sending, confirming, anchoring, trimming and commanding: `npm start --anchor` with its
// board, a broker, commanders one after the other, and a board of the test's own beside it, with a small journal, that pays somebody again
// and again. Judged in the end by facts alone (kill-ledger-facts.ts).

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { fromHex, toHex } from "../../firmware/bytes.js";
import { commandTopicsOf } from "../../firmware/command/message.js";
import { type BoardEvent, type BoardProcess, type Reset, spawnBoard } from "../../host-sim/engine/node.js";
import { Prng } from "../../host-sim/world/prng.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { Account } from "../../tools/contracts/account.js";
import { KeyFile } from "../../tools/crypto/key-file.js";
import { EthereumRpc } from "../../tools/ethereum/rpc.js";
import { BrokerLink } from "../../tools/mqtt/link.js";
import { pause, until } from "../patience.js";
import {
  anchoredRecords,
  answersOf,
  Calls,
  judgeLeft,
  type Kept,
  type Left,
  leftIn,
  minedBy,
  readChain,
  readExport,
} from "./kill-ledger-facts.js";
import { Program, type SystemLine, startBroker } from "./system-run.js";

const FIRMWARE = fileURLToPath(new URL("fixtures/paying.ts", import.meta.url));
const SAMPLE_MS = 250;
/** Small, so that it is trimmed soon: some 70 records. */
const JOURNAL_BYTES = 8 * 4096;
const PAUSE_MS_MAX = 2500;
/** Looking for a process is not cheap. */
const PS_MS = 250;
const ETHER = 10n ** 18n;
/** Commands that are sent again after each kill, the newest first. */
const REPLAYED_MAX = 8;
const STANDARD = "mote 1";

type Victim = "board" | "standard" | "collector" | "broker" | "commander" | "all";
const VICTIMS: readonly Victim[] = ["board", "collector", "all", "board", "broker", "board", "commander", "standard"];

export interface KillResult {
  readonly records: number;
  readonly trimmed: number;
  readonly payments: number;
  readonly anchors: number;
  readonly commands: number;
  readonly reboots: number;
}

/** Digests of records that a mote said it had made, by seq. */
class Made {
  readonly digests = new Map<number, string>();
  address = "";
  settled = 0;
  anchoredThrough = 0;

  take({ event, ...fields }: BoardEvent | SystemLine): void {
    if (event === "error") throw new Error(JSON.stringify(fields));
    if (event === "key") {
      assert.ok(this.address === "" || this.address === fields.address, "one key, made once");
      this.address = String(fields.address);
    }
    if (event === "head") this.settled = Math.max(this.settled, Number(fields.settled));
    if (event === "anchored") this.anchoredThrough = Math.max(this.anchoredThrough, Number(fields.through));
    if (event !== "record") return;
    const seq = Number(fields.seq);
    assert.is(this.digests.get(seq) ?? fields.digest, fields.digest, `seq ${seq} has one payload`);
    this.digests.set(seq, String(fields.digest));
  }

  get last(): number {
    return Math.max(0, ...this.digests.keys());
  }
}

/** The board of the test's own: whatever ends its process, its flash is looked at before it starts again. */
class PayingBoard {
  readonly made = new Made();
  readonly left: Left[] = [];
  readonly texts: string[] = [];
  /** How often it ended by itself, in good order. */
  reboots = 0;
  stored = 0;
  readonly #directory: string;
  #running: BoardProcess | undefined;
  #fault: unknown;

  constructor(directory: string) {
    this.#directory = directory;
  }

  start(reset: Reset = "power-on"): void {
    const board = spawnBoard({
      ...{ directory: this.#directory, firmware: FIRMWARE, reset },
      onEvent: (event) => this.take(event),
      onText: (text) => void this.texts.push(text),
    });
    this.#running = board;
    void board.exited.then((code) => {
      if (this.#running !== board) return;
      if (code !== 0) this.#fault ??= new Error(`the board ended with ${code}: ${this.texts.slice(-5).join(" / ")}`);
      this.reboots += 1;
      this.look();
      this.start("software");
    });
  }

  private take(event: BoardEvent): void {
    appendFileSync(join(this.#directory, "board.log"), `${JSON.stringify(event)}\n`);
    try {
      this.made.take(event);
    } catch (error) {
      this.#fault ??= error;
    }
    if (event.event === "stored") this.stored += 1;
  }

  /** Throws what its events have shown. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Waits until `condition` holds; throws what its events have shown. */
  async until(what: string, condition: () => boolean): Promise<void> {
    await until(what, () => {
      this.check();
      return condition();
    });
  }

  async kill(): Promise<void> {
    const board = this.#running;
    this.#running = undefined;
    await board?.kill();
    this.look();
  }

  async stop(): Promise<void> {
    const board = this.#running;
    this.#running = undefined;
    await board?.stop();
    this.look();
  }

  private look(): void {
    const image = join(this.#directory, "flash/journal.bin");
    const left = existsSync(image) ? leftIn(image, this.made.digests, this.made.settled) : undefined;
    if (left !== undefined) this.left.push(left);
  }
}

class Killing {
  readonly #data: string;
  readonly #prng: Prng;
  readonly #payer: PayingBoard;
  readonly #calls = new Calls();
  /** Commands that went over the broker, each once. */
  readonly #commands = new Set<string>();
  /** Outcomes that a commander was told, by counter. */
  readonly #told = new Map<number, unknown>();
  readonly #before: Program[] = [];
  #system: Program;
  #broker: Awaited<ReturnType<typeof startBroker>>;
  readonly #sntp: SntpServer;
  #watch: BrokerLink | undefined;
  #commander: Program | undefined;
  #orders = 0;
  #rebootOrders = 0;
  #over = false;
  #fault: unknown;

  static async begin(folder: string, seed: number): Promise<Killing> {
    return new Killing(folder, seed, await startBroker(), await SntpServer.start());
  }

  private constructor(folder: string, seed: number, broker: Awaited<ReturnType<typeof startBroker>>, sntp: SntpServer) {
    this.#data = join(folder, "data");
    this.#prng = new Prng(seed);
    this.#broker = broker;
    this.#sntp = sntp;
    this.#payer = new PayingBoard(join(folder, "payer"));
    this.#system = this.start();
    mkdirSync(join(folder, "payer"));
  }

  private start(): Program {
    const words = ["start", "--json", "--verbose", "--data", this.#data, "--anchor", "--sample", String(SAMPLE_MS)];
    return new Program(words, { MQTT_URL: this.#broker.url });
  }

  private get programs(): readonly Program[] {
    return [...this.#before, this.#system];
  }

  private last(event: string): SystemLine {
    return this.programs.flatMap((program) => program.of(event, "start")).at(-1) as SystemLine;
  }

  /** Until the board beside it has been paid, has paid, is commanded, and has had an anchor. */
  async prepare(): Promise<void> {
    await this.#system.until("the fleet is there", () => this.#system.of("registry", "registrar").length > 0);
    this.writeBoard();
    this.#payer.start();
    await this.#payer.until("a board beside the system's", () => this.#payer.made.address !== "");
    const mote = fromHex(this.#payer.made.address) as Uint8Array;
    const account = new Account(new EthereumRpc(String(this.last("node").rpc)), KeyFile.openOrCreate(this.key("reporter")));
    await account.pay(mote, ETHER);
    const { commands } = commandTopicsOf("", mote);
    const calls = `chains/${String(this.last("fleet").chain)}/transactions`;
    this.#watch = new BrokerLink({
      ...{ url: this.#broker.url, role: "watch", subscriptions: [commands, calls] },
      onMessage: (topic, message) => {
        if (topic === commands) this.#commands.add(toHex(message));
        else this.#calls.submitted(message);
      },
      onFault: (_, error) => {
        this.#fault ??= error;
      },
    });
    await this.#payer.until("an anchor", () => this.#payer.made.anchoredThrough > 0);
  }

  private key(name: string): string {
    return join(this.#data, "keys", `${name}.key`);
  }

  /** As the system's own board has it, but for its seed, its clock and its journal. */
  private writeBoard(): void {
    const json = JSON.parse(readFileSync(join(this.#data, "boards/1/board.json"), "utf8"));
    const network = { ...json.network, "time.lab:123": this.#sntp.endpoint };
    const board = { ...json, network, seed: "the paying board", flash: { partitions: { journal: JOURNAL_BYTES } } };
    writeFileSync(join(this.#data, "../payer/board.json"), JSON.stringify(board));
  }

  /** One command after the other, each of a process of its own. */
  async command(): Promise<void> {
    while (!this.#over) {
      await pause(this.#prng.real() * 1000);
      const order = this.order();
      const { registry, chain } = this.last("fleet");
      const named = [
        "--key",
        this.key("commander"),
        "--fleet",
        `${String(registry)}@${String(chain)}`,
        "--mqtt",
        this.#broker.url,
      ];
      const commander = new Program(["command", this.#payer.made.address, ...order, ...named, "--json", "--timeout", "280"]);
      this.#commander = commander;
      const code = await commander.ended;
      this.#commander = undefined;
      if (code === 137) continue;
      assert.ok(code === 0 || code === 1, `${order.join(" ")}: ${commander.errors.join(" / ")}`);
      const [answer] = commander.events as unknown as { counter: number; outcome: unknown }[];
      assert.ok(answer, `${order.join(" ")}: ${commander.errors.join(" / ")}`);
      this.#told.set(answer.counter, answer.outcome);
    }
  }

  private order(): readonly string[] {
    this.#orders += 1;
    if (this.#orders % 4 === 2) {
      this.#rebootOrders += 1;
      return ["reboot"];
    }
    return this.#orders % 2 === 0 ? ["read"] : ["interval", String(SAMPLE_MS - 50 + this.#prng.below(100))];
  }

  /** Whoever can publish sends old commands again. */
  private replay(): void {
    const { commands } = commandTopicsOf("", fromHex(this.#payer.made.address) as Uint8Array);
    for (const message of [...this.#commands].slice(-REPLAYED_MAX).reverse())
      void this.#watch?.publish(commands, fromHex(message) as Uint8Array, { qos: 1 });
  }

  async kills(count: number): Promise<void> {
    for (let kill = 0; kill < count; kill += 1) {
      const stored = this.#payer.stored;
      await this.#payer.until("a record is made and stored", () => this.#payer.stored > stored);
      this.replay();
      await pause(this.#prng.real() * PAUSE_MS_MAX);
      await this.kill(VICTIMS[kill % VICTIMS.length] as Victim);
      if (this.#fault !== undefined) throw this.#fault;
    }
  }

  private async kill(victim: Victim): Promise<void> {
    const back = (): Promise<void> => pause(this.#prng.real() * PAUSE_MS_MAX);
    if (victim === "board") {
      await this.#payer.kill();
      this.#payer.start();
    } else if (victim === "broker") {
      await this.#broker.program.kill();
      await back();
      this.#broker = await startBroker(this.#broker.port);
    } else if (victim === "commander") await this.#commander?.kill();
    else if (victim === "all") {
      const all = [this.#system.kill(), this.#broker.program.kill(), this.#payer.kill()];
      await Promise.all([...all, this.#commander?.kill()]);
      this.#before.push(this.#system);
      this.#broker = await startBroker(this.#broker.port);
      this.#system = this.start();
      this.#payer.start();
    } else {
      const part = victim === "standard" ? "board" : victim;
      await this.#system.until(`there is a ${part} to kill`, () => this.#system.killPart(part), PS_MS);
    }
  }

  /** Until all that was made by now is anchored, by the word of the motes. */
  async end(commanding: Promise<void>): Promise<void> {
    this.#over = true;
    await commanding;
    const last = this.takeStandard().last;
    const lastOfPayer = this.#payer.made.last;
    await this.#system.until(`record ${last} is anchored`, () => this.takeStandard().anchoredThrough >= last, PS_MS);
    await this.#payer.until(`record ${lastOfPayer} is anchored`, () => this.#payer.made.anchoredThrough >= lastOfPayer);
  }

  private takeStandard(): Made {
    const made = new Made();
    for (const program of this.programs) for (const line of program.events) if (line.source === STANDARD) made.take(line);
    return made;
  }

  async judge(): Promise<KillResult> {
    const standard = this.takeStandard();
    const [last, lastOfPayer] = [standard.anchoredThrough, this.#payer.made.anchoredThrough];
    await this.#payer.stop();
    const chain = await readChain(String(this.last("node").rpc));
    const [collector, contract] = [String(this.last("collector").address), String(this.last("anchor").contract)];
    assert.is(await this.#system.stop(), 0, this.#system.errors.join("\n"));
    this.#payer.check();
    if (this.#fault !== undefined) throw this.#fault;
    const kept = readExport(join(this.#data, "records.cborseq"));
    const anchors = await anchoredRecords(join(this.#data, "anchored"), contract, chain, kept);
    for (const [made, through] of [
      [standard, last],
      [this.#payer.made, lastOfPayer],
    ] as const)
      for (const [seq, digest] of made.digests) {
        if (seq > through) continue;
        assert.ok(kept.has(digest), `record ${seq} of ${made.address} is stored`);
        assert.ok(anchors.has(digest), `record ${seq} of ${made.address} is anchored`);
      }
    const trimmed = judgeLeft(this.#payer.left, anchors);
    const own = new Set(this.#payer.made.digests.values());
    return {
      records: kept.size,
      trimmed,
      ...this.judgeCommands([...kept.values()].filter(({ digest }) => own.has(digest))),
      ...this.judgeCalls(chain, collector, contract),
    };
  }

  private judgeCommands(records: readonly Kept[]): Pick<KillResult, "commands" | "reboots"> {
    const answers = answersOf(records);
    for (const [counter, outcome] of this.#told)
      assert.is(
        ["done", "refused", "interrupted", "expired"][answers.get(counter)?.outcome ?? -1],
        outcome,
        `command ${counter}`,
      );
    assert.ok(this.#payer.reboots <= this.#rebootOrders, `${this.#payer.reboots} reboots, ${this.#rebootOrders} commanded`);
    return { commands: answers.size, reboots: this.#payer.reboots };
  }

  /** Each nonce has carried one call, no amount was paid twice, and each tree was anchored once. */
  private judgeCalls(
    chain: Awaited<ReturnType<typeof readChain>>,
    collector: string,
    contract: string,
  ): Pick<KillResult, "payments" | "anchors"> {
    const payments = minedBy(chain, this.#payer.made.address.toLowerCase());
    for (const { nonce, to, value, input } of payments)
      this.#calls.take(Number(nonce), String(to).toLowerCase().replace(/^0x/, ""), BigInt(value), input.replace(/^0x/, ""));
    const paid = payments.map(({ value }) => Number(value));
    assert.is(new Set(paid).size, paid.length, "no payment twice");
    const anchored = minedBy(chain, collector.toLowerCase());
    for (const { to } of anchored) assert.is(String(to).toLowerCase(), contract.toLowerCase());
    const roots = anchored.filter(({ succeeded }) => succeeded).map(({ input }) => input);
    assert.is(new Set(roots).size, roots.length, "no root twice");
    assert.ok(
      anchored.every(({ succeeded, input }) => succeeded || roots.includes(input)),
      "what failed was there already",
    );
    return { payments: payments.length, anchors: roots.length };
  }

  async close(): Promise<void> {
    this.#over = true;
    await Promise.all([this.#watch?.close(), this.#payer.kill(), this.#commander?.kill(), this.#sntp.close()]);
    await Promise.all([this.#system.kill(), this.#broker.program.kill()]);
  }
}

/** So many kills; throws, and says the seed, where anything does not hold. */
export async function killLedger(seed: number, kills: number): Promise<KillResult> {
  const folder = mkdtempSync(join(tmpdir(), "chainmote-kill-ledger-"));
  const killing = await Killing.begin(folder, seed);
  try {
    await killing.prepare();
    const commanding = killing.command();
    // Its fault is thrown where it is waited for.
    commanding.catch(() => undefined);
    await killing.kills(kills);
    await killing.end(commanding);
    const result = await killing.judge();
    rmSync(folder, { recursive: true, force: true });
    return result;
  } catch (error) {
    console.log(`SEED=${seed}`);
    throw error;
  } finally {
    await killing.close();
  }
}
