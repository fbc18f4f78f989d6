// A light client that follows a chain, and nothing else: of the library it includes chain, link and board; no records, no journal, no key. It switches
// a pin: on while the newest block that this board has verified itself has an even hash. No server, relay or broker makes it show something else.

import Digital from "embedded:io/digital";
import { configuration, createDevice } from "chainmote/board/provider";
import { openChain } from "chainmote/chain/checkpoint";
import { Follower, type Outcome } from "chainmote/chain/follower";
import { movesHead } from "chainmote/chain/outcome";
import { engine } from "chainmote/crypto";
import { Association } from "chainmote/link/association";
import { RelayClient } from "chainmote/link/relay";
import { Uplink } from "chainmote/link/uplink";
import { requestTopic, topicsOf } from "chainmote/link/wire";
import { Pacer } from "chainmote/pacer";
import { Rejection } from "chainmote/rejection";

const PIN = 4;
const LOOK_MS = 1000;
type Given = { wifi: { ssid: string; password?: string }; mqtt: { host: string; port?: number }; checkpoint: object };
const { wifi, mqtt, checkpoint } = configuration as Given;
const { clock, entropy, log, network, store, timer } = createDevice();
const consensus = openChain(engine, checkpoint);
if (consensus instanceof Rejection) throw consensus;
const follower = new Follower({ consensus, engine, clock, store: store.open({ path: "follow", format: "buffer" }) });
const lamp = new Digital({ pin: PIN, mode: Digital.Output });
const step = () => Math.min(association.step(), association.online ? uplink.step() : LOOK_MS, relay.step(uplink.up), LOOK_MS);
const pacer: Pacer = new Pacer(timer, log, { step });
const refused = ({ code, detail }: Rejection): void => log.write("app", { refused: code, detail });
const common = { clock, log, onWake: () => pacer.wake() };
const association = new Association({ ...common, wifi: network.wifi, ssid: wifi.ssid, password: wifi.password });
association.step(); // the radio is on: now there is noise
const own = noise(20); // where relays answer: nobody's address, and another after each start
const topics = topicsOf("", own, consensus.chain);
const uplink = new Uplink({
  ...{ ...common, mqtt: network.mqtt, id: topics.replies, will: { topic: topics.health, message: new Uint8Array(0) } },
  ...{ config: { port: 1883, prefix: "", keepAliveMs: 60_000, ...mqtt }, subscriptions: [topics.head, topics.replies] },
  ...{ refused, acknowledged: () => undefined, linkChanged: (up: boolean) => (up ? undefined : relay.reset()) },
  received: (topic, message) => (topic === topics.head ? relay.announced(message) : relay.replied(message)),
});
const relay: RelayClient = new RelayClient({
  ...{ clock, own, follower, nowS: () => undefined, onOutcome, onRefused: refused },
  send: (request, name) => uplink.publish(requestTopic(topics, name), request, {}),
  requestId: () => new DataView(noise(4).buffer).getUint32(0) || 1,
});
function noise(bytes: number): Uint8Array {
  const buffer = new Uint8Array(bytes);
  entropy.read(buffer);
  return buffer;
}
function onOutcome(outcome: Outcome | Rejection): void {
  if (outcome instanceof Rejection) refused(outcome);
  if (outcome instanceof Rejection || !(movesHead(outcome) || outcome.kind === "fork")) return;
  const { number, hash } = follower.head;
  const on = outcome.kind !== "fork" && ((hash[hash.length - 1] as number) & 1) === 0;
  lamp.write(on ? 1 : 0);
  log.write("app", { lamp: on, number });
  if (number % 64 === 0) follower.persist(); // not each time: flash wears
}
pacer.run();
