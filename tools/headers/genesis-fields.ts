// The fields of a genesis file's `config`, as Besu and GoQuorum read them: names in any case.
//
// Promises: what a section says is either read or refused as genesis-unsupported with the key's name; nothing that somebody wrote
// is passed over because nobody here knows it. Never chooses between two spellings of one name that differ.

import { bytesIn, isObject, isUint } from "../../firmware/fields.js";
import { Rejection } from "../../firmware/rejection.js";

export type Json = Readonly<Record<string, unknown>>;

/** One object of the file: its fields by their names in lower case, and where it stands. */
export class Section {
  readonly path: string;
  readonly #fields = new Map<string, { readonly name: string; readonly value: unknown }>();

  /** @param value absent or null stands for an empty object, as for both clients */
  constructor(value: unknown, path: string) {
    this.path = path;
    if (value === undefined || value === null) return;
    if (!isObject(value)) throw unsupported(path, "is no object");
    for (const [name, field] of Object.entries(value)) {
      const key = name.toLowerCase();
      const other = this.#fields.get(key);
      if (other !== undefined && JSON.stringify(other.value) !== JSON.stringify(field))
        throw unsupported(`${path}.${name}`, `differs from ${other.name}, which is the same name`);
      this.#fields.set(key, { name, value: field });
    }
  }

  /** Undefined where it is absent or null. */
  get(key: string): unknown {
    return this.#fields.get(key)?.value ?? undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  get keys(): string[] {
    return [...this.#fields.keys()].filter((key) => this.has(key));
  }

  /** As the file spells it. */
  pathOf(key: string): string {
    return `${this.path}.${this.#fields.get(key)?.name ?? key}`;
  }

  /** Refuses every field but those of `known`. */
  allow(...known: readonly (readonly string[])[]): void {
    const names = known.flat();
    for (const key of this.keys) if (!names.includes(key)) throw this.refused(key, "is not known here, and may change the rules");
  }

  refused(key: string, reason: string): Rejection {
    return unsupported(this.pathOf(key), reason);
  }

  section(key: string): Section {
    return new Section(this.get(key), this.pathOf(key));
  }

  /** A whole number, or a text that is one, decimal or with 0x. */
  number(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    const number = typeof value === "string" && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? Number(value) : value;
    if (!isUint(number, 0, Number.MAX_SAFE_INTEGER)) throw this.refused(key, `is no whole number: ${JSON.stringify(value)}`);
    return number;
  }

  boolean(key: string): boolean | undefined {
    const value = this.get(key);
    if (value !== undefined && typeof value !== "boolean") throw this.refused(key, "is neither true nor false");
    return value;
  }

  text(key: string): string | undefined {
    const value = this.get(key);
    if (value !== undefined && typeof value !== "string") throw this.refused(key, "is no text");
    return value;
  }

  /** Undefined where it is empty, too. */
  addresses(key: string): string[] | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((item) => bytesIn(item, 20, 20) !== undefined && item.startsWith("0x")))
      throw this.refused(key, "is no list of addresses");
    return value.length === 0 ? undefined : value.map((item: string) => item.toLowerCase());
  }

  /** An address that is not zero. */
  address(key: string): string | undefined {
    const value = this.text(key)?.trim();
    return value === undefined || /^(0x)?0*$/i.test(value) ? undefined : value;
  }
}

export function configOf(genesis: unknown): Section {
  return new Section((genesis as Json | null | undefined)?.config, "config");
}

/** CAIP-2. */
export function chainOfConfig(config: Section): string {
  const chainId = config.number("chainid");
  if (chainId === undefined) throw unsupported("config.chainId", "is absent");
  return `eip155:${chainId}`;
}

export function unsupported(path: string, reason: string): Rejection {
  return new Rejection("genesis-unsupported", `${path} ${reason}`);
}
