// Every interface between the firmware and the world outside it, in the vocabulary of ECMA-419 (3rd edition) and of
// the Moddable SDK's own classes. Types only: this file emits no code and imports nothing but the events' types.
//
// A board fills them in `board/provider.ts`; the host simulator mirrors the modules behind that file, so firmware
// never learns which of the two it runs on. No method here takes or returns the bytes of a secret.

import type { EventName, Events } from "./events.js";

export type Bytes = Uint8Array;
export type ByteBuffer = ArrayBuffer | Uint8Array;

/** All that one board offers. Built once, at boot. */
export interface Device {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly entropy: Entropy;
  readonly keys: Keys;
  readonly flash: FlashStorage;
  readonly store: KeyValueStorage;
  readonly io: BoardIO;
  readonly network: BoardNetwork;
  readonly log: Log;
  /** What the chip says of itself; absent where an application has not got it. */
  readonly chip?: Chip;
  /** Ports for a person with a cable, and the board's name; absent where the image takes no configuration over them. */
  readonly serial?: { readonly board: string; readonly ports: readonly SerialPort[] };
  /** The button that opens provisioning. */
  readonly button?: ButtonPort;
  /** Starts the firmware anew, as a software reset does, and never returns; absent where there is no way to. */
  readonly restart?: (() => void) | undefined;
  /** The places of images; absent in a build without updates. */
  readonly slots?: Slots | undefined;
  /** Deep sleep; absent in an image that does not sleep. */
  readonly sleep?: DeepSleep | undefined;
}

/** Why the firmware starts. A software reset that nobody asked for (an exception that nobody caught) is a panic. */
export type ResetReason =
  | "power-on"
  | "software"
  | "panic"
  | "task-watchdog"
  | "interrupt-watchdog"
  | "watchdog"
  | "deep-sleep"
  | "brown-out"
  | "external"
  | "unknown";

/**
 * Why NVS is not open. Its partition is missing; it has no page left that is free; its format is a later one; what lies there cannot be read
 * (bytes that NVS would erase, values in plain text where it is encrypted, a key that is not that of the values or not burnt); another reason.
 */
export type StorageFault =
  | "nvs-missing"
  | "nvs-full"
  | "nvs-newer"
  | "nvs-corrupt"
  | "nvs-plaintext"
  | "nvs-keys"
  | "nvs-unreadable"
  | "nvs-unopened"
  | "nvs-failed";

/** What is locked for ever, as the chip's eFuses have it now, and whether NVS is open encrypted. */
export interface Security {
  readonly secureBoot: boolean;
  readonly flashEncryption: "off" | "development" | "release";
  readonly nvsEncryption: boolean;
}

/** What the heap of the chip's internal memory has left, besides the block of JavaScript. */
export interface MemoryLeft {
  readonly freeBytes: number;
  /** In one piece. */
  readonly largestBytes: number;
  /** The least that there was since the start. */
  readonly leastBytes: number;
}

/** `chainmote/chip`. */
export interface Chip {
  resetReason(): ResetReason;
  /** 6 bytes, which the chip was made with. */
  mac(): Bytes;
  security(): Security;
  /** What the image was built to be (docs/boards.md, "Two profiles"). */
  profile(): "dev" | "production";
  /** Why NVS is not open, or undefined where it is. Nothing in it was erased. */
  storage(): StorageFault | undefined;
  /** Undefined where it is not known. */
  memory(): MemoryLeft | undefined;
}

/** Two clocks: one that only counts, one that is set from outside and may be wrong. */
export interface Clock {
  /** Milliseconds since boot; rises always, survives no reset. */
  ticksMs(): number;
  /** Milliseconds since the Unix epoch as the board believes them; meaningless until `set`. */
  nowMs(): number;
  /** Sets the wall clock, in seconds since the Unix epoch. */
  set(seconds: number): void;
}

/** What `timer.set` answers; only its identity means anything. */
export type TimerHandle = object;

