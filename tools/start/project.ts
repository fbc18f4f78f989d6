// The command of this package, and where `chainmote start` keeps what it makes: one folder with everything in it.

import { join } from "node:path";
import { REPOSITORY } from "../../host-sim/place.js";

/** In the folder that the command is called in, which npm makes the project's own. */
export const DEFAULT_DATA = ".chainmote";
export const COMMAND = join(REPOSITORY, "tools/chainmote.mjs");
export const TIED = new URL("../processes/tied.mjs", import.meta.url).href;

export interface Layout {
  readonly lock: string;
  readonly node: string;
  /** Where the motes of this folder start from, where the node is not of the folder. */
  readonly checkpoint: string;
  /** Addresses of the contracts on the folder's own chain. */
  readonly contracts: string;
  readonly collector: string;
  /** Of who governs the fleet's registry on a node of the folder's own. */
  readonly keys: string;
  /** Items that show a record to be anchored, a file each (docs/ledger.md). */
  readonly anchored: string;
  readonly log: string;
  /** The records of all motes as a CBOR sequence, written when `start` ends. */
  readonly records: string;
  /** @param number from 1 */
  board(number: number): string;
}

export function layoutOf(data: string): Layout {
  return {
    lock: join(data, "start.lock"),
    node: join(data, "node"),
    checkpoint: join(data, "checkpoint.json"),
    contracts: join(data, "contracts.json"),
    collector: join(data, "collector"),
    keys: join(data, "keys"),
    anchored: join(data, "anchored"),
    log: join(data, "start.log"),
    records: join(data, "records.cborseq"),
    board: (number) => join(data, "boards", String(number)),
  };
}
