// A light client that follows a chain, and nothing else: of the library it includes chain, link and board; no records, no journal, no key. It switches
// a pin: on while the newest block that this board has verified itself has an even hash. No server, relay or broker makes it show something else.

import Digital from "embedded:io/digital";
import { configuration, createDevice } from "chainmote/board/provider";
import { Bus } from "chainmote/bus/bus";
import { topicsOf } from "chainmote/bus/topics";
import { openChain } from "chainmote/chain/checkpoint";
import { Follower } from "chainmote/chain/follow/follower";
import { movesHead, type Outcome } from "chainmote/chain/follow/outcome";
import { engine } from "chainmote/crypto";
import { Association } from "chainmote/link/association";
import { RelayClient } from "chainmote/link/relay";
import { Pacer } from "chainmote/pacer";
import { RefusalLog } from "chainmote/refusal-log";
import { Rejection } from "chainmote/rejection";

const PIN = 4;
const LOOK_MS = 1000;
type Given = {
  wifi: { ssid: string; password?: string };
  mqtt: { host: string; port?: number };
  checkpoint: object;
  relays?: string[];
};
const { mqtt, checkpoint, ...others } = configuration as Given;
const config = { ...others, mqtt: { port: 1883, prefix: "", keepAliveMs: 60_000, ...mqtt } };
const device = createDevice();
const { clock, entropy, log, store, timer } = device;
const consensus = openChain(engine, checkpoint);
if (consensus instanceof Rejection) throw consensus;
const follower = new Follower({ consensus, engine, clock, store: store.open({ path: "follow", format: "buffer" }) });
const lamp = new Digital({ pin: PIN, mode: Digital.Output });
const step = () => Math.min(association.step(), association.online ? bus.step() : LOOK_MS, relay.step(bus.up), LOOK_MS);
const pacer: Pacer = new Pacer(timer, log, { step });
const common = { device, config, refusals: new RefusalLog(clock, log), onWake: () => pacer.wake() };
const association = new Association(common);
association.step(); // the radio is on: now there is noise
const own = new Uint8Array(20); // where relays answer: nobody's address, and another after each start
entropy.read(own);
const bus = new Bus({ ...common, own }, topicsOf("", own, consensus.chain));
const relay = new RelayClient({ ...common, own, bus, follower, nowS: () => undefined, onOutcome });
bus.join(relay);
function onOutcome(outcome: Outcome | Rejection): void {
  if (outcome instanceof Rejection) common.refusals.write("header", outcome);
  if (outcome instanceof Rejection || !(movesHead(outcome) || outcome.kind === "fork")) return;
  const { number, hash } = follower.head;
  const on = outcome.kind !== "fork" && ((hash[hash.length - 1] as number) & 1) === 0;
  lamp.write(on ? 1 : 0);
  log.write("app", { lamp: on, number });
  if (number % 64 === 0) follower.persist(); // not each time: flash wears
}
pacer.run();
