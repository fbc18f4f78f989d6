// Every single bit of everything that a journal holds, flipped while the power is off: what boots then signs nothing but
// payloads as they were kept, sends nothing but records as they were signed, and names what it has lost.

import { hash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { ByteBuffer, KeyHandle, KeyValueDomain } from "../../../firmware/ports.js";
import { Author } from "../../../firmware/record/author.js";
import { digestOf } from "../../../firmware/record/cose.js";
import { Journal } from "../../../firmware/record/journal.js";
import { Outbox } from "../../../firmware/record/outbox.js";
import { Sequence } from "../../../firmware/record/sequence.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type FlashMode, NorFlash, SECTOR_BYTES, UNIT_BYTES } from "../../../host-sim/hardware/flash.js";
import { seedOr } from "../../seed.js";
import { FLEET } from "./author-bench.js";

const SECTORS = 6;
/** Without FULL=1 one bit in five, which meets each of a byte's: from another on each time. */
const EACH = process.env.FULL === "1" ? 1 : 5;
const FIRST = seedOr() % EACH;
const ADDRESS = new Uint8Array(20).fill(0xad);
const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(hash("sha256", Buffer.concat(parts), "buffer"));
const engine = { ...nobleEngine, sha256 };
const payloadOf = (seq: number): Uint8Array => Uint8Array.from({ length: 90 }, (_, i) => (seq * 37 + i * 5) & 0xff);
const signatureOf = (digest: Uint8Array): Uint8Array => concat(digest, sha256(digest));
const digestsOf = (seqs: readonly number[]): string[] => seqs.map((seq) => toHex(digestOf(engine, ADDRESS, payloadOf(seq))));
const messageOf = (seq: number): string => toHex(concat(payloadOf(seq), signatureOf(digestOf(engine, ADDRESS, payloadOf(seq)))));

class Values implements KeyValueDomain {
  readonly #values = new Map<string, Uint8Array>();
  read(key: string): ArrayBuffer | undefined {
    return this.#values.get(key)?.slice().buffer as ArrayBuffer | undefined;
  }
  write(key: string, value: ByteBuffer): void {
    this.#values.set(key, new Uint8Array(value).slice());
  }
  delete(): void {}
  close(): void {}
}

function mount(flash: NorFlash): Journal {
  const journal = Journal.mount(flash, { engine });
  if (journal instanceof Rejection) throw new Error(String(journal));
  return journal;
}

/** Records 1 and 2 signed, 3 signed in the sector after its own, 4 not signed. */
function prepared(mode: FlashMode): NorFlash {
  const flash = new NorFlash({ sectors: SECTORS, mode, seed: 5 });
  let journal = mount(flash);
  const seal = (seq: number): void => {
    const refusal = journal.seal(seq, signatureOf(digestOf(engine, ADDRESS, payloadOf(seq))));
    assert.is(refusal, undefined);
  };
  for (const seq of [1, 2, 3]) {
    assert.is(journal.append(0, seq, payloadOf(seq)), undefined);
    if (seq < 3) seal(seq);
  }
  journal = mount(flash);
  seal(3);
  assert.is(journal.append(0, 4, payloadOf(4)), undefined);
  return flash;
}

/** A boot that signs what waits and sends all it can: digests signed, messages sent, records given up. */
async function boot(flash: NorFlash): Promise<{ signed: string[]; sent: string[]; lost: number[]; journal: Journal }> {
  const journal = mount(flash);
  const sequence = Sequence.open(new Values(), undefined);
  if (sequence instanceof Rejection) throw new Error(String(sequence));
  const [signed, sent, lost]: [string[], string[], number[]] = [[], [], []];
  const none = (): never => {
    throw new Error("not asked for here");
  };
  const sign = (_: KeyHandle, digest: Uint8Array): Uint8Array => {
    signed.push(toHex(digest));
    return signatureOf(digest);
  };
  const keys = { open: none, create: none, publicKey: none, close: none, sign };
  const author = new Author({ engine, keys, key: { slot: "device" }, address: ADDRESS, fleet: FLEET, journal, sequence });
  await author.recover();
  const outbox = new Outbox({
    journal,
    encode: (payload, signature) => concat(payload, signature),
    digest: (payload) => digestOf(engine, ADDRESS, payload),
    onLost: (seq) => lost.push(seq),
  });
  // What does not read is asked for again after 1, 2 and 4 seconds, before it is given up.
  for (const nowMs of [0, 1_000, 3_000, 7_000])
    for (let out = outbox.next(nowMs); out !== undefined; out = outbox.next(nowMs)) sent.push(toHex(out.bytes));
  return { signed, sent, lost, journal };
}

for (const mode of ["plain", "encrypted"] as const)
  test(`${mode}: any bit flipped`, async () => {
    const whole = prepared(mode);
    const flash = new NorFlash({ sectors: SECTORS, mode, seed: 5 });
    flash.copyFrom(whole, 1);
    const sound = await boot(flash);
    assert.equal(sound.signed, digestsOf([4]));
    assert.equal(sound.sent, [1, 2, 3, 4].map(messageOf));
    const digests = new Set(digestsOf([1, 2, 3, 4]));
    const messages = new Set([1, 2, 3, 4].map(messageOf));
    let [unlike, lost] = [0, 0];
    // Two sectors are in use, each from its beginning: 21 units of the first, 13 of the second. The ones after those are erased.
    for (const [sector, units] of [
      [0, 26],
      [1, 14],
    ] as const)
      for (let bit = FIRST; bit < units * UNIT_BYTES * 8; bit += EACH) {
        flash.copyFrom(whole, bit);
        flash.flipBit(sector * SECTOR_BYTES * 8 + bit);
        const where = `sector ${sector}, bit ${bit}`;
        const found = await boot(flash);
        for (const digest of found.signed) assert.ok(digests.has(digest), `${where}: signed what was never kept`);
        for (const message of found.sent) assert.ok(messages.has(message), `${where}: sent what was never signed`);
        if (found.sent.length === 4) continue;
        unlike += 1;
        lost += found.lost.length;
        // What is missing was named as lost, or the header that leads to it has rotted.
        const header = bit < 3 * UNIT_BYTES * 8;
        assert.ok(header || found.sent.length + found.lost.length >= 4 || found.journal.lastSeq === 3, where);
      }
    assert.ok(unlike > 1_000 / EACH && lost > 1_000 / EACH, `${unlike} bits mattered, ${lost} records were given up`);
  });

test.run();
