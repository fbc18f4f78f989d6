// A whole mote whose power goes at moments by chance, while it signs, sends, confirms, anchors, trims and obeys commands. What was signed, written,
// mined and anchored is known to the bench, so that nothing of it is asked of the mote that may have lost it.

import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import { ACTION_REBOOT } from "../../firmware/command/message.js";
import { ACTIVE } from "../../firmware/ledger/registry-slots.js";
import { Rejection } from "../../firmware/rejection.js";
import { Prng } from "../../host-sim/world/prng.js";
import { COMMANDER, interval, WholeBench } from "./mote-ledger-bench.js";

const TO = new Uint8Array(20).fill(0x70);
/** The power goes within so many steps: a few blocks' work. */
const STEPS_TO_CUT = 160;
const STEPS_OF_A_START = 12;
/** Against a mote that does not come to its end: each takes a handful. */
const BLOCKS_TO_END_MAX = 80;
/** Small, so that it has to be trimmed again and again. */
const SECTORS = 6;

export interface PowerResult {
  readonly records: number;
  readonly trimmed: number;
  readonly calls: number;
  readonly commands: number;
  readonly interrupted: number;
}

interface Sent {
  readonly counter: number;
  readonly message: Uint8Array;
  readonly reboots: boolean;
  answered: boolean;
}

