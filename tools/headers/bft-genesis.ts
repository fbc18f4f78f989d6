// The rules of an IBFT 1, IBFT 2.0 or QBFT chain, out of the genesis file that its nodes were made from, Besu's or GoQuorum's.
//
// Promises: what the file says is read or refused as genesis-unsupported, with the key that is at fault. Never chooses for a chain
// that changed its consensus which of the two is meant.

import type { BftConsensusName } from "../../firmware/chain/bft/checkpoint.js";
import { besuParts } from "./genesis-besu.js";
import { chainOfConfig, configOf, type Section, unsupported } from "./genesis-fields.js";
import { goQuorumParts } from "./genesis-goquorum.js";
import { type GenesisRules, given, type Part } from "./genesis-rules.js";

/**
 * The rules that a Besu or GoQuorum genesis file states for `name`; for a chain that never changes its consensus, whatever it is.
 * @throws a `Rejection`: genesis-unsupported, with the key that is at fault
 */
export function bftRulesFromGenesis(genesis: unknown, trustingPeriodS: number, name?: BftConsensusName): GenesisRules {
  const config = configOf(genesis);
  const isGoQuorum = config.boolean("isquorum") === true || config.has("istanbul") || Array.isArray(config.get("transitions"));
  const parts = isGoQuorum ? goQuorumParts(config) : besuParts(config);
  if (config.has("clique")) throw config.refused("clique", "stands beside another consensus");
  const last = parts.at(-1) as Part;
  if (name === undefined && parts.length > 1)
    throw unsupported(switchOf(config), `takes the chain from ${parts[0]?.consensus} to ${last.consensus}: name one of them`);
  const found = parts.find(({ consensus }) => consensus === name) ?? last;
  return { chain: chainOfConfig(config), trustingPeriodS, ...given({ londonBlock: config.number("londonblock") }), ...found };
}

/** The key that makes a chain change its consensus. */
function switchOf(config: Section): string {
  const istanbul = config.section("istanbul");
  if (istanbul.has("testqbftblock")) return istanbul.pathOf("testqbftblock");
  return Array.isArray(config.get("transitions")) ? config.pathOf("transitions") : config.section("qbft").pathOf("startblock");
}
