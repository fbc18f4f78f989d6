// What boards of one process share: recoveries and long hashes, and no verdict. Each board judges as it would alone by the reference,
// whatever others were shown before it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat, toHex } from "../../../firmware/bytes.js";
import { openBft } from "../../../firmware/chain/bft/checkpoint.js";
import { openClique } from "../../../firmware/chain/clique/checkpoint.js";
import type { Consensus, Header, Trusted } from "../../../firmware/chain/consensus.js";
import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../host-sim/crypto/engine-fast.js";
import { ENTRIES_MAX, sharedEngine } from "../../../host-sim/crypto/shared-engine.js";
import { bftCheckpointAt } from "../../chains/bft-fixture.js";
import { BftChain } from "../../chains/bft-generator.js";
import { checkpointAt, held } from "../../chains/clique-fixture.js";
import { accounts, CliqueChain } from "../../chains/clique-generator.js";
import { bytesOf, scalar } from "../crypto/scalars.js";

/** The fast engine, counting what it is asked. */
function counted(): { engine: CryptoEngine; recoveries: () => number; hashes: () => number } {
  let [recoveries, hashes] = [0, 0];
  const engine: CryptoEngine = {
    ...fastEngine,
    keccak256(...parts) {
      hashes += 1;
      return fastEngine.keccak256(...parts);
    },
    secp256k1: {
      ...fastEngine.secp256k1,
      recover(...parameters) {
        recoveries += 1;
        return fastEngine.secp256k1.recover(...parameters);
      },
    },
  };
  return { engine, recoveries: () => recoveries, hashes: () => hashes };
}

/** One board's belief, by an engine. */
class Believer {
  readonly #consensus: Consensus;
  state: Trusted;

  constructor(engine: CryptoEngine, checkpoint: object) {
    const json = JSON.parse(JSON.stringify(checkpoint));
    this.#consensus = held<Consensus>(json.consensus === "clique" ? openClique(engine, json) : openBft(engine, json));
    this.state = this.#consensus.checkpoint;
  }

  /** What comes of a header, in full; a header that holds becomes its head where `moves`. */
  judge(raw: Uint8Array, moves: boolean): string {
    const header: Header | Rejection = this.#consensus.decode(raw);
    const next = header instanceof Rejection ? header : this.#consensus.verify(this.state, header, undefined);
    if (next instanceof Rejection) return `${next.code}: ${next.detail}`;
    if (moves) this.state = next;
    return JSON.stringify(next, (_, value) =>
      typeof value === "bigint" ? `${value}n` : value instanceof Uint8Array ? toHex(value) : value,
    );
  }
}

