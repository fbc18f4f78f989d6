// The SDK's sockets as the SDK's own MQTT client, NTP client and resolver get them.
//
// Those call into closed sockets and read past malformed packets where nobody catches: a second answer of a name server, a name
// server's answer cut short, an NTP answer of less than 44 bytes, a time request while the station is offline, bytes after a
// CONNACK that refuses. On a board each is an unhandled exception, which restarts it. Promises: what a callback throws ends that
// connection, through the client's own `onError`, or loses that datagram, and is reported where the socket was still open; a
// datagram that cannot be sent is lost. Never changes what a socket does otherwise.

/** Told what a callback threw on an open socket. */
export type Report = (error: unknown) => void;

interface StreamOptions {
  onReadable?: (count: number) => void;
  onWritable?: (count: number) => void;
  onError?: (error?: unknown) => void;
}

export type StreamClass = new (options: StreamOptions) => { close(): void };

/** A subclass of a TCP or TLS socket. */
export function guardedStream(Socket: StreamClass, report: Report): StreamClass {
  return class extends Socket {
    constructor(options: StreamOptions) {
      const { onReadable, onWritable, onError } = options;
      super({
        ...options,
        onReadable(count) {
          try {
            onReadable?.(count);
          } catch (error) {
            failed(onError, error, report);
          }
        },
        onWritable(count) {
          try {
            onWritable?.(count);
          } catch (error) {
            failed(onError, error, report);
          }
        },
      });
    }
  };
}

/** A client that its owner has closed meanwhile has nobody to tell, and throws again. */
function failed(onError: StreamOptions["onError"], error: unknown, report: Report): void {
  try {
    onError?.(error);
  } catch {
    return;
  }
  report(error);
}

interface DatagramOptions {
  onReadable?: (count: number) => void;
}

interface DatagramSocket {
  write(data: ArrayBuffer | Uint8Array, address: string, port: number): void;
  close(): void;
}

export type DatagramClass = new (options: DatagramOptions) => DatagramSocket;

/** A subclass of a UDP socket. */
export function guardedDatagrams(Socket: DatagramClass, report: Report): DatagramClass {
  return class extends Socket {
    #closed = false;

    constructor(options: DatagramOptions) {
      const { onReadable } = options;
      const received = (count: number): void => {
        try {
          onReadable?.call(this, count);
        } catch (error) {
          if (!this.#closed) report(error);
        }
      };
      super({ ...options, onReadable: received });
    }

    override write(data: ArrayBuffer | Uint8Array, address: string, port: number): void {
      try {
        super.write(data, address, port);
      } catch {
        // Lost, as a datagram may be: whoever sent it asks again, or gives up.
      }
    }

    override close(): void {
      this.#closed = true;
      super.close();
    }
  };
}
