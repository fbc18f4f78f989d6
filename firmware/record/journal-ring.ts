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
import {
  HEADER_UNITS,
  NO_HEADER,
  RETIRED_MAX,
  SECTOR_UNITS,
  SEQ_MAX,
  type SectorHeader,
  type SectorState,
} from "./journal-format.js";
import { type JournalSectors, READS_MAX } from "./journal-sectors.js";

/** How often opening a sector is refused because one that must be live does not read; after that it counts as lost. */
export const DOUBTS_MAX = 4;

/** What of the journal is left when a sector goes. */
interface Left {
  /** The oldest sector, −1 for none, its epoch, and the newest record before it. */
  readonly tail: number;
  readonly epoch: number;
  readonly floor: number;
  /** Whether a header on flash has declared the sector that goes dead. */
  readonly declared: boolean;
}

export class JournalRing {
  readonly media: JournalSectors;
  /** The sector opened last, its epoch, and the newest record before it; −1 and 0 on a partition that holds no journal yet. */
  active = NO_HEADER.sector;
  activeEpoch = NO_HEADER.epoch;
  activeFloor = NO_HEADER.lastSeq;
  /** Its header as it was found, until this boot has opened a sector itself. */
  found = NO_HEADER;
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
  /** Those in the active sector's header, and those given up since. */
  #retired = NO_HEADER.retired;

  constructor(media: JournalSectors) {
    this.media = media;
  }

  /** Finds the newest and the oldest sector by reading every header. */
  mount(): Rejection | undefined {
    const { media } = this;
    for (let sector = 0; sector < media.sectors; sector += 1) {
      const header = media.header(sector);
      if (header === "unreadable") return new Rejection("journal-unreadable", `the flash gives no sector ${sector}`);
      if (header === "version") return new Rejection("journal-version", `sector ${sector} has another version of the format`);
      if (header === "geometry")
        return new Rejection("journal-geometry", `sector ${sector} was written for another partition size`);
      if (header !== "none" && header.epoch > this.activeEpoch) this.activate(header);
    }
    if (this.active >= 0) this.declareDead(this.found.tailEpoch);
    return undefined;
  }

  /**
   * Takes up what is known of a journal that was left in good order, by three headers: the newest sector's, the oldest live one's, and that
   * of the sector that would have been opened after it.
   * @param tail the oldest live sector
   * @returns false where one of them is not as it was left; then `mount` finds out
   */
  resume(sector: number, epoch: number, tail: number): boolean {
    const newest = this.headerOf(sector);
    if (newest === undefined || newest.epoch !== epoch) return false;
    this.activate(newest);
    const next = this.headerOf(this.usableAfter(sector));
    if (next !== undefined && next.epoch > epoch) return false;
    const oldest = tail === sector ? newest : this.headerOf(tail);
    if (oldest === undefined || oldest.epoch > epoch) return false;
    this.tail = tail;
    this.tailEpoch = oldest.epoch;
    this.tailFloor = oldest.lastSeq;
    return true;
  }

  private headerOf(sector: number): SectorHeader | undefined {
    const header = sector < this.media.sectors ? this.media.header(sector) : "none";
    return typeof header === "string" ? undefined : header;
  }

  /**
   * A sector that was found is the newest: its header is kept as it read now. While its erase was under way when power went, it
   * may read otherwise the next time.
   */
  private activate(header: SectorHeader): void {
    this.found = header;
    this.active = header.sector;
    this.activeEpoch = header.epoch;
    this.activeFloor = header.lastSeq;
    this.#retired = header.retired;
    this.endUnit = SECTOR_UNITS;
  }

  /** Whatever has an epoch before `tailEpoch` is dead from now on; finds the oldest sector that is not. */
  declareDead(tailEpoch: number): void {
    this.tailEpoch = tailEpoch;
    this.missing = true;
    // A header names the epoch of a sector that was live when it was written, and that nobody has erased since: what is found
    // at the first look is it, or is looked for again.
    for (let reads = 1; reads <= READS_MAX && this.missing; reads += 1) {
      const oldest = this.liveAfter(this.active, reads);
      this.tail = oldest?.sector ?? this.active;
      this.tailFloor = oldest?.lastSeq ?? this.activeFloor;
      this.missing = (oldest?.epoch ?? this.activeEpoch) !== tailEpoch;
    }
  }

  /** Looks again for the oldest live sector where it did not read; true if it is there now. */
  foundTail(): boolean {
    if (!this.missing) return false;
    this.declareDead(this.tailEpoch);
    return !this.missing;
  }

  /** The header of `sector`, if it belongs to the journal as it is now. */
  live(sector: number, reads = READS_MAX): SectorHeader | undefined {
    const header = this.active < 0 ? "none" : this.media.header(sector, reads);
    if (typeof header === "string") return undefined;
    return header.epoch >= this.tailEpoch && header.epoch <= this.activeEpoch ? header : undefined;
  }

  /** The header of the next live sector in the order of writing, or undefined where `sector` is the newest. */
  liveAfter(sector: number, reads = READS_MAX): SectorHeader | undefined {
    const { sectors } = this.media;
    for (let step = 1; step <= sectors; step += 1) {
      const next = (sector + step) % sectors;
      const header = this.live(next, reads);
      if (header !== undefined) return header;
      if (next === this.active) return undefined;
    }
    return undefined;
  }

