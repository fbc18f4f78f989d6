// Values as the vectors write them, read exactly: JSON whose integers keep all their digits, and the diagnostic notation of
// CBOR (RFC 8949 §8) for the subset that the firmware's codec has.

import { type CborValue, Tagged } from "../../firmware/codec/cbor.js";

/** JSON with every integer beyond 2^53 − 1 as a bigint; JSON.parse alone would round it. */
export function exactJson(text: string): unknown {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `{"${MARK}":"${token}"}` : token,
  );
  return JSON.parse(marked, (_, value: unknown) => {
    const digits = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[MARK] : undefined;
    return typeof digits === "string" ? BigInt(digits) : value;
  });
}

const MARK = "exact integer";

/** What JSON can say of a CBOR value (RFC 8949 §6.2): objects become maps with keys of text. */
export function fromJson(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object" && value !== null)
    return new Map<CborValue, CborValue>(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  return value as CborValue;
}

/** Reads diagnostic notation; throws where it names something outside the subset. */
export function fromDiagnostic(text: string): CborValue {
  const reader = new Notation(text);
  const value = reader.item();
  reader.end();
  return value;
}

const SIMPLE = new Map<string, CborValue>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

class Notation {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  end(): void {
    if (this.#match(/\s*/y) === undefined || this.#at < this.#text.length) throw this.#fault("the end");
  }

  item(): CborValue {
    this.#match(/\s*/y);
    const number = this.#match(/-?(?:0x[0-9a-fA-F]+|\d+)(?![.\deE_])/y);
    if (number !== undefined) return this.#integerOrTag(number);
    const word = this.#match(/true|false|null/y);
    if (word !== undefined) return SIMPLE.get(word) as CborValue;
    const hex = this.#match(/h'[0-9a-fA-F\s]*'/y);
    if (hex !== undefined) return new Uint8Array(Buffer.from(hex.slice(2, -1).replace(/\s/g, ""), "hex"));
    const text = this.#match(/"(?:[^"\\]|\\.)*"/y);
    if (text !== undefined) return JSON.parse(text) as string;
    if (this.#match(/\[/y) !== undefined) return this.#list(/\]/y, () => this.item());
    if (this.#match(/\{/y) !== undefined) return new Map(this.#list(/\}/y, () => this.#pair()));
    throw this.#fault("an item of the subset");
  }

  #integerOrTag(text: string): CborValue {
    const negative = text.startsWith("-");
    const magnitude = BigInt(negative ? text.slice(1) : text);
    const value = negative ? -magnitude : magnitude;
    const narrow = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
    if (this.#match(/\(/y) === undefined) return narrow;
    const inner = this.item();
    if (this.#match(/\s*\)/y) === undefined) throw this.#fault("a closing parenthesis");
    return new Tagged(Number(narrow), inner);
  }

  #pair(): [CborValue, CborValue] {
    const key = this.item();
    if (this.#match(/\s*:/y) === undefined) throw this.#fault("a colon");
    return [key, this.item()];
  }

  #list<T>(close: RegExp, next: () => T): T[] {
    const items: T[] = [];
    this.#match(/\s*/y);
    while (this.#match(close) === undefined) {
      if (items.length > 0 && this.#match(/,/y) === undefined) throw this.#fault("a comma");
      items.push(next());
      this.#match(/\s*/y);
    }
    return items;
  }

  #match(rule: RegExp): string | undefined {
    rule.lastIndex = this.#at;
    const found = rule.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fault(expected: string): Error {
    return new Error(`diagnostic notation: expected ${expected} at character ${this.#at}`);
  }
}