class Life {
  readonly bench = new WholeBench({ sectors: SECTORS });
  readonly #prng: Prng;
  /** Each record that was said to be kept: its digest by seq. */
  readonly records = new Map<number, string>();
  readonly #commands: Sent[] = [];
  /** Outcomes of answers, by counter and the record's seq. */
  readonly #answers = new Map<number, { readonly seq: number; readonly outcome: number }>();
  #value = 0n;
  #mined: string[] = [];
  #restarts = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.bench.power.onCut = () => {
      const { newest } = this.bench.bench;
      // Nothing leaves a board that has no power, and no time passes for it.
      if (newest?.client !== undefined) newest.client.broken = true;
      newest?.cut();
    };
  }

  async begin(): Promise<void> {
    const { bench } = this;
    await bench.bootFor();
    bench.setOwn({ status: ACTIVE });
    bench.mandate(COMMANDER);
    await bench.live(4);
    this.look("at the start");
  }

  /** A block's time of everything at once. */
  async turn(): Promise<void> {
    const { bench } = this;
    const draw = this.#prng.below(12);
    if (draw < 4) await this.call();
    if (draw % 3 === 0) this.send();
    // Receipts may come long before the contract has their root.
    if (draw % 4 === 1) bench.leaf();
    if (draw % 4 === 2) bench.anchor();
    this.resend();
    bench.anchorReceipt();
    if (draw !== 5) this.mineCalls();
    await this.attempt(() => bench.live(1));
    if (bench.restarts !== this.#restarts && bench.power.on) await this.boot("a reboot by command");
  }

  /** What throws for want of power has not happened. */
  private async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.bench.power.on) throw error;
    }
  }

  private async call(): Promise<void> {
    const { bench } = this;
    if (bench.transaction.pending) return;
    this.#value += 1n;
    await this.attempt(() => bench.transaction.sendValue(TO, this.#value));
  }

  private send(): void {
    const { bench } = this;
    if (this.#commands.some(({ answered }) => !answered)) return;
    const counter = this.#commands.length + 1;
    const reboots = this.#prng.below(4) === 0;
    const message = bench.command(reboots ? { action: ACTION_REBOOT } : interval(1_000 + counter));
    this.#commands.push({ counter, message, reboots, answered: false });
  }

  /** Whoever sends a command sends it until there is an answer; a broker sends old ones again. */
  private resend(): void {
    const { bench } = this;
    for (const { answered, message } of this.#commands.slice(-3))
      if (!answered || this.#prng.below(6) === 0) bench.tell("commands", message);
  }

  /** A node takes what was sent to it, in the order of the nonces. */
  private mineCalls(): void {
    const { bench } = this;
    for (const { nonce, value } of bench.submitted())
      if (nonce === bench.nonce) {
        bench.nonce += 1;
        this.#mined.push(String(value));
      }
  }

  cutSoon(): void {
    const { power } = this.bench;
    power.cutAt = power.steps + this.#prng.below(STEPS_TO_CUT);
  }

  /** @param cuts how often the power may go again while the mote starts */
  async boot(when: string, cuts = 0): Promise<void> {
    const { bench } = this;
    this.note();
    bench.powered.cut();
    this.#restarts = bench.restarts;
    const steps = cuts > 0 && this.#prng.below(3) === 0 ? this.#prng.below(STEPS_OF_A_START) : -1;
    await this.attempt(() => bench.bootFor(steps));
    if (!bench.power.on) return;
    this.look(when);
  }

  /** What the mote has said of its records, before the log of this board is gone. */
  private note(): void {
    for (const { seq, digest } of this.bench.powered.of("record")) {
      const before = this.records.get(Number(seq));
      assert.is(before ?? digest, digest, `two records ${seq}`);
      this.records.set(Number(seq), String(digest));
    }
  }

  /** Nothing is gone that the contract has no leaf for; each command was answered at most once. */
  look(when: string): void {
    const { bench } = this;
    const { journal } = bench.powered.mote;
    this.note();
    const { anchored } = bench;
    for (const seq of this.records.keys())
      assert.ok(
        seq <= anchored || !(journal.read(seq) instanceof Rejection),
        `${when}: record ${seq} is gone, ${anchored} anchored`,
      );
    assert.ok(journal.anchoredThrough <= anchored, `${when}: anchored through ${journal.anchoredThrough}, of ${anchored}`);
    for (const { seq, answer } of bench.answers()) {
      const before = this.#answers.get(answer.counter);
      assert.ok(before === undefined || before.seq === seq, `${when}: command ${answer.counter} is answered twice`);
      assert.ok(answer.outcome === 0 || answer.outcome === 2, `${when}: command ${answer.counter} ended in ${answer.outcome}`);
      this.#answers.set(answer.counter, { seq, outcome: answer.outcome });
    }
    for (const sent of this.#commands) sent.answered = this.#answers.has(sent.counter);
    assert.is(new Set(bench.written).size, bench.written.length, `${when}: something was set twice`);
    assert.ok(bench.restarts <= this.#commands.filter(({ reboots }) => reboots).length, `${when}: ${bench.restarts} restarts`);
    assert.is(new Set(this.#mined).size, this.#mined.length, `${when}: a call was mined twice`);
    const alarms = bench.powered.of("alarm").map(({ alarm }) => alarm);
    assert.not.ok(alarms.includes("key-used-elsewhere"), `${when}: ${alarms}`);
  }

  /** All that was begun comes to its end, and each record is anchored. */
  async end(): Promise<void> {
    const { bench } = this;
    bench.power.cutAt = -1;
    this.note();
    const last = Math.max(...this.records.keys());
    const open = (): string => {
      const { journal } = bench.powered.mote;
      this.look("at the end");
      return [
        journal.anchoredThrough >= last
          ? ""
          : `anchored through ${journal.anchoredThrough} of ${last}: ${bench.refusals("anchor").slice(-3)}`,
        bench.transaction.pending ? "a call is under way" : "",
        this.#commands.every(({ answered }) => answered)
          ? ""
          : `a command has no answer: ${bench.said().slice(-3)}; ${bench.refusals("command").slice(-6)}; ${bench.powered.mote.head.number} of ${bench.tip.number}`,
      ].join("");
    };
    for (let blocks = 0; open() !== "" && blocks < BLOCKS_TO_END_MAX; blocks += 1) {
      bench.anchor();
      this.resend();
      bench.anchorReceipt();
      this.mineCalls();
      await bench.live(1);
      if (bench.restarts !== this.#restarts) await this.boot("a reboot by command at the end");
    }
    assert.ok(open() === "", open());
    for (const seq of this.records.keys()) assert.ok(seq > last || bench.collected.has(seq), `record ${seq} is nowhere`);
    for (const [seq, digest] of this.records)
      assert.ok(seq > last || toHex(bench.collected.get(seq)?.digest as Uint8Array) === digest, `record ${seq} is another`);
  }

  result(): PowerResult {
    const { bench } = this;
    const outcomes = [...this.#answers.values()].map(({ outcome }) => outcome);
    return {
      records: this.records.size,
      trimmed: [...this.records.keys()].filter((seq) => bench.powered.mote.journal.read(seq) instanceof Rejection).length,
      calls: bench.calls.size,
      commands: outcomes.length,
      interrupted: outcomes.filter((outcome) => outcome === 2).length,
    };
  }
}

/** Cuts the power at so many moments; throws, with the seed, where anything does not hold. */
export async function cutAnywhere(seed: number, moments: number): Promise<PowerResult> {
  const life = new Life(seed);
  try {
    await life.begin();
    const { power } = life.bench;
    for (let cut = 1; cut <= moments; cut += 1) {
      while (power.on) {
        if (power.cutAt < power.steps) life.cutSoon();
        await life.turn();
      }
      await life.boot(`after cut ${cut}`, moments - cut);
    }
    await life.end();
    return life.result();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}
