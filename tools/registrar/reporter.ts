// Reports evidence against motes to their fleet's registry, and sees to it that it stays reported.
//
// Promises: a mote against which there is evidence that the registry takes is reported until the registry has quarantined its key for
// `settledBlocks`; what a reorganisation takes back before is reported again; a restart begins from the evidence and what the registry
// says, and reports nothing twice. A node that is away is asked again.
// Never: judges evidence (the contract does), sends what would revert, or sends two transactions at once.
// docs/ledger.md, "Evidence".

import { toHex } from "../../firmware/bytes.js";
import type { Reportable } from "../collector/store.js";
import { type Account, type Contract, Reverted } from "../contracts/account.js";
import { type MoteEntry, moteOf } from "../contracts/registry.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import { Bell } from "../processes/bell.js";

export type ReporterEvent =
  /** The registry took it, in this block. */
  | { readonly event: "reported"; readonly mote: string; readonly block: number; readonly gas: number }
  /** The key is quarantined since that block; `settled` where enough are built upon it. */
  | { readonly event: "quarantined"; readonly mote: string; readonly block: number; readonly settled: boolean }
  /** A reorganisation has taken the quarantine back: it is reported again. */
  | { readonly event: "report-undone"; readonly mote: string }
  /** By the name of the contract's error; `not-enrolled` where the registry does not have the key. */
  | { readonly event: "report-refused"; readonly mote: string; readonly reason: string }
  | { readonly event: "lost"; readonly to: "registry"; readonly reason: string; readonly retryMs: number };

export interface ReporterOptions {
  readonly registry: Contract;
  /** With money for gas. */
  readonly account: Account;
  /** One piece of each mote. */
  readonly evidence: () => AsyncIterable<Reportable>;
  /** Blocks upon a quarantine after which no reorganisation takes it back. */
  readonly settledBlocks: number;
  /** How often what is not settled is looked at, in milliseconds. */
  readonly pollMs?: number;
  readonly onEvent: (event: ReporterEvent) => void;
}

const POLL_MS = 1000;
/** How often all evidence is looked at anew where nothing is open: a key may have been enrolled meanwhile. */
const IDLE_MS = 60_000;
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 };

/** What was told last of a mote. */
type Told = "quarantined" | "settled" | `refused ${string}`;

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  /** By address. */
  readonly #told = new Map<string, Told>();
  readonly #running: Promise<void>;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** There is new evidence. */
  due(): void {
    this.#bell.ring();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { pollMs = POLL_MS, onEvent } = this.#options;
    const backoff = new Backoff(RETRY);
    while (!this.#stop.signal.aborted)
      try {
        const open = await this.#round();
        backoff.succeeded();
        if (this.#stop.signal.aborted) return;
        await this.#bell.wait(open ? pollMs : IDLE_MS);
      } catch (error) {
        const retryMs = backoff.next();
        onEvent({ event: "lost", to: "registry", reason: error instanceof Error ? error.message : String(error), retryMs });
        await pause(retryMs, this.#stop.signal);
      }
  }

  /** Looks at all evidence; answers whether something is to be looked at again soon. */
  async #round(): Promise<boolean> {
    let open = false;
    for await (const piece of this.#options.evidence()) {
      if (this.#stop.signal.aborted) return false;
      if (this.#told.get(toHex(piece.mote)) !== "settled") open = (await this.#see(piece)) || open;
    }
    return open;
  }

  async #see({ mote, records }: Reportable): Promise<boolean> {
    const { registry, account, onEvent } = this.#options;
    const entry = await moteOf(registry, mote);
    const name = `0x${toHex(mote)}`;
    if (entry.status === "quarantined") return this.#quarantined(mote, entry);
    if (this.#told.get(toHex(mote)) === "quarantined") onEvent({ event: "report-undone", mote: name });
    if (entry.status === "absent") return this.#refused(mote, "not-enrolled");
    try {
      const { blockNumber, gasUsed } = await registry.send(account, "reportEquivocation", ...records);
      this.#told.delete(toHex(mote));
      onEvent({ event: "reported", mote: name, block: blockNumber, gas: gasUsed });
      return true;
    } catch (error) {
      if (!(error instanceof Reverted)) throw error;
      // Somebody else was quicker.
      return error.error === "AlreadyQuarantined" || this.#refused(mote, error.error ?? "reverted");
    }
  }

  async #quarantined(mote: Uint8Array, { sinceBlock }: MoteEntry): Promise<boolean> {
    const { account, settledBlocks, onEvent } = this.#options;
    const settled = Number(await account.rpc.call("eth_blockNumber")) - sinceBlock >= settledBlocks;
    const told = settled ? "settled" : "quarantined";
    if (this.#told.get(toHex(mote)) !== told)
      onEvent({ event: "quarantined", mote: `0x${toHex(mote)}`, block: sinceBlock, settled });
    this.#told.set(toHex(mote), told);
    return !settled;
  }

  /** Said once, and left alone for a while. */
  #refused(mote: Uint8Array, reason: string): false {
    const told: Told = `refused ${reason}`;
    if (this.#told.get(toHex(mote)) !== told)
      this.#options.onEvent({ event: "report-refused", mote: `0x${toHex(mote)}`, reason });
    this.#told.set(toHex(mote), told);
    return false;
  }
}
