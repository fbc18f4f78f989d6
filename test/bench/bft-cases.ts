// The cases header-ibft2 and header-qbft: one header of four validators with three seals, decoded and verified on the state
// before it, as the firmware does it.

import { fromHex } from "../../firmware/bytes.js";
import { type BftCheckpoint, openBft } from "../../firmware/chain/bft/checkpoint.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import { Rejection } from "../../firmware/rejection.js";

export interface BftBenchInput {
  readonly checkpoint: BftCheckpoint;
  /** Raw headers in hexadecimal, from block 1 on. */
  readonly headers: readonly string[];
}

/** Made by bft-inputs.ts, by third-party code. */
export interface BftBenchInputs {
  readonly ibft2: BftBenchInput;
  readonly qbft: BftBenchInput;
}

export interface BftBenchCase {
  readonly name: string;
  readonly runs: number;
  readonly prepare: () => void;
  readonly run: () => unknown;
}

const RUNS = 24;

function sure<T>(value: T | Rejection, what: string): T {
  if (value instanceof Rejection) throw new Error(`${what}: ${value.code}: ${value.detail}`);
  return value;
}

function headerCase(engine: CryptoEngine, name: string, input: BftBenchInput): BftBenchCase {
  const consensus = sure(openBft(engine, input.checkpoint), "checkpoint");
  let trusted = consensus.checkpoint;
  let next = 0;
  let raw = new Uint8Array(0) as Uint8Array;
  return {
    name,
    runs: RUNS,
    prepare() {
      if (next === input.headers.length) {
        next = 0;
        trusted = consensus.checkpoint;
      }
      raw = sure(fromHex(input.headers[next] as string), "header");
      next += 1;
    },
    run() {
      const header = sure(consensus.decode(raw), "decode");
      trusted = sure(consensus.verify(trusted, header), "verify");
      return trusted;
    },
  };
}

/** Each is built when it is asked for, and can then be forgotten. */
export function bftBenchCases(engine: CryptoEngine, inputs: BftBenchInputs): readonly (() => BftBenchCase)[] {
  return [() => headerCase(engine, "header-ibft2", inputs.ibft2), () => headerCase(engine, "header-qbft", inputs.qbft)];
}
