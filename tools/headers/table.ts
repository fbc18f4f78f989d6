// The chains that `chainmote headers` knows: how their raw headers lie in a file, and how a checkpoint comes out of a node.

import type { BftConsensusName } from "../../firmware/chain/bft/checkpoint.js";
import { engine } from "../crypto/engine.js";
import type { Words } from "../options.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { CommandError, plainText, UsageError } from "../terminal.js";
import { bftRulesFromGenesis, exportBftCheckpoint } from "./bft.js";
import { exportBitcoinCheckpoint } from "./bitcoin.js";
import { cliqueRulesFromGenesis, exportCliqueCheckpoint } from "./clique.js";
import { readJson } from "./json-file.js";
import { type Measure, measureBitcoin, measureRlp } from "./stream.js";

export interface HeaderChain {
  readonly measure: Measure;
  /** @param words the options of the command line, from which it takes what the node cannot tell */
  export(rpc: Pick<JsonRpc, "call">, number: number | undefined, words: Words, say: (text: string) => void): Promise<object>;
  /** What nobody but the owner of the chain can see to, and a mote relies on. */
  readonly warning?: string;
}

const HEIGHT_MAX = 2 ** 48 - 1;
const PERIOD_S_MAX = 86_400;

/** Ten years; `docs/header-rules.md` says how to choose one. */
const TRUSTING_PERIOD_S_MAX = 315_360_000;

const ONE_CHAIN =
  "The validators' keys must seal this chain alone. Its headers do not say which chain they belong to: a mote that was away for " +
  "longer than linkBlocks periods cannot tell a block of another chain by the same keys (a test network, the net before a " +
  "relaunch) from one of its own.";

/** IBFT and QBFT: what a node does not tell is in the genesis file that it was made from. */
function bft(name: BftConsensusName): HeaderChain {
  return {
    measure: measureRlp,
    warning: ONE_CHAIN,
    export(rpc, number, words) {
      const genesis = words.text("genesis");
      const trustingPeriodS = words.number("trusting-period", 1, TRUSTING_PERIOD_S_MAX);
      if (genesis === undefined || trustingPeriodS === undefined)
        throw new UsageError("--genesis FILE (the chain's genesis file) and --trusting-period S are missing");
      const rules = bftRulesFromGenesis(readJson(genesis), trustingPeriodS, name);
      if (rules.consensus !== name) throw new CommandError(`${genesis} is of a chain with ${rules.consensus}, not ${name}`);
      return exportBftCheckpoint({ rpc, engine, rules, ...(number === undefined ? {} : { number }) });
    },
  };
}

/** By the name of the consensus, as a checkpoint has it. */
export const HEADER_CHAINS: Readonly<Record<string, HeaderChain>> = {
  bitcoin: {
    measure: measureBitcoin,
    export(rpc, number, words, say) {
      const work = words.text("work");
      if (work !== undefined && !/^(0x)?(?=.*[1-9a-f])[0-9a-f]{1,64}$/i.test(work))
        throw new UsageError(`--work takes 1 to 64 hexadecimal digits, more than 0, not "${plainText(work, 80)}"`);
      return exportBitcoinCheckpoint(rpc, {
        ...(number === undefined ? {} : { number }),
        ...(work === undefined ? {} : { work: BigInt(`0x${work.replace(/^0x/i, "")}`) }),
        onRelativeWork: () =>
          say(
            "the node tells no chainwork: the checkpoint counts work from its block on, which is enough for a mote (--work HEX gives it)",
          ),
      });
    },
  },
  clique: {
    measure: measureRlp,
    export(rpc, number, words) {
      const genesis = words.text("genesis");
      if (genesis !== undefined) return exportCliqueCheckpoint(rpc, cliqueRulesFromGenesis(readJson(genesis)), number);
      const periodS = words.number("period", 0, PERIOD_S_MAX);
      const epoch = words.number("epoch", 1, HEIGHT_MAX);
      const londonBlock = words.number("london", 0, HEIGHT_MAX);
      if (periodS === undefined || epoch === undefined)
        throw new UsageError(
          "--period S and --epoch N are missing, or the --genesis FILE that has them: a node does not tell them",
        );
      const zero = words.has("zero-base-fee") ? ({ baseFeeRule: "zero" } as const) : {};
      return exportCliqueCheckpoint(
        rpc,
        { periodS, epoch, ...(londonBlock === undefined ? {} : { londonBlock }), ...zero },
        number,
      );
    },
  },
  ibft: bft("ibft"),
  ibft2: bft("ibft2"),
  qbft: bft("qbft"),
};