export interface Timer {
  /** Calls back once, `delayMs` milliseconds from now, never before `set` has returned. */
  set(callback: () => void, delayMs: number): TimerHandle;
  clear(handle: TimerHandle | undefined): void;
}

/** The chip's noise source. It is pseudo-random until the radio or the bootloader's source feeds it, so it refuses. */
export interface Entropy {
  /** Fills `buffer`. Throws where the source is not fed yet. */
  read(buffer: Bytes): void;
  /** Whether `fail` was called since the power came on. A software reset, a crash and a watchdog do not clear it. */
  failed(): boolean;
  /** Remembers that a health test has failed. Only the loss of power forgets it. */
  fail(): void;
}

/** A private key that lives elsewhere: in C memory, in a secure element, in a closure. Only its identity is visible. */
export interface KeyHandle {
  readonly slot: string;
}

/** Why a key could not be made; the `code` is one of those of `Rejection`. */
export interface KeyRefusal {
  readonly code: string;
  readonly detail: string;
}

/** secp256k1 keys behind handles (SEC 2 §2.4.1, RFC 6979). */
export interface Keys {
  /** The key kept in `slot`, or undefined where the slot is empty. Throws where the slot holds something else. */
  open(slot: string): KeyHandle | undefined;
  /** Draws a key from the board's entropy, after its health tests, and keeps it in `slot`, which must be empty. */
  create(slot: string): KeyHandle | KeyRefusal;
  /** Uncompressed public key, 65 bytes: 0x04 ‖ x ‖ y. */
  publicKey(key: KeyHandle): Bytes;
  /** ECDSA over a 32-byte digest: r ‖ s, 64 bytes, s ≤ n/2. A secure element may answer later. */
  sign(key: KeyHandle, digest: Bytes): Bytes | Promise<Bytes>;
  /** Forgets the handle and wipes what it held; the slot stays. */
  close(key: KeyHandle): void;
}

/** `embedded:storage/flash`: raw partitions. */
export interface FlashStorage {
  open(options: { path: string; mode?: "r" | "r+" }): FlashPartition;
}

export interface FlashPartition {
  /** `size` in bytes, `blockLength` in bytes (what one erase clears), `blocks` = size / blockLength. */
  status(): { size: number; blockLength: number; blocks: number };
  read(byteLength: number, byteOffset: number): ArrayBuffer;
  read(buffer: ByteBuffer, byteOffset: number): number;
  write(buffer: ByteBuffer, byteOffset: number): void;
  /** Erases blocks `start` to `end − 1`; `end` is `start + 1` where absent. Units: blocks, not bytes. */
  eraseBlock(start: number, end?: number): void;
  close(): void;
}

/** `embedded:storage/key-value`: NVS on an ESP32. A write is atomic: after a power cut the old or the new value is there. */
export interface KeyValueStorage {
  open(options: { path: string; format?: "buffer" }): KeyValueDomain;
}

export interface KeyValueDomain {
  /** The value, or undefined where the key is absent. Keys: 1 to 15 characters. */
  read(key: string): ArrayBuffer | undefined;
  write(key: string, value: ByteBuffer): void;
  delete(key: string): void;
  /** The keys that are there; a stand-in may have none of it. */
  [Symbol.iterator]?(): Iterator<string>;
  close(): void;
}

/** A serial port that is not open yet: a UART (`embedded:io/serial`), or the chip's own USB port (chainmote/serial-link). */
export interface SerialPort {
  /** @param onReadable called when there is something to read, never before `open` has returned */
  open(onReadable: () => void): SerialLink;
}

export interface SerialLink {
  /** What came, up to `countMax` bytes; undefined where nothing did. */
  read(countMax: number): Bytes | undefined;
  /** Writes all of it, up to 112 bytes, or, where there is no room for that now, nothing, and answers false. */
  write(bytes: Bytes): boolean;
  close(): void;
}

/** A button that is not looked at yet. */
export interface ButtonPort {
  open(): { pressed(): boolean; close(): void };
}

