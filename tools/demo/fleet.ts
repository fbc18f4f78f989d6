// A small fleet on this machine for demonstrations: a real Ethereum node with the fleet's registry on it, a broker, a relay, a collector that
// reports evidence, the enroller's service, and simulated boards that are started, stopped and copied one by one.
//
// Promises: everything is on loopback, in one folder, and ended by `close`. Never: is what `chainmote start` runs; it keeps nothing for a next time.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { LEDGER_ON_NODE } from "../../host-sim/engine/node.js";
import { SntpServer } from "../../host-sim/world/sntp-server.js";
import { Collector } from "../collector/collector.js";
import { openPglite } from "../collector/database.js";
import { RecordStore } from "../collector/store.js";
import { Account, type Contract } from "../contracts/account.js";
import { engine } from "../crypto/engine.js";
import { KeyFile } from "../crypto/key-file.js";
import { makeFolder } from "../files.js";
import { LocalBroker } from "../mqtt/broker.js";
import { pause } from "../processes/backoff.js";
import type { Supervisor } from "../processes/supervisor.js";
import { Registrar } from "../registrar/registrar.js";
import { Reporter } from "../registrar/reporter.js";
import { Relay } from "../relay/relay.js";
import { type BoardSettings, writeBoardFile } from "../start/board-file.js";
import { runningBoard } from "../start/board-run.js";
import { beginRegistry, type FleetKeys, fleetKeys } from "../start/contracts.js";
import type { Payer } from "../start/followed-chain.js";
import { type LocalChain, openLocalChain } from "../start/local-chain.js";
import type { SystemEvent } from "../start/screen.js";

/** Longer than any step takes on a slow machine: a bound against hanging alone. */
const WAIT_MS_MAX = 300_000;
const SAMPLE_MS = 1000;
const PROVE_MS = 2000;
const SETTLED_BLOCKS = 3;

const TOLD = "told to end";

async function unless<T>(over: AbortSignal, waited: Promise<T>): Promise<T> {
  let end = (): void => undefined;
  const ended = new Promise<never>((_, reject) => {
    end = () => reject(new Error(TOLD));
  });
  over.addEventListener("abort", end);
  if (over.aborted) end();
  return Promise.race([waited, ended]).finally(() => over.removeEventListener("abort", end));
}

export interface Said extends SystemEvent {
  /** Which part, such as a board's name. */
  readonly source: string;
}

export class DemoFleet {
  readonly folder: string;
  readonly chain: LocalChain;
  readonly broker: LocalBroker;
  readonly registry: Contract;
  readonly keys: FleetKeys;
  readonly admin: Account;
  /** All that the parts have told so far. */
  readonly said: Said[] = [];
  readonly #onSaid: (said: Said) => void;
  readonly #sntp: SntpServer;
  readonly #checkpoint: object;
  readonly #collector: KeyFile;
  readonly #boards = new Map<string, Supervisor>();
  /** Addresses that the enroller lets in, in hexadecimal. */
  readonly #admitted = new Set<string>();
  readonly #ends: (() => Promise<void>)[] = [];

  /** Somebody wants all of it to end. */
  readonly #over: AbortSignal;

  /**
   * @param onSaid told of each event as it comes
   * @param over somebody wants all of it to end: then whatever is waited for throws
   */
  static async open(folder: string, onSaid: (said: Said) => void, over: AbortSignal): Promise<DemoFleet> {
    makeFolder(folder);
    const chain = await openLocalChain("clique", { directory: join(folder, "node"), periodS: 1, onEnd: () => undefined });
    try {
      await unless(over, chain.ready());
      const keys = fleetKeys(join(folder, "keys"));
      const payer = chain.payer as Payer;
      const admin = new Account(payer.account.rpc, keys.admin, over);
      const registry = await unless(over, beginRegistry(payer, admin, keys, chain.registry(keys.admin.address)));
      const checkpoint = await chain.checkpoint();
      const parts = {
        chain,
        checkpoint,
        keys,
        admin,
        registry,
        broker: await LocalBroker.start(),
        sntp: await SntpServer.start(),
      };
      const fleet = new DemoFleet(folder, parts, onSaid, over);
      await fleet.#begin();
      return fleet;
    } catch (error) {
      await chain.stop();
      throw error;
    }
  }