/** The header itself, and what is made of it: bits turned in places all over it, the seal of another. */
function variants(raw: Uint8Array, other: Uint8Array): Uint8Array[] {
  const bent = [3, 40, 450, raw.length - 50, raw.length - 80].map((at) => raw.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  return [...bent, concat(raw.subarray(0, raw.length - 60), other.subarray(other.length - 60)), raw];
}

function sharedByAll(checkpoints: readonly object[], headers: readonly Uint8Array[]): void {
  const shared = sharedEngine(fastEngine);
  const boards = checkpoints.map((checkpoint) => new Believer(shared, checkpoint));
  const alone = checkpoints.map((checkpoint) => new Believer(nobleEngine, checkpoint));
  const verdicts = new Set<string>();
  for (const [at, raw] of headers.entries()) {
    const all = variants(raw, headers[(at + 1) % headers.length] as Uint8Array);
    for (const variant of all)
      for (const [number, board] of boards.entries()) {
        const said = board.judge(variant, true);
        assert.is(said, alone[number]?.judge(variant, true), `board ${number}, header ${at}`);
        verdicts.add(said.startsWith("{") ? "holds" : (said.split(":")[0] as string));
      }
  }
  assert.ok(verdicts.has("holds") && verdicts.size > 3, [...verdicts].join());
  // The first board believes the whole chain; the one that trusts others believes none of it.
  assert.is(boards[0]?.state.number, headers.length);
  assert.is(boards.at(-1)?.state.number, 0);
}

test("Clique: the verdicts and states of the reference without a cache, for boards of unlike state and rules", () => {
  const chain = new CliqueChain({ signers: accounts(4), periodS: 15, epoch: 30_000 });
  const blocks = chain.grow(chain.genesis, 10);
  const genesis = checkpointAt(chain, chain.genesis);
  const strangers = accounts(4, "stranger").map(({ hex }) => hex);
  const checkpoints = [
    genesis,
    genesis,
    checkpointAt(chain, blocks[4] as (typeof blocks)[number]), // further on
    { ...genesis, periodS: 30 }, // other rules
    { ...genesis, epoch: 5 },
    { ...genesis, signers: strangers }, // trusts others
  ];
  sharedByAll(
    checkpoints,
    blocks.map(({ raw }) => raw),
  );
});

test("QBFT: the same", () => {
  const chain = new BftChain({ kind: "qbft", validators: accounts(4), periodS: 2 });
  const blocks = chain.grow(chain.genesis, 5);
  const genesis = bftCheckpointAt(chain, chain.genesis);
  const strangers = accounts(4, "stranger").map(({ hex }) => hex);
  const checkpoints = [genesis, genesis, { ...genesis, periodS: 5 }, { ...genesis, validators: strangers }];
  sharedByAll(
    checkpoints,
    blocks.map(({ raw }) => raw),
  );
});

test("boards that are shown one header recover its signer once, and hash it once", () => {
  const chain = new CliqueChain({ signers: accounts(3), periodS: 15, epoch: 30_000 });
  const blocks = chain.grow(chain.genesis, 6);
  const cost = (boards: number): readonly [number, number] => {
    const { engine, recoveries, hashes } = counted();
    const shared = sharedEngine(engine);
    const all = Array.from({ length: boards }, () => new Believer(shared, checkpointAt(chain, chain.genesis)));
    for (const { raw } of blocks) for (const board of all) assert.match(board.judge(raw, true), /^\{/);
    return [recoveries(), hashes()];
  };
  assert.is(cost(1)[0], blocks.length);
  assert.is(cost(20)[0], blocks.length);
  assert.ok(cost(20)[1] - cost(1)[1] < 20 * blocks.length * 2, "all that is hashed anew is short");
});

test("nobody can change what another one gets", () => {
  const shared = sharedEngine(fastEngine);
  const [signature, digest, long] = [concat(scalar(1n), scalar(7n)), bytesOf(32, 1), bytesOf(300, 2)];
  for (let i = 0; i < 3; i += 1) {
    for (const id of [0, 1]) {
      const key = shared.secp256k1.recover(signature, id, digest);
      assert.equal(key, nobleEngine.secp256k1.recover(signature, id, digest));
      assert.ok(key !== undefined);
      key.fill(0);
    }
    const hash = shared.keccak256(long.subarray(0, 100), long.subarray(100));
    assert.equal(hash, nobleEngine.keccak256(long));
    hash.fill(0);
  }
});

test("each byte of the arguments counts, and where one ends and the next begins", () => {
  const shared = sharedEngine(fastEngine);
  const [signature, digest] = [concat(scalar(1n), scalar(7n)), bytesOf(32, 1)];
  for (let bit = 0; bit < (64 + 32) * 8; bit += 7) {
    const all = concat(signature, digest);
    all[bit >> 3] = (all[bit >> 3] as number) ^ (1 << (bit & 7));
    const [r, d] = [all.slice(0, 64), all.slice(64)];
    for (const id of [0, 1, 2])
      assert.equal(shared.secp256k1.recover(r, id, d), fastEngine.secp256k1.recover(r, id, d), `bit ${bit}`);
  }
  const all = concat(signature, digest);
  assert.ok(shared.secp256k1.recover(signature, 0, digest) !== undefined);
  assert.is(shared.secp256k1.recover(all.slice(0, 63), 0, all.slice(63)), undefined);
  assert.is(shared.secp256k1.recover(all.slice(0, 65), 0, all.slice(65)), undefined);
  for (const hostile of [undefined, null, "", [], new ArrayBuffer(64)])
    assert.is(shared.secp256k1.recover(hostile as unknown as Uint8Array, 0, digest), undefined);
});

test("no more than so many answers are kept, and the oldest go", () => {
  const { engine, recoveries } = counted();
  const { recover } = sharedEngine(engine).secp256k1;
  const ask = (i: number): unknown => recover(concat(scalar(1n), scalar(7n)), 0, bytesOf(32, i));
  for (let i = 0; i < ENTRIES_MAX; i += 1) ask(i);
  ask(0);
  assert.is(recoveries(), ENTRIES_MAX);
  ask(ENTRIES_MAX); // the first one has to go for it
  ask(0);
  assert.is(recoveries(), ENTRIES_MAX + 2);
});

test.run();