  /**
   * The sector in which `seq` was appended, if it is kept: the newest one that was opened when no seq had reached it.
   * −1 where that sector has been trimmed.
   */
  home(seq: number): number {
    if (this.active < 0 || seq > this.activeFloor) return this.active;
    if (seq <= this.tailFloor) return -1;
    const { sectors } = this.media;
    let low = 0;
    let high = this.distance(this.tail, this.active);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      let probe = middle;
      let header = this.live((this.tail + probe) % sectors);
      while (header === undefined && probe + 1 < high) {
        probe += 1;
        header = this.live((this.tail + probe) % sectors);
      }
      if (header !== undefined && header.lastSeq < seq) low = probe;
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
    return this.media.sectors - this.retiredCount;
  }

  get retiredCount(): number {
    return this.#retired.length;
  }

  /** No more writes to this sector, ever; false where the list is full. What it holds stays readable. */
  retire(sector: number): boolean {
    if (this.isRetired(sector)) return true;
    if (this.retiredCount === RETIRED_MAX) return false;
    this.#retired = [...this.#retired, sector];
    return true;
  }

  /**
   * Opens the next sector: erases it and writes its header.
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
      if (this.usable < 3 || spare === this.active) return this.worn();
      const left = this.leftWithout(target, spare, spentThrough);
      if (left instanceof Rejection) return left;
      assert(this.activeEpoch < SEQ_MAX - RETIRED_MAX, "fewer than 2^32 sectors opened");
      const { lastSeq } = this;
      const epoch = this.activeEpoch + 1 + attempt;
      const alone = left.tail < 0;
      const tailEpoch = alone ? epoch : left.epoch;
      if (!left.declared) declare(tailEpoch);
      const header = { ...state, sector: target, epoch, tailEpoch, lastSeq, retired: this.#retired };
      this.written = true;
      if (this.media.begin(header)) {
        this.#doubts = 0;
        this.missing = false;
        this.found = NO_HEADER;
        this.active = target;
        this.activeEpoch = epoch;
        this.activeFloor = lastSeq;
        this.endUnit = HEADER_UNITS;
        this.tail = alone ? target : left.tail;
        this.tailEpoch = tailEpoch;
        this.tailFloor = alone ? lastSeq : left.floor;
        return undefined;
      }
      if (!this.retire(target)) return this.worn();
      target = spare;
    }
    return this.worn();
  }

  /**
   * What is left when `target` is erased. Both it and the one to be erased next must hold nothing that has to stay: what is written
   * now declares the latter dead, before it is touched.
   */
  private leftWithout(target: number, spare: number, spentThrough: number): Left | Rejection {
    let { tail } = this;
    let oldest: SectorHeader | undefined;
    let declared = true;
    for (const sector of [target, spare]) {
      if (sector === this.active) continue;
      const live = this.live(sector) !== undefined;
      if (!live && sector !== this.tail) continue;
      oldest = this.liveAfter(sector);
      tail = oldest?.sector ?? -1;
      const last = oldest?.lastSeq ?? this.lastSeq;
      if (last > spentThrough) {
        if (live) return new Rejection("journal-full", `records up to ${last} must stay, safe are those up to ${spentThrough}`);
        if (this.doubts()) return unreadable(sector);
      }
      if (live && sector === target) declared = false; // only where the sector meant for this has failed
    }
    if (tail < 0 || tail === target) return leftOf(undefined, declared);
    oldest ??= this.live(tail);
    if (oldest !== undefined) return leftOf(oldest, declared);
    const next = this.liveAfter(tail);
    if ((next?.lastSeq ?? this.lastSeq) > spentThrough && this.doubts()) return unreadable(tail);
    return leftOf(next?.sector === target ? undefined : next, declared);
  }

  /**
   * Whether a sector that is about to be erased, or declared dead, turns out to be one that the mount did not see for what it
   * is: newer than what it took for the newest, or the oldest live one.
   */
  private overlooked(target: number): boolean {
    const { media } = this;
    for (const sector of [target, this.usableAfter(target)]) {
      const header = sector === this.active ? "none" : media.header(sector);
      if (typeof header === "string" || header.epoch <= this.activeEpoch) continue;
      this.activate(header);
      this.declareDead(header.tailEpoch);
      return true;
    }
    return this.foundTail();
  }

  private worn(): Rejection {
    return new Rejection("journal-worn", `${this.retiredCount} sectors have failed`);
  }

  private doubts(): boolean {
    this.#doubts += 1;
    return this.#doubts <= DOUBTS_MAX;
  }

  private isRetired(sector: number): boolean {
    return this.#retired.includes(sector);
  }

  private usableAfter(sector: number): number {
    const { sectors } = this.media;
    let next = (sector + 1) % sectors;
    while (this.isRetired(next)) next = (next + 1) % sectors;
    return next;
  }
}

/** By numbers alone: while a sector is opened, a header more would be the most that a record ever has on the heap. */
function leftOf(oldest: SectorHeader | undefined, declared: boolean): Left {
  return { tail: oldest?.sector ?? -1, epoch: oldest?.epoch ?? 0, floor: oldest?.lastSeq ?? 0, declared };
}

function unreadable(sector: number): Rejection {
  return new Rejection("journal-unreadable", `the header of sector ${sector} does not read, and it may hold what is not stored`);
}
