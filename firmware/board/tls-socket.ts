// An ECMA-419 TCP socket that speaks TLS: the sessions of `chainmote/tls` over the TCP class that its options name.
//
// Promises: nothing is written before the broker's certificate is verified (tls-engine.h says how), and `onWritable` comes
// only then; a write of what `onWritable` announced goes through whole; `onError` comes once, after the last byte was read;
// whatever fails is one line in the log, by its name. No exception leaves a callback: the session ends instead.
// Never: holds plaintext on the XS heap, or reads more from the socket than the session has room for.

import type { ByteBuffer, Log, Timer } from "../ports.js";

type Session = object;

/** The module `chainmote/tls`. */
export interface Sessions {
  open(ca: ByteBuffer, host: string, nowS: number): Session | string;
  end(session: Session): void;
  close(session: Session): void;
  status(session: Session): number;
  fault(session: Session): string;
  room(session: Session): number;
  feed(session: Session, bytes: ByteBuffer): void;
  take(session: Session, count: number): ArrayBuffer | undefined;
  read(session: Session, into: number | ByteBuffer): ArrayBuffer | number;
  readByte(session: Session): number;
  fits(session: Session, socketRoom: number): number;
  write(session: Session, bytes: ByteBuffer, from: number, more: boolean): number;
}

interface Socket {
  read(count: number): ArrayBuffer;
  write(data: ByteBuffer): number | undefined;
  close(): void;
}

export interface TlsSocketOptions {
  host: string;
  address: string;
  port: number;
  secure: { certificate: ByteBuffer; serverName?: string };
  TCP: { io: new (options: object) => Socket };
  timer: Timer;
  log: Log;
  /** The board's wall clock; `Date.now` where absent. */
  nowMs?: () => number;
  onReadable?: (count: number) => void;
  onWritable?: (count: number) => void;
  onError?: (error?: Error) => void;
}

/** Of a write: `more` follows in the same record; `byteLength` is the length of all of it. */
export interface WriteOptions {
  more?: boolean;
  byteLength?: number;
}

const HANDSHAKE = 0;
const OPEN = 1;
const FAILED = 3;
const MS_PER_S = 1000;

/** What TCP tells the socket that it is the `target` of; no closure for each connection. */
const CALLBACKS = Object.freeze({
  onReadable(this: Owned, count: number) {
    this.target.received(count);
  },
  onWritable(this: Owned, count: number) {
    this.target.sent(count);
  },
  onError(this: Owned) {
    this.target.broken();
  },
});

interface Owned {
  readonly target: { received(count: number): void; sent(count: number): void; broken(): void };
}

