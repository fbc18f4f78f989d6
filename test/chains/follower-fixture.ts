// A follower over a store in memory and a clock that a test moves, and a relay that answers from a list of blocks.

import type { Clique } from "../../firmware/chain/clique/consensus.js";
import { Follower } from "../../firmware/chain/follow/follower.js";
import type { CryptoEngine } from "../../firmware/crypto/engine.js";
import type { ByteBuffer, KeyValueDomain } from "../../firmware/ports.js";
import type { Rejection } from "../../firmware/rejection.js";
import { fastEngine } from "../../tools/crypto/engine-fast.js";
import { openGenerated } from "./clique-fixture.js";
import { type Account, accounts, type Block, CliqueChain, hexOf, notary } from "./clique-generator.js";

export class MemoryStore implements KeyValueDomain {
  readonly values = new Map<string, Uint8Array>();
  /** How often each key was written. */
  readonly writes = new Map<string, number>();
  failing = false;
  read(key: string): ArrayBuffer | undefined {
    return this.values.get(key)?.slice().buffer;
  }
  write(key: string, value: ByteBuffer): void {
    if (this.failing) throw new Error("the store is full");
    this.writes.set(key, (this.writes.get(key) ?? 0) + 1);
    this.values.set(key, new Uint8Array(value instanceof Uint8Array ? value : new Uint8Array(value)).slice());
  }
  delete(key: string): void {
    this.values.delete(key);
  }
  close(): void {}
}

/** Height of the oldest block that a branch may begin after: where nothing below changes any more, as `follower` says of the genesis block. */
export function baseOf(follower: Follower, genesis: Block): number {
  const outcome = follower.offer(genesis.raw, undefined);
  if (kindOf(outcome) === "known") return 0;
  return Number(/is below (\d+), where nothing changes/.exec(`${outcome}`)?.[1]);
}

export interface World {
  readonly chain: CliqueChain;
  readonly clique: Clique;
  readonly engine: CryptoEngine;
  readonly store: MemoryStore;
  readonly clock: { now: number; ticksMs(): number };
  /** Signature checks so far. */
  readonly recoveries: () => number;
  follower: Follower;
  /** The same store under a new follower. */
  restart(): Follower;
}

export function world(signers: readonly Account[] = accounts(4), epoch = 30_000): World {
  const { sealer, engine, recoveries } = notary(fastEngine);
  const chain = new CliqueChain({ signers, epoch, sealer });
  const clique = openGenerated(chain, engine);
  const store = new MemoryStore();
  const clock = { now: 0, ticksMs: () => clock.now };
  const open = (): Follower => new Follower({ consensus: clique, engine, store, clock });
  const made: World = {
    ...{ chain, clique, engine, store, clock, recoveries, follower: open() },
    restart() {
      made.follower = open();
      return made.follower;
    },
  };
  return made;
}

/** Short names of what came of headers, for comparisons. */
export function kindOf(outcome: { kind: string } | Rejection): string {
  return "kind" in outcome ? outcome.kind : outcome.code;
}

export function headOf(follower: Follower): string {
  return hexOf(follower.head.hash);
}

/** The chain that ends in `tip`, by height; `blocks` holds all that were ever made. */
export class Relay {
  readonly #byNumber = new Map<number, Block>();
  asks = 0;
  readonly batch: number;
  constructor(blocks: readonly Block[], batch = 6) {
    this.batch = batch;
    for (const block of blocks) this.#byNumber.set(block.number, block);
  }

  answer(from: number, count: number): Uint8Array[] {
    this.asks += 1;
    const raws: Uint8Array[] = [];
    for (let number = from; number < from + Math.min(count, this.batch); number += 1) {
      const block = this.#byNumber.get(number);
      if (block === undefined) break;
      raws.push(block.raw);
    }
    return raws;
  }
}

/** Lets the follower ask until it wants nothing; answers what came of it all, in short names. */
export function drive(follower: Follower, relay: Relay, asksMax = 1000): string[] {
  const outcomes: string[] = [];
  for (let i = 0; i < asksMax; i += 1) {
    const ask = follower.wanted();
    if (ask === undefined) return outcomes;
    outcomes.push(...follower.answer(ask.from, relay.answer(ask.from, ask.count), undefined).map(kindOf));
  }
  throw new Error(`still asking after ${asksMax} asks`);
}
