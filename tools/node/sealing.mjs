// Preloaded into the Ethereum node: its Clique signer puts transactions into the blocks that it seals, and runs contracts.
//
// @ethereumjs/client 0.10.5 executes a transaction in a block whose header has no extraData yet, which its own header class refuses on a Clique
// chain, and its EVM is not told how to find a block's signer, without which it runs no code there: every transaction is skipped. Here the
// block builder's header is sealed by the signer while a transaction is added (the block is sealed anew when it is complete, as before), and
// the EVM has the function that finds a signer.
// Never: changes what is sealed, or anything about a chain that is no Clique chain.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const VANITY_AND_SEAL_BYTES = 32 + 65;

/** The very module that the node loads: of its own copy of the package, in the form that it imports. */
function ofNode(name) {
  const require = createRequire(createRequire(import.meta.url).resolve("@ethereumjs/client/package.json"));
  return import(pathToFileURL(require.resolve(name).replace(/([\\/])cjs([\\/])/, "$1esm$2")).href);
}

const { BlockBuilder } = await ofNode("@ethereumjs/vm");
const { cliqueSigner, createSealedCliqueBlockHeader } = await ofNode("@ethereumjs/block");
const { EVM } = await ofNode("@ethereumjs/evm");

const addTransaction = BlockBuilder.prototype.addTransaction;
BlockBuilder.prototype.addTransaction = function (...options) {
  const { headerData, blockOpts, gasUsed } = this;
  const { cliqueSigner: key } = blockOpts;
  if (key !== undefined) {
    const bare = { ...headerData, gasUsed, extraData: new Uint8Array(VANITY_AND_SEAL_BYTES) };
    headerData.extraData = createSealedCliqueBlockHeader(bare, key, { ...blockOpts, freeze: false }).extraData;
  }
  return addTransaction.apply(this, options);
};

const runInterpreter = EVM.prototype.runInterpreter;
EVM.prototype.runInterpreter = function (...options) {
  this._optsCached.cliqueSigner ??= cliqueSigner;
  return runInterpreter.apply(this, options);
};
