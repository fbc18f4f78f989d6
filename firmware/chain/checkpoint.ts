// From the checkpoint of a configuration to the consensus that follows it.
//
// Promises: the consensus named by `consensus` reads the rest; an unknown name is refused. Never guesses a chain.

import type { CryptoEngine } from "../crypto/engine.js";
import { Rejection } from "../rejection.js";
import { isBftName, openBft } from "./bft/checkpoint.js";
import { openBitcoin } from "./bitcoin/checkpoint.js";
import { openClique } from "./clique/checkpoint.js";
import type { Consensus } from "./consensus.js";

/** Characters. */
const NAME_SHOWN_MAX = 32;

/** Codes: consensus-unsupported, and those of the consensus' own reading (checkpoint-invalid). */
export function openChain(engine: CryptoEngine, json: unknown): Consensus | Rejection {
  if (typeof json !== "object" || json === null) return new Rejection("checkpoint-invalid", "the checkpoint: expected an object");
  const name = (json as Readonly<Record<string, unknown>>).consensus;
  if (name === "clique") return openClique(engine, json);
  if (isBftName(name)) return openBft(engine, json);
  if (name === "bitcoin") return openBitcoin(engine, json);
  return new Rejection(
    "consensus-unsupported",
    `consensus: expected "clique", "ibft", "ibft2", "qbft" or "bitcoin", found ${shown(name)}`,
  );
}

/** A configuration may lie in flash, of which XS writes no JSON. */
function shown(name: unknown): string {
  if (typeof name === "string") return `"${name.slice(0, NAME_SHOWN_MAX)}"`;
  return name === undefined ? "nothing" : `${typeof name === "object" ? "an" : "a"} ${typeof name}`;
}
