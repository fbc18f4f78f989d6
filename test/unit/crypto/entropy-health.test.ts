// The health tests of SP 800-90B §4.3 and §4.4: the cutoffs computed again from the binomial distribution itself, what the
// tests detect, what they cannot, and how rarely they cry wolf.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as health from "../../../firmware/crypto/entropy-health.js";
import { HealthyEntropy } from "../../../firmware/crypto/entropy-health.js";
import type { Entropy } from "../../../firmware/ports.js";
import { Prng } from "../../../host-sim/world/prng.js";
import { biasedNoise, cyclicNoise, goodNoise, noiseOf, sourceOf, turningNoise, withBit } from "./noise.js";

// The claim of the module under test: alpha = 2^-30, H = 7 bits a byte and 7/8 a bit.
const ALPHA_BITS = 30;
const GOOD = process.env.FULL === "1" ? 10_000 : 2_000;
/** Between the lengths of the cycles that are tried. */
const CYCLE_STEP = process.env.FULL === "1" ? 1 : 5;

/** 1 + CRITBINOM(w, p, 1 - alpha) for p = numerator / denominator, in integers: nothing is rounded. */
function proportionCutoff(w: number, numerator: bigint, denominator: bigint): number {
  const all = denominator ** BigInt(w);
  let ways = 1n; // the binomial coefficient of k
  let tail = 0n; // P(X > k) times `all`
  for (let k = w; k >= 0; k -= 1) {
    tail += ways * numerator ** BigInt(k) * (denominator - numerator) ** BigInt(w - k);
    if (tail << BigInt(ALPHA_BITS) > all) return 1 + k;
    ways = (ways * BigInt(k)) / BigInt(w - k + 1);
  }
  throw new Error("a distribution that does not add up");
}

