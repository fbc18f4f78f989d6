// Which sector comes next, which are alive, which may go: docs/journal-format.md, "Ring".
//
// Promises: sectors are used in physical order, so wear spreads; a sector is erased only after a header on flash has
// declared it dead, so that a half-erased sector, whose reads are unstable, is never believed; a sector that failed is
// retired for good; what reads as nothing where something must be is looked at again, at the mount and once more before the
// first erase of a boot, and then refused a few times before it is given up and said so. Never: a record thrown away
// silently that the caller has not called safe.
//
// Memory: a list of RETIRED_MAX sector numbers and a dozen numbers, whatever the size of the partition: the table of
// sectors is the flash itself, searched by bisection.

import { assert, Rejection } from "../rejection.js";
import { HEADER, HEADER_FIELDS, HEADER_UNITS, RETIRED_MAX, SECTOR_UNITS, SEQ_MAX, type SectorState } from "./journal-format.js";
import { type JournalSectors, READS_MAX } from "./journal-sectors.js";

/** How often opening a sector is refused because one that must be live does not read; after that it counts as lost. */
export const DOUBTS_MAX = 4;

export class JournalRing {
  readonly media: JournalSectors;
  /** The sector opened last and its epoch; −1 and 0 on a partition that holds no journal yet. */
  active = -1;
  activeEpoch = 0;
  /** The state in the active sector's header, as of its opening. */
  readonly opening: SectorState = {
    epoch: 0,
    tailEpoch: 0,
    records: 0,
    lastSeq: 0,
    stream: 0,
    storedThrough: 0,
    anchoredThrough: 0,
    oldestUnsealed: 0,
    passedAhead: 0,
  };
  /** The newest record, and the unit of the active sector up to which frames may lie. */
  lastSeq = 0;
  endUnit = SECTOR_UNITS;
  /** The oldest live sector. Whatever has an epoch before `tailEpoch` is dead, however it reads. */
  tail = -1;
  tailEpoch = 0;
  tailFloor = 0;
  /** The header of the oldest live sector does not read: records up to `tailFloor` may be out of sight. */
  missing = false;
  /** Whether anything has been written since the mount. */
  written = false;
  #doubts = 0;
  readonly #retired = new Uint16Array(RETIRED_MAX);
  #retiredCount = 0;

  constructor(media: JournalSectors) {
    this.media = media;
  }

  /** Finds the newest and the oldest sector by reading every header. */
  mount(): Rejection | undefined {
    const media = this.media;
    for (let sector = 0; sector < media.sectors; sector += 1) {
      const kind = media.loadHeader(sector);
      if (kind === "unreadable") return new Rejection("journal-unreadable", `the flash gives no sector ${sector}`);
      if (kind === "version") return new Rejection("journal-version", `sector ${sector} has another version of the format`);
      if (kind === "geometry")
        return new Rejection("journal-geometry", `sector ${sector} was written for another partition size`);
      if (kind === "valid" && media.header(HEADER.epoch) > this.activeEpoch) this.activate(sector);
    }
    if (this.active >= 0) this.declareDead(this.opening.tailEpoch);
    return undefined;
  }

  /** The sector whose header has just been loaded is the newest. */
  private activate(sector: number): void {
    const { media } = this;
    this.active = sector;
    this.activeEpoch = media.header(HEADER.epoch);
    // All of it now: while its erase was under way when power went, the header may read otherwise the next time.
    for (const field of HEADER_FIELDS) this.opening[field] = media.header(HEADER[field]);
    this.#retiredCount = media.headerRetired(this.#retired);
    this.endUnit = SECTOR_UNITS;
  }

