// An MQTT client that does as a test tells it, in the shape of the SDK's.

import type { ByteBuffer, MqttClient, MqttControl, MqttOptions, MqttReadable, MqttWrite } from "../../../firmware/ports.js";
import { Operation } from "../../../host-sim/modules/mqtt-operation.js";

export class Scripted extends Operation implements MqttClient {
  static made: Scripted[] = [];
  static unmakable = false;
  readonly options: MqttOptions;
  readonly target: unknown;
  readonly writes: { data: ByteBuffer | null; options: MqttWrite }[] = [];
  room = 5000;
  broken = false;
  closed = false;
  #incoming = new Uint8Array(0);

  constructor(options: MqttOptions) {
    super();
    if (Scripted.unmakable) throw new Error("no sockets left");
    this.options = options;
    this.target = options.target;
    Scripted.made.push(this);
  }
  read(count: number): ArrayBuffer {
    if (this.closed) throw new TypeError("no socket");
    const part = this.#incoming.slice(0, count);
    this.#incoming = this.#incoming.slice(count);
    return part.buffer as ArrayBuffer;
  }
  write(data: ByteBuffer | null, options: MqttWrite): number {
    if (this.closed) throw new TypeError("no socket");
    if (this.broken) throw new Error("overflow");
    this.writes.push({ data, options });
    this.room -= 100;
    return this.room;
  }
  close(): void {
    this.closed = true;
  }

  control(message: MqttControl): void {
    this.options.onControl?.call(this, message);
  }
  accept(grants: number[] = [1, 1]): void {
    this.control({ operation: Scripted.CONNACK, returnCode: 0 });
    this.options.onWritable?.call(this, this.room);
    this.control({ operation: Scripted.SUBACK, id: 1, payload: grants });
  }
  /** One part of a message; `first` tells what comes with the first part only. */
  part(bytes: Uint8Array, more: boolean, first: Partial<MqttReadable> = {}): void {
    this.#incoming = Uint8Array.from([...this.#incoming, ...bytes]);
    this.options.onReadable?.call(this, bytes.length, { more, ...first });
  }
  message(topic: string, bytes: Uint8Array, partBytes = 1000): void {
    for (let at = 0; at < bytes.length; at += partBytes) {
      const first = at === 0 ? { topic, byteLength: bytes.length, QoS: 1 } : {};
      this.part(bytes.subarray(at, at + partBytes), at + partBytes < bytes.length, first);
    }
  }
}
