// No byte of a private key is ever on the JavaScript heap: after keys were made, loaded, used, closed and collected, all
// memory that JavaScript can have written to is searched for any part of them. Nor does C leave one on its stack or in static
// memory once a call has returned, nor the nonce of a signature, which is as good as the key; and nothing is printed.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../firmware/bytes.js";
import type { Target } from "../../host-sim/xs/toolchain.js";
import { bytesOf, nonceByTheBook } from "../unit/crypto/scalars.js";
import { Session } from "./session.js";

/** So long a part of a key turns up by chance once in 2^47 searches of a dump. */
const PART_BYTES = 8;
const SIGNATURES = 40;

/**
 * Where `dump` holds any `PART_BYTES` bytes in a row of `secret`: as bytes, as limbs of 32 bits in either order (the scalars
 * and the message words of a hash), or as hexadecimal text; −1 where it does not.
 */
function find(dump: Buffer, secret: Uint8Array): number {
  const swapped = Buffer.from(secret).swap32();
  for (let at = 0; at + PART_BYTES <= secret.length; at += 1) {
    const part = Buffer.from(secret.subarray(at, at + PART_BYTES));
    const forms = [part, Buffer.from(part).reverse(), Buffer.from(part.toString("hex"))];
    if (at % 4 === 0) forms.push(swapped.subarray(at, at + PART_BYTES));
    for (const form of forms) {
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

  test("what a signature, and making and loading a key, leave on the C stack and in static memory holds nothing of it", () => {
    const session = Session.open(target, "native") as Session;
    const marker = bytesOf(32, 4712);
    const digest = bytesOf(32, 7);
    const loaded = bytesOf(32, 43);
    session.putSlot("loaded", loaded);
    const opened = session.doAll([["open", 0, "loaded"], ["dumpNative"]])[0] as number;
    const [made] = session.doAll([["create", 0, "made"], ["dumpNative"]]);
    for (const key of [opened, made as number]) {
      session.doAll([["public", 0, key], ["dumpNative"]]);
      for (let i = 0; i < 4; i += 1) session.doAll([["sign", 0, key, toHex(digest)], ["dumpNative"]]);
      session.do("show", key);
      assert.throws(() => session.do("signText", 0, key, "no digest"));
    }
    session.doAll([["close", 0, opened], ["show", opened], ["dumpNative"], ["sha256", [toHex(marker)]], ["dumpNative"]]);
    const secrets = Object.values(session.slots()).map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
    const dump = Buffer.from(session.end());
    assert.ok(find(dump, marker) >= 0, "a dump shows what C has left");
    assert.is(secrets.length, 2);
    const console = Buffer.from(session.lines.join("\n"));
    assert.ok(console.includes("slot: loaded"), session.lines.join("\n"));
    for (const secret of secrets) {
      assert.is(find(dump, secret), -1, "a part of the key");
      assert.is(find(dump, nonceByTheBook(secret, digest)), -1, "a part of the nonce");
      assert.is(find(console, secret), -1, "on the console");
      assert.not(console.toString().includes(Buffer.from(secret).toString("base64").slice(0, 20)));
    }
  });

  test.run();
}

run("m32");
if (process.env.FULL === "1") run("rv32");
