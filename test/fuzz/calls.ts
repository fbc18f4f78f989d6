// Inputs of the fuzzers that call as JavaScript does (test/fuzz/engine): calls of a target's functions with arguments of the kinds that they
// take, then a few bytes turned. The same seed gives the same inputs.
//
// The bytes are what engine.c's performCall reads: a function's place, how, each argument; what a device says is read from the input's end.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../../host-sim/world/prng.js";
import { REPOSITORY, type Target } from "./driver.js";

/** `from`: a place where something is kept; `odd`: a view of the bytes but the first, so that it begins at an odd one. */
type Argument = number | string | Uint8Array | { readonly from: number } | { readonly odd: Uint8Array };
interface Call {
  readonly name: string;
  readonly with?: readonly Argument[];
  /** The place where the result is kept, and behind it the first two arguments. */
  readonly keep?: number;
}
interface Native {
  readonly name: string;
  readonly takes: string;
}

const PLACES = 8;
const WITH_ARGUMENTS = 12;
const FROM_BEFORE = 200;
/** What engine.c's makeAny takes for bytes. */
const ANY_BYTES = 6;
const VIEW_FROM_ONE = 3;
const LONG_LENGTH = 250;
const WORD_FOLLOWS = 203;
const DOUBLE_FOLLOWS = 202;
const TEXT_BYTES_MAX = 63;
const CALLS_MAX = 8;
const WORLD_BYTES_MAX = 96;
const LIE_EACH = 12;
const MUTATIONS_MAX = 3;

/** The functions of a harness, in its order. */
function nativesOf({ name }: Target): readonly Native[] {
  const source = readFileSync(join(REPOSITORY, `test/fuzz/${name}.c`), "utf8");
  return [...source.matchAll(/(?:NATIVE\(|^\t\{ ")(\w+)(?:", \w+)?, "(\w*)",/gm)].map(([, native, takes]) => ({
    name: native as string,
    takes: takes as string,
  }));
}

const word = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

function argumentBytes(kind: string, argument: Argument): readonly number[] {
  if (typeof argument === "object" && "from" in argument) return [kind === "h" ? argument.from : FROM_BEFORE + argument.from];
  if (typeof argument === "string") return [argument.length, ...Buffer.from(argument, "latin1")];
  if (typeof argument === "number") {
    if (Number.isInteger(argument) && argument >= 0 && argument < FROM_BEFORE) return [argument];
    if (kind === "i") return [WORD_FOLLOWS, ...word(argument), 0, 0, 0, 0];
    const double = Buffer.alloc(8);
    double.writeDoubleLE(argument);
    return [DOUBLE_FOLLOWS, ...double];
  }
  const [view, bytes] = "odd" in argument ? [VIEW_FROM_ONE, argument.odd] : [0, argument];
  const length = bytes.length < LONG_LENGTH ? [bytes.length] : [LONG_LENGTH, bytes.length >> 8, bytes.length & 255];
  return [view, ...length, ...bytes];
}

/** An input that makes these calls; `world` is said by devices, first to last. */
export function inputOf(target: Target, calls: readonly Call[], world: readonly number[] = []): Uint8Array {
  const natives = nativesOf(target);
  const bytes = calls.flatMap(({ name, with: given = [], keep = 0 }) => {
    const place = natives.findIndex((native) => native.name === name);
    const takes = natives[place]?.takes;
    if (takes === undefined || takes.length !== given.length) throw new Error(`${name} takes ${takes}`);
    return [place, keep * 16 + WITH_ARGUMENTS, ...given.flatMap((argument, i) => argumentBytes(takes[i] as string, argument))];
  });
  return Uint8Array.from([...bytes, ...[...world].reverse()]);
}

/** Bytes and texts that mean something to a target, and calls to begin with. */
interface Seeds {
  readonly bytes: readonly Uint8Array[];
  readonly texts: readonly string[];
  readonly first: readonly (readonly Call[])[];
}

/** An input that calls one function with buffers in the place of whatever it takes. */
export function buffersFor(target: Target, name: string, buffers: readonly Uint8Array[]): Uint8Array {
  const place = nativesOf(target).findIndex((native) => native.name === name);
  return Uint8Array.from([place, buffers.length * 16, ...buffers.flatMap((bytes) => [ANY_BYTES, ...argumentBytes("b", bytes)])]);
}

/** Inputs for a target, from its seeds. */
export function* callInputs(target: Target, seeds: Seeds, seed: string): Generator<Uint8Array, never> {
  const prng = new Prng(seed);
  const natives = nativesOf(target);
  const one = <T>(of: readonly T[]): T => of[prng.below(of.length)] as T;
  const anyBytes = (): Uint8Array => {
    const lengths = [0, 1, 20, 32, 33, 64, 65, 128, 129, prng.below(300)];
    return Uint8Array.from({ length: one(lengths) }, () => prng.below(256));
  };
  const any = (kind: string): Argument => {
    if (kind === "h") return { from: prng.below(PLACES) };
    if (kind === "b") {
      if (prng.below(2) === 0) return { from: prng.below(PLACES) };
      return prng.below(2) === 0 && seeds.bytes.length > 0 ? one(seeds.bytes) : anyBytes();
    }
    if (kind === "s") {
      const made = (): string =>
        String.fromCharCode(...Array.from({ length: prng.below(TEXT_BYTES_MAX) }, () => 1 + prng.below(255)));
      return prng.below(2) === 0 && seeds.texts.length > 0 ? one(seeds.texts) : made();
    }
    return prng.below(8) === 0 ? prng.below(2 ** 31) : prng.below(one([3, 24, 140]));
  };
  for (;;) {
    const calls = [...(seeds.first.length > 0 ? one(seeds.first) : [])];
    for (let left = 1 + prng.below(CALLS_MAX); left > 0; left -= 1) {
      const { name, takes } = one(natives);
      calls.push({ name, with: [...takes].map(any), keep: prng.below(PLACES) });
    }
    const says = (): number => (prng.below(LIE_EACH) === 0 ? prng.below(256) : 4 * prng.below(3));
    const world = Array.from({ length: prng.below(WORLD_BYTES_MAX) }, says);
    const input = inputOf(target, calls, world);
    for (let left = prng.below(2) * prng.below(MUTATIONS_MAX + 1); left > 0; left -= 1)
      input[prng.below(input.length)] = prng.below(256);
    yield input;
  }
}
