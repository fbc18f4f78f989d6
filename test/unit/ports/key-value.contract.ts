// What every key-value store (firmware/ports.ts; NVS on an ESP32) must do.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { equal } from "../../../firmware/bytes.js";
import type { KeyValueStorage } from "../../../firmware/ports.js";

export interface KeyValueWorld {
  /** The store as the board has it after a boot; each call is a new boot over the same partition. */
  boot(): KeyValueStorage;
}

/** @param make a board whose partition is empty */
export function keyValueContract(title: string, make: () => KeyValueWorld): void {
  const test = suite(`key-value contract: ${title}`);
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
  const holds = (found: ArrayBuffer | undefined, expected: Uint8Array): void => {
    assert.instance(found, ArrayBuffer);
    assert.ok(equal(new Uint8Array(found as ArrayBuffer), expected));
  };

  test("an absent key reads as nothing; a written one as it was written, at once and after a boot", () => {
    const world = make();
    const domain = world.boot().open({ path: "mote" });
    assert.is(domain.read("seq"), undefined);
    domain.write("seq", bytes(1, 2, 3));
    holds(domain.read("seq"), bytes(1, 2, 3));
    domain.write("seq", bytes(4));
    domain.close();
    holds(world.boot().open({ path: "mote" }).read("seq"), bytes(4));
  });

  test("a value is a copy both ways", () => {
    const domain = make().boot().open({ path: "mote", format: "buffer" });
    const value = bytes(9, 9);
    domain.write("a", value);
    value.fill(0);
    new Uint8Array(domain.read("a") as ArrayBuffer).fill(7);
    holds(domain.read("a"), bytes(9, 9));
  });

  test("buffers and views are written as the bytes that they show", () => {
    const domain = make().boot().open({ path: "mote" });
    const long = bytes(1, 2, 3, 4, 5);
    domain.write("view", long.subarray(1, 3));
    holds(domain.read("view"), bytes(2, 3));
    domain.write("buffer", bytes(6, 7).buffer as ArrayBuffer);
    holds(domain.read("buffer"), bytes(6, 7));
    domain.write("empty", bytes());
    holds(domain.read("empty"), bytes());
  });

  test("domains are apart", () => {
    const store = make().boot();
    const one = store.open({ path: "one" });
    const two = store.open({ path: "two" });
    one.write("k", bytes(1));
    assert.is(two.read("k"), undefined);
    two.write("k", bytes(2));
    holds(one.read("k"), bytes(1));
  });

  test("a deleted key is gone for good, and deleting nothing is allowed", () => {
    const world = make();
    const domain = world.boot().open({ path: "mote" });
    domain.write("k", bytes(1));
    domain.delete("k");
    domain.delete("k");
    assert.is(domain.read("k"), undefined);
    assert.is(world.boot().open({ path: "mote" }).read("k"), undefined);
  });

  test("keys and domains have 1 to 15 characters", () => {
    const store = make().boot();
    const domain = store.open({ path: "fifteen-letters" });
    domain.write("fifteen-letters", bytes(1));
    holds(domain.read("fifteen-letters"), bytes(1));
    assert.throws(() => domain.write("sixteen-letters!", bytes(1)));
    assert.throws(() => domain.read("sixteen-letters!"));
    assert.throws(() => store.open({ path: "sixteen-letters!" }));
    assert.throws(() => store.open({ path: "" }));
  });

  test("what does not fit is refused, and the old value stays", () => {
    const domain = make().boot().open({ path: "mote" });
    domain.write("k", bytes(1));
    assert.throws(() => domain.write("k", new Uint8Array(1 << 20)));
    holds(domain.read("k"), bytes(1));
  });

  test("the old value lies there until the new one is whole: a value of half the room is written once, not twice", () => {
    const domain = make().boot().open({ path: "mote" });
    domain.write("k", new Uint8Array(25_000).fill(1));
    assert.throws(() => domain.write("k", new Uint8Array(25_000).fill(2)));
    holds(domain.read("k"), new Uint8Array(25_000).fill(1));
    domain.write("k", new Uint8Array(3000).fill(3));
    holds(domain.read("k"), new Uint8Array(3000).fill(3));
  });

  test("names are counted in bytes, and a namespace that is only to be read has to be there", () => {
    const world = make();
    const store = world.boot() as { open(options: { path: string; mode?: string }): ReturnType<KeyValueStorage["open"]> };
    const domain = store.open({ path: "mote" });
    assert.throws(() => domain.write("äöüäöüäö", bytes(1)));
    assert.throws(() => store.open({ path: "nothing", mode: "r" }));
    domain.write("k", bytes(1));
    holds(store.open({ path: "mote", mode: "r" }).read("k"), bytes(1));
    assert.throws(() => store.open({ path: "mote", mode: "r" }).write("k", bytes(2)));
  });

  test("a closed domain refuses", () => {
    const domain = make().boot().open({ path: "mote" });
    domain.close();
    assert.throws(() => domain.read("k"));
    assert.throws(() => domain.write("k", bytes(1)));
  });

  test.run();
}
