// Sends one command to a mote and waits for the mote's signed answer (docs/ledger.md, "Commands").
//
// Promises: the command is the same bytes however often it is sent, so that the mote does it once; it is sent again until the answer is there,
// and the parts of its body behind it; what counts as the answer is a record by the mote's own key, of its fleet, that names this key and
// this counter. Never: takes silence for a no.

import { topicsOf } from "../../firmware/bus/topics.js";
import { decodeHealth } from "../../firmware/bus/wire.js";
import { equal, toHex } from "../../firmware/bytes.js";
import {
  type Command,
  commandTopicsOf,
  encodeCommand,
  encodePart,
  type Order,
  PART_BYTES_MAX,
} from "../../firmware/command/message.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { digestOf, encodeSign1, verifySign1 } from "../../firmware/record/cose.js";
import { type AnswerFields, decodeRecord, type Fleet, type RecordFields } from "../../firmware/record/record.js";
import { Rejection } from "../../firmware/rejection.js";
import type { KeyFile } from "../crypto/key-file.js";
import { BrokerLink, type LinkOptions } from "../mqtt/link.js";

const SEND_AGAIN_MS = 3_000;

export interface CommanderOptions extends Pick<LinkOptions, "url" | "ca"> {
  readonly engine: CryptoEngine;
  readonly key: KeyFile;
  /** Put before every topic. */
  readonly prefix: string;
  /** Address of the mote, 20 bytes. */
  readonly mote: Uint8Array;
  readonly fleet: Fleet;
  readonly order: Order;
  /** What the order names by its hash. */
  readonly body: Uint8Array | undefined;
  /** Called once it is known that the command is going to be sent: keeps the number, and answers it. */
  readonly counter: () => number;
  /** The block from which on it is too late; absent: `blocks` above the head that the mote says it has. */
  readonly expiryBlock: number | undefined;
  readonly blocks: number;
  /** What is worth a line: the broker is away, say. */
  readonly say: (text: string) => void;
}

export interface Answered {
  readonly answer: AnswerFields;
  readonly record: RecordFields;
  /** Its address, 20 bytes. */
  readonly mote: Uint8Array;
  /** The signed record itself. */
  readonly message: Uint8Array;
}

export class Commander {
  readonly #options: CommanderOptions;
  readonly #link: BrokerLink;
  #head: number | undefined;
  #command: Command | undefined;
  #message: Uint8Array | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #answered: Promise<Answered>;
  #settle: (answered: Answered) => void = () => undefined;

  constructor(options: CommanderOptions) {
    this.#options = options;
    this.#answered = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const { prefix, mote, fleet, url, ca, say } = options;
    const { health, records } = topicsOf(prefix, mote, fleet.chain);
    this.#link = new BrokerLink({
      url,
      ...(ca === undefined ? {} : { ca }),
      role: "commander",
      subscriptions: [health, records],
      onMessage: (topic, payload) => (topic === health ? this.heard(payload) : this.looked(payload)),
      onFault: (topic, error) => say(`${topic}: ${error.message}`),
      onConnected: () => this.send(),
      onLost: (reason, retryMs) => say(`the broker: ${reason}; again in ${retryMs} ms`),
    });
  }

  /** The command as it was sent; undefined where nothing was: nobody said which head the mote has. */
  get command(): Command | undefined {
    return this.#command;
  }

  /** The mote's answer, or undefined where there was none in time. */
  async answer(withinMs: number): Promise<Answered | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), withinMs);
    });
    try {
      return await Promise.race([this.#answered, late]);
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#timer);
      await this.#link.close();
    }
  }

  /** The mote's health, unsigned: good for no more than an expiry that the mote may take. */
  private heard(payload: Uint8Array): void {
    const health = decodeHealth(payload);
    if (health instanceof Rejection || !health.online || this.#head !== undefined) return;
    this.#head = health.headNumber;
    this.send();
  }

  private send(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.send(), SEND_AGAIN_MS);
    const { prefix, mote, body, engine } = this.#options;
    const message = this.message();
    if (message === undefined || !this.#link.connected) return;
    const { commands, bodies } = commandTopicsOf(prefix, mote);
    void this.#link.publish(commands, message, { qos: 1 });
    if (body === undefined) return;
    const hash = engine.keccak256(body);
    for (let offset = 0; offset < body.length; offset += PART_BYTES_MAX) {
      const part = encodePart({ hash, offset, bytes: body.subarray(offset, offset + PART_BYTES_MAX) });
      void this.#link.publish(bodies, part, { qos: 1 });
    }
  }

  /** The signed command, made once. */
  private message(): Uint8Array | undefined {
    const { engine, key, mote, fleet, order, blocks, counter } = this.#options;
    const expiryBlock = this.#options.expiryBlock ?? (this.#head === undefined ? undefined : this.#head + blocks);
    if (this.#message !== undefined || expiryBlock === undefined) return this.#message;
    this.#command = { counter: counter(), mote, expiryBlock, order, fleet };
    const payload = encodeCommand(this.#command);
    this.#message = encodeSign1(key.address, payload, key.sign(digestOf(engine, key.address, payload)));
    return this.#message;
  }

  /** A record of the mote's: the answer, where it is one to this command and all of it holds. */
  private looked(message: Uint8Array): void {
    const { engine, mote, fleet, key } = this.#options;
    const signed = verifySign1(engine, message);
    if (signed instanceof Rejection || !equal(signed.kid, mote)) return;
    const record = decodeRecord(signed.payload);
    if (record instanceof Rejection || record.answer === undefined) return;
    const { answer } = record;
    if (!equal(record.fleet.registry, fleet.registry) || record.fleet.chain !== fleet.chain) return;
    if (toHex(answer.commander) === toHex(key.address) && answer.counter === this.#command?.counter)
      this.#settle({ answer, record, mote, message });
  }
}
