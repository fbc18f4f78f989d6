// One serial port of a board whose provisioning is open: finds commands and Improv's packets in what comes, and writes answers.
//
// Promises: a command is done once, however often its frame comes, and answered each time; an answer that is longer than a frame is asked for
// in parts (`COMMAND_MORE`). One command at a time: what comes while one is under way is passed over, and comes again. What waits to be
// written is bounded; a port that takes nothing loses the oldest.

import { readUint } from "../bytes.js";
import type { SerialLink, SerialPort } from "../ports.js";
import { encodeFrame, type Frame, FrameReader, PAYLOAD_BYTES_MAX } from "./frames.js";
import { type ImprovCall, ImprovReader } from "./improv.js";
import { ANSWER_BIT, COMMAND_HELLO, COMMAND_MORE, type Session } from "./session.js";

const WAITING_MAX = 6;
/** In front of an answer's bytes: whether it was refused, and how many bytes it has in all. */
const ANSWER_HEAD_BYTES = 3;
const READ_BYTES_MAX = 256;

export class Channel {
  readonly #session: Session;
  readonly #onImprov: (channel: Channel, call: ImprovCall | number) => void;
  readonly #frames = new FrameReader();
  readonly #improv = new ImprovReader();
  readonly #link: SerialLink;
  #waiting: Uint8Array[] = [];
  #busy = false;
  /** The command that was done last, and its answer. */
  #kind = 0;
  #number = 0;
  #ok = false;
  #body = new Uint8Array(0);

  constructor(port: SerialPort, session: Session, onImprov: (channel: Channel, call: ImprovCall | number) => void) {
    this.#session = session;
    this.#onImprov = onImprov;
    this.#link = port.open(() => this.receive());
  }

  /** Hands over a message, which is written whole. */
  send(message: Uint8Array): void {
    if (this.#waiting.length >= WAITING_MAX) this.#waiting.shift();
    this.#waiting.push(message);
    this.flush();
  }

  /** Writes what waits, as far as the port has room. */
  flush(): void {
    let message = this.#waiting[0];
    while (message !== undefined && this.#link.write(message)) {
      this.#waiting.shift();
      message = this.#waiting[0];
    }
  }

  close(): void {
    this.#link.close();
  }

  private receive(): void {
    const bytes = this.#link.read(READ_BYTES_MAX);
    for (let i = 0; i < (bytes?.length ?? 0); i += 1) {
      const byte = (bytes as Uint8Array)[i] as number;
      const frame = this.#frames.take(byte);
      if (frame !== undefined) this.command(frame);
      const call = this.#improv.take(byte);
      if (call !== undefined) this.#onImprov(this, call);
    }
  }

  private command({ kind, number, payload }: Frame): void {
    if (this.#busy || kind >= ANSWER_BIT) return;
    if (kind === COMMAND_MORE) {
      if (payload.length === 2) this.reply(kind, number, readUint(payload, 0, 2));
      return;
    }
    if (kind === this.#kind && number === this.#number && kind !== COMMAND_HELLO) {
      this.reply(kind, number, 0);
      return;
    }
    this.#busy = true;
    void this.done(kind, number, payload);
  }

  private async done(kind: number, number: number, payload: Uint8Array): Promise<void> {
    const { ok, body } = await this.#session.answer(kind, payload);
    this.#busy = false;
    this.#kind = kind;
    this.#number = number;
    this.#ok = ok;
    this.#body = body as Uint8Array<ArrayBuffer>;
    this.reply(kind, number, 0);
  }

  private reply(kind: number, number: number, from: number): void {
    const body = this.#body.subarray(from, from + PAYLOAD_BYTES_MAX - ANSWER_HEAD_BYTES);
    const payload = new Uint8Array(ANSWER_HEAD_BYTES + body.length);
    payload[0] = this.#ok ? 0 : 1;
    payload[1] = this.#body.length >> 8;
    payload[2] = this.#body.length & 0xff;
    payload.set(body, ANSWER_HEAD_BYTES);
    this.send(encodeFrame({ kind: kind | ANSWER_BIT, number, payload }));
  }
}
