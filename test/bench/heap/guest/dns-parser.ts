// `dns/parser` on the XS engine. The SDK's is C, which this host does not have: the same objects, of the questions and the
// answers of type A that a resolver looks at (RFC 1035 §4.1). A packet that is cut off throws, as there.

const HEADER_BYTES = 12;
const TYPE_A = 1;
const POINTER = 0xc0;
const POINTERS_MAX = 16;
const { fromArrayBuffer } = String as unknown as { fromArrayBuffer(buffer: ArrayBuffer): string };

interface Entry {
  qname: string[];
  qtype?: number;
  qclass?: number;
  ttl?: number;
  rdata?: string;
}

export default class Parser {
  readonly buffer: ArrayBuffer;

  constructor(packet: ArrayBuffer) {
    this.buffer = packet.byteLength >= HEADER_BYTES ? packet : new ArrayBuffer(HEADER_BYTES);
  }

  get id(): number {
    return new DataView(this.buffer).getUint16(0);
  }

  get questions(): number {
    return new DataView(this.buffer).getUint16(4);
  }

  get answers(): number {
    return new DataView(this.buffer).getUint16(6);
  }

  question(index: number): Entry | null {
    return index < this.questions ? this.entry(index, false) : null;
  }

  answer(index: number): Entry | null {
    return index < this.answers ? this.entry(this.questions + index, true) : null;
  }

  private entry(index: number, answer: boolean): Entry {
    const view = new DataView(this.buffer);
    const { questions } = this;
    let at = HEADER_BYTES;
    for (let i = 0; i < index; i += 1) {
      at = this.afterName(at) + 4;
      if (i >= questions) at += 6 + view.getUint16(at + 4);
    }
    const entry: Entry = { qname: this.nameAt(at) };
    at = this.afterName(at);
    entry.qtype = view.getUint16(at);
    entry.qclass = view.getUint16(at + 2);
    if (!answer) return entry;
    entry.ttl = view.getUint32(at + 4);
    entry.rdata = entry.qtype === TYPE_A ? new Uint8Array(this.buffer, at + 10, 4).join(".") : "UNHANDLED";
    return entry;
  }

  private afterName(from: number): number {
    const view = new DataView(this.buffer);
    let at = from;
    for (let tag = view.getUint8(at); tag !== 0; tag = view.getUint8(at)) {
      if ((tag & POINTER) === POINTER) return at + 2;
      at += 1 + tag;
    }
    return at + 1;
  }

  private nameAt(from: number): string[] {
    const view = new DataView(this.buffer);
    const labels: string[] = [];
    let pointers = 0;
    let at = from;
    for (let tag = view.getUint8(at); tag !== 0; tag = view.getUint8(at)) {
      if ((tag & POINTER) === POINTER) {
        pointers += 1;
        if (pointers > POINTERS_MAX) throw new Error("bad name");
        at = view.getUint16(at) & 0x3fff;
      } else {
        labels.push(fromArrayBuffer.call(String, this.buffer.slice(at + 1, at + 1 + tag)));
        at += 1 + tag;
      }
    }
    return labels;
  }
}
