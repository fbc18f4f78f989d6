// What a person's machine may ask of a board whose provisioning is open (docs/provisioning.md, "Commands").
//
// Promises: a command that comes again with the number that it had is answered again and not done again; whatever is refused has a code and
// says what to do. Nothing is written before `commit`, but the key, which is made on the board and stays there. Never: answers with
// anything of a configuration, or signs anything but an enrolment of this board in the fleet of the configuration that was just checked.
// Codes: command-unknown, command-malformed, part-missing, document-damaged, nothing-checked, key-not-yet, image-proving, and those of document.ts,
// stored.ts, config.ts, chain/ and device-key.ts.

import { crc32, fromText, readUint, toHex, toText } from "../bytes.js";
import { openChain } from "../chain/checkpoint.js";
import { type MoteConfig, parseConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import { checksumAddress } from "../crypto/identity.js";
import { openDeviceKey } from "../device-key.js";
import { type Fields, fieldsOf } from "../fields.js";
import type { Device, KeyHandle } from "../ports.js";
import { digestOf, encodeSign1 } from "../record/cose.js";
import { encodeEnrolment } from "../record/enrolment.js";
import { Rejection } from "../rejection.js";
import { isProving } from "../start/start.js";
import { DOCUMENT_BYTES_MAX, type Document, laidOver, readDocument } from "./document.js";
import type { StoredConfiguration } from "./stored.js";

export const COMMAND_HELLO = 1;
export const COMMAND_KEY = 2;
export const COMMAND_BEGIN = 3;
export const COMMAND_PART = 4;
export const COMMAND_CHECK = 5;
export const COMMAND_ENROLMENT = 6;
export const COMMAND_COMMIT = 7;
export const COMMAND_RESET = 8;
export const COMMAND_MORE = 9;
/** An answer's kind is its question's with this bit. */
export const ANSWER_BIT = 0x80;
/** What `COMMAND_RESET` has to say. */
export const RESET_WORDS = "erase key and configuration";
/** Version of the commands and of their answers. */
const PROTOCOL = 1;
const DETAIL_CHARACTERS_MAX = 200;

export interface SessionOptions {
  readonly device: Device;
  readonly engine: CryptoEngine;
  /** The image's own. */
  readonly image: unknown;
  readonly stored: StoredConfiguration;
  readonly firmware: string;
  readonly board: string;
  /** Whether the radio feeds the noise source; starts it where it does not. */
  noisy(): boolean;
  /** Somebody is there. */
  heard(): void;
  /** Nothing more is answered: the board is to start anew, once the answer is out. */
  ended(): void;
}

type Answer = object | Rejection;

export class Session {
  readonly #options: SessionOptions;
  #key: { readonly key: KeyHandle; readonly address: Uint8Array } | undefined;
  /** The document on its way, and how much of it is there. */
  #parts: Uint8Array | undefined;
  #received = 0;
  #checked: { readonly document: Document; readonly config: MoteConfig } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** UTF-8 of JSON: what the command asked for, or `{ code, detail }`. */
  async answer(command: number, payload: Uint8Array): Promise<{ readonly ok: boolean; readonly body: Uint8Array }> {
    let said: Answer;
    this.#options.heard();
    try {
      said = await this.do(command, payload);
    } catch (error) {
      said = error instanceof Rejection ? error : new Rejection("failed", String(error));
    }
    const ok = !(said instanceof Rejection);
    const shown = said instanceof Rejection ? { code: said.code, detail: said.detail.slice(0, DETAIL_CHARACTERS_MAX) } : said;
    return { ok, body: fromText(JSON.stringify(shown)) };
  }

  private do(command: number, payload: Uint8Array): Answer | Promise<Answer> {
    switch (command) {
      case COMMAND_HELLO:
        return this.hello();
      case COMMAND_KEY:
        return this.key();
      case COMMAND_BEGIN:
        return this.begin(payload);
      case COMMAND_PART:
        return this.part(payload);
      case COMMAND_CHECK:
        return this.check(payload);
      case COMMAND_ENROLMENT:
        return this.enrolment(payload);
      case COMMAND_COMMIT:
        return this.commit();
      case COMMAND_RESET:
        return this.reset(payload);
      default:
        return new Rejection("command-unknown", `this firmware knows no command ${command}`);
    }
  }

  private hello(): Answer {
    const { stored, firmware, board } = this.#options;
    const key = this.opened(false);
    const document = stored.document();
    return {
      protocol: PROTOCOL,
      firmware,
      board,
      ...(key instanceof Rejection || key === undefined ? {} : { address: key.address }),
      ...(key instanceof Rejection ? { keyFault: key.code } : {}),
      configured: document !== undefined,
      wifi: document !== undefined && !(document instanceof Rejection) && document.wifi !== undefined,
      ...(stored.failure === undefined ? {} : { failure: stored.failure }),
      documentBytesMax: DOCUMENT_BYTES_MAX,
    };
  }

  private key(): Answer {
    const key = this.opened(this.#options.noisy());
    if (key instanceof Rejection) return key;
    return key ?? new Rejection("key-not-yet", "the radio, which feeds the noise source, is not on yet: ask again");
  }

  private opened(noisy: boolean): { readonly address: string } | Rejection | undefined {
    const { device, engine } = this.#options;
    if (this.#key === undefined) {
      const opened = openDeviceKey(device, engine, noisy);
      if (opened === undefined || opened instanceof Rejection) return opened;
      this.#key = opened;
    }
    return { address: checksumAddress(engine, this.#key.address) };
  }

  private begin(payload: Uint8Array): Answer {
    if (payload.length !== 4) return malformed("the length of the configuration, 4 bytes");
    const bytes = readUint(payload, 0, 4);
    this.#checked = undefined;
    this.#parts = undefined;
    this.#received = 0;
    if (bytes < 2 || bytes > DOCUMENT_BYTES_MAX)
      return new Rejection("document-too-long", `a configuration of ${bytes} bytes; 2 to ${DOCUMENT_BYTES_MAX} can be kept`);
    this.#parts = new Uint8Array(bytes);
    return { bytes };
  }

  private part(payload: Uint8Array): Answer {
    if (payload.length < 5) return malformed("an offset of 4 bytes, and the bytes there");
    const parts = this.#parts;
    const at = readUint(payload, 0, 4);
    if (parts === undefined || at !== this.#received || at + payload.length - 4 > parts.length)
      return new Rejection("part-missing", `the next part is at byte ${this.#received} of ${parts?.length ?? 0}: begin again`);
    parts.set(payload.subarray(4), at);
    this.#received += payload.length - 4;
    return { received: this.#received };
  }

  private check(payload: Uint8Array): Answer {
    const { engine, image, stored } = this.#options;
    const parts = this.#parts;
    if (parts === undefined || this.#received !== parts.length)
      return new Rejection("part-missing", `${this.#received} of ${parts?.length ?? 0} bytes are there: begin again`);
    this.#parts = undefined;
    if (payload.length !== 4 || readUint(payload, 0, 4) !== crc32(parts) >>> 0)
      return new Rejection("document-damaged", "the configuration came damaged: send it again");
    const document = readDocument(parts);
    if (document instanceof Rejection) return document;
    const kept = stored.document();
    const isWifiKept =
      document.wifi === undefined && kept !== undefined && !(kept instanceof Rejection) && kept.wifi !== undefined;
    const whole = isWifiKept ? { wifi: (kept as Document).wifi, ...document } : document;
    const config = parseConfig(laidOver(image, whole));
    if (config instanceof Rejection) return config;
    const chain = openChain(engine, config.checkpoint);
    if (chain instanceof Rejection) return chain;
    if (chain.chain !== config.fleet.chain)
      return new Rejection("config-invalid", `the checkpoint is of ${chain.chain}, and the fleet of ${config.fleet.chain}`);
    this.#checked = { document: whole, config };
    return { chain: chain.chain, keepsWifi: isWifiKept };
  }

  private async enrolment(payload: Uint8Array): Promise<Answer> {
    const { device, engine } = this.#options;
    const checked = this.#checked;
    if (checked === undefined) return notChecked();
    const asked = enrolmentAsked(payload);
    const opened = this.key();
    const key = this.#key;
    if (opened instanceof Rejection || key === undefined) return opened;
    const message = encodeEnrolment({ ...asked, fleet: checked.config.fleet });
    const signature = await device.keys.sign(key.key, digestOf(engine, key.address, message));
    return { enrolment: toHex(encodeSign1(key.address, message, signature)) };
  }

  private commit(): Answer {
    const checked = this.#checked;
    if (checked === undefined) return notChecked();
    if (isProving(this.#options.device)) return proving();
    this.#checked = undefined;
    const fault = this.#options.stored.try(checked.document);
    if (fault !== undefined) return fault;
    this.#options.ended();
    return { state: "trying" };
  }

  private reset(payload: Uint8Array): Answer {
    if (toText(payload) !== RESET_WORDS) return malformed(`the words "${RESET_WORDS}"`);
    if (isProving(this.#options.device)) return proving();
    this.#options.stored.beginReset();
    this.#options.ended();
    return { state: "resetting" };
  }
}

function enrolmentAsked(payload: Uint8Array) {
  const document = readDocument(payload);
  if (document instanceof Rejection) throw document;
  const asked: Fields = fieldsOf(document, "enrolment");
  return {
    enroller: asked.bytes("enroller", 20, 20),
    counter: asked.uint("counter", 1, Number.MAX_SAFE_INTEGER, 1),
    expiryBlock: asked.uint("expiryBlock", 1, Number.MAX_SAFE_INTEGER),
  };
}

function notChecked(): Rejection {
  return new Rejection("nothing-checked", "no configuration was sent and checked yet");
}

/** What follows would be a restart. */
function proving(): Rejection {
  return new Rejection("image-proving", "a new image is proving itself, and a restart would be its end: ask again in 15 minutes");
}

function malformed(expected: string): Rejection {
  return new Rejection("command-malformed", `expected ${expected}`);
}
