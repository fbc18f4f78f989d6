// Takes new images: a release that the fleet's admin has signed, over the broker; its image part by part, over the broker or by HTTP,
// into the other slot; and the proof that the new image works (docs/update.md).
//
// Promises: nothing is erased before the manifest holds in all that `checkRelease` and, where there is a registry, its proven
// admin and firmware say; the manifest is looked at anew after each start and each connection, before an image goes on. A slot is
// selected only where the bytes that the flash gives back have the digest. Whatever cuts it short, a valid image runs, key and
// journal are as they were, and one event says why an update ended. One that has ended is not tried again before another manifest
// with a higher sequence comes.
// Never: takes "not known" for a no; keeps more than one manifest and one part; anything but the sequence in the store where
// nothing goes on.
// Codes: those of release.ts, state.ts and intake.ts; release-unregistered, release-unproven, release-ended, release-digest, release-select.
// Configuration: `update.admin`, where no registry says who the admin is; `update.http`, where images come by HTTP (http.ts).

import { drawRequestId } from "../bus/bus.js";
import { equal, isFilled, toHex } from "../bytes.js";
import type { MoteConfig } from "../config.js";
import type { CryptoEngine } from "../crypto/engine.js";
import type { Feature, FeatureOwner, FeatureType } from "../feature.js";
import { Fields } from "../fields.js";
import type { Device, Slots } from "../ports.js";
import { decodeSign1 } from "../record/cose.js";
import { Rejection } from "../rejection.js";
import { type HttpOptions, HttpParts, type HttpPlace, httpPlaceIn } from "./http.js";
import { Intake, type IntakeOptions } from "./intake.js";
import type { Proving } from "./proving.js";
import { type CheckedRelease, checkRelease, isBoardClass, PROFILE_DEV, PROFILE_PRODUCTION } from "./release.js";
import {
  FAILED,
  FAILED_SAID,
  PROOF_BROKER,
  PROOF_JOURNAL,
  PROOF_KEY,
  PROOF_RECORD,
  REASON_DIGEST,
  REASON_IMAGE,
  REASON_RESET,
  REASON_VERSION,
  RECEIVING,
  reasonText,
  SELECTED,
  type UpdateState,
  UpdateStore,
  VALID,
} from "./state.js";
import { encodePart, encodePartRequest, encodeReport, type UpdateTopics, updateTopicsOf } from "./wire.js";

/** While it is not known who the admin is, or what the registry names. */
const UNKNOWN_MS = 5_000;
/** After a manifest that did not hold: a signature costs two recoveries. */
const LOOK_MS = 2_000;
/** After a whole image with another digest, and where flash or store refuse. */
const RETRY_MS = 60_000;
/** Whole images with another digest before it is given up: each erases the slot. */
const ATTEMPTS_MAX = 3;
/** Of the record that shows that a new image makes them, its value being the release's sequence. */
const RECORD_NAME = "release";

/** What an image is, as it was built. */
export interface BuiltAs {
  /** Name of the board, as firmware/boards has it. */
  readonly board: string;
  /** `PROFILE_DEV` or `PROFILE_PRODUCTION`. */
  readonly profile: number;
}

/** Who may release, and what; ledger/registry.ts proves both. Zeros: nobody, or none. */
export interface ReleaseAuthority {
  /** Address of the fleet's admin, 20 bytes; undefined while it is not known. */
  admin(): Uint8Array | undefined;
  /** Hash of the firmware that this mote is to run, 32 bytes; undefined while it is not known. */
  firmwareHash(): Uint8Array | undefined;
}

/**
 * Where the chain says who releases, and nobody proves it: in safe mode. The release alone goes on that was taken when both were proven freshly:
 * its manifest's digest is in the state. Not even a former admin comes to more by that.
 */
export const NOTHING_PROVEN: ReleaseAuthority = Object.freeze({ admin: () => undefined, firmwareHash: () => undefined });

/** What of a mote it needs; a mote in safe mode has no more. */
export type UpdatesOwner = Pick<
  FeatureOwner,
  "device" | "engine" | "config" | "own" | "bus" | "refusals" | "onWake" | "restart"
> &
  Partial<Pick<FeatureOwner, "journal" | "record">>;

