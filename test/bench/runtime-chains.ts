// The chains that the long run on the XS engine follows, one per consensus, made by third-party code: of any length, the same
// each time, with what a real chain brings now and then.
//
// Promises: blocks come every `PERIOD_S`, so that the chain's time and the mote's clock run alike; Clique and the BFT family
// vote and pass epochs; Bitcoin's blocks are mined (regtest), and some are dated before their parents.

import { instantiateSecp256k1 } from "@bitauth/libauth/build/lib/crypto/secp256k1.js";
import { bitcoinCheckpointFromGenesis } from "../../firmware/chain/bitcoin/checkpoint.js";
import { type BitcoinRules, bitcoinNetwork } from "../../firmware/chain/bitcoin/rules.js";
import { cliqueCheckpointFromGenesis } from "../../firmware/chain/clique/checkpoint.js";
import { Rejection } from "../../firmware/rejection.js";
import type { RuntimeName } from "../../tools/bench/report.js";
import { engine } from "../../tools/crypto/engine.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain } from "../chains/bft-generator.js";
import type { BftKind } from "../chains/bft-model.js";
import { BitcoinChain } from "../chains/bitcoin-generator.js";
import { accounts, type ChildOptions, CliqueChain, type Sealer } from "../chains/clique-generator.js";

export const PERIOD_S = 15;
const ETHEREUM_CHAIN = "eip155:1337";
const CLIQUE_SIGNERS = 5;
const BFT_VALIDATORS = 4;
const EPOCH = 256;
/** Every so many blocks there is a vote, each time by another signer for another account: none ever gets a majority. */
const VOTE_BLOCKS = 41;
const ADDRESS_BYTES = 20;
/** Gas that blocks use which take the place of others. */
const LEFT_GAS_USED = 21_000n;
const BASE_FEE = 1_000_000_000n;
/** Every so many blocks of Bitcoin one is dated so long before its parent: the median of eleven allows five periods. */
const DATED_BACK_BLOCKS = 60;
const DATED_BACK_S = 30;

export interface ChainBlock {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly number: number;
}

/** A chain from its genesis block on. */
export interface RuntimeChain {
  /** CAIP-2. */
  readonly chain: string;
  /** The genesis block, as a configuration pins it. */
  readonly checkpoint: unknown;
  /** When it was dated, in seconds since the Unix epoch. */
  readonly genesisTimeS: number;
  /** Whether a mote can jump on it. */
  readonly jumps: boolean;
  /** The next block, which is the newest then. `stateRoot` is that of the state that it leaves, on Clique alone; of none where absent. */
  grow(stateRoot?: Uint8Array): ChainBlock;
  /** One of the blocks that there are. */
  at(number: number): ChainBlock;
  /** The newest `depth` blocks are left for others, and one more: answers the newest. Of a chain that is not final. */
  leave?(depth: number, stateRoot?: Uint8Array): ChainBlock;
}

const libsecp256k1 = await instantiateSecp256k1();

/** libsecp256k1 instead of the generator's own reference, which would take a minute for a long chain. */
const sealer: Sealer = (digest, signer) => {
  const signed = libsecp256k1.signMessageHashRecoverableCompact(signer.secret, digest);
  if (typeof signed === "string") throw new Error(signed);
  return Uint8Array.from([...signed.signature, signed.recoveryId]);
};

export function runtimeChain(name: Exclude<RuntimeName, "ledger">): RuntimeChain {
  if (name === "clique") return cliqueChain();
  return name === "bitcoin" ? bitcoinChain() : bftChain(name);
}

