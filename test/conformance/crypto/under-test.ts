// What the crypto set is run on: the engines and the keys that `--engine` names.
//
//   all (default)   every engine that runs on Node, noble, fast and the WebAssembly that stands in for its addon, and the software keys
//   noble, fast     one of them, and the software keys
//   m32, rv32       the native engine and the native keys on a real XS engine (test/xs/session.ts)

import type { CryptoEngine } from "../../../firmware/crypto/engine.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import type { KeyHandle, Keys } from "../../../firmware/ports.js";
import { wasmCurve } from "../../../host-sim/crypto/curve.js";
import { engineOver, fastEngine } from "../../../host-sim/crypto/engine-fast.js";
import { engineOf, keysOf, Session } from "../../xs/session.js";
import { openedBySoftware, SLOT } from "./secret.js";

const wasmEngine = engineOver(await wasmCurve());

export const CHOICES = ["all", "noble", "fast", "m32", "rv32"] as const;
export type Choice = (typeof CHOICES)[number];

export interface UnderTest {
  readonly engines: readonly CryptoEngine[];
  /** Keys with `secret` open. Throws where it is no key, as `Keys.open` does. */
  opened(secret: Uint8Array): { keys: Keys; key: KeyHandle };
  /** Ends what had to be started; throws where it did not end well. */
  end(): void;
}

/** Throws, with one line that says what is missing, where it cannot run here. */
export function underTest(choice: Choice): UnderTest {
  if (choice === "m32" || choice === "rv32") return onXs(choice);
  const engines = choice === "all" ? [nobleEngine, fastEngine, wasmEngine] : choice === "noble" ? [nobleEngine] : [fastEngine];
  return { engines, opened: openedBySoftware, end() {} };
}

function onXs(target: "m32" | "rv32"): UnderTest {
  const session = Session.open(target, "conformance");
  if ("missing" in session) throw new Error(session.missing);
  const keys = keysOf(session);
  return {
    engines: [engineOf(session, `native on ${target}`)],
    opened(secret) {
      session.do("forget"); // a handle that was made stays on the guest's heap until then
      session.putSlot(SLOT, secret);
      const key = keys.open(SLOT);
      if (key === undefined) throw new Error("the slot came out empty");
      return { keys, key };
    },
    end: () => void session.end(),
  };
}
