// The SDK's MQTT client, made safe to close at any moment, and safe from its own timers.
//
// Closed while its host name is being resolved, or where a packet of its own (an acknowledgement, a ping) finds the connection
// over, it throws where nobody catches: on a board an unhandled exception, which restarts it. Promises: `close` never throws and
// no callback comes after it; the resolver, its timer and its socket are let go of with the rest; the SDK's own `close`, which
// lets go of socket and timers, runs exactly once, whether the owner closes or the client does after an error: its error path ends
// with `this.close()`. Never changes what the client does otherwise. What its socket's callbacks throw, a `close` inside
// `onReadable` among it, sockets.ts takes: the socket that it is given must be one of those.

import type { ByteBuffer, MqttClient, MqttClientClass, MqttOptions, MqttWrite } from "../ports.js";

interface ResolveRequest {
  host: string;
  onResolved?: (host: string, address: string) => void;
  onError?: (host: string) => void;
}

interface ResolverOptions {
  readonly [option: string]: unknown;
}

/** What the client asks of a resolver; the SDK's class. */
export type ResolverClass = new (options: ResolverOptions) => { resolve(request: ResolveRequest): void; close(): void };

/** What a client and its resolver share. */
interface Life {
  /** The one that is asked; undefined once it has answered. */
  resolver: { close(): void } | undefined;
  onError: MqttOptions["onError"] | undefined;
  /** Socket and timers are let go of. */
  closed: boolean;
}

/**
 * A subclass of the SDK's client that can be closed at any moment.
 * @param Resolver the class that its options' `dns.io` names
 */
export function closable(Client: MqttClientClass, Resolver: ResolverClass): MqttClientClass {
  const LifeLong = lifeLong(Resolver);

  return class extends Client {
    readonly #life: Life;

    constructor(options: MqttOptions) {
      const life: Life = { resolver: undefined, onError: options.onError, closed: false };
      super({ ...options, dns: { ...(options.dns as object), io: LifeLong, life } });
      this.#life = life;
    }

    override write(data: ByteBuffer | null, options: MqttWrite): number {
      try {
        return super.write(data, options);
      } catch (error) {
        // What it sends of itself tells its length; its owner's writes never do, and the owner catches.
        if (data !== null || !("byteLength" in options)) throw error;
        this.fail();
        return 0;
      }
    }

    override close(): void {
      const life = this.#life;
      if (life.closed) return;
      life.closed = true;
      life.onError = undefined;
      life.resolver?.close();
      super.close();
    }

    private fail(): void {
      const { onError } = this.#life;
      this.#life.onError = undefined;
      onError?.call(this as unknown as MqttClient);
      this.close();
    }
  } as MqttClientClass;
}

/** A resolver that its client can close while it is asked. */
function lifeLong(Resolver: ResolverClass): ResolverClass {
  return class extends Resolver {
    readonly #life: Life;

    constructor(options: ResolverOptions) {
      super(options);
      this.#life = options.life as Life;
    }

    override resolve(request: ResolveRequest): void {
      const life = this.#life;
      life.resolver = this;
      super.resolve({
        ...request,
        onResolved(host, address) {
          life.resolver = undefined;
          request.onResolved?.(host, address);
        },
        onError(host) {
          life.resolver = undefined;
          request.onError?.(host);
        },
      });
    }
  };
}
