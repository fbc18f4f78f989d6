// Parts of an image over HTTP or HTTPS, one range of bytes after the other (RFC 9110, section 14; RFC 9112), over the sockets and the name
// server that MQTT has: `GET <path><SHA-256 of the image, in hexadecimal>`.
//
// Promises: one request under way, on one connection that is kept; of an answer no more is held than the part that was asked for and one line
// of its head; an answer that is not exactly that range of an image of that size is none. No redirect is followed. A connection that
// does not come, ends early or says too much is given up, and the next attempt waits, twice as long each time up to a minute.
// Never: believes a byte of an image (the digest over what the flash gives back decides), decodes a body, or lets anything out of a callback.
// Code: release-http. docs/update.md, "By HTTP".

import { fromText, toHex, toText } from "../bytes.js";
import type { Fields } from "../fields.js";
import type { Device } from "../ports.js";
import { Rejection } from "../rejection.js";

/** Of the head of an answer. */
const HEAD_BYTES_MAX = 4_096;
/** Kept of each of its lines: what we look for is shorter. */
const LINE_BYTES_MAX = 96;
/** Read from the socket at once. */
const READ_BYTES_MAX = 1_024;
/** From the question for an address to the last word of a handshake. */
const CONNECT_MS = 30_000;
const WAIT_FIRST_MS = 1_000;
const WAIT_MAX_MS = 60_000;
const CA_BYTES_MAX = 4_096;
const PATH_CHARACTERS_MAX = 128;
const PARTIAL_CONTENT = 206;
const LF = 0x0a;
const CR = 0x0d;

/** Where images lie, each under its digest. */
export interface HttpPlace {
  readonly host: string;
  readonly port: number;
  /** Begins and ends with "/". */
  readonly path: string;
  /** DER certificate that the server's chain must end in; its presence turns TLS on. */
  readonly ca?: Uint8Array;
}

/** Throws the `Rejection` that names the field. */
export function httpPlaceIn(fields: Fields): HttpPlace {
  const ca = fields.has("ca") ? fields.bytes("ca", 1, CA_BYTES_MAX) : undefined;
  const host = fields.text("host", 253);
  if (!isVisible(host)) throw fields.wrong("host", "a name, or an address");
  const path = fields.text("path", PATH_CHARACTERS_MAX, "/");
  if (!isVisible(path) || path[0] !== "/" || path[path.length - 1] !== "/")
    throw fields.wrong("path", `visible ASCII that begins and ends with "/"`);
  const port = fields.uint("port", 1, 65_535, ca === undefined ? 80 : 443);
  return { host, port, path, ...(ca === undefined ? {} : { ca }) };
}

function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) <= 0x20 || text.charCodeAt(i) >= 0x7f) return false;
  return true;
}

/** Its functions are called as its methods. */
export interface HttpOptions {
  readonly device: Pick<Device, "clock" | "network">;
  /** The part that was asked for, whole; the receiver's to keep. */
  came(id: number, offset: number, part: Uint8Array): void;
  /** Why nothing came. */
  refused(rejection: Rejection): void;
  /** The connection is there. */
  onWake(): void;
}

interface Socket {
  read(count: number): ArrayBuffer | undefined;
  write(data: Uint8Array): unknown;
  close(): void;
}

/** What a network's client has of both; `mqtt-client.ts` gives the SDK's client the same. */
interface Sockets {
  readonly dns: { readonly io: new (options: object) => Resolver };
  readonly socket: { readonly io: new (options: object) => Socket };
}

interface Resolver {
  resolve(request: { host: string; onResolved(host: string, address: string): void; onError(): void }): void;
  close(): void;
}

export class HttpParts {
  readonly #options: HttpOptions;
  readonly #place: HttpPlace;
  #socket: Socket | undefined;
  #resolver: Resolver | undefined;
  /** Callbacks of a connection before this one are nobody's. */
  #turn = 0;
  #connecting = false;
  /** The connection is of no use any more; it is closed outside its callbacks. */
  #over = false;
  #sinceMs = 0;
  #nextMs = 0;
  #waitMs = WAIT_FIRST_MS;
  #room = 0;
  /** The request under way: 0 for none. */
  #id = 0;
  #offset = 0;
  #size = 0;
  /** Undefined while the head comes. */
  #body: Uint8Array | undefined;
  #bytes = 0;
  #got = 0;
  /** The line of the head that comes. */
  #line = new Uint8Array(LINE_BYTES_MAX);
  #lineBytes = 0;
  #status = 0;
  #length = -1;
  #ranged = false;
  #closes = false;

