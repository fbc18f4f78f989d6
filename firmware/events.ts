// Everything that a mote says, as one typed union: to the log, a line each, and to the application (`onEvent`). Types only: this
// file emits no code and imports nothing.
//
// Promises: an event's fields are texts, numbers, truth values or lists of texts, so that each is one line of JSON; hashes and
// addresses are hexadecimal. Never: a secret.

/** How far a time can be believed, as key 5 of a record says it; record/record.ts names the four. */
export type TimeQuality = 0 | 1 | 2 | 3;

/** Fields of each event, by its name. */
export interface Events {
  /** Once, when the mote opens. `next…` and counts are as the journal has them. */
  boot: {
    boot: number;
    /** Where the counters come from (record/sequence.ts). */
    origin: string;
    stream: number;
    nextSeq: number;
    /** Records that are not stored yet, and those that the mount passed over. */
    pending: number;
    passed: number;
    /** CAIP-2. */
    chain: string;
    head: number;
  };
  /** The first line of a start but for a wake: which firmware, why, what is locked, whether NVS is open, which slot runs, what of the heap is left. */
  start: {
    firmware: string;
    /** `ResetReason` of ports.ts. */
    reset: string;
    profile: string;
    secureBoot: boolean;
    flashEncryption: string;
    nvsEncryption: boolean;
    /** "open", or a `StorageFault` of ports.ts. */
    nvs: string;
    slot?: number;
    /** `ImageState` of ports.ts. */
    image?: string;
    freeBytes?: number;
    largestBytes?: number;
  };
  /** What the chip's heap has left, with each message of health, and the least that it ever had since the start. */
  memory: { freeBytes: number; largestBytes: number; leastBytes: number };
  /** No mote is begun, and why (start/start.ts): a fault of NVS, or `resets` within ten minutes. Nothing was erased. */
  "safe-mode": { cause: string; detail: string; resets: number };
  /** The key is there: the mote's address with its checksum (ERC-55). */
  key: { address: string; created: boolean };
  wifi: { state: string; reason?: string; retryMs?: number };
  /** The link to the broker: up, down, closing, error. */
  link: { state: string; reason?: string; retryMs?: number; lastedMs?: number };
  /** What the clock is worth and, once NTP has answered, the seconds since the Unix epoch. */
  time: { timeQuality: TimeQuality; timeS?: number; reason?: string; retryMs?: number };
  /** The head has moved: its number, hash and time; `verified` headers led there since the last of these events. */
  head: { number: number; hash: string; timeS: number; settled: number; verified: number };
  /** The head was reached by a jump over `blocks`. */
  jump: { number: number; blocks: number; linked: boolean };
  /** A branch was left, `depth` blocks deep; `revoked` of them had counted as settled. */
  reorg: { number: number; depth: number; revoked?: number };
  /** none, or what is amiss with the chain (chain/follow/vigil.ts); key-used-elsewhere, which is of this mote's account and stays. */
  alarm: { alarm: string; head: number };
  /** A record was made, signed and kept. `values`: each entry's name, value and unit. */
  record: {
    /** Where it is no 1 (record/payload.ts). */
    type?: number;
    seq: number;
    stream: number;
    digest: string;
    head?: number;
    timeS: number;
    timeQuality: TimeQuality;
    /** Length of the payload. */
    bytes: number;
    values: readonly string[];
  };
  /** What the registry has of this mote's key, where that is new: as proven at `block`, `ageS` seconds old where that is known. */
  registry: { status: string; role: number; sinceBlock: number; block: number; ageS?: number };
  /** The same of a mote that this one watches (ledger/peers.ts). */
  peer: { mote: string; status: string; role: number; sinceBlock: number; block: number };
  /** An enrolment: offered to the enroller, sent with a voucher, ended. */
  enrolment: { state: string; counter?: number; expiryBlock?: number };
  /** A state of a call that the mote has sent (ledger/sender.ts). */
  transaction: { state: string; nonce: number; label: number };
  /** The broker has it. */
  delivered: { seq: number };
  /** The collector has it: its receipt holds. */
  stored: { seq: number; digest: string };
  /** The chain has them, proven by this mote: records `from` to `through`, in block `block` of that time. */
  anchored: { from: number; through: number; block: number; timeS: number };
  /** The collector will not have it: its refusal holds. */
  "not-stored": { seq: number; stream: number; reason: string };
  /** Records of another key or fleet, which are not sent. */
  "set-aside": { records: number; through: number; reason: string };
  /** Records that had to give way to new ones. */
  overwritten: { records: number };
  /** Something is missing from the records: `samples` that no record holds, or numbers that were passed over. */
  gap: { reason: string; samples?: number; nextSeq?: number };
  /** A sensor failed; it is opened anew at its next interval. */
  sensor: { code: string; detail: string; sensor?: string };
  /** Input that a check refused; `unsaid` more were not said since the last of these events. */
  refused: { what: string; code: string; detail: string; unsaid?: number };
  /** What is believed could not be written, or can be again. */
  store: { what: string; state: string; reason?: string };
  /**
   * An update (update/updates.ts): receiving, restarting, proving, valid; and its end where it has none of its own: failed, rolling-back,
   * rolled-back, kept. `reason` says why.
   */
  update: { state: string; sequence: number; bytes?: number; reason?: string };
  /** A command was answered: whose, which of its commands, and what came of it (command/commands.ts). `skipped`: counters that never came. */
  command: { commander: string; counter: number; action: string; outcome: string; reason?: string; skipped?: number };
  /**
   * The board's configuration: opening and open (it can be given one over its serial port), trying (a new one, until the broker is reached),
   * kept, refused (the one before counts again), resetting.
   */
  configuration: { state: string; reason?: string };
  /**
   * The board woke from deep sleep, or found what an earlier sleep had left. `resumed`: it goes on where it fell asleep; else it started as after any
   * reset, and `reason` says what spoke against it (sleep/sleep.ts). `sleptMs` by the board's own clock.
   */
  wake: { resumed: boolean; reason?: string; sleptMs?: number; boot?: number; nextSeq?: number; pending?: number };
  /** The board falls asleep now; `wifi`: whether it joins its network when it wakes. */
  sleep: { ms: number; pending: number; wifi: boolean };
  /** The application's own. */
  app: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
  /** Something that should not happen, and went on all the same. */
  error: { what: string; detail: string; code?: string; failures?: number };
}

export type EventName = keyof Events;

/** What an application is told. */
export type MoteEvent = { readonly [Name in EventName]: { readonly event: Name } & Readonly<Events[Name]> }[EventName];