/** The largest integer whose eighth power is at most `value`. */
function eighthRoot(value: bigint): bigint {
  let low = 0n;
  let high = value;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if (middle ** 8n <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}

function startUp(source: Entropy): string {
  return new HealthyEntropy(source).startUp()?.code ?? "passes";
}

/** How many of `runs` start-ups came out as something else than `passes`. */
function refused(runs: number, make: (run: number) => Entropy): number {
  let count = 0;
  for (let run = 0; run < runs; run += 1) if (startUp(make(run)) !== "passes") count += 1;
  return count;
}

test("the cutoffs are those of §4.4.1 and §4.4.2 for the claimed entropy", () => {
  assert.is(health.BYTE_REPEATS_CUTOFF, 1 + Math.ceil(ALPHA_BITS / 7));
  assert.is(health.BIT_REPEATS_CUTOFF, 1 + Math.ceil(ALPHA_BITS / 0.875));
  assert.is(health.BYTE_WINDOW_SAMPLES, 512, "§4.4.2: 512 where a sample is not a bit");
  assert.is(health.BIT_WINDOW_SAMPLES, 1024, "§4.4.2: 1,024 where it is");
  assert.is(health.BYTE_PROPORTION_CUTOFF, proportionCutoff(512, 1n, 128n));
  // 2^-7/8 is irrational; between these two fractions the cutoff does not move, so it is exact.
  const denominator = 10n ** 12n;
  const below = eighthRoot(denominator ** 8n / 128n);
  assert.is(Number(below) / 1e12, Math.floor(2 ** -0.875 * 1e12) / 1e12);
  assert.is(health.BIT_PROPORTION_CUTOFF, proportionCutoff(1024, below, denominator));
  assert.is(health.BIT_PROPORTION_CUTOFF, proportionCutoff(1024, below + 1n, denominator));
  assert.ok(health.STARTUP_SAMPLES >= 1024, "§4.3");
});

test("the repetition count fires at its cutoff and not one before", () => {
  for (const [repeats, code] of [
    [health.BYTE_REPEATS_CUTOFF - 1, "passes"],
    [health.BYTE_REPEATS_CUTOFF, "entropy-repeats"],
  ] as const) {
    const good = goodNoise("repeats");
    const one = new Uint8Array(1);
    let index = 0;
    // 0xA5 alternates its bits enough for the bit tests, and neither neighbour is 0xA5.
    const source = noiseOf(() => {
      good.read(one);
      index += 1;
      if (index >= 100 && index < 100 + repeats) return 0xa5;
      return one[0] === 0xa5 ? 0xa6 : (one[0] as number);
    });
    assert.is(startUp(source), code);
  }
});

test("the proportion of one byte fires at its cutoff and not one before", () => {
  for (const [times, code] of [
    [health.BYTE_PROPORTION_CUTOFF - 1, "passes"],
    [health.BYTE_PROPORTION_CUTOFF, "entropy-biased"],
  ] as const) {
    const good = goodNoise("proportion");
    const one = new Uint8Array(1);
    let index = 0;
    const source = noiseOf(() => {
      good.read(one);
      const place = index++;
      if (place % 20 === 0 && place < 20 * times) return 0x3c; // the first of the window, and more of it
      return one[0] === 0x3c ? 0x3d : (one[0] as number);
    });
    assert.is(startUp(source), code);
  }
});

test(`${GOOD} good start-ups raise no alarm, nor 1,000 with no more entropy than is claimed`, () => {
  assert.is(
    refused(GOOD, (run) => goodNoise(`start ${run}`)),
    0,
  );
  assert.is(
    refused(500, (run) => biasedNoise(`claim ${run}`, 2 ** -0.875)),
    0,
  );
  assert.is(
    refused(500, (run) => biasedNoise(`claim ${run}`, 1 - 2 ** -0.875)),
    0,
  );
});

test("a stuck source is refused, at once or once it sticks", () => {
  for (const byte of [0x00, 0xff, 0x55, 0xaa, 0x01, 0x80]) {
    assert.is(startUp(noiseOf(() => byte)), "entropy-repeats");
    assert.is(
      startUp(
        turningNoise(
          goodNoise(byte),
          1000,
          noiseOf(() => byte),
        ),
      ),
      "entropy-repeats",
    );
  }
});

test("one stuck line of eight is refused, and its position named", () => {
  for (let position = 0; position < 8; position += 1) {
    for (const value of [0, 1]) {
      const failure = new HealthyEntropy(withBit(goodNoise(`line ${position}`), position, () => value)).startUp();
      assert.is(failure?.code, "entropy-repeats");
      assert.match(failure?.detail ?? "", `bit ${position} of the bytes`);
    }
  }
});

test("bits of which three in four are alike are refused in each of 1,000 start-ups, and on one line alone", () => {
  assert.is(
    refused(500, (run) => biasedNoise(`ones ${run}`, 0.75)),
    500,
  );
  assert.is(
    refused(500, (run) => biasedNoise(`zeros ${run}`, 0.25)),
    500,
  );
  const line = (run: number, likely: number): Entropy => {
    const bits = biasedNoise(`bits ${run}`, 0.75);
    const one = new Uint8Array(1);
    const next = (): number => {
      bits.read(one);
      return ((one[0] as number) & 1) ^ likely;
    };
    return withBit(goodNoise(`others ${run}`), run % 8, next);
  };
  assert.is(
    refused(200, (run) => line(run, 0)),
    200,
  );
  assert.is(
    refused(200, (run) => line(run, 1)),
    200,
  );
});

test("a source that gives one byte four times as often as is claimed is refused where a window begins with it", () => {
  // About 1 in 29. A window counts its first sample, so this is seen only where that byte comes first; a start-up may miss it.
  const source = (run: number): Entropy => {
    const good = goodNoise(`favourite ${run}`);
    const two = new Uint8Array(2);
    return noiseOf(() => {
      good.read(two);
      return (two[0] as number) < 8 ? 0x69 : (two[1] as number);
    });
  };
  const seen = refused(2_000, source);
  assert.ok(seen > 0 && seen < 2_000, `${seen} of 2,000`);
});

test("every cycle of at most 1,016 bytes is refused, a longer one is not seen", () => {
  for (let period = 1; period <= health.STARTUP_SAMPLES - health.CYCLE_MARK_BYTES; period += CYCLE_STEP)
    assert.is.not(startUp(cyclicNoise(goodNoise(`cycle ${period}`), period)), "passes", `a period of ${period}`);
  for (const period of [1017, 1024, 4096]) assert.is(startUp(cyclicNoise(goodNoise(`cycle ${period}`), period)), "passes");
  let count = 0;
  assert.is(startUp(noiseOf(() => count++ & 255)), "entropy-repeats", "a counter: its highest bit stands still for 128 bytes");
  count = 0;
  assert.is(startUp(noiseOf(() => (count++ * 37) & 255)), "entropy-cycles", "the same, in larger steps");
});

test("what no health test can see: a generator whose seed anyone can guess", () => {
  const prng = new Prng(1);
  const guessable = noiseOf(() => prng.below(256));
  assert.is(startUp(guessable), "passes");
});

test("a source that turns bad after start-up gives nothing, then and after", () => {
  const entropy = new HealthyEntropy(
    turningNoise(
      goodNoise("turn"),
      1024 + 40,
      noiseOf(() => 0x5a),
    ),
  );
  assert.is(entropy.startUp(), undefined);
  const first = new Uint8Array(32);
  assert.is(entropy.read(first), undefined);
  assert.ok(first.some((byte) => byte !== 0));
  const second = new Uint8Array(32).fill(7);
  assert.is(entropy.read(second)?.code, "entropy-repeats");
  assert.ok(second.every((byte) => byte === 0));
  assert.is(entropy.read(second)?.code, "entropy-repeats");
  assert.is(entropy.startUp()?.code, "entropy-repeats");
});

test("reading starts up by itself, draws what the source gives next, and leaves no sample behind", () => {
  const drawn: Uint8Array[] = [];
  const good = goodNoise("draw");
  const entropy = new HealthyEntropy(
    sourceOf((buffer) => {
      drawn.push(buffer);
      good.read(buffer);
    }),
  );
  const buffer = new Uint8Array(32);
  assert.is(entropy.read(buffer), undefined);
  const expected = new Uint8Array(1024 + 32);
  goodNoise("draw").read(expected);
  assert.equal([...buffer], [...expected.subarray(1024)]);
  assert.is(drawn.length, 2);
  assert.ok(drawn[0]?.length === 1024 && drawn[0].every((byte) => byte === 0));
});

test("a source that is not fed is asked for nothing more, and its reason is told", () => {
  const source = sourceOf(() => {
    throw new Error("the radio is off");
  });
  const entropy = new HealthyEntropy(source);
  assert.is(String(entropy.startUp()), "entropy-not-ready: the radio is off");
  assert.throws(() => entropy.read(new Uint8Array(1025)), /within its bound/);
  assert.not(source.failed(), "it has failed no test");
});

test("a failure, at the start or later, is remembered for every object that comes after, whatever the source gives then", () => {
  const good = goodNoise("later");
  for (const [goodBytes, read] of [
    [0, false],
    [1024, true],
  ] as const) {
    const turning = turningNoise(
      good,
      goodBytes,
      noiseOf(() => 0x55),
    );
    const first = new HealthyEntropy(turning);
    assert.is((read ? first.read(new Uint8Array(64)) : first.startUp())?.code, "entropy-repeats");
    assert.ok(turning.failed());
    // The same chip, and now its source passes.
    const mended = { ...good, failed: turning.failed, fail: turning.fail };
    const buffer = new Uint8Array(32).fill(7);
    const refusal = new HealthyEntropy(mended).read(buffer);
    assert.is(refusal?.code, "entropy-latched");
    assert.match(refusal?.detail ?? "", "switch the board off and on");
    assert.ok(buffer.every((byte) => byte === 0));
  }
  assert.is(new HealthyEntropy(good).startUp(), undefined, "another board");
});

test.run();