  private constructor(
    folder: string,
    parts: Pick<DemoFleet, "chain" | "keys" | "admin" | "registry" | "broker"> & {
      readonly sntp: SntpServer;
      readonly checkpoint: object;
    },
    onSaid: (said: Said) => void,
    over: AbortSignal,
  ) {
    this.folder = folder;
    this.#over = over;
    this.#onSaid = onSaid;
    ({ chain: this.chain, keys: this.keys, admin: this.admin, registry: this.registry, broker: this.broker } = parts);
    this.#sntp = parts.sntp;
    this.#checkpoint = parts.checkpoint;
    this.#collector = KeyFile.openOrCreate(join(folder, "collector", "collector.key"));
    this.#ends.push(
      () => parts.chain.stop(),
      () => parts.sntp.close(),
      () => parts.broker.close(),
    );
  }

  get fleet(): BoardSettings["fleet"] {
    return { registry: this.registry.address, chain: this.chain.chain };
  }

  async #begin(): Promise<void> {
    const { chain, fleet, registry, admin } = this;
    const store = await RecordStore.open(await openPglite());
    this.#ends.push(() => store.close());
    const reporter = new Reporter({
      ...{ registry, settledBlocks: SETTLED_BLOCKS, evidence: () => store.reportable(fleet) },
      account: new Account(admin.rpc, this.keys.reporter, this.#over),
      onEvent: (event) => this.#say("reporter", event),
    });
    this.#ends.push(() => reporter.close());
    const collector = new Collector({
      ...{ store, engine, fleet, key: this.#collector, mqtt: this.broker.url, rpc: () => chain.url, chain: chain.chain },
      onEvent: (event) => {
        this.#say("collector", { ...event });
        if (event.event === "evidence") reporter.due();
      },
    });
    this.#ends.push(() => collector.close());
    const registrar = new Registrar({
      ...{ engine, fleet, registry, mqtt: this.broker.url, prefix: "" },
      account: new Account(admin.rpc, this.keys.enroller, this.#over),
      admits: (mote) => (this.#admitted.has(toHex(mote)) ? { role: 1, policyId: 0, firmwareId: 0 } : undefined),
      onEvent: (event) => this.#say("registrar", event),
    });
    this.#ends.push(() => registrar.close());
    this.relayOn(this.broker);
  }

  /** One more relay, to a broker. */
  relayOn(broker: LocalBroker): void {
    const relay = new Relay({
      ...{ rpc: () => this.chain.url, mqtt: broker.url, chain: this.chain.chain },
      onEvent: (event) => this.#say("relay", event),
    });
    this.#ends.push(() => relay.close());
  }

  /** To be ended with the rest. */
  ending(end: () => Promise<void>): void {
    this.#ends.push(end);
  }

  /** Powers a board on, whose folder is made where there is none. */
  async start(
    name: string,
    { broker = this.broker, enroller = this.keys.enroller.address, peers }: StartOptions = {},
  ): Promise<void> {
    const directory = this.#directory(name);
    writeBoardFile(directory, {
      ...{ fleet: this.fleet, enroller, mqtt: broker.url, prefix: "", sntp: this.#sntp.endpoint, sampleMs: SAMPLE_MS },
      ...{ checkpoint: this.#checkpoint, collector: this.#collector.address },
      base: { ledger: { intervalMs: PROVE_MS, ...(peers === undefined ? {} : { peers }) } },
    });
    const onEvent = (source: string, event: SystemEvent): void => this.#say(source, event);
    const onEnd = (source: string, end: object): void => this.#say(source, { event: "ended", ...end });
    this.#boards.set(name, runningBoard({ directory, source: name, firmware: LEDGER_ON_NODE, onEvent, onEnd }));
  }

  /** Powers a board off. */
  async stop(name: string): Promise<void> {
    await this.#boards.get(name)?.stop();
    this.#boards.delete(name);
  }

  /** All that a board keeps, key and counters and journal, as a thief reads it out of its flash. */
  copy(from: string, to: string): void {
    cpSync(this.#directory(from), this.#directory(to), { recursive: true });
  }

  /** Where a board's key-value store keeps the counters of its records. */
  countersOf(name: string): string {
    const hex = (text: string): string => Buffer.from(text).toString("hex");
    return join(this.#directory(name), "nvs", hex("mote"), hex("sequence"));
  }

  /** Lets the enroller bring in this mote. */
  admit(mote: string): void {
    this.#admitted.add(mote.slice(2).toLowerCase());
  }

  /** The first event from now on, or of all so far, that `matches`. */
  async heard(what: string, matches: (said: Said) => boolean, from = 0): Promise<Said> {
    const endMs = performance.now() + WAIT_MS_MAX;
    for (let at = from; ; ) {
      for (; at < this.said.length; at += 1) {
        const said = this.said[at] as Said;
        if (matches(said)) return said;
      }
      if (this.#over.aborted) throw new Error(TOLD);
      if (performance.now() > endMs) throw new Error(`${what}: not within ${WAIT_MS_MAX / 1000} s`);
      await pause(20);
    }
  }

  /** What `waited` comes to; throws where somebody wants all of it to end before. */
  unlessOver<T>(waited: Promise<T>): Promise<T> {
    return unless(this.#over, waited);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#boards.keys()].map((name) => this.stop(name)));
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  #directory(name: string): string {
    return join(this.folder, "boards", name.replaceAll(" ", "-"));
  }

  #say(source: string, event: SystemEvent): void {
    const said = { ...event, source };
    this.said.push(said);
    this.#onSaid(said);
  }
}

export interface StartOptions {
  /** The fleet's own where absent. */
  readonly broker?: LocalBroker;
  /** Whom its enrolment names, 20 bytes; the fleet's enroller where absent. */
  readonly enroller?: Uint8Array;
  /** Addresses of motes that it watches. */
  readonly peers?: readonly string[];
}