/**
 * What the bootloader has of an image: it may be booted (`valid`; `undefined` where nothing is noted of it), boots next for the first time
 * (`new`), boots now for the first time and goes at the next reset, whatever causes it (`pending`), or is not booted any more (`invalid`,
 * `aborted`).
 */
export type ImageState = "valid" | "undefined" | "new" | "pending" | "invalid" | "aborted";

export interface ImageSlot {
  readonly slot: number;
  readonly state: ImageState;
}

/** `chainmote/slots`: the two places of images (ESP-IDF's OTA slots). The flash opens the other one as `nextota`. */
export interface Slots {
  /** The image that runs. */
  running(): ImageSlot;
  /** The place that the next image goes to. */
  other(): ImageSlot;
  /** SHA-256 over the first `byteLength` bytes of the other slot, as the flash gives them now: 32 bytes. */
  digest(byteLength: number): ArrayBuffer;
  /** Has this slot boot next. Throws "image invalid" where what is in it is no image that could, and otherwise where it went wrong. */
  select(slot: number): void;
  /** The image that runs has proven itself. Raises the eFuse's secure version to the image's, where the build has that. */
  markValid(): void;
  /** The image that runs is not to be booted any more; it runs on until a restart. Throws "no other image" where there is none to go back to. */
  rollback(): void;
  /** The eFuse's secure version; 0 in a build that does not look at it. */
  secureVersion(): number;
}

/** `chainmote/sleep`: deep sleep, and a piece of the memory that lasts through it, and through every other reset but that of the power. */
export interface DeepSleep {
  /** How many bytes of that memory there are. */
  readonly memoryBytes: number;
  /** All of them: what was written last, or anything where the power was off. */
  read(): ArrayBuffer;
  /** Overwrites them from the first on; what is left over becomes zeros. Throws where more are given than there are. */
  write(bytes: Bytes): void;
  /** SHA-256 that the build of the running image has in its description, 32 bytes: another image has another one. */
  image(): ArrayBuffer;
  /**
   * Everything but that memory and the clock goes off at once, and the firmware starts anew by itself: reset reason `deep-sleep`. Never returns on a chip.
   * @param ms 1 to 86,400,000, by the chip's slow oscillator
   */
  deepSleep(ms: number): void;
}

/** What a board is wired to, as `embedded:provider/builtin` names it. */
export interface BoardIO {
  /** The default I²C bus: the class and its pins. */
  readonly i2c: I2CBus;
  /** Classes for pins, where the application has given them to `createDevice`. */
  readonly analog?: new (options: {
    pin: number;
  }) => Analog;
  readonly digital?: DigitalClass;
  readonly pulsecount?: new (options: { signal: number }) => PulseCount;
}

/** `embedded:io/analog`. */
export interface Analog {
  /** Bits of what `read` answers. */
  readonly resolution: number;
  read(): number;
  close(): void;
}

/** `embedded:io/digital`. */
export interface DigitalClass {
  new (options: DigitalOptions): Digital;
  readonly Input: number;
  readonly InputPullUp: number;
  readonly InputPullDown: number;
  readonly Output: number;
  readonly Rising: number;
  readonly Falling: number;
}

export interface DigitalOptions {
  pin: number;
  mode: number;
  /** Rising, falling, or both added, for `onReadable`. */
  edge?: number;
  onReadable?: () => void;
}

export interface Digital {
  read(): number;
  write(value: number): void;
  close(): void;
}

/** `embedded:io/pulsecount`: a counter in hardware, which an ESP32-C3 has not got. */
export interface PulseCount {
  /** Rising edges since it was opened. */
  read(): number;
  close(): void;
}

export interface I2CBus {
  readonly io: new (options: I2COptions) => I2C;
  readonly data: number;
  readonly clock: number;
}

export interface I2COptions {
  data: number;
  clock: number;
  /** Bus frequency, in hertz. */
  hz: number;
  /** 7-bit address of the peripheral. */
  address: number;
  /** How long a peripheral may stretch the clock, in milliseconds. */
  timeout?: number;
}

