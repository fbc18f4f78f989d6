// The chains that `chainmote headers` knows: how their raw headers lie in a file, and how a checkpoint comes out of a node.

import type { Words } from "../options.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import { UsageError } from "../terminal.js";
import { exportBitcoinCheckpoint } from "./bitcoin.js";
import { exportCliqueCheckpoint } from "./clique.js";
import { type Measure, measureBitcoin, measureRlp } from "./stream.js";

export interface HeaderChain {
  readonly measure: Measure;
  /** @param words the options of the command line, from which it takes what the node cannot tell */
  export(rpc: JsonRpc, number: number | undefined, words: Words): Promise<object>;
}

const HEIGHT_MAX = 2 ** 48 - 1;
const PERIOD_S_MAX = 86_400;

/** By the name of the consensus, as a checkpoint has it. */
export const HEADER_CHAINS: Readonly<Record<string, HeaderChain>> = {
  bitcoin: { measure: measureBitcoin, export: (rpc, number) => exportBitcoinCheckpoint(rpc, number) },
  clique: {
    measure: measureRlp,
    export(rpc, number, words) {
      const periodS = words.number("period", 0, PERIOD_S_MAX);
      const epoch = words.number("epoch", 1, HEIGHT_MAX);
      const londonBlock = words.number("london", 0, HEIGHT_MAX);
      if (periodS === undefined || epoch === undefined)
        throw new UsageError("--period S and --epoch N are missing: a node does not tell them, the chain's genesis file does");
      const zero = words.has("zero-base-fee") ? ({ baseFeeRule: "zero" } as const) : {};
      return exportCliqueCheckpoint(
        rpc,
        { periodS, epoch, ...(londonBlock === undefined ? {} : { londonBlock }), ...zero },
        number,
      );
    },
  },
};
