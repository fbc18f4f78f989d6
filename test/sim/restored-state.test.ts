// What a mote keeps is erased, or put back from a backup, while its power is off. Whatever is lost, no payload is signed
// for a number that was used before, as far as the key-value store or the record that the collector retains still knows.
// Where neither knows (everything put back, and nobody to ask), the numbers come again: then the records say so themselves.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MqttClient } from "mqtt";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../firmware/bytes.js";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { verifySign1 } from "../../firmware/record/cose.js";
import { encodeReceipt } from "../../firmware/record/receipt.js";
import { decodeRecord, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { FlashMode } from "../../host-sim/hardware/flash.js";
import { fileStorage } from "../../host-sim/hardware/storage.js";
import { engine } from "../../tools/crypto/engine.js";
import { Judge } from "../../tools/verify/judge.js";
import { pieces } from "../../tools/verify/sequence.js";
import { until } from "../patience.js";
import { signed, testKey } from "../unit/record/signing.js";
import { type Actor, Scene } from "./scene.js";

const COLLECTOR = testKey("a collector");
const SAMPLE_MS = 50;
/** More than a block of reserved numbers. */
const MANY = 40;

interface Received {
  readonly message: Uint8Array;
  readonly digest: string;
  readonly fields: RecordFields;
}

/** A collector that receipts every record and retains the newest; it has a memory, and can lose it. */
class Keeper {
  readonly received: Received[] = [];
  readonly #client: MqttClient;
  #topic = "";
  #retains = true;

  constructor(client: MqttClient) {
    this.#client = client;
  }

  static async open(scene: Scene): Promise<Keeper> {
    const keeper = new Keeper(await scene.client());
    keeper.#client.on("message", (topic, message) => keeper.#take(topic, new Uint8Array(message)));
    await keeper.#client.subscribeAsync("motes/+/records");
    return keeper;
  }

  #take(topic: string, message: Uint8Array): void {
    const checked = verifySign1(engine, message);
    const fields = checked instanceof Rejection ? checked : decodeRecord(checked.payload);
    if (checked instanceof Rejection || fields instanceof Rejection) throw new Error(`no record: ${fields}`);
    const digest = toHex(checked.digest);
    if (this.received.every((known) => known.digest !== digest)) this.received.push({ message: message.slice(), digest, fields });
    this.#topic = topic.replace(/records$/, "");
    const { seq, stream } = fields;
    const receipt = encodeReceipt({ seq, stream, digest: checked.digest, mote: checked.kid });
    this.#client.publish(`${this.#topic}receipts`, Buffer.from(signed(COLLECTOR, receipt)), { qos: 1 });
    if (!this.#retains) return;
    if (
      this.received.every((known) => known.fields.stream < stream || (known.fields.stream === stream && known.fields.seq <= seq))
    )
      this.#client.publish(`${this.#topic}latest`, Buffer.from(message), { qos: 1, retain: true });
  }

  /** From now on it retains nothing. */
  async forget(): Promise<void> {
    this.#retains = false;
    await this.#client.publishAsync(`${this.#topic}latest`, Buffer.alloc(0), { qos: 1, retain: true });
  }
}

/** A mote whose folder outlives its boards, and a watch over everything that it is ever asked to sign. */
class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "chainmote-restored-"));
  readonly scene: Scene;
  readonly keeper: Keeper;
  readonly mode: FlashMode;
  /** Digests signed, by stream and seq. */
  readonly signed = new Map<string, string>();
  readonly twice: string[] = [];
  readonly #payloads = new Map<string, Uint8Array>();
  #actor: Actor | undefined;

  constructor(scene: Scene, keeper: Keeper, mode: FlashMode) {
    this.scene = scene;
    this.keeper = keeper;
    this.mode = mode;
  }

  static async open(mode: FlashMode = "plain"): Promise<Stage> {
    const scene = await Scene.open({ sampleIntervalMs: SAMPLE_MS, collector: `0x${toHex(COLLECTOR.address)}` });
    return new Stage(scene, await Keeper.open(scene), mode);
  }

  get board(): string {
    return join(this.folder, "board");
  }

  /** Power on, until the mote has made `records` more; then the plug is pulled. `midway` comes after half of them. */
  async live(records: number, midway: () => void = () => undefined): Promise<Actor> {
    const actor = this.scene.mote({
      storage: fileStorage(this.board, { mode: this.mode }),
      engine: { ...nobleEngine, sha256: (...parts) => this.#hash(parts) },
      onSign: (digest) => this.#watch(digest),
    });
    this.#actor = actor;
    await until("half of the records", () => actor.of("record").length >= records / 2);
    midway();
    await until(`${records} records`, () => actor.of("record").length >= records);
    const last = actor.of("record").at(-1);
    await until("the last one is collected", () => this.keeper.received.some(({ digest }) => digest === last?.digest));
    actor.board.close();
    return actor;
  }

  /** Copies the board's folder, or a part of it, while the power is off. */
  copy(from: string, to: string): void {
    rmSync(join(this.folder, to), { recursive: true, force: true });
    cpSync(join(this.folder, from), join(this.folder, to), { recursive: true });
  }

  erase(part: string): void {
    rmSync(join(this.folder, part), { recursive: true });
  }

  async close(): Promise<void> {
    this.#actor?.board.close();
    await this.scene.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #hash(parts: readonly Uint8Array[]): Uint8Array {
    const digest = nobleEngine.sha256(...parts);
    if (parts.length === 2) this.#payloads.set(toHex(digest), (parts[1] as Uint8Array).slice());
    return digest;
  }

  #watch(bytes: Uint8Array): void {
    const digest = toHex(bytes);
    const fields = decodeRecord(this.#payloads.get(digest) ?? new Uint8Array(0));
    if (fields instanceof Rejection) throw new Error(`asked to sign what is no record: ${fields}`);
    const place = `${fields.stream}/${fields.seq}`;
    if ((this.signed.get(place) ?? digest) !== digest) this.twice.push(place);
    this.signed.set(place, digest);
  }
}

