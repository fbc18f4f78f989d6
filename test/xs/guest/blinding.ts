// Runs on the XS engine: what the first key of a start costs, and what the second, in instructions.

import { NativeKeys } from "../../../firmware/crypto/native-keys.js";
import { instructions, print } from "../../../host-sim/xs/guest/host.js";

const keys = new NativeKeys();
const counts = ["one", "two"].map((slot) => {
  const from = instructions();
  if ("code" in keys.create(slot)) throw new Error("no key");
  return instructions() - from;
});
print(JSON.stringify(counts));
