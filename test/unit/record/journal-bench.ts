// What the tests of the journal share: a journal on a simulated flash, and records that tell their number by their bytes.

import { hash } from "node:crypto";
import * as assert from "uvu/assert";
import { Journal, type JournalOptions } from "../../../firmware/record/journal.js";
import { Rejection } from "../../../firmware/rejection.js";
import type { FlashMode, NorFlash } from "../../../host-sim/hardware/flash.js";

export const engine = {
  sha256: (...parts: readonly Uint8Array[]): Uint8Array =>
    hash("sha256", parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts), "buffer"),
};
export const modes: readonly FlashMode[] = ["plain", "encrypted"];

export function mount(flash: NorFlash, options: Partial<JournalOptions> = {}): Journal {
  const journal = Journal.mount(flash, { engine, ...options });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}
export const payloadOf = (seq: number, length = 200): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seq * 31 + i * 7) & 0xff);
export const signatureOf = (seq: number): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => (seq * 13 + i * 5) & 0xff);
export function record(journal: Journal, seq: number, length = 200): Rejection | undefined {
  return journal.append(0, seq, payloadOf(seq, length)) ?? journal.seal(seq, signatureOf(seq));
}
export function rejected(value: unknown, code: string): void {
  assert.instance(value, Rejection);
  assert.is((value as Rejection).code, code, String(value));
}
export function expectRecord(journal: Journal, seq: number, length = 200): void {
  const kept = journal.read(seq);
  assert.not.instance(kept, Rejection, String(kept));
  if (kept instanceof Rejection) return;
  assert.equal(kept.payload, payloadOf(seq, length));
  assert.equal(new Uint8Array(kept.signature ?? []), signatureOf(seq));
}
export function seqs(journal: Journal): number[] {
  const found: number[] = [];
  for (let seq = journal.after(0); seq !== undefined; seq = journal.after(seq)) found.push(seq);
  return found;
}
