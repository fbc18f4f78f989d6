// Whole motes that take commands (mote-bench.ts), over a registry that says what the test has it say, and a store, a flash and a key that
// lose power at any step. Whatever was done is remembered: what was set, how often the board started anew.

import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { type Authority, Commands, OUTCOMES, REASONS } from "../../../firmware/command/commands.js";
import {
  ACTION_INTERVAL,
  type Command,
  encodeCommand,
  encodePart,
  type Order,
  PART_BYTES_MAX,
} from "../../../firmware/command/message.js";
import type { ProvenMandate, ProvenMote } from "../../../firmware/ledger/registry.js";
import type { Device } from "../../../firmware/ports.js";
import { decodeRecord, type RecordFields } from "../../../firmware/record/record.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import type { BftBlock } from "../../chains/bft-generator.js";
import { type BenchOptions, MoteBench, PoweredMote } from "../mote-bench.js";
import { Power, poweredBy } from "../power.js";
import { signed, type TestKey, testKey } from "../record/signing.js";

export const COMMANDER = testKey("a commander");
export const OTHER = testKey("another commander");
export const STRANGER = testKey("a stranger");
export const RECOVERY = testKey("the recovery key");
export const FLEET: RecordFields["fleet"] = { registry: new Uint8Array(20).fill(0xf1), chain: "eip155:1337" };

/** What is proven of the registry; undefined where nothing is. */
export class Proven implements Authority {
  readonly mandates = new Map<string, Pick<ProvenMandate, "status" | "expiryBlock">>();
  readonly motes = new Map<string, Pick<ProvenMote, "status" | "role">>();
  readonly policies = new Map<bigint, Uint8Array>();
  policyId = 0n;
  /** Whether anything is proven, and freshly. */
  fresh = true;
  /** Addresses that were asked about. */
  readonly asked: string[] = [];

  give(key: TestKey, expiryBlock = 1_000_000, status = 1): this {
    this.mandates.set(toHex(key.address), { status, expiryBlock });
    return this;
  }
  mandateOf(commander: Uint8Array): ProvenMandate | undefined {
    this.asked.push(toHex(commander));
    const known = this.mandates.get(toHex(commander)) ?? { status: 0, expiryBlock: 0 };
    return this.fresh ? { ...known, sinceBlock: 0, provenAtBlock: 1, ageS: 1 } : undefined;
  }
  moteOf(peer: Uint8Array): ProvenMote | undefined {
    const known = this.motes.get(toHex(peer)) ?? { status: 0, role: 0 };
    const rest = { policyId: 0n, firmwareId: 0n, sinceBlock: 0, counter: 1n, provenAtBlock: 1, ageS: 1 };
    return this.fresh ? { ...known, ...rest } : undefined;
  }
  get own(): ProvenMote | undefined {
    const rest = { status: 1, role: 0, firmwareId: 0n, sinceBlock: 0, counter: 1n, provenAtBlock: 1, ageS: 1 };
    return this.fresh ? { ...rest, policyId: this.policyId } : undefined;
  }
  policyHash(id: bigint): Uint8Array | undefined {
    return this.fresh ? (this.policies.get(id) ?? new Uint8Array(32)) : undefined;
  }
  isFresh(): boolean {
    return this.fresh;
  }
  lookAgain(): void {}
}

export interface Answered {
  readonly commander: string;
  readonly counter: number;
  readonly outcome: string;
  readonly reason: string;
  readonly skipped: number;
  readonly record: RecordFields;
}

export class CommandBench {
  readonly bench: MoteBench;
  readonly proven = new Proven().give(COMMANDER).give(OTHER);
  readonly power = new Power();
  readonly commands = new Map<string, number>();
  /** What was written under a key that only a command writes, in order. */
  readonly written: { key: string; value: string }[] = [];
  restarts = 0;
  /** Whether this board can start anew by itself. */
  able = true;
  /** Whether the image that runs has still to prove itself. */
  proving = false;
  /** The store refuses to keep this key. */
  refusing = "";
  /** How so many reads of a key go wrong. */
  misreads: { readonly key: string; readonly how: "absent" | "bit" | "exception"; count: number } | undefined;
  powered: PoweredMote = undefined as unknown as PoweredMote;
  tip: BftBlock;

  constructor(options: Omit<BenchOptions, "features"> = {}) {
    const features = {
      get features() {
        return [new Commands(proven)];
      },
    };
    const { proven } = this;
    const ledger = { recovery: `0x${toHex(RECOVERY.address)}` };
    this.bench = new MoteBench(
      Object.defineProperties(
        { sampleMs: 60_000, ...options, config: { ledger, ...options.config } },
        {
          features: Object.getOwnPropertyDescriptor(features, "features") as PropertyDescriptor,
        },
      ),
    );
    this.bench.times = { "time.lab": 0 };
    this.tip = this.bench.chain.genesis;
  }

  /** The power comes back; where it was not gone, it still goes when it is to. */
  async boot(): Promise<this> {
    if (!this.power.on) this.power.cutAt = -1;
    this.power.on = true;
    try {
      this.powered = new PoweredMote(this.bench, (device) => this.bend(device));
      await this.powered.connect();
      this.powered.announce(this.tip.raw);
      await this.powered.pass(8_000);
    } catch (error) {
      if (this.power.on) throw error;
    }
    return this;
  }

