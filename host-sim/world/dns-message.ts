// Messages of DNS (RFC 1035 §4.1), as far as a board's resolver and the simulated network's name server need them: a question
// for one IPv4 address, and its answer.
//
// Promises: `DnsParser` has the surface of the SDK's `dns/parser` and its ends: a packet too short for a header is one of zeros,
// a record cut short is null, a name that does not end throws. Stricter: names that point in a circle throw, where the SDK's
// parser goes round for ever.

const HEADER_BYTES = 12;
const LABEL_BYTES_MAX = 63;
const POINTERS_MAX = 16;
const TYPE_A = 1;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const ANSWERED = 0x8180;
const NO_SUCH_NAME = 0x8183;
const TTL_S = 60;

export interface DnsRecord {
  readonly qname: readonly string[];
  readonly qtype: number;
  readonly qclass: number;
  /** An IPv4 address; of a record of type A only. */
  readonly rdata?: string;
}

/** A question for the IPv4 address of `host`. */
export function encodeQuestion(id: number, host: string): Uint8Array {
  const name = host.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Uint8Array.from([...words(id, RECURSION_DESIRED, 1, 0, 0, 0), ...name, 0, ...words(TYPE_A, CLASS_IN)]);
}

/** What a name server says that knows what `addressOf` knows; undefined for what is no question. */
export function answerQuestion(query: Uint8Array, addressOf: (host: string) => string | undefined): Uint8Array | undefined {
  const parser = new DnsParser(query.slice().buffer as ArrayBuffer);
  const question = parser.question(0);
  if (question === null) return undefined;
  const host = question.qname.join(".");
  const address = question.qtype === TYPE_A ? addressOf(host) : undefined;
  const asked = encodeQuestion(parser.id, host).subarray(HEADER_BYTES);
  const head = words(parser.id, address === undefined ? NO_SUCH_NAME : ANSWERED, 1, address === undefined ? 0 : 1, 0, 0);
  if (address === undefined) return Uint8Array.from([...head, ...asked]);
  const record = [...words(0xc000 | HEADER_BYTES, TYPE_A, CLASS_IN, 0, TTL_S, 4), ...address.split(".").map(Number)];
  return Uint8Array.from([...head, ...asked, ...record]);
}

function words(...values: readonly number[]): number[] {
  return values.flatMap((value) => [(value >> 8) & 255, value & 255]);
}

export class DnsParser {
  readonly #bytes: Uint8Array;

  constructor(packet: ArrayBuffer) {
    this.#bytes = new Uint8Array(packet.byteLength >= HEADER_BYTES ? packet : new ArrayBuffer(HEADER_BYTES));
  }

  get id(): number {
    return this.#word(0);
  }

  get questions(): number {
    return this.#word(4);
  }

  get answers(): number {
    return this.#word(6);
  }

  question(index: number): DnsRecord | null {
    if (index >= this.questions) return null;
    const at = this.#afterQuestions(index);
    return at === undefined ? null : this.#record(at, false);
  }

  answer(index: number): DnsRecord | null {
    if (index >= this.answers + this.#word(8) + this.#word(10)) return null;
    let at = this.#afterQuestions(this.questions);
    for (let i = 0; i < index && at !== undefined; i += 1) {
      at = this.#afterName(at);
      if (at + 10 > this.#bytes.length) return null;
      at += 10 + this.#word(at + 8);
      if (at > this.#bytes.length) return null;
    }
    return at === undefined ? null : this.#record(at, true);
  }

  #word(at: number): number {
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number);
  }

  #afterQuestions(count: number): number | undefined {
    let at = HEADER_BYTES;
    for (let i = 0; i < count; i += 1) {
      at = this.#afterName(at) + 4;
      if (at >= this.#bytes.length) return undefined;
    }
    return at;
  }

  #afterName(from: number): number {
    let at = from;
    while (at < this.#bytes.length) {
      const tag = this.#bytes[at] as number;
      if (tag === 0) return at + 1;
      if (tag >= 0xc0) return at + 2;
      at += 1 + tag;
    }
    return at;
  }

  #record(from: number, answer: boolean): DnsRecord | null {
    const qname = this.#name(from);
    const at = this.#afterName(from);
    const { length } = this.#bytes;
    if (at + (answer ? 10 : 4) > length) return null;
    const record = { qname, qtype: this.#word(at), qclass: this.#word(at + 2) };
    if (!answer || record.qtype !== TYPE_A || this.#word(at + 8) === 0) return record;
    if (at + 14 > length) return null;
    return { ...record, rdata: [...this.#bytes.subarray(at + 10, at + 14)].join(".") };
  }

  #name(from: number): string[] {
    const labels: string[] = [];
    let pointers = 0;
    for (let at = from; at < this.#bytes.length; ) {
      const tag = this.#bytes[at] as number;
      if (tag === 0) return labels;
      if (tag >= 0xc0) {
        pointers += 1;
        if (at + 1 >= this.#bytes.length || pointers > POINTERS_MAX) break;
        at = this.#word(at) & 0x3fff;
        continue;
      }
      if (tag > LABEL_BYTES_MAX || at + 1 + tag > this.#bytes.length) break;
      labels.push(Buffer.from(this.#bytes.subarray(at + 1, at + 1 + tag)).toString("latin1"));
      at += 1 + tag;
    }
    throw new Error("bad name");
  }
}
