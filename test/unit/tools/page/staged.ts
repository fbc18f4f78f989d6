// A page over a stage that a test owns: a real broker, a real chain of headers, records that decode; what boards and collector would say is said by the test.
//
// Promises: headers are sealed, and records are bytes as motes publish them; their signatures are none where `signs` is not asked for, since the page takes the
// collector's word for those. Never: a board's process, or a node.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeHealth } from "../../../../firmware/bus/wire.js";
import { toHex } from "../../../../firmware/bytes.js";
import { cliqueCheckpointFromGenesis } from "../../../../firmware/chain/clique/checkpoint.js";
import { digestOf, encodeSign1 } from "../../../../firmware/record/cose.js";
import { decimal } from "../../../../firmware/record/decimal.js";
import { encodeRecord } from "../../../../firmware/record/record.js";
import { engine } from "../../../../tools/crypto/engine.js";
import { LocalBroker } from "../../../../tools/mqtt/broker.js";
import { Page } from "../../../../tools/page/page.js";
import type { SystemEvent } from "../../../../tools/start/screen.js";
import type { Stage } from "../../../../tools/start/system.js";
import { held } from "../../../chains/clique-fixture.js";
import { accounts, type Block, CliqueChain } from "../../../chains/clique-generator.js";
import { until } from "../../../patience.js";

const CHAIN = "eip155:1337";
const SAMPLE_S = 2;
const NO_SIGNATURE = new Uint8Array(64).fill(1);

/** Where the events of a replay go, and what is published in it. */
export interface Sink {
  take(source: string, event: SystemEvent): void;
  published(mote: string, message: Uint8Array): void;
  announced(raw: Uint8Array): void;
}

interface ReplayedBoard {
  readonly id: number;
  readonly address: Uint8Array;
  readonly mote: string;
  seq: number;
  prev: Uint8Array;
}

export interface MadeRecord {
  readonly mote: string;
  readonly seq: number;
  readonly stream: number;
  readonly digest: string;
}

/** What a fleet would say and publish, as fast as the test turns it. */
export class Replay {
  readonly boards: readonly ReplayedBoard[];
  readonly #sink: Sink;
  readonly #chain: CliqueChain;
  head: Block;
  nowS: number;

  /** @param beginS when the first block is dated, in seconds since the Unix epoch */
  constructor(sink: Sink, count: number, beginS: number) {
    this.#sink = sink;
    this.#chain = new CliqueChain({ signers: accounts(3), periodS: 1, timeS: beginS });
    this.head = this.#chain.genesis;
    this.nowS = beginS;
    this.boards = Array.from({ length: count }, (_, i) => {
      const address = engine.sha256(Uint8Array.of(i, 77)).subarray(0, 20);
      return { id: i + 1, address, mote: `0x${toHex(address)}`, seq: 0, prev: new Uint8Array(32) };
    });
  }

  get checkpoint(): object {
    const { genesis, periodS, epoch } = this.#chain;
    return held(cliqueCheckpointFromGenesis(engine, genesis.raw, { chain: CHAIN, periodS, epoch }));
  }

  say(id: number, event: SystemEvent): void {
    this.#sink.take(`mote ${id}`, event);
  }

  boot(id: number): void {
    const { mote, seq } = this.boards[id - 1] as ReplayedBoard;
    this.say(id, {
      event: "boot",
      boot: 1,
      origin: "store",
      stream: 0,
      nextSeq: seq + 1,
      pending: 0,
      passed: 0,
      chain: CHAIN,
      head: 0,
    });
    this.say(id, { event: "key", address: mote, created: true });
    this.say(id, { event: "time", timeQuality: 2, timeS: this.nowS });
    this.say(id, { event: "link", state: "up" });
  }

  /** The chain's next block, announced, and verified by those boards. */
  block(ids: readonly number[] = this.boards.map(({ id }) => id), vote?: { account: Uint8Array; authorize: boolean }): void {
    this.head = this.#chain.child(this.head, undefined, { afterS: 1, ...(vote === undefined ? {} : { vote }) });
    this.nowS = this.head.timeS;
    const { raw, number, hash, timeS } = this.head;
    this.#sink.announced(raw);
    for (const id of ids)
      this.say(id, { event: "head", number, hash: toHex(hash), timeS, settled: Math.max(0, number - 2), verified: 1 });
  }

  /** A board signs a record, and publishes it. */
  record(id: number, change: { readonly isSecond?: boolean } = {}): MadeRecord {
    const board = this.boards[id - 1] as ReplayedBoard;
    if (change.isSecond !== true) board.seq += 1;
    const { address, mote, seq, prev } = board;
    const wave = Math.round(Math.sin(this.nowS / 40 + id) * 150);
    const payload = encodeRecord({
      ...{ stream: 0, seq, prev, boot: 1, time: this.nowS + (change.isSecond === true ? 1 : 0), timeQuality: 2 },
      head: { chain: CHAIN, number: this.head.number, hash: this.head.hash },
      measurements: [
        { n: "temperature", u: "Cel", v: decimal(2100 + wave, -2) },
        { n: "humidity", u: "%RH", v: decimal(5500 - wave, -2) },
      ],
      fleet: { registry: new Uint8Array(20).fill(0xf1), chain: CHAIN },
    });
    const bytes = digestOf(engine, address, payload);
    if (change.isSecond !== true) board.prev = bytes;
    const digest = toHex(bytes);
    this.say(id, {
      ...{ event: "record", seq, stream: 0, digest, head: this.head.number, timeS: this.nowS, timeQuality: 2 },
      ...{ bytes: payload.length, values: [] },
    });
    this.#sink.published(mote, encodeSign1(address, payload, NO_SIGNATURE));
    return { mote, seq, stream: 0, digest };
  }

