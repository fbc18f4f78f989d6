// When a mote may sign for the first time after a boot: once it has looked for its own newest record, so that a lost
// journal leads to no number twice, and for the chain's present head, so that a record is bound to that and to no old one.
//
// Promises: each wait has a bound, so that silence of broker, collector or relay only delays the first record. Never: goes
// back to not ready. docs/design.md, "The life of a mote".

/** After a boot: how long to wait for the link before the mote samples on its own. */
export const LINK_WAIT_MS = 15_000;
/** After the link is up: how long to wait for the mote's own newest record. */
export const LATEST_WAIT_MS = 2_000;
/** After the link is up: how long to wait for the head. */
export const HEAD_WAIT_MS = 5_000;

export class Readiness {
  readonly #bootMs: number;
  /** When the link came up; undefined while it is down. */
  #upMs: number | undefined;
  #latestSeen = false;
  #headerSeen = false;
  #ready = false;

  constructor(bootMs: number) {
    this.#bootMs = bootMs;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** The board goes on where it fell asleep: it has looked then. */
  resume(): void {
    this.#ready = true;
    this.#latestSeen = true;
  }

  /** Whether all has come that comes with a link, or is waited for no more. */
  isSettled(nowMs: number, headersWanted: boolean): boolean {
    return this.dueMs(headersWanted) <= nowMs;
  }

  linkChanged(up: boolean, nowMs: number): void {
    this.#upMs = up ? nowMs : undefined;
  }

  /** The collector's copy of the newest record came, and held: one that does not may not end the waiting for the true one. */
  latestSeen(): void {
    this.#latestSeen = true;
  }

  /** Some header of a relay has held, or was known. */
  headerSeen(): void {
    this.#headerSeen = true;
  }

  /**
   * @param headersWanted whether the follower knows of headers that it has not got
   * @returns milliseconds until it is ready whatever comes; infinite once it is
   */
  step(nowMs: number, headersWanted: boolean): number {
    if (this.#ready) return Number.POSITIVE_INFINITY;
    const waitMs = this.dueMs(headersWanted) - nowMs;
    this.#ready = waitMs <= 0;
    return waitMs;
  }

  private dueMs(headersWanted: boolean): number {
    if (this.#upMs === undefined) return this.#bootMs + LINK_WAIT_MS;
    const headMs = this.#headerSeen && !headersWanted ? 0 : HEAD_WAIT_MS;
    return this.#upMs + Math.max(this.#latestSeen ? 0 : LATEST_WAIT_MS, headMs);
  }
}