  constructor(options: HttpOptions, place: HttpPlace) {
    this.#options = options;
    this.#place = place;
  }

  /** Asks for `bytes` bytes at `offset` of the image; false where the request cannot leave now. One under way is given up for it. */
  ask(id: number, offset: number, bytes: number, size: number, digest: Uint8Array): boolean {
    const nowMs = this.#options.device.clock.ticksMs();
    if (this.#id !== 0) this.fail("the answer did not come in time");
    if (this.#connecting && nowMs - this.#sinceMs >= CONNECT_MS) this.fail("no connection in time");
    if (this.#over) this.close();
    if (nowMs < this.#nextMs || this.#connecting) return false;
    if (this.#socket === undefined) {
      this.connect(nowMs);
      return false;
    }
    const { host, port, path, ca } = this.#place;
    const named = port === (ca === undefined ? 80 : 443) ? host : `${host}:${port}`;
    const request = fromText(
      `GET ${path}${toHex(digest)} HTTP/1.1\r\nHost: ${named}\r\nRange: bytes=${offset}-${offset + bytes - 1}\r\n\r\n`,
    );
    if (request.length > this.#room) return false;
    this.#id = id;
    this.#offset = offset;
    this.#bytes = bytes;
    this.#size = size;
    this.begin();
    try {
      this.#room = Number(this.#socket.write(request)) || 0;
    } catch (error) {
      this.fail(`the request could not be sent: ${String(error)}`);
      return false;
    }
    return true;
  }

  close(): void {
    this.#turn += 1;
    const [socket, resolver] = [this.#socket, this.#resolver];
    this.#socket = undefined;
    this.#resolver = undefined;
    this.#connecting = false;
    this.#over = false;
    this.#id = 0;
    this.#body = undefined;
    this.#room = 0;
    for (const part of [socket, resolver])
      try {
        part?.close();
      } catch {
        // It was over already.
      }
  }

  private connect(nowMs: number): void {
    const { network } = this.#options.device;
    const { host, port, ca } = this.#place;
    this.#turn += 1;
    const turn = this.#turn;
    this.#connecting = true;
    this.#sinceMs = nowMs;
    const guarded = (work: () => void): void => {
      if (turn !== this.#turn || this.#over) return;
      try {
        work();
      } catch (error) {
        this.fail(String(error));
      }
    };
    try {
      const client = ca === undefined ? network.mqtt : network.mqtts;
      if (client === undefined) throw new Error("update.http.ca is configured, but this build has no TLS");
      const { dns, socket } = client as unknown as Sockets;
      const opened = (address: string): void => {
        this.#socket = new socket.io({
          ...socket,
          ...{ address, host, port, ...(ca === undefined ? {} : { secure: { certificate: ca, serverName: host } }) },
          onReadable: (count: number) => guarded(() => this.readable(count)),
          onWritable: (count: number) => guarded(() => this.writable(count)),
          onError: () => guarded(() => this.ended()),
        });
      };
      this.#resolver = new dns.io(dns);
      this.#resolver.resolve({
        host,
        onResolved: (_, address) => guarded(() => opened(address)),
        onError: () => guarded(() => this.fail(`no name server knows ${host}`)),
      });
    } catch (error) {
      this.fail(String(error));
    }
  }

  private writable(count: number): void {
    this.#room = count;
    if (!this.#connecting) return;
    this.#connecting = false;
    this.#options.onWake();
  }

  /** A connection that nothing was asked on may end. */
  private ended(): void {
    if (this.#connecting || this.#id !== 0) this.fail("the connection ended");
    else this.#over = true;
  }

  /** The connection is given up, and the next waits. */
  private fail(detail: string): void {
    this.#over = true;
    this.#id = 0;
    this.#connecting = false;
    this.#body = undefined;
    this.#nextMs = this.#options.device.clock.ticksMs() + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, WAIT_MAX_MS);
    this.#options.refused(new Rejection("release-http", `${this.#place.host}: ${detail}`));
  }

  private begin(): void {
    this.#body = undefined;
    this.#got = 0;
    this.#lineBytes = 0;
    this.#status = 0;
    this.#length = -1;
    this.#ranged = false;
    this.#closes = false;
  }

  private readable(count: number): void {
    for (let left = count; left > 0 && !this.#over; ) {
      const read = Math.min(left, READ_BYTES_MAX);
      const chunk = this.#socket?.read(read);
      if (chunk === undefined) return;
      left -= read;
      const fault = this.take(new Uint8Array(chunk));
      if (fault !== undefined) this.fail(fault);
    }
  }

  /** Why what came is no answer, or undefined. */
  private take(bytes: Uint8Array): string | undefined {
    if (this.#id === 0) return "bytes that nobody has asked for";
    let at = 0;
    for (; this.#body === undefined; at += 1) {
      if (at === bytes.length) return undefined;
      const fault = this.ofHead(bytes[at] as number);
      if (fault !== undefined) return fault;
    }
    const body = this.#body;
    const rest = bytes.subarray(at);
    if (this.#got + rest.length > body.length) return `more than the ${body.length} bytes that were asked for`;
    body.set(rest, this.#got);
    this.#got += rest.length;
    if (this.#got < body.length) return undefined;
    const id = this.#id;
    this.#id = 0;
    this.#body = undefined;
    this.#over = this.#closes;
    this.#waitMs = WAIT_FIRST_MS;
    this.#options.came(id, this.#offset, body);
    return undefined;
  }

  private ofHead(byte: number): string | undefined {
    this.#got += 1;
    if (this.#got > HEAD_BYTES_MAX) return `a head of more than ${HEAD_BYTES_MAX} bytes`;
    if (byte === CR) return undefined;
    if (byte !== LF) {
      if (this.#lineBytes === LINE_BYTES_MAX) return undefined;
      this.#line[this.#lineBytes] = byte;
      this.#lineBytes += 1;
      return undefined;
    }
    const read = toText(this.#line.subarray(0, this.#lineBytes));
    // What is no text may be anything, but none that is looked for.
    const line = read instanceof Rejection ? "?:" : read;
    this.#lineBytes = 0;
    if (this.#status === 0) return this.ofStatus(line);
    return line === "" ? this.headed() : this.ofField(line);
  }

  /** `HTTP/1.1 206 Partial Content` */
  private ofStatus(line: string): string | undefined {
    const isOne = line.startsWith("HTTP/1.") && line[8] === " " && (line.length === 12 || line[12] === " ");
    const status = isOne ? uintIn(line.slice(9, 12)) : undefined;
    if (status === undefined) return "no answer of HTTP/1.1";
    this.#status = status;
    if (status === PARTIAL_CONTENT) return undefined;
    if (status === 200) return "the server gives no ranges of a file";
    return status >= 300 && status < 400
      ? `the server answers ${status}: no redirect is followed`
      : `the server answers ${status}`;
  }

  private ofField(line: string): string | undefined {
    const colon = line.indexOf(":");
    if (colon < 1) return "a line of the head that is none";
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, colon).toLowerCase()) {
      case "content-length": {
        const length = uintIn(value);
        if (length === undefined || (this.#length >= 0 && this.#length !== length)) return "no length of a body";
        this.#length = length;
        return undefined;
      }
      case "content-range":
        this.#ranged = value === `bytes ${this.#offset}-${this.#offset + this.#bytes - 1}/${this.#size}`;
        return this.#ranged ? undefined : "another range, or a file of another size";
      case "transfer-encoding":
        return "a body in pieces";
      case "content-encoding":
        return value.toLowerCase() === "identity" ? undefined : "an encoded body";
      case "connection":
        this.#closes = value.toLowerCase() === "close";
        return undefined;
      default:
        return undefined;
    }
  }

  private headed(): string | undefined {
    if (!this.#ranged) return "no range is named";
    if (this.#length !== this.#bytes) return `a body of ${this.#length} bytes; ${this.#bytes} were asked for`;
    this.#body = new Uint8Array(this.#bytes);
    this.#got = 0;
    return undefined;
  }
}

/** Digits alone, at most nine. */
function uintIn(text: string): number | undefined {
  if (text.length < 1 || text.length > 9) return undefined;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) return undefined;
  return Number(text);
}
