// A light client that follows a chain and switches a pin by it: on while the newest block that this board has verified itself has an even hash. Whoever
// looks at the chain knows what the lamp must show, and no server, relay or broker can make it show something else.

import Digital from "embedded:io/digital";
import { configuration, createDevice } from "chainmote/board/provider";
import { engine } from "chainmote/crypto";
import { type Head, Mote, type MoteEvent, parseConfig, Rejection } from "chainmote/index";

const PIN = 4;

const device = createDevice();
const lamp = new Digital({ pin: PIN, mode: Digital.Output });

function show({ number, hash }: Head): void {
  const on = ((hash[hash.length - 1] as number) & 1) === 0;
  lamp.write(on ? 1 : 0);
  device.log.write("app", { lamp: on, number });
}

function onEvent(event: MoteEvent): void {
  if (event.event === "head" && !(mote instanceof Rejection)) show(mote.head);
  // The chain stands still, or has forked: nothing to go by.
  if (event.event === "alarm" && event.alarm !== "none") lamp.write(0);
}

const config = parseConfig(configuration);
const mote = config instanceof Rejection ? config : Mote.open({ device, engine, config, onEvent });
if (mote instanceof Rejection) device.log.write("error", { what: "start", code: mote.code, detail: mote.detail });
else mote.run();