/**
 * The feature, where `update` is configured; and where the image has still to prove itself, whatever is configured.
 * @param configured the image's own configuration, as the manifest has it: `board` is what it was built for
 * @param proving what `provingOf` has begun
 */
export function updatesOf(
  device: Device,
  config: MoteConfig,
  configured: unknown,
  proving: Proving | undefined,
  authority?: ReleaseAuthority,
): Updates | undefined {
  const { slots } = device;
  if (slots === undefined || (proving === undefined && config.update === undefined)) return undefined;
  return new Updates(device, slots, builtAs(device, configured), proving, authority);
}

/**
 * What a board in safe mode takes new images by (start/safe-mode.ts): the same, without a key, a journal or a record.
 * @param configured and `proving` as above
 * @param authority `NOTHING_PROVEN`, where the mote has a registry
 */
export function safeUpdatesOf(
  engine: CryptoEngine,
  configured: unknown,
  proving: Proving | undefined,
  authority?: typeof NOTHING_PROVEN,
): (safe: Omit<UpdatesOwner, "engine" | "restart" | "journal" | "record">) => Feature | undefined {
  return (safe) => {
    const { device, config, own, bus, refusals } = safe;
    const [onWake, restart] = [() => safe.onWake(), () => device.restart?.()];
    const owner = { device, engine, config, own, bus, refusals, onWake, restart };
    return updatesOf(device, config, configured, proving, authority)?.open(owner);
  };
}

function builtAs({ chip }: Device, configured: unknown): BuiltAs {
  const { board } = (configured ?? {}) as { readonly board?: unknown };
  const known = typeof board === "string" && isBoardClass(board);
  return { board: known ? board : "", profile: chip?.profile() === "production" ? PROFILE_PRODUCTION : PROFILE_DEV };
}

export class Updates implements FeatureType, Feature, IntakeOptions, HttpOptions {
  readonly device: Device;
  readonly slots: Slots;
  readonly #built: BuiltAs;
  readonly #authority: ReleaseAuthority | undefined;
  readonly #store: UpdateStore;
  readonly #proving: Proving | undefined;
  #owner: UpdatesOwner | undefined;
  /** Of the configuration. */
  #admin: Uint8Array | undefined;
  /** Where images come by HTTP. */
  #place: HttpPlace | undefined;
  #http: HttpParts | undefined;
  /** The newest manifest, until it was looked at. */
  #manifest: Uint8Array | undefined;
  #lookMs = 0;
  /** The update under way, and its image; undefined where nothing goes on. */
  #state: UpdateState | undefined;
  #intake: Intake | undefined;
  /** Who has signed its manifest. */
  #signer: Uint8Array | undefined;
  /** When the whole image is looked at again. */
  #finishMs = 0;
  /** Records above this one are this boot's. */
  #lastSeq = 0;
  #reportDue = true;

  constructor(device: Device, slots: Slots, built: BuiltAs, proving: Proving | undefined, authority?: ReleaseAuthority) {
    this.device = device;
    this.slots = slots;
    this.#built = built;
    this.#proving = proving;
    this.#authority = authority;
    this.#store = new UpdateStore(device.store);
  }