function origin(actor: Actor): unknown {
  return actor.of("boot")[0]?.origin;
}

/** What the collector received, in the order of stream and seq, judged as `chainmote verify` judges it. */
function faults({ received }: Keeper): string[] {
  const inOrder = [...received].sort((a, b) => a.fields.stream - b.fields.stream || a.fields.seq - b.fields.seq);
  const judge = new Judge(engine);
  return [...pieces(concat(...inOrder.map(({ message }) => message)))].flatMap((piece) => judge.judge(piece).fault?.code ?? []);
}

const seqs = (actor: Actor): number[] => actor.of("record").map(({ seq }) => Number(seq));
const last = (actor: Actor): number => Math.max(...seqs(actor));

async function play(mode: FlashMode, scenes: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await Stage.open(mode);
  try {
    await scenes(stage);
  } finally {
    await stage.close();
  }
}

test("the journal erased: a new stream, above every number that was used", () =>
  play("encrypted", async (stage) => {
    const before = await stage.live(5);
    await stage.keeper.forget();
    stage.erase("board/flash");
    const after = await stage.live(3);
    assert.is(origin(after), "erased");
    assert.ok(Math.min(...seqs(after)) > last(before));
    assert.ok(after.of("record").every(({ stream }) => stream === 1));
    assert.equal([stage.twice, faults(stage.keeper)], [[], []]);
  }));

test("an image of the journal older than a block put back: a new stream, above", () =>
  play("plain", async (stage) => {
    await stage.live(2);
    stage.copy("board/flash", "old");
    const before = await stage.live(MANY);
    await stage.keeper.forget();
    stage.copy("old", "board/flash");
    const after = await stage.live(3);
    assert.is(origin(after), "restored");
    assert.ok(Math.min(...seqs(after)) > last(before));
    assert.equal([stage.twice, faults(stage.keeper)], [[], []]);
  }));

test("a young image of the journal put back: above, and linked to what the collector retains", () =>
  play("plain", async (stage) => {
    const before = await stage.live(10, () => stage.copy("board/flash", "old"));
    stage.copy("old", "board/flash");
    const after = await stage.live(3);
    assert.is(origin(after), "skipped");
    assert.ok(Math.min(...seqs(after)) > last(before));
    assert.equal([stage.twice, faults(stage.keeper)], [[], []]);
  }));

test("the whole board put back from a backup: above what the collector retains, and linked to it", () =>
  play("encrypted", async (stage) => {
    await stage.live(3);
    stage.copy("board", "backup");
    await stage.live(2);
    const before = await stage.live(MANY);
    stage.copy("backup", "board");
    const after = await stage.live(3);
    assert.equal(
      after.of("gap").flatMap(({ nextSeq }) => nextSeq ?? []),
      [last(before) + 1],
    );
    assert.equal(seqs(after).slice(0, 2), [last(before) + 1, last(before) + 2]);
    assert.equal([stage.twice, faults(stage.keeper)], [[], []]);
  }));

test("the counters erased, the journal kept: a new stream, above the journal", () =>
  play("plain", async (stage) => {
    const before = await stage.live(5);
    await stage.keeper.forget();
    stage.erase("board/nvs/6d6f7465"); // "mote": the counters; the key is in another domain
    const after = await stage.live(3);
    assert.is(origin(after), "forgotten");
    assert.ok(Math.min(...seqs(after)) > last(before));
    assert.equal([stage.twice, faults(stage.keeper)], [[], []]);
  }));

test("everything put back, and nobody who remembers: the numbers come again, and the two records are evidence", () =>
  play("plain", async (stage) => {
    await stage.live(3);
    stage.copy("board", "backup");
    await stage.live(4);
    await stage.keeper.forget();
    stage.copy("backup", "board");
    await stage.live(4);
    assert.ok(stage.twice.length > 0, "nothing on the board can know: docs/threat-model.md");
    assert.ok(faults(stage.keeper).includes("equivocation"));
  }));

test.after(() => Scene.closeAll());
test.run();
