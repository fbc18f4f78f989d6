// Health tests of a noise source: NIST SP 800-90B §4.3 (start-up) and §4.4 (continuous).
//
// Promises: not a byte leaves `read` before 1,024 consecutive samples have passed, and none that breaks a test itself;
// once a test has failed, this source answers nothing but that failure, and no other object of this board does until its
// power was off (`entropy-latched`): a source that fails now and then would pass if it were asked again. Never: keeps what
// it drew, or improves it.
//
// What is claimed of the source: H = 7 bits of min-entropy a byte, 7/8 a bit (the ESP32's generator with its radio on is
// specified as full entropy, so both leave room). A false alarm: α = 2^-30 for each test.
//   §4.4.1 repetition count: C = 1 + ⌈−log2 α / H⌉
//     bytes 1 + ⌈30 / 7⌉ = 6, bits 1 + ⌈30 / 0.875⌉ = 36
//   §4.4.2 adaptive proportion: C = 1 + CRITBINOM(W, 2^-H, 1 − α), the least c with P(Binomial(W, 2^-H) ≤ c) ≥ 1 − α
//     bytes W = 512: 22, bits W = 1,024: 654
// The bits are tested nine times: as one sequence, most significant bit first, and as eight, one for each position in
// the byte, so that a single stuck line shows. Of bits, both values are counted, not the first one's alone: that is the
// test and its mirror, and a window's rate of false alarm is at most 2α.
// §4.5 lets a developer add a test for a failure that he knows: start-up also refuses a source whose last 8 bytes came
// before, which is a cycle of at most 1,016 bytes (false alarm 2^-54).
// What no such test can see: a good pseudo-random generator with a known seed. Against that the entropy port itself
// refuses until the radio or the bootloader's source feeds it.

import type { Entropy } from "../ports.js";
import { assert, Rejection } from "../rejection.js";

/** §4.3 (4): at least 1,024 consecutive samples. A sample is a byte. */
export const STARTUP_SAMPLES = 1024;
export const BYTE_REPEATS_CUTOFF = 6;
export const BYTE_WINDOW_SAMPLES = 512;
export const BYTE_PROPORTION_CUTOFF = 22;
export const BIT_REPEATS_CUTOFF = 36;
export const BIT_WINDOW_SAMPLES = 1024;
export const BIT_PROPORTION_CUTOFF = 654;
export const CYCLE_MARK_BYTES = 8;
/** The longest draw of one `read`, in bytes. */
export const READ_BYTES_MAX = 1024;

const BYTE_BITS = 8;
const LATCHED = "the noise source has failed a health test since the power came on: switch the board off and on to test it again";

/** A noise source behind its health tests. One for each use; it has no state worth keeping. */
export class HealthyEntropy {
  readonly #source: Entropy;
  readonly #bytes = new ByteTests();
  readonly #sequence = new BitTests("the bits in sequence");
  readonly #positions: readonly BitTests[];
  #started = false;
  #failure: Rejection | undefined;

  constructor(source: Entropy) {
    this.#source = source;
    const positions: BitTests[] = [];
    for (let bit = 0; bit < BYTE_BITS; bit += 1) positions.push(new BitTests(`bit ${bit} of the bytes`));
    this.#positions = positions;
  }