  /** The firmware ends, and starts anew. */
  async reboot(): Promise<this> {
    this.powered.cut();
    return this.boot();
  }

  /** The board has said that it starts anew: it does. */
  async restarted(): Promise<void> {
    assert.ok(this.restarts > 0);
    await this.reboot();
  }

  get head(): number {
    return this.powered.mote.head.number;
  }

  async blocks(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      this.tip = this.bench.chain.child(this.tip);
      this.powered.announce(this.tip.raw);
      await this.powered.pass(1_000);
    }
  }

  pass(ms: number): Promise<void> {
    return this.powered.pass(ms);
  }

  /** A signed command; by its commander's next counter, good for a hundred blocks. */
  make(order: Order, by: TestKey = COMMANDER, more: Partial<Command> = {}): Uint8Array {
    const name = toHex(by.address);
    const counter = more.counter ?? (this.commands.get(name) ?? 0) + 1;
    this.commands.set(name, Math.max(counter, this.commands.get(name) ?? 0));
    const usual = { mote: this.powered.addressBytes, expiryBlock: this.head + 100, fleet: FLEET };
    return signed(by, encodeCommand({ ...usual, order, ...more, counter }));
  }

  /** Hands a message to the mote, and lets it work. */
  async give(message: Uint8Array, ms = 3_000): Promise<void> {
    this.powered.client.message(`motes/${this.powered.address}/commands`, message);
    await this.pass(ms);
  }

  async send(order: Order, by: TestKey = COMMANDER, more: Partial<Command> = {}): Promise<Uint8Array> {
    const message = this.make(order, by, more);
    await this.give(message);
    return message;
  }

  /** A body, part by part. */
  async body(bytes: Uint8Array, bend: (part: Uint8Array, i: number) => Uint8Array = (part) => part): Promise<void> {
    const hash = fastEngine.keccak256(bytes);
    for (let offset = 0, i = 0; offset < bytes.length; offset += PART_BYTES_MAX, i += 1) {
      const part = encodePart({ hash, offset, bytes: bytes.subarray(offset, offset + PART_BYTES_MAX) });
      this.powered.client.message(`motes/${this.powered.address}/bodies`, bend(part, i));
    }
    await this.pass(3_000);
  }

  /** Records that the mote keeps, signed, in order. */
  records(): RecordFields[] {
    const { journal } = this.powered.mote;
    const found: RecordFields[] = [];
    for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) {
      const kept = journal.read(seq);
      const record = kept instanceof Rejection ? kept : decodeRecord(kept.payload);
      if (kept instanceof Rejection || record instanceof Rejection) throw new Error(String(record));
      if (kept.signature !== undefined) found.push(record);
    }
    return found;
  }

  answers(): Answered[] {
    return this.records().flatMap((record) => {
      const { answer } = record;
      if (answer === undefined) return [];
      const { commander, counter, outcome, reason, skipped } = answer;
      const words = { outcome: OUTCOMES[outcome] as string, reason: REASONS[reason] as string };
      return [{ commander: toHex(commander), counter, skipped, ...words, record }];
    });
  }

  /** Answers in words: "1 done", "2 refused not-allowed". */
  said(): string[] {
    return this.answers().map(({ counter, outcome, reason }) => `${counter} ${outcome}${reason === "none" ? "" : ` ${reason}`}`);
  }

  /** Codes of what was refused. */
  refused(what = "command"): string[] {
    return this.powered.of("refused").flatMap((line) => (line.what === what ? [String(line.code)] : []));
  }

  private bend(device: Device): Device {
    const running = () => ({ slot: 1, state: this.proving ? "pending" : "valid" }) as const;
    const slots = { ...device.slots, running } as Device["slots"];
    return poweredBy(
      this.power,
      { ...device, slots },
      {
        onWrite: (key, value) => {
          if (key === this.refusing) throw new Error("ESP_ERR_NVS_NOT_ENOUGH_SPACE");
          if (["settings", "policy", "checkpoint"].includes(key)) this.written.push({ key, value: toHex(value) });
        },
        onRead: (key, value) => this.read(key, value),
        ...(this.able ? { onRestart: () => this.restart() } : {}),
      },
    );
  }

  private read(key: string, value: ArrayBuffer | undefined): ArrayBuffer | undefined {
    const wrong = this.misreads;
    if (wrong === undefined || key !== wrong.key || wrong.count === 0) return value;
    wrong.count -= 1;
    if (wrong.how === "exception") throw new Error("ESP_FAIL");
    const bytes = new Uint8Array(wrong.how === "absent" || value === undefined ? new ArrayBuffer(0) : value.slice(0));
    if (bytes.length === 0) return undefined;
    bytes[0] = (bytes[0] as number) ^ 1;
    return bytes.buffer;
  }

  private restart(): void {
    this.restarts += 1;
  }
}

/** An order whose effect can be told from that of any other. */
export function interval(intervalMs: number): Order {
  return { action: ACTION_INTERVAL, intervalMs };
}
