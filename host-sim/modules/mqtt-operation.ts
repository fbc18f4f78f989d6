// The types of MQTT's control packets (MQTT 3.1.1 §2.2.1), for every client of ours that stands in for the SDK's, and whatever else here
// looks at packets. The SDK's client has them as statics of its class: those that extend this one have the same.

// biome-ignore lint/complexity/noStaticOnlyClass: clients extend it
export class Operation {
  static readonly CONNECT = 1;
  static readonly CONNACK = 2;
  static readonly PUBLISH = 3;
  static readonly PUBACK = 4;
  static readonly PUBREC = 5;
  static readonly PUBREL = 6;
  static readonly PUBCOMP = 7;
  static readonly SUBSCRIBE = 8;
  static readonly SUBACK = 9;
  static readonly UNSUBSCRIBE = 10;
  static readonly UNSUBACK = 11;
  static readonly PINGREQ = 12;
  static readonly PINGRESP = 13;
  static readonly DISCONNECT = 14;
}
