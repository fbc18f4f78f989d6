// Where this project is, and where `chainmote start` keeps what it makes: one folder with everything in it.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
export const DEFAULT_DATA = join(PROJECT, ".chainmote");
export const COMMAND = fileURLToPath(new URL("../chainmote.mjs", import.meta.url));
export const TIED = new URL("../processes/tied.mjs", import.meta.url).href;

export interface Layout {
  readonly lock: string;
  readonly node: string;
  /** Where the motes of this folder start from, where the node is not of the folder. */
  readonly checkpoint: string;
  readonly collector: string;
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
    collector: join(data, "collector"),
    log: join(data, "start.log"),
    records: join(data, "records.cborseq"),
    board: (number) => join(data, "boards", String(number)),
  };
}