  fault(config: MoteConfig): Rejection | undefined {
    try {
      if (config.update === undefined) return undefined;
      const fields = new Fields(config.update, "update");
      if (this.#authority === undefined) this.#admin = fields.bytes("admin", 20, 20);
      else if (fields.has("admin")) throw fields.wrong("admin", "nothing, since the registry says who the admin is");
      this.#place = fields.has("http") ? httpPlaceIn(fields.section("http")) : undefined;
      if (this.#built.board === "") return new Rejection("config-invalid", "board: expected the name of the board in the image");
      return undefined;
    } catch (error) {
      if (error instanceof Rejection) return error;
      throw error;
    }
  }

  open(owner: UpdatesOwner): Feature {
    this.#owner = owner;
    // Safe mode opens no mote, which asks before.
    const fault = this.fault(owner.config);
    if (fault !== undefined) this.refused(fault);
    const proving = this.#proving;
    if (proving === undefined) this.settle();
    else {
      proving.restart = () => owner.restart();
      proving.onKept = () => {
        this.#reportDue = true;
        owner.onWake();
      };
      const { journal } = owner;
      // In safe mode nothing of it is shown.
      if (journal === undefined) return this;
      this.#lastSeq = journal.lastSeq ?? 0;
      const state = this.#store.read();
      owner.record?.([{ n: RECORD_NAME, v: state instanceof Rejection ? 0 : (state?.sequence ?? 0) }]);
      proving.shown(PROOF_KEY | PROOF_JOURNAL);
    }
    return this;
  }

  get subscriptions(): readonly string[] {
    if (this.owner.config.update === undefined) return [];
    const { manifest, parts } = this.topics;
    return [manifest, parts];
  }

  received(topic: string, message: Uint8Array): boolean {
    const { manifest, parts } = this.topics;
    // An empty one says that the release was taken back.
    if (topic === manifest) this.#manifest = message.length === 0 ? undefined : message;
    else if (topic === parts) this.#intake?.received(message);
    else return false;
    return true;
  }

  linkChanged(up: boolean): void {
    this.#intake?.reset();
    if (!up) return;
    this.#lookMs = 0;
    this.#reportDue = true;
    this.#proving?.shown(PROOF_BROKER);
  }

  onStored(seq: number): void {
    if (seq > this.#lastSeq) this.#proving?.shown(PROOF_RECORD);
  }

  /** An image proves itself, or comes; without its broker nothing comes, and what has come is kept. */
  get busy(): boolean {
    if (this.#proving?.kept === false) return true;
    return this.owner.bus.up && (this.#intake !== undefined || this.#state !== undefined);
  }

  step(): number {
    if (this.#reportDue && this.owner.bus.up) this.report();
    if (this.#proving?.kept === false) return Number.POSITIVE_INFINITY;
    const nowMs = this.device.clock.ticksMs();
    const dueMs = this.#manifest === undefined ? Number.POSITIVE_INFINITY : this.look(nowMs);
    const intake = this.#intake;
    if (intake === undefined || !this.owner.bus.up) return dueMs;
    const intakeMs = intake.step();
    if (!intake.complete) return Math.min(dueMs, intakeMs);
    if (nowMs >= this.#finishMs) this.finish(intake, nowMs);
    return Math.min(dueMs, Math.max(0, this.#finishMs - nowMs));
  }

  close(): void {
    this.#intake?.close();
    this.#intake = undefined;
    this.#http?.close();
    this.#http = undefined;
  }

  /** For the intake. */
  ask(id: number, offset: number, bytes: number): boolean {
    const { digest, size } = this.#state as UpdateState;
    if (this.#place !== undefined) {
      this.#http ??= new HttpParts(this, this.#place);
      return this.#http.ask(id, offset, bytes, size, digest);
    }
    const request = encodePartRequest({ id, to: this.owner.own, digest, offset, bytes });
    return this.owner.bus.publish(this.topics.requests, request, {});
  }

  /** For HTTP: the part that was asked for. */
  came(id: number, offset: number, part: Uint8Array): void {
    this.#intake?.received(encodePart(id, offset, part));
    this.onWake();
  }

  /** For HTTP. */
  onWake(): void {
    this.owner.onWake();
  }

  requestId(): number {
    return drawRequestId(this.device, this.owner.refusals);
  }

  reached(offset: number): boolean {
    this.#reportDue = true;
    return this.keep({ ...(this.#state as UpdateState), offset });
  }

  refused(rejection: Rejection): void {
    this.owner.refusals.write("release", rejection);
  }

  /**
   * What the boot before has left: an update that came to its end, and was not said; or one that goes on once its manifest is
   * there.
   */
  private settle(): void {
    const state = this.#store.read();
    if (state === undefined || state instanceof Rejection) {
      if (state !== undefined) this.refused(state);
      return;
    }
    if (state.phase === FAILED) this.sayFailed(state);
    if (state.phase !== SELECTED) return;
    if (this.slots.running().slot === state.slot) {
      // It was marked so, and then the power went.
      if (this.keep({ ...state, phase: VALID })) this.say("valid", state);
      return;
    }
    const reason = this.goneBack();
    if (reason !== 0) this.sayFailed({ ...state, reason });
  }

  /** Why the image in the other slot, which was selected, does not run; 0 where it was never started. */
  private goneBack(): number {
    const { state } = this.slots.other();
    if (state === "aborted" || state === "invalid") return REASON_RESET;
    return state === "pending" ? REASON_IMAGE : 0;
  }

  private sayFailed(state: UpdateState): void {
    this.keep({ ...state, phase: FAILED_SAID });
    this.say("rolled-back", state, reasonText(state));
  }

  /** Looks at the manifest that waits. Answers the milliseconds until it is to be looked at again; Infinity once it was. */
  private look(nowMs: number): number {
    if (nowMs < this.#lookMs) return this.#lookMs - nowMs;
    const state = this.#store.read();
    const admin = this.adminOf(this.#manifest as Uint8Array);
    if (admin === undefined) return this.later(nowMs, UNKNOWN_MS);
    if (state instanceof Rejection) return this.drop(state, nowMs);
    const release = this.check(this.#manifest as Uint8Array, admin, state);
    if (release instanceof Rejection) return this.drop(release, nowMs);
    if (this.#authority === NOTHING_PROVEN && (state === undefined || !equal(state.manifest, release.manifest)))
      return this.drop(new Rejection("release-unproven", "who the fleet's admin is cannot be proven in safe mode"), nowMs);
    const named = this.named(admin, release.digest);
    if (named === undefined) return this.later(nowMs, UNKNOWN_MS);
    if (named instanceof Rejection) return this.drop(named, nowMs);
    this.#manifest = undefined;
    this.#signer = admin.slice();
    this.accept(release, state);
    return 0;
  }

  /** Whose release it has to be; undefined while that is not known. What was taken before has been held to it then. */
  private adminOf(manifest: Uint8Array): Uint8Array | undefined {
    const authority = this.#authority;
    if (authority === undefined) return this.#admin;
    if (authority !== NOTHING_PROVEN) return authority.admin();
    const claimed = decodeSign1(manifest);
    return claimed instanceof Rejection ? new Uint8Array(0) : claimed.kid;
  }

  /**
   * Whether the registry, where there is one, has this admin and names this image for this mote; undefined while that is not
   * known.
   */
  private named(signer: Uint8Array, digest: Uint8Array): true | Rejection | undefined {
    const authority = this.#authority;
    if (authority === undefined || authority === NOTHING_PROVEN) return true;
    const [admin, hash] = [authority.admin(), authority.firmwareHash()];
    if (admin === undefined || hash === undefined) return undefined;
    if (!equal(admin, signer)) return new Rejection("release-signer", `0x${toHex(signer)} is the fleet's admin no more`);
    if (equal(hash, digest)) return true;
    const other = isFilled(hash, 0) ? "none" : `0x${toHex(hash)}`;
    return new Rejection("release-unregistered", `the registry names ${other} for this mote`);
  }

  private later(nowMs: number, waitMs: number): number {
    this.#lookMs = nowMs + waitMs;
    return waitMs;
  }

  private drop(rejection: Rejection, nowMs: number): number {
    this.#manifest = undefined;
    this.#lookMs = nowMs + LOOK_MS;
    this.refused(rejection);
    return Number.POSITIVE_INFINITY;
  }

  private check(message: Uint8Array, admin: Uint8Array, state: UpdateState | undefined): CheckedRelease | Rejection {
    const { engine, config } = this.owner;
    const { board, profile } = this.#built;
    let slotBytes = 0;
    try {
      const partition = this.device.flash.open({ path: "nextota", mode: "r" });
      slotBytes = partition.status().size;
      partition.close();
    } catch (error) {
      return new Rejection("release-flash", `there is no other slot: ${String(error)}`);
    }
    const expected = { admin, fleet: config.fleet, boardClass: board, profile, sequence: state?.sequence ?? 0, slotBytes };
    return checkRelease(engine, message, expected, state?.manifest);
  }

  /** A release that holds: a new one, the one under way, or one that has come to its end. */
  private accept(release: CheckedRelease, before: UpdateState | undefined): void {
    const known = before !== undefined && equal(before.manifest, release.manifest);
    if (known && before.phase !== RECEIVING && before.phase !== SELECTED) {
      if (before.phase !== VALID) this.refused(new Rejection("release-ended", `it was tried: ${reasonText(before)}`));
      return;
    }
    if (known && this.#intake !== undefined) return;
    // What could not be kept when this boot began is kept now, or not at all: it is not started again.
    const reason = known && before.phase === SELECTED ? this.goneBack() : 0;
    if (reason !== 0) {
      this.sayFailed({ ...(before as UpdateState), reason });
      return;
    }
    const { sequence, size, secureVersion = 0 } = release;
    const fresh = { phase: RECEIVING, reason: 0, missing: 0, attempts: 0, offset: 0, slot: this.slots.other().slot };
    const named = { sequence, size, secureVersion, digest: release.digest.slice(), manifest: release.manifest };
    const state = known ? before : { ...fresh, ...named };
    if (!known && !this.keep(state)) return;
    this.say("receiving", state);
    this.begin(state.phase === SELECTED ? { ...state, offset: state.size } : state);
  }

  private begin(state: UpdateState): void {
    this.close();
    this.#state = state;
    this.#finishMs = 0;
    this.#intake = new Intake(this, state);
  }

  /** The image is whole. */
  private finish(intake: Intake, nowMs: number): void {
    const state = this.#state as UpdateState;
    // It may have taken hours.
    const named = this.named(this.#signer as Uint8Array, state.digest);
    if (named === undefined) {
      this.#finishMs = nowMs + UNKNOWN_MS;
      return;
    }
    if (named instanceof Rejection) {
      this.refused(named);
      this.close();
      return;
    }
    this.#finishMs = nowMs + RETRY_MS;
    try {
      if (!intake.holds()) {
        this.wrongDigest(state, nowMs);
        return;
      }
      const version = intake.secureVersion();
      const wanted = state.secureVersion === 0 ? this.slots.secureVersion() : state.secureVersion;
      if (version === undefined) this.fail(state, REASON_IMAGE);
      else if (version !== wanted) this.fail(state, REASON_VERSION);
      else if (this.keep({ ...state, phase: SELECTED, offset: state.size })) this.select(state);
    } catch (error) {
      this.refused(new Rejection("release-flash", String(error)));
    }
  }

  private select(state: UpdateState): void {
    try {
      this.slots.select(state.slot);
    } catch (error) {
      if (String(error).includes("image invalid")) this.fail(state, REASON_IMAGE);
      else this.refused(new Rejection("release-select", String(error)));
      return;
    }
    this.close();
    this.say("restarting", state);
    this.owner.restart();
  }

  private wrongDigest(state: UpdateState, nowMs: number): void {
    const attempts = state.attempts + 1;
    if (attempts >= ATTEMPTS_MAX) {
      this.fail(state, REASON_DIGEST);
      return;
    }
    const again = { ...state, phase: RECEIVING, attempts, offset: 0 };
    this.refused(new Rejection("release-digest", `the image that came is another; attempt ${attempts} of ${ATTEMPTS_MAX}`));
    if (!this.keep(again)) return;
    this.begin(again);
    this.#intake?.wait(nowMs + RETRY_MS);
  }

  private fail(state: UpdateState, reason: number): void {
    const failed = { ...state, phase: FAILED_SAID, reason };
    if (!this.keep(failed)) return;
    this.close();
    this.#state = undefined;
    this.say("failed", failed, reasonText(failed));
  }

  /** Keeps a state, and goes by it where one is under way; false where the store does not give it back. */
  private keep(state: UpdateState): boolean {
    const fault = this.#store.write(state);
    if (fault === undefined) {
      if (this.#state !== undefined) this.#state = state;
      return true;
    }
    this.refused(fault);
    return false;
  }

  private say(word: string, { sequence, size }: UpdateState, reason?: string): void {
    this.#reportDue = true;
    this.device.log.write("update", { state: word, sequence, bytes: size, ...(reason === undefined ? {} : { reason }) });
  }

  /** The word of the mote for people and dashboards. */
  private report(): void {
    const state = this.#store.read();
    const none = { phase: 0, sequence: 0, offset: 0, size: 0, reason: 0, missing: 0 };
    const { reason, missing, ...said } = state === undefined || state instanceof Rejection ? none : state;
    const text = reason === 0 ? "" : reasonText({ reason, missing });
    if (this.owner.bus.publish(this.topics.report, encodeReport({ ...said, reason: text }), { retain: true }))
      this.#reportDue = false;
  }

  /** Made when asked for: nothing lives for them. */
  private get topics(): UpdateTopics {
    const { config, own } = this.owner;
    return updateTopicsOf(config.mqtt.prefix, own, config.fleet, this.#built.board, this.#built.profile);
  }

  private get owner(): UpdatesOwner {
    return this.#owner as UpdatesOwner;
  }
}