  /** The collector has stored it. */
  stored(id: number, made: MadeRecord): void {
    this.#sink.take("collector", { event: "stored", duplicate: false, ...made });
    this.say(id, { event: "stored", seq: made.seq, digest: made.digest });
  }

  verified(made: MadeRecord): void {
    this.#sink.take("collector", { event: "verified", settled: false, ...made });
  }

  /** One interval: two blocks, and a record of each of these boards, stored and verified. */
  interval(ids: readonly number[] = this.boards.map(({ id }) => id)): MadeRecord[] {
    for (let second = 0; second < SAMPLE_S; second += 1) this.block(ids);
    return this.records(ids);
  }

  /** A record of each of these boards, stored and verified, after the same block as those before. */
  records(ids: readonly number[] = this.boards.map(({ id }) => id)): MadeRecord[] {
    return ids.map((id) => {
      const made = this.record(id);
      this.stored(id, made);
      this.verified(made);
      return made;
    });
  }
}

export interface StagedOptions {
  readonly boards?: number;
  readonly hasRegistry?: boolean;
  readonly anchors?: boolean;
  readonly beginS?: number;
}

/** A page with its server, a broker, and a replay into both. */
export class StagedPage {
  readonly page: Page;
  readonly broker: LocalBroker;
  readonly replay: Replay;
  /** What the buttons have done to the stage. */
  readonly done: string[] = [];
  readonly #folder: string;
  readonly #options: StagedOptions;
  #publishing: Promise<void> = Promise.resolve();

  static async open(options: StagedOptions = {}): Promise<StagedPage> {
    const folder = mkdtempSync(join(tmpdir(), "chainmote-staged-"));
    const boards = options.boards ?? 2;
    const page = await Page.open({ folder, version: "0.0.0", boards, engine: "Node", journalBytes: 0x40000 });
    return new StagedPage(page, await LocalBroker.start(), folder, options);
  }

  private constructor(page: Page, broker: LocalBroker, folder: string, options: StagedOptions) {
    this.page = page;
    this.broker = broker;
    this.#folder = folder;
    this.#options = options;
    const publish = (topic: string, message: Uint8Array, retain = false): void => {
      this.#publishing = this.#publishing.then(() => broker.publish(topic, message, retain));
    };
    const sink: Sink = {
      take: (source, event) => page.take(source, event),
      published: (mote, message) => publish(`motes/${mote}/records`, message),
      announced: (raw) => publish(`chains/${CHAIN}/head`, raw, true),
    };
    this.replay = new Replay(sink, options.boards ?? 2, options.beginS ?? Math.floor(Date.now() / 1000) - 60);
  }

  /** The parts are there; resolves once the page listens to what they publish. */
  async begin(): Promise<void> {
    const { boards = 2, hasRegistry = true, anchors = true } = this.#options;
    const stage: Stage = {
      ...{ chain: CHAIN, checkpoint: this.replay.checkpoint, mqtt: this.broker.url, prefix: "", boards, hasRegistry, anchors },
      folder: (board) => join(this.#folder, String(board)),
      cutPower: async (board) => void this.done.push(`cut ${board}`),
      powerOn: (board) => void this.done.push(`power ${board}`),
    };
    let subscribed = false;
    await this.broker.subscribe("$SYS/+/new/subscribes", () => {
      subscribed = true;
    });
    this.page.begin(stage);
    await until("the page listens", () => subscribed);
  }

  async health(id: number, fields: Partial<Parameters<typeof encodeHealth>[0]> = {}): Promise<void> {
    const health = { online: true, boot: 1, headNumber: 1, nextSeq: 1, pending: 0, timeS: 1, alarm: 0, ...fields };
    await this.broker.publish(`motes/${this.replay.boards[id - 1]?.mote}/health`, encodeHealth(health), true);
  }

  /** Until all that was published has been handed on. */
  async settled(): Promise<void> {
    let before: Promise<void> | undefined;
    while (before !== this.#publishing) {
      before = this.#publishing;
      await before;
    }
  }

  /** Until the button has done that to the stage. */
  async did(what: string): Promise<void> {
    await until(
      () => `${what}, not only ${this.done.join(", ")}`,
      () => this.done.includes(what),
    );
    this.done.splice(this.done.indexOf(what), 1);
  }

  async close(): Promise<void> {
    await this.page.close();
    await this.broker.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
