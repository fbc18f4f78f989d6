// What every noise source (firmware/ports.ts) must do: refuse until it is fed, then fill whole buffers.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../../firmware/bytes.js";
import type { Entropy } from "../../../firmware/ports.js";

export interface EntropyWorld {
  readonly entropy: Entropy;
  /** Switches the radio on. */
  feed(): void;
}

export function entropyContract(title: string, make: () => EntropyWorld): void {
  const test = suite(`entropy contract: ${title}`);

  test("refuses until the radio is on, and leaves the buffer as it was", () => {
    const { entropy, feed } = make();
    const buffer = new Uint8Array(32);
    assert.throws(() => entropy.read(buffer));
    assert.ok(equal(buffer, new Uint8Array(32)));
    feed();
    entropy.read(buffer);
    assert.not.ok(equal(buffer, new Uint8Array(32)));
  });

  test("fills all of a view and nothing beside it, with other bytes each time", () => {
    const { entropy, feed } = make();
    feed();
    const whole = new Uint8Array(3 * 64);
    entropy.read(whole.subarray(64, 128));
    assert.ok(equal(whole.subarray(0, 64), new Uint8Array(64)) && equal(whole.subarray(128), new Uint8Array(64)));
    const first = whole.slice(64, 128);
    entropy.read(whole.subarray(64, 128));
    assert.not.ok(equal(first, whole.subarray(64, 128)));
    entropy.read(new Uint8Array(0));
  });

  test("a failure is remembered once it is told, whatever is read then", () => {
    const { entropy, feed } = make();
    assert.is(entropy.failed(), false);
    feed();
    entropy.fail();
    entropy.read(new Uint8Array(32));
    assert.is(entropy.failed(), true);
    entropy.fail();
    assert.is(entropy.failed(), true);
  });

  test("a long read has every byte value, and none too often", () => {
    const { entropy, feed } = make();
    feed();
    const bytes = new Uint8Array(65_536);
    entropy.read(bytes);
    const counts = new Array<number>(256).fill(0);
    for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1;
    // Mean 256, deviation 16: nine deviations either way happen once in 10^17 reads.
    assert.ok(Math.min(...counts) > 112 && Math.max(...counts) < 400, `from ${Math.min(...counts)} to ${Math.max(...counts)}`);
  });

  test.run();
}