/** `embedded:io/i2c`. A NACK, and a clock stretched beyond the timeout, throw. */
export interface I2C {
  write(buffer: ByteBuffer, stop?: boolean): void;
  read(byteLength: number, stop?: boolean): ArrayBuffer;
  close(): void;
}

/** Radio and protocol clients, as `device.network` holds them in the SDK. */
export interface BoardNetwork {
  readonly wifi: { readonly io: new (options: WiFiOptions) => WiFi };
  readonly ntp: { readonly client: NtpClientOptions & { readonly io: new (options: NtpClientOptions) => NtpClient } };
  readonly mqtt: MqttBase;
  /** The same client over TLS; absent where the build has none. */
  readonly mqtts?: MqttBase;
}

/** `embedded:network/interface/wifi`. Connected once `address` is a string. */
export interface WiFi {
  connect(options: { SSID: string; password?: string }): void;
  disconnect(): void;
  readonly address: string | undefined;
  /** 200: no network, nothing under way; 300: an attempt is under way; 400: joined; 500: with all its addresses. */
  readonly connection: number;
  close(): void;
}

export interface WiFiOptions {
  onChanged?: (property: string) => void;
}

/** `embedded:network/ntp/client`. */
export interface NtpClient {
  /** Calls back with (null, milliseconds since the Unix epoch) or with an error; once. */
  getTime(callback: (error: Error | null, timeMs?: number) => void): void;
  close(): void;
}

export interface NtpClientOptions {
  servers: readonly string[];
  readonly [builtin: string]: unknown;
}

/** The client's class, and the DNS and socket classes that it is to use. */
export interface MqttBase {
  readonly io: MqttClientClass;
  readonly [builtin: string]: unknown;
}

export interface MqttClientClass {
  new (options: MqttOptions): MqttClient;
  readonly CONNACK: number;
  readonly PUBLISH: number;
  readonly PUBACK: number;
  readonly SUBSCRIBE: number;
  readonly SUBACK: number;
  readonly DISCONNECT: number;
}

export interface MqttOptions {
  host: string;
  port?: number;
  /** Client identifier. */
  id: string;
  clean?: boolean;
  user?: string;
  password?: string;
  /** Milliseconds. */
  keepAlive?: number;
  will?: { topic: string; message: ArrayBuffer; QoS?: number; retain?: boolean };
  /** Becomes the client's `target`, for callbacks that are nobody's closures. */
  target?: unknown;
  /** `count` bytes of a PUBLISH can be read; `topic` and `byteLength` (the whole payload's) come with its first part only. */
  onReadable?: (this: MqttClient, count: number, options: MqttReadable) => void;
  /** `count` bytes can be written. */
  onWritable?: (this: MqttClient, count: number) => void;
  onControl?: (this: MqttClient, message: MqttControl) => void;
  /** The connection ended; the client is closed and calls back no more. */
  onError?: (this: MqttClient) => void;
  readonly [builtin: string]: unknown;
}

export interface MqttReadable {
  more: boolean;
  topic?: string;
  QoS?: number;
  byteLength?: number;
}

export interface MqttControl {
  operation: number;
  id?: number;
  returnCode?: number;
  payload?: readonly number[];
}

/** `embedded:network/mqtt/client`, MQTT 3.1.1. It acknowledges QoS 1 deliveries by itself. */
export interface MqttClient {
  readonly target?: unknown;
  /** The next `count` bytes of the message under way. */
  read(count: number): ArrayBuffer;
  /** Answers how many bytes can be written now. Throws where there is no room: nothing is sent then. */
  write(data: ByteBuffer | null, options: MqttWrite): number;
  close(): void;
}

export interface MqttWrite {
  operation?: number;
  /** 1 to 65,535, ours: the client's own counter wraps to 0, which MQTT forbids. */
  id?: number;
  topic?: string;
  QoS?: number;
  retain?: boolean;
  duplicate?: boolean;
  items?: readonly { topic: string; QoS?: number }[];
}

/** One line per event, for a person at the serial port and for machines. Secrets never come here. */
export interface Log {
  write<Name extends EventName>(event: Name, fields: Readonly<Events[Name]>): void;
}
