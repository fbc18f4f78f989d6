// No byte of a private key is ever on the JavaScript heap: after keys were made, loaded, used, closed and collected, all
// memory that JavaScript can have written to is searched for any part of them.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { bytesOf } from "../unit/crypto/scalars.js";
import { Session } from "./session.js";

/** So long a part of a key turns up by chance once in 2^47 searches of a dump. */
const PART_BYTES = 8;
const SIGNATURES = 40;

/** Where `dump` holds any `PART_BYTES` bytes in a row of `secret`, as bytes or as hexadecimal text; −1 where it does not. */
function find(dump: Buffer, secret: Uint8Array): number {
  for (let at = 0; at + PART_BYTES <= secret.length; at += 1) {
    const part = Buffer.from(secret.subarray(at, at + PART_BYTES));
    for (const form of [part, Buffer.from(part).reverse(), Buffer.from(part.toString("hex"))]) {
      const found = dump.indexOf(form);
      if (found >= 0) return found;
    }
  }
  return -1;
}

function run(target: Target): void {
  const test = suite(`secrets on ${target}`);
  const session = Session.open(target, "secrets");
  if ("missing" in session) {
    console.log(session.missing);
    test.skip("secrets", () => {});
    test.run();
    return;
  }

  test("making, loading, signing, closing and collecting leave nothing of a key on the heap", () => {
    const marker = bytesOf(32, 4711);
    session.putSlot("loaded", bytesOf(32, 42));
    session.do("keep", toHex(marker));
    const made = ["one", "two", "three"].map((slot) => session.do("create", 0, slot) as number);
    const loaded = session.do("open", 0, "loaded") as number;
    session.do("dump");
    for (let i = 0; i < SIGNATURES; i += 1)
      for (const key of [...made, loaded]) session.do("sign", 0, key, toHex(bytesOf(32, i)));
    for (const key of made) session.do("public", 0, key);
    session.do("dump");
    session.do("close", 0, loaded);
    session.do("forget");
    session.do("dump");

    const slots = session.slots();
    const dump = Buffer.from(session.end());
    assert.ok(dump.length > 3 * 90_000, "three dumps of the whole block");
    assert.ok(find(dump, marker) >= 0, "a dump shows what is on the heap");
    assert.equal(Object.keys(slots).sort(), ["loaded", "one", "three", "two"]);
    for (const [slot, secret] of Object.entries(slots)) {
      assert.is(secret.length, 64);
      assert.is(find(dump, new Uint8Array(Buffer.from(secret, "hex"))), -1, `a part of ${slot}`);
    }
  });

  test.run();
}

run("m32");
run("rv32");
