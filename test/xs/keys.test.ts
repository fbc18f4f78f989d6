// The native keys on the real engine, 32-bit, against the contract of `Keys`.

import { suite } from "uvu";
import { keysContract } from "../unit/ports/keys.contract.js";
import { keysOf, Session } from "./session.js";

let boards = 0;
const first = Session.open("m32", "first");

if ("missing" in first) {
  console.log(first.missing);
  const skipped = suite("native keys");
  skipped.skip("keys contract: native on m32", () => {});
  skipped.run();
} else {
  first.end();
  keysContract("native keys on m32", () => {
    boards += 1;
    const session = Session.open("m32", `board ${boards}`) as Session;
    return {
      boot: () => keysOf(session),
      setNoise: (noise) => session.setNoise(noise),
      powerCut: () => session.powerCut(),
      putSlot: (slot, value) => session.putSlot(slot, value),
    };
  });
}
