// Whether the block of a checkpoint still vouches for others (IBFT, QBFT: the trusting period of docs/header-rules.md).

import { CommandError, count } from "../terminal.js";

/** By how many seconds the trusting period of a checkpoint's block is over; 0 or less where it is not, or where there is none. */
export function overdueS(made: object): number {
  const { timeS, trustingPeriodS } = made as { timeS?: number; trustingPeriodS?: number };
  if (timeS === undefined || trustingPeriodS === undefined) return 0;
  return Math.floor(Date.now() / 1000) - timeS - trustingPeriodS;
}

/** A mote that starts from a block which vouches for nothing any more would only raise its alarm. */
export function refuseExpired(made: object, advice: string): void {
  const overS = overdueS(made);
  if (overS <= 0) return;
  const { number, timeS, trustingPeriodS } = made as { number: number; timeS: number; trustingPeriodS: number };
  throw new CommandError(
    `block #${number} is of ${new Date(timeS * 1000).toISOString().slice(0, 19)}Z, and the trusting period of ${count(trustingPeriodS)} s ` +
      `was over ${count(overS)} s ago: a mote takes no header after it (checkpoint-expired); give ${advice}`,
  );
}