  /**
   * Draws and tests 1,024 samples, and wipes them.
   * @returns undefined where all tests pass; `entropy-not-ready` where the source throws; `entropy-latched` where a test
   *   has failed since the power came on; else `entropy-repeats`, `entropy-biased` or `entropy-cycles`
   */
  startUp(): Rejection | undefined {
    if (this.#failure !== undefined || this.#started) return this.#failure;
    if (this.#source.failed()) return this.#fails(new Rejection("entropy-latched", LATCHED));
    const samples = new Uint8Array(STARTUP_SAMPLES);
    const failure = this.#draw(samples) ?? cycleOf(samples);
    samples.fill(0);
    this.#started = failure === undefined;
    return failure && this.#fails(failure);
  }

  /**
   * Fills `buffer` from the source, after the start-up test and through the continuous ones.
   * @param buffer at most 1,024 bytes; all zero where the answer is a rejection
   * @returns undefined, or why not; `entropy-not-ready` alone may pass with time (build a new object then)
   */
  read(buffer: Uint8Array): Rejection | undefined {
    assert(buffer.length <= READ_BYTES_MAX, "a draw within its bound");
    const failure = this.startUp() ?? this.#draw(buffer);
    if (failure === undefined) return undefined;
    buffer.fill(0);
    return this.#fails(failure);
  }

  /** A source that is not fed has failed no test. */
  #fails(failure: Rejection): Rejection {
    this.#failure = failure;
    if (failure.code !== "entropy-not-ready") this.#source.fail();
    return failure;
  }

  #draw(buffer: Uint8Array): Rejection | undefined {
    try {
      this.#source.read(buffer);
    } catch (error) {
      return new Rejection("entropy-not-ready", error instanceof Error ? error.message : "the source refuses");
    }
    for (let i = 0; i < buffer.length; i += 1) {
      const failure = this.#offer(buffer[i] as number);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  #offer(byte: number): Rejection | undefined {
    let failure = this.#bytes.offer(byte);
    for (let bit = BYTE_BITS - 1; bit >= 0 && failure === undefined; bit -= 1) {
      const value = (byte >> bit) & 1;
      failure = this.#sequence.offer(value) ?? (this.#positions[bit] as BitTests).offer(value);
    }
    return failure;
  }
}

class ByteTests {
  #last = -1;
  #repeats = 0;
  #reference = -1;
  #occurrences = 0;
  #samples = 0;

  offer(byte: number): Rejection | undefined {
    this.#repeats = byte === this.#last ? this.#repeats + 1 : 1; // §4.4.1
    this.#last = byte;
    if (this.#repeats >= BYTE_REPEATS_CUTOFF)
      return new Rejection("entropy-repeats", `one byte ${BYTE_REPEATS_CUTOFF} times in a row`);

    if (this.#samples === 0) {
      this.#reference = byte; // §4.4.2: the first of a window is what the window counts
      this.#occurrences = 0;
    }
    this.#samples = (this.#samples + 1) % BYTE_WINDOW_SAMPLES;
    if (byte === this.#reference) this.#occurrences += 1;
    if (this.#occurrences >= BYTE_PROPORTION_CUTOFF)
      return new Rejection("entropy-biased", `one byte ${BYTE_PROPORTION_CUTOFF} times in ${BYTE_WINDOW_SAMPLES}`);
    return undefined;
  }
}

class BitTests {
  readonly #title: string;
  #last = -1;
  #repeats = 0;
  #ones = 0;
  #samples = 0;

  constructor(title: string) {
    this.#title = title;
  }

  offer(bit: number): Rejection | undefined {
    this.#repeats = bit === this.#last ? this.#repeats + 1 : 1; // §4.4.1
    this.#last = bit;
    if (this.#repeats >= BIT_REPEATS_CUTOFF)
      return new Rejection("entropy-repeats", `${this.#title}: one value ${BIT_REPEATS_CUTOFF} times in a row`);

    this.#ones += bit; // §4.4.2, for both values
    this.#samples += 1;
    if (this.#ones >= BIT_PROPORTION_CUTOFF || this.#samples - this.#ones >= BIT_PROPORTION_CUTOFF)
      return new Rejection("entropy-biased", `${this.#title}: one value ${BIT_PROPORTION_CUTOFF} times in ${BIT_WINDOW_SAMPLES}`);
    if (this.#samples === BIT_WINDOW_SAMPLES) {
      this.#samples = 0;
      this.#ones = 0;
    }
    return undefined;
  }
}

/** Whether the last bytes stood in the samples before, at any offset. */
function cycleOf(samples: Uint8Array): Rejection | undefined {
  const mark = samples.length - CYCLE_MARK_BYTES;
  for (let start = mark - 1; start >= 0; start -= 1) {
    let same = 0;
    while (same < CYCLE_MARK_BYTES && samples[start + same] === samples[mark + same]) same += 1;
    if (same === CYCLE_MARK_BYTES)
      return new Rejection("entropy-cycles", `the source repeats itself after ${mark - start} bytes`);
  }
  return undefined;
}
