// A way to a real broker that is cut when the client is in a chosen state, as a broker's death does it: every byte until then passes
// as it came, and nothing after it.
//
// Promises: a death is a death of all that goes through here at that moment, and nothing passes any more on what was cut; what was
// cut is told by `deaths`. Never holds a packet back to send it with others. Knows of MQTT no more than where packets begin and of
// which type they are.

import { connect, createServer, type Server, type Socket } from "node:net";
import { Operation } from "../../host-sim/modules/mqtt-operation.js";
import { listen } from "../unit/ports/broker.js";

/** States of a client in which its broker dies. */
export const DEATHS = [
  "connecting",
  "logging in",
  "logged in",
  "subscribing",
  "subscribed",
  "publishing",
  "published",
  "half a record sent",
  "half a message received",
  "idle",
] as const;
export type Death = (typeof DEATHS)[number];

/** By packets of whom, of which type, and what of that packet still passes. */
const TRIGGERS: Readonly<Partial<Record<Death, readonly ["client" | "broker", number, "none" | "half" | "all"]>>> = {
  "logging in": ["client", Operation.CONNECT, "none"],
  "logged in": ["broker", Operation.CONNACK, "all"],
  subscribing: ["client", Operation.SUBSCRIBE, "all"],
  subscribed: ["broker", Operation.SUBACK, "all"],
  publishing: ["client", Operation.PUBLISH, "all"],
  published: ["broker", Operation.PUBACK, "none"],
  "half a record sent": ["client", Operation.PUBLISH, "half"],
  "half a message received": ["broker", Operation.PUBLISH, "half"],
  idle: ["broker", Operation.PUBACK, "all"],
};

export class MortalBroker {
  readonly deaths: Death[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #port: () => number;
  #next: Death | undefined;
  /** Goes on at each death: a connection of an earlier life carries nothing more. */
  #life = 0;
  endpoint = "";

  /** @param port of the broker itself, on loopback */
  constructor(port: () => number) {
    this.#port = port;
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  async open(): Promise<this> {
    this.endpoint = await listen(this.#server);
    return this;
  }

  /** The next death; none before this is called again. */
  dieWhen(death: Death): void {
    this.#next = death;
  }

  /** Ends the sessions that are open, as a death that is not counted. */
  cutNow(): void {
    this.#cut();
  }

  async close(): Promise<void> {
    this.#cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    if (this.#next === "connecting") {
      this.#die();
      client.on("error", () => undefined);
      client.destroy();
      this.#cut();
      return;
    }
    const life = this.#life;
    const broker = connect({ port: this.#port(), host: "127.0.0.1", noDelay: true });
    for (const [name, from, to] of [["client", client, broker] as const, ["broker", broker, client] as const]) {
      const packets = new Packets((type, bytes) => {
        if (life === this.#life) this.#pass(name, type, bytes, to);
      });
      this.#sockets.add(from);
      from.on("data", (chunk) => packets.push(chunk));
      from.on("error", () => undefined); // either end may break
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  #pass(name: "client" | "broker", type: number, bytes: Buffer, to: Socket): void {
    const trigger = this.#next === undefined ? undefined : TRIGGERS[this.#next];
    const dies = trigger?.[0] === name && trigger[1] === type;
    const passes =
      !dies || trigger[2] === "all" ? bytes : trigger[2] === "half" ? bytes.subarray(0, bytes.length >> 1) : undefined;
    if (to.destroyed) return;
    if (!dies) to.write(bytes);
    else {
      this.#die();
      if (passes === undefined) this.#cut();
      else to.write(passes, () => this.#cut());
    }
  }

  #die(): void {
    this.deaths.push(this.#next as Death);
    this.#next = undefined;
    this.#life += 1;
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Whole packets out of a stream (MQTT 3.1.1 §2.2). */
class Packets {
  readonly #each: (type: number, bytes: Buffer) => void;
  #bytes = Buffer.alloc(0);

  constructor(each: (type: number, bytes: Buffer) => void) {
    this.#each = each;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let length = this.#length(); length > 0 && length <= this.#bytes.length; length = this.#length()) {
      const packet = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      this.#each((packet[0] as number) >> 4, packet);
    }
  }

  /** Of the packet that begins here; 0 where that is not known yet. */
  #length(): number {
    let length = 0;
    for (let at = 1; at <= 4; at += 1) {
      const byte = this.#bytes[at];
      if (byte === undefined) return 0;
      length += (byte & 127) * 128 ** (at - 1);
      if (byte < 128) return 1 + at + length;
    }
    throw new Error("no packet of MQTT");
  }
}