export function tlsSocketOver(sessions: Sessions) {
  const tls = sessions; // a constant, for a preloaded class
  return class TlsSocket {
    #options: TlsSocketOptions | undefined;
    #session: Session | undefined;
    #socket: Socket | undefined;
    /** What TCP has for us, and room for. */
    #readable = 0;
    #writable = 0;
    /** 0 before TCP is connected, 1 in the handshake, 2 once told that it is open. */
    #stage = 0;
    /** The connection is over; what came before its end may still be read. */
    #over = false;
    /** 0 not, 1 pumping, 2 and the application has read. */
    #pumping = 0;
    /** What can be read was announced, and nothing of it is read yet. */
    #told = false;
    #number = false;
    #again: object | undefined;

    constructor(options: TlsSocketOptions) {
      const { host, secure, log, nowMs } = options;
      const session = tls.open(
        secure.certificate,
        secure.serverName ?? host,
        Math.floor((nowMs === undefined ? Date.now() : nowMs()) / MS_PER_S),
      );
      if (typeof session === "string") {
        log.write("error", { what: "tls", detail: `tls: ${session}` });
        throw new Error(`tls: ${session}`);
      }
      this.#options = options;
      this.#session = session;
      try {
        this.#socket = new options.TCP.io({
          address: options.address,
          port: options.port,
          target: this,
          ...CALLBACKS,
        });
      } catch (error) {
        this.close();
        throw error;
      }
    }

    /** Bytes of plaintext: all that `onReadable` announced, `into` of them, or one as a number in the format "number". */
    read(into?: number | ByteBuffer): ArrayBuffer | number | undefined {
      const session = this.#session;
      if (session === undefined) return undefined;
      const available = tls.status(session) >>> 2;
      if (available === 0) return undefined;
      const count = this.#number ? 1 : into === undefined ? available : typeof into === "number" ? into : into.byteLength;
      if (count <= 0 || count > available) throw new Error("invalid");
      const bytes = this.#number ? tls.readByte(session) : tls.read(session, typeof into === "object" ? into : count);
      this.#told = false;
      if (this.#pumping > 0) this.#pumping = 2;
      else if (count === available) this.later();
      return bytes;
    }

    /** Answers how much more fits; throws "would block" where this does not, and "not ready" before the handshake is over. */
    write(data: ByteBuffer, options?: WriteOptions): number {
      const session = this.#session;
      if (session === undefined) throw new Error("closed");
      if (this.#over) return 0;
      const state = tls.status(session) & 3;
      if (state === HANDSHAKE) throw new Error("not ready");
      if (state !== OPEN) return 0;
      if ((options?.byteLength ?? data.byteLength) > tls.fits(session, this.#writable)) throw new Error("would block");
      let from = 0;
      do {
        from += tls.write(session, data, from, options?.more === true);
        this.flush();
      } while (from < data.byteLength && !this.#over && (tls.status(session) & 3) === OPEN);
      return this.#over ? 0 : tls.fits(session, this.#writable);
    }

    /** No callback comes afterwards. */
    close(): void {
      const session = this.#session;
      if (session === undefined) return;
      if (this.#socket !== undefined && !this.#over) {
        tls.end(session);
        this.flush();
      }
      this.#session = undefined;
      this.#options?.timer.clear(this.#again);
      this.#options = undefined;
      this.#again = undefined;
      this.#socket?.close();
      this.#socket = undefined;
      tls.close(session);
    }

    get format(): string {
      return this.#number ? "number" : "buffer";
    }

    set format(format: string) {
      if (format !== "buffer" && format !== "number") throw new RangeError("unimplemented");
      this.#number = format === "number";
    }

    /** TCP has so many bytes. */
    received(count: number): void {
      this.#readable = count;
      this.guarded(this.pump);
    }

    /** TCP takes so many bytes. */
    sent(count: number): void {
      this.#writable = count;
      if (this.#stage === 0) this.#stage = 1;
      this.guarded(this.writable);
    }

    /** TCP is over. */
    broken(): void {
      this.#over = true;
      this.#readable = 0;
      this.guarded(this.pump);
    }

    private guarded(work: () => void): void {
      if (this.#session === undefined) return;
      try {
        work.call(this);
      } catch (error) {
        this.fail(`tls: ${error instanceof Error ? error.message : String(error)}`);
      }
    }

    private writable(): void {
      this.flush();
      this.pump();
      this.announce();
    }

    private announce(): void {
      const session = this.#session;
      if (session === undefined || this.#stage < 2 || this.#over) return;
      const fits = tls.fits(session, this.#writable);
      if (fits > 0) this.#options?.onWritable?.call(this, fits);
    }

    /** From TCP into the session, and out of it, until one of them has no more or the application does not read. */
    private pump(): void {
      if (this.#pumping > 0) return;
      try {
        do this.#pumping = 1;
        while (this.turn());
      } finally {
        this.#pumping = 0;
      }
    }

    /** One turn of it; answers whether there may be another. */
    private turn(): boolean {
      const session = this.#session;
      if (session === undefined) return false;
      const status = tls.status(session);
      const available = status >>> 2;
      if (available > 0) {
        if (this.#told) return false;
        this.#told = true;
        this.#options?.onReadable?.call(this, available);
        return this.#pumping === 2;
      }
      if ((status & 3) > OPEN || (this.#over && this.#readable === 0)) {
        this.fail(this.reason(session, status & 3));
        return false;
      }
      if ((status & 3) === OPEN && this.#stage < 2) {
        this.#stage = 2;
        this.announce();
        return true;
      }
      const count = Math.min(this.#readable, tls.room(session));
      if (count === 0) return false;
      this.#readable -= count;
      tls.feed(session, (this.#socket as Socket).read(count));
      this.flush();
      return true;
    }

    /** Hands to TCP what waits for the broker, as far as it has room. */
    private flush(): void {
      const session = this.#session;
      if (session === undefined || this.#over) return;
      for (;;) {
        const bytes = this.#writable > 0 ? tls.take(session, this.#writable) : undefined;
        if (bytes === undefined) return;
        try {
          this.#writable = (this.#socket as Socket).write(bytes) ?? 0;
        } catch {
          // The SDK's TCP throws "not ready" once it is broken; its `onError` is on its way.
          this.#writable = 0;
        }
      }
    }

    private later(): void {
      this.#again ??= this.#options?.timer.set(() => {
        this.#again = undefined;
        this.guarded(this.pump);
      }, 0);
    }

    /** Why it is over; undefined where TCP alone can say. */
    private reason(session: Session, state: number): string | undefined {
      if (state === FAILED) return `tls: ${tls.fault(session)}`;
      return this.#stage === 1 ? "tls: the broker closed the connection in the handshake" : undefined;
    }

    /** Tells of the end, once. */
    private fail(detail: string | undefined): void {
      const options = this.#options;
      if (options === undefined) return;
      this.#over = true;
      this.#options = undefined;
      options.timer.clear(this.#again);
      if (detail !== undefined) options.log.write("error", { what: "tls", detail });
      try {
        options.onError?.call(this, detail === undefined ? undefined : new Error(detail));
      } catch (error) {
        options.log.write("error", { what: "tls", detail: String(error) });
      }
    }
  };
}
