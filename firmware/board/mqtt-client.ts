// The SDK's MQTT client, made safe to close at any moment.
//
// Closing it while its host name is being resolved, or from inside `onReadable`, makes it throw where nobody catches: on a
// board an unhandled exception, which restarts it. Promises: `close` never throws, no callback comes after it, and the SDK's own
// `close`, which lets go of socket and timers, runs exactly once, whether the owner closes or the client does after an error: its
// error path ends with `this.close()`. Never changes what the client does otherwise.

import type { MqttBase, MqttClient, MqttClientClass, MqttControl, MqttOptions, MqttReadable, Timer } from "../ports.js";

interface ResolveRequest {
  host: string;
  onResolved?: (host: string, address: string) => void;
  onError?: (host: string) => void;
}

/** What the client asks of a resolver; the SDK's class. */
export type ResolverClass = new (options: object) => { resolve(request: ResolveRequest): void };

/**
 * A subclass of the client in `base` that can be closed at any moment.
 * @param Resolver the class that `base.dns.io` names
 */
export function closable(base: MqttBase, Resolver: ResolverClass, timer: Timer): MqttClientClass {
  /** What a client's callbacks share with it, from before its constructor can name it. */
  interface Life {
    /** No callback any more. */
    closed: boolean;
    /** Socket and timers are let go of, or will be once `onReadable` has returned. */
    released: boolean;
    reading: boolean;
  }

  function guarded(options: MqttOptions, life: Life): MqttOptions {
    const { onReadable, onWritable, onControl, onError } = options;
    return {
      ...options,
      dns: {
        ...(options.dns as object),
        io: class extends Resolver {
          override resolve(request: ResolveRequest): void {
            super.resolve({
              ...request,
              onResolved: (host, address) => {
                if (!life.closed) request.onResolved?.(host, address);
              },
              onError: (host) => {
                if (!life.closed) request.onError?.(host);
              },
            });
          }
        },
      },
      onReadable(this: MqttClient, count: number, readable: MqttReadable) {
        if (life.closed) return;
        life.reading = true;
        try {
          onReadable?.call(this, count, readable);
        } finally {
          life.reading = false;
        }
      },
      onWritable(this: MqttClient, count: number) {
        if (!life.closed) onWritable?.call(this, count);
      },
      onControl(this: MqttClient, message: MqttControl) {
        if (!life.closed) onControl?.call(this, message);
      },
      onError(this: MqttClient) {
        if (life.closed) return;
        life.closed = true;
        onError?.call(this);
      },
    };
  }

  return class extends base.io {
    readonly #life: Life;

    constructor(options: MqttOptions) {
      const life: Life = { closed: false, released: false, reading: false };
      super(guarded(options, life));
      this.#life = life;
    }

    override close(): void {
      const life = this.#life;
      life.closed = true;
      if (life.released) return;
      life.released = true;
      if (life.reading) timer.set(() => super.close(), 0);
      else super.close();
    }
  };
}