function cliqueChain(): RuntimeChain {
  const signers = accounts(CLIQUE_SIGNERS, "runtime");
  const made = new CliqueChain({ signers, periodS: PERIOD_S, epoch: EPOCH, londonBlock: 0, sealer });
  const rules = { chain: ETHEREUM_CHAIN, periodS: PERIOD_S, epoch: EPOCH, londonBlock: 0 };
  const checkpoint = sure(cliqueCheckpointFromGenesis(engine, made.genesis.raw, rules));
  const { timeS } = made.genesis;
  return {
    ...{ chain: ETHEREUM_CHAIN, checkpoint, genesisTimeS: timeS, jumps: false },
    ...growing(
      made.genesis,
      (parent, stateRoot) => made.child(parent, undefined, { ...voteAfter(parent), ...stating(stateRoot) }),
      (parent, stateRoot) => made.child(parent, undefined, { gasUsed: LEFT_GAS_USED, ...stating(stateRoot) }),
    ),
  };
}

function bftChain(kind: BftKind): RuntimeChain {
  // GoQuorum's IBFT 1 knows no base fee.
  const london = kind !== "ibft";
  const made = new BftChain({
    ...{ kind, validators: accounts(BFT_VALIDATORS, "runtime"), periodS: PERIOD_S, epoch: EPOCH },
    tail: london ? [BASE_FEE] : [],
  });
  const checkpoint = bftCheckpointAt(made, made.genesis, { chain: ETHEREUM_CHAIN, ...(london ? { londonBlock: 0 } : {}) });
  return {
    ...{ chain: ETHEREUM_CHAIN, checkpoint, genesisTimeS: made.genesis.timeS, jumps: true },
    ...growing(made.genesis, (parent) => made.child(parent, voteAfter(parent))),
  };
}

function bitcoinChain(): RuntimeChain {
  const made = BitcoinChain.regtest();
  const rules = bitcoinNetwork("regtest") as BitcoinRules;
  const checkpoint = sure(bitcoinCheckpointFromGenesis(engine, rules, made.genesis.raw));
  const genesisTimeS = made.genesis.timeS;
  return {
    ...{ chain: rules.chain, checkpoint, genesisTimeS, jumps: false },
    ...growing(
      made.genesis,
      (parent) =>
        made.child(parent, (draft) => {
          const number = parent.number + 1;
          draft.timeS = genesisTimeS + number * PERIOD_S - (number % DATED_BACK_BLOCKS === 0 ? DATED_BACK_S : 0);
        }),
      (parent) =>
        made.child(parent, (draft) => {
          draft.timeS = genesisTimeS + (parent.number + 1) * PERIOD_S + 1;
        }),
    ),
  };
}

function stating(stateRoot: Uint8Array | undefined): Pick<ChildOptions, "bend"> {
  return stateRoot === undefined ? {} : { bend: (draft) => void Object.assign(draft, { stateRoot }) };
}

function voteAfter({ number }: ChainBlock): { vote?: { account: Uint8Array; authorize: boolean } } {
  if (number % VOTE_BLOCKS !== 1) return {};
  return { vote: { account: new Uint8Array(ADDRESS_BYTES).fill(Math.floor(number / VOTE_BLOCKS)), authorize: true } };
}

/** @param other another child than `child` makes */
function growing<B extends ChainBlock>(
  genesis: B,
  child: (parent: B, stateRoot?: Uint8Array) => B,
  other: (parent: B, stateRoot?: Uint8Array) => B = child,
): Required<Pick<RuntimeChain, "grow" | "at" | "leave">> {
  const blocks = [genesis];
  return {
    leave(depth, stateRoot) {
      const length = blocks.length + 1;
      blocks.length -= depth;
      while (blocks.length < length) blocks.push(other(blocks[blocks.length - 1] as B, stateRoot));
      return blocks[blocks.length - 1] as B;
    },
    grow(stateRoot) {
      const block = child(blocks[blocks.length - 1] as B, stateRoot);
      blocks.push(block);
      return block;
    },
    at: (number) => blocks[number] as B,
  };
}

function sure<T>(value: T | Rejection): T {
  if (value instanceof Rejection) throw new Error(value.detail);
  return value;
}
