// Watches which motes the fleet's registry has quarantined, and has their records marked.
//
// Promises: every mote of the store is looked at in turn, until its quarantine has stood for as many blocks as settle; one that a reorganisation takes
// back before is undone. A node that cannot say changes nothing and is asked again. Never: lets a record go, or asks for more motes at once than
// `ROUND_MOTES_MAX`.
// docs/ledger.md, "Evidence".

import { toHex } from "../../firmware/bytes.js";
import type { Contract } from "../contracts/account.js";
import { moteOf } from "../contracts/registry.js";
import { Backoff, type BackoffLimits, pause } from "../processes/backoff.js";
import type { JsonRpc } from "../rpc/json-rpc.js";
import type { Fleet } from "./intake.js";
import type { OpenMote, QuarantineStore } from "./quarantine-store.js";

export type QuarantineEvent =
  /** So many stored records were marked. */
  | { readonly event: "quarantined-since"; readonly mote: string; readonly block: number; readonly records: number }
  /** By a reorganisation: its records count again. */
  | { readonly event: "quarantine-undone"; readonly mote: string }
  | { readonly event: "lost"; readonly to: "registry"; readonly reason: string; readonly retryMs: number };

export interface QuarantineWatchOptions {
  readonly store: QuarantineStore;
  readonly fleet: Fleet;
  readonly rpc: JsonRpc;
  readonly registry: Contract;
  /** Blocks upon a quarantine after which no reorganisation takes it back. */
  readonly settledBlocks: number;
  /** How often the next motes are looked at, in milliseconds. */
  readonly pollMs?: number;
  readonly onEvent: (event: QuarantineEvent) => void;
}

const ROUND_MOTES_MAX = 64;
const POLL_MS = 2000;
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 30_000 };
const FIRST = new Uint8Array(0);

export class QuarantineWatch {
  readonly #options: QuarantineWatchOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: QuarantineWatchOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { pollMs = POLL_MS, onEvent } = this.#options;
    const backoff = new Backoff(RETRY);
    let after: Uint8Array | undefined;
    while (!this.#stop.signal.aborted)
      try {
        after = await this.#round(after ?? FIRST);
        backoff.succeeded();
        await pause(pollMs, this.#stop.signal);
      } catch (error) {
        const retryMs = backoff.next();
        onEvent({ event: "lost", to: "registry", reason: error instanceof Error ? error.message : String(error), retryMs });
        await pause(retryMs, this.#stop.signal);
      }
  }

  /** Looks at the next motes; answers the last of them, or undefined after the last of all. */
  async #round(after: Uint8Array): Promise<Uint8Array | undefined> {
    const { store, fleet, rpc, registry } = this.#options;
    // A registry that only tells fleets apart, or is not deployed yet, has quarantined nobody; nor does its absence take anything back.
    if ((await rpc.call("eth_getCode", `0x${toHex(registry.address)}`, "latest")) === "0x") return undefined;
    const { motes, last } = await store.open(fleet, after, ROUND_MOTES_MAX);
    const height = motes.length === 0 ? 0 : Number(await rpc.call("eth_blockNumber"));
    for (const mote of motes) {
      if (this.#stop.signal.aborted) return undefined;
      await this.#see(mote, height);
    }
    return last;
  }

  async #see({ mote, sinceBlock: noted }: OpenMote, height: number): Promise<void> {
    const { store, fleet, registry, settledBlocks, onEvent } = this.#options;
    const { status, sinceBlock } = await moteOf(registry, mote);
    const name = `0x${toHex(mote)}`;
    if (status !== "quarantined") {
      if (noted === undefined) return;
      await store.undo(fleet, mote);
      onEvent({ event: "quarantine-undone", mote: name });
      return;
    }
    const records = await store.note(fleet, { mote, sinceBlock, sinceS: await this.#timeOf(sinceBlock) });
    if (noted !== sinceBlock) onEvent({ event: "quarantined-since", mote: name, block: sinceBlock, records });
    if (height - sinceBlock >= settledBlocks) await store.settle(fleet, mote);
  }

  async #timeOf(number: number): Promise<number> {
    const block = (await this.#options.rpc.call("eth_getBlockByNumber", `0x${number.toString(16)}`, false)) as {
      readonly timestamp?: unknown;
    } | null;
    const timeS = Number(block?.timestamp);
    if (!Number.isSafeInteger(timeS)) throw new Error(`the node has no block ${number}, at which a mote was quarantined`);
    return timeS;
  }
}
