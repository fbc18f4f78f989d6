// A feature that an application adds to its mote: what the chain's state decides, commands, anchors, transactions. Types only.
//
// Promises: the mote knows a feature by these types alone, so that an image without it has none of it, and a mote without features has
// nothing more on its heap. A feature does its work in `step`, like everything else, and never waits.

import type { Bus, BusUser } from "./bus/bus.js";
import type { Consensus } from "./chain/consensus.js";
import type { Follower } from "./chain/follow/follower.js";
import type { Outcome } from "./chain/follow/outcome.js";
import type { MoteConfig } from "./config.js";
import type { CryptoEngine } from "./crypto/engine.js";
import type { Device, KeyHandle, KeyValueDomain } from "./ports.js";
import type { Author, Written } from "./record/author.js";
import type { Journal } from "./record/journal.js";
import type { RecordFields } from "./record/record.js";
import type { Sample } from "./record/sample.js";
import type { Entry } from "./record/senml.js";
import type { RefusalLog } from "./refusal-log.js";
import type { Rejection } from "./rejection.js";

/** A record that a feature has the mote make, of another type than 1: in the step that may next make one, before any measurements. */
export interface Statement extends Pick<RecordFields, "answer" | "status"> {
  readonly measurements?: RecordFields["measurements"];
  /** Told once, from within a step: what was kept, or why nothing was. `signature-failed`: it is kept, and will be signed. */
  written(result: Written | Rejection): void;
}

/** What may be set while the mote runs; whatever is absent stays as it is. */
export interface Settings {
  /** Milliseconds between samples, of every sensor. */
  readonly intervalMs?: number;
  readonly samplesPerRecord?: number;
  /** As `MoteConfig` has them; none: whoever listens on the common topic. */
  readonly relays?: readonly string[];
}

/** What the mote has for its features, from the moment on when its key is there. */
export interface FeatureOwner {
  readonly device: Device;
  readonly engine: CryptoEngine;
  readonly config: MoteConfig;
  /** Counters and trusted state; each feature takes keys of its own. */
  readonly store: KeyValueDomain;
  readonly follower: Follower;
  readonly journal: Journal;
  readonly author: Author;
  readonly refusals: RefusalLog;
  readonly key: KeyHandle;
  /** The mote's address, 20 bytes. */
  readonly own: Uint8Array;
  readonly bus: Bus;
  /** Seconds since the Unix epoch where a clock from outside the chain knows them. */
  nowS(): number | undefined;
  /** There is something to look at. */
  onWake(): void;
  /** Takes a record to be made; false where too many wait. */
  state(statement: Statement): boolean;
  /** Makes a record of entries of its own, as an application does (index.ts); or says why there will be none. */
  record(entries: readonly Entry[]): Rejection | undefined;
  /** Sets what counts from now on; whoever wants it kept keeps it. */
  change(settings: Settings): void;
  /** Ends in good order and starts anew, where the board can (`device.restart`). */
  restart(): void;
}

export interface Feature extends BusUser {
  /** While true the mote makes no records of measurements, its application's among them; what was made goes out. */
  readonly withholds?: boolean;
  /** While true the board does not sleep: something goes on that would not be found again. */
  readonly busy?: boolean;
  /** Does what is due, after headers were looked at. Answers the milliseconds until it wants to be called again. */
  step(): number;
  /** A sample was taken, which is in no record yet. */
  onSample?(sample: Sample): void;
  /** The collector has this record: its receipt holds. */
  onStored?(seq: number): void;
  /** `owner.config.relays` are others now. */
  onRelays?(): void;
  /** What came of a header; one that was refused is not told. */
  onOutcome?(outcome: Outcome): void;
  /** Ends in good order; a power cut does as well. */
  close?(): void;
}

export interface FeatureType {
  /** Whether it marks records as anchored: without one nothing may wait for that (`journal.keep`). */
  readonly anchors?: boolean;
  /** Why the configuration does not do for it, or undefined. Asked before anything is opened. */
  fault(config: MoteConfig): Rejection | undefined;
  /** The same chain from a later checkpoint on, which the feature has kept; undefined where it has none. Asked once, before anything is followed. */
  chain?(engine: CryptoEngine, store: KeyValueDomain, configured: Consensus): Consensus | undefined;
  /** Called once, when the key is there. */
  open(owner: FeatureOwner): Feature;
}