  /** Whatever has an epoch before `tailEpoch` is dead from now on; finds the oldest sector that is not. */
  declareDead(tailEpoch: number): void {
    this.tailEpoch = tailEpoch;
    this.missing = true;
    // A header names the epoch of a sector that was live when it was written, and that nobody has erased since: what is found
    // at the first look is it, or is looked for again.
    for (let reads = 1; reads <= READS_MAX && this.missing; reads += 1) {
      const tail = this.liveAfter(this.active, reads);
      const alone = tail < 0;
      this.tail = alone ? this.active : tail;
      this.tailFloor = alone ? this.opening.lastSeq : this.media.header(HEADER.lastSeq);
      this.missing = (alone ? this.activeEpoch : this.media.header(HEADER.epoch)) !== tailEpoch;
    }
  }

  /** Looks again for the oldest live sector where it did not read; true if it is there now. */
  foundTail(): boolean {
    if (!this.missing) return false;
    this.declareDead(this.tailEpoch);
    return !this.missing;
  }

  /** Loads the header of `sector`; true if it belongs to the journal as it is now. */
  isLive(sector: number, reads = READS_MAX): boolean {
    if (this.active < 0 || this.media.loadHeader(sector, reads) !== "valid") return false;
    const epoch = this.media.header(HEADER.epoch);
    return epoch >= this.tailEpoch && epoch <= this.activeEpoch;
  }

  /** The next live sector in the order of writing, its header loaded, or −1 where `sector` is the newest. */
  liveAfter(sector: number, reads = READS_MAX): number {
    const { sectors } = this.media;
    for (let step = 1; step <= sectors; step += 1) {
      const next = (sector + step) % sectors;
      if (this.isLive(next, reads)) return next;
      if (next === this.active) return -1;
    }
    return -1;
  }

