// `chainmote/slots` on the XS engine: the places of images, over the bridge.

import type { ImageSlot, ImageState, Slots } from "../../../firmware/ports.js";
import { call } from "./bridge.js";

/** "slot state", as the bridge carries it. */
function slotOf(described: string): ImageSlot {
  return { slot: Number(described[0]), state: described.slice(2) as ImageState };
}

const slots: Slots = Object.freeze({
  running: () => slotOf(call<string>("slots.running")),
  other: () => slotOf(call<string>("slots.other")),
  digest: (byteLength: number) => call<ArrayBuffer>("slots.digest", byteLength),
  select(slot: number) {
    call("slots.select", slot);
  },
  markValid() {
    call("slots.markValid");
  },
  rollback() {
    call("slots.rollback");
  },
  secureVersion: () => call<number>("slots.secureVersion"),
});

export default slots;
