// Watching peers: each place that is proven is told once, and again when it has changed; what is not known is no place.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { MoteConfig } from "../../../firmware/config.js";
import { Peers } from "../../../firmware/ledger/peers.js";
import type { ProvenMote, Registry } from "../../../firmware/ledger/registry.js";
import { Rejection } from "../../../firmware/rejection.js";
import { HandClock } from "../hand-clock.js";

const PEER = "0x".padEnd(42, "ab");
const configured = (ledger: object): MoteConfig => ({ ledger }) as unknown as MoteConfig;

test("a place that is proven is told once, one that has changed again, one that is not known never", () => {
  let place: Partial<ProvenMote> | undefined;
  let looks = 0;
  const moteOf = (): Partial<ProvenMote> | undefined => {
    looks += 1;
    return place;
  };
  const clock = new HandClock(1_000);
  const peers = new Peers({ moteOf } as unknown as Registry);
  assert.is(peers.fault(configured({ peers: [PEER] })), undefined);
  const told: unknown[] = [];
  peers.open({ device: { clock, log: { write: (event: string, fields: object) => told.push({ event, ...fields }) } } } as never);
  const active = { status: 1, role: 2, sinceBlock: 7 };
  for (const next of [
    undefined,
    { ...active, provenAtBlock: 9 },
    { ...active, provenAtBlock: 12 },
    undefined,
    { ...active, status: 5, sinceBlock: 20, provenAtBlock: 21 },
  ]) {
    place = next;
    // A look costs a hash for each peer: however often the mote steps, it is one in some seconds.
    const before = looks;
    for (let step = 0; step < 3; step += 1) {
      assert.ok(peers.step() > 0);
      clock.pass(1_000);
    }
    assert.is(looks, before + 1);
    clock.pass(10_000);
  }
  assert.equal(told, [
    { event: "peer", mote: PEER, status: "active", role: 2, sinceBlock: 7, block: 9 },
    { event: "peer", mote: PEER, status: "quarantined", role: 2, sinceBlock: 20, block: 21 },
  ]);
});

test("a configuration without peers, with too many or with one that is no address is refused", () => {
  const peers = new Peers({} as Registry);
  for (const list of [undefined, [], Array.from({ length: 7 }, () => PEER), ["0x12"], PEER])
    assert.instance(peers.fault(configured(list === undefined ? {} : { peers: list })), Rejection);
});

test.run();