  /**
   * The sector in which `seq` was appended, if it is kept: the newest one that was opened when no seq had reached it.
   * −1 where that sector has been trimmed.
   */
  home(seq: number): number {
    if (this.active < 0 || seq > this.opening.lastSeq) return this.active;
    if (seq <= this.tailFloor) return -1;
    const { sectors } = this.media;
    let low = 0;
    let high = this.distance(this.tail, this.active);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      let probe = middle;
      while (probe < high && !this.isLive((this.tail + probe) % sectors)) probe += 1;
      if (probe < high && this.media.header(HEADER.lastSeq) < seq) low = probe;
      else high = middle;
    }
    return (this.tail + low) % sectors;
  }

  /** Steps from one sector to another in the order of writing. */
  distance(from: number, to: number): number {
    return (to - from + this.media.sectors) % this.media.sectors;
  }

  /** Sectors that are not retired. */
  get usable(): number {
    return this.media.sectors - this.#retiredCount;
  }

  get retiredCount(): number {
    return this.#retiredCount;
  }

  /** No more writes to this sector, ever; false where the list is full. What it holds stays readable. */
  retire(sector: number): boolean {
    if (this.isRetired(sector)) return true;
    if (this.#retiredCount === RETIRED_MAX) return false;
    this.#retired[this.#retiredCount] = sector;
    this.#retiredCount += 1;
    return true;
  }

  /**
   * Opens the next sector: erases it and writes `state` as its header, with epoch, tail and lastSeq filled in here.
   * @param again reopen the active sector, which holds no record, instead of going on
   * @param spentThrough records up to this seq may be trimmed
   * @param declare writes to the active sector, if that can be, that whatever is older than an epoch is dead
   * @returns `journal-full` where the sector after it holds records that must stay; `journal-worn` where too many failed;
   *   `journal-found` where the mount had overlooked a sector, and the ring now stands as it should have stood then;
   *   `journal-unreadable` where a sector that must be live does not read: to be asked again later
   */
  open(state: SectorState, spentThrough: number, again: boolean, declare: (tailEpoch: number) => unknown): Rejection | undefined {
    let target = again && !this.isRetired(this.active) ? this.active : this.usableAfter(this.active);
    if (!this.written && this.overlooked(target)) return new Rejection("journal-found", "the mount had overlooked a sector");
    if (this.missing && this.tailFloor > spentThrough && this.doubts())
      return new Rejection("journal-unreadable", `a sector with records up to ${this.tailFloor} does not read`);
    for (let attempt = 0; attempt <= RETIRED_MAX; attempt += 1) {
      const spare = this.usableAfter(target);
      if (this.usable < 3 || spare === this.active)
        return new Rejection("journal-worn", `${this.#retiredCount} sectors have failed`);
      // Both the sector to erase now and the one to be erased next must hold nothing that has to stay; the header
      // written now declares the latter dead, before it is touched.
      let tail = this.tail;
      let declared = true;
      for (const sector of [target, spare]) {
        if (sector === this.active) continue;
        const live = this.isLive(sector);
        if (!live && sector !== this.tail) continue;
        const next = this.liveAfter(sector);
        const last = next < 0 ? this.lastSeq : this.media.header(HEADER.lastSeq);
        if (!live) {
          if (last > spentThrough && this.doubts()) return unreadable(sector);
          tail = next;
          continue;
        }
        if (last > spentThrough)
          return new Rejection("journal-full", `records up to ${last} must stay, safe are those up to ${spentThrough}`);
        tail = next;
        if (sector === target) declared = false; // only where the sector meant for this has failed
      }
      assert(this.activeEpoch < SEQ_MAX - RETIRED_MAX, "fewer than 2^32 sectors opened");
      state.epoch = this.activeEpoch + 1 + attempt;
      state.lastSeq = this.lastSeq;
      let alone = tail < 0 || tail === target;
      state.tailEpoch = state.epoch;
      let floor = state.lastSeq;
      if (!alone && !this.isLive(tail)) {
        const next = this.liveAfter(tail);
        const last = next < 0 ? this.lastSeq : this.media.header(HEADER.lastSeq);
        if (last > spentThrough && this.doubts()) return unreadable(tail);
        tail = next;
        alone = tail < 0 || tail === target;
      }
      if (!alone) {
        state.tailEpoch = this.media.header(HEADER.epoch);
        floor = this.media.header(HEADER.lastSeq);
      }
      if (!declared) declare(state.tailEpoch);
      this.written = true;
      if (this.media.begin(target, state, this.#retired, this.#retiredCount)) {
        this.#doubts = 0;
        this.missing = false;
        this.active = target;
        this.activeEpoch = state.epoch;
        for (const field of HEADER_FIELDS) this.opening[field] = state[field];
        this.endUnit = HEADER_UNITS;
        this.tail = alone ? target : tail;
        this.tailEpoch = state.tailEpoch;
        this.tailFloor = floor;
        return undefined;
      }
      if (!this.retire(target)) return new Rejection("journal-worn", `${this.#retiredCount} sectors have failed`);
      target = spare;
    }
    return new Rejection("journal-worn", `${this.#retiredCount} sectors have failed`);
  }

  /**
   * Whether a sector that is about to be erased, or declared dead, turns out to be one that the mount did not see for what it
   * is: newer than what it took for the newest, or the oldest live one.
   */
  private overlooked(target: number): boolean {
    const { media } = this;
    for (const sector of [target, this.usableAfter(target)]) {
      if (sector === this.active || media.loadHeader(sector) !== "valid") continue;
      if (media.header(HEADER.epoch) <= this.activeEpoch) continue;
      this.activate(sector);
      this.declareDead(this.opening.tailEpoch);
      return true;
    }
    return this.foundTail();
  }

  private doubts(): boolean {
    this.#doubts += 1;
    return this.#doubts <= DOUBTS_MAX;
  }

  private isRetired(sector: number): boolean {
    for (let i = 0; i < this.#retiredCount; i += 1) if (this.#retired[i] === sector) return true;
    return false;
  }

  private usableAfter(sector: number): number {
    const { sectors } = this.media;
    let next = (sector + 1) % sectors;
    while (this.isRetired(next)) next = (next + 1) % sectors;
    return next;
  }
}

function unreadable(sector: number): Rejection {
  return new Rejection("journal-unreadable", `the header of sector ${sector} does not read, and it may hold what is not stored`);
}
