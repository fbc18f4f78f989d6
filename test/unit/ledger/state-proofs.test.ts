// The mote's one prover as a feature: its topics, its configuration, and what it is told of the link and the chain.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PROVE_ACCOUNT, PROVE_SLOT } from "../../../firmware/ledger/proof-wire.js";
import { ledgerOf, StateProofs } from "../../../firmware/ledger/state-proofs.js";
import { hex, LedgerBench, REGISTRY } from "./ledger-bench.js";

test("its depth is configured, and named where it is wrong", () => {
  const config = new LedgerBench().bench.config();
  const fault = (ledger: unknown): string => String(new StateProofs().fault({ ...config, ledger }));
  assert.is(fault(undefined), "undefined");
  assert.is(fault({ depthBlocks: 16 }), "undefined");
  assert.match(fault({ depthBlocks: 17 }), /ledger\.depthBlocks: expected a whole number from 0 to 16/);
  assert.match(fault({ depthBlocks: "1" }), /ledger\.depthBlocks: expected a whole number/);
  assert.match(fault([]), /ledger: expected an object/);
  assert.is(ledgerOf({ ...config, ledger: { intervalMs: 5 } }).path, "ledger");
});

test("features ask it one after the other; a lost link leaves questions to be asked again on the next", async () => {
  const bench = new LedgerBench();
  await bench.boot();
  const asked = await bench.live(3, () => undefined);
  assert.ok(asked.length > 0);
  bench.powered.client.options.onError?.call(bench.powered.client);
  await bench.powered.pass(20_000);
  await bench.powered.connect();
  const again = await bench.live(4);
  assert.equal([...new Set(again.map(({ kind }) => kind))].sort(), [PROVE_ACCOUNT, PROVE_SLOT].sort());
  const slots = again.filter(({ kind }) => kind === PROVE_SLOT);
  assert.ok(slots.every(({ subject }) => hex(subject as Uint8Array) === hex(REGISTRY)));
  assert.is(bench.registry.own?.status, 0);
});

test("each question is at a block that the mote has verified, and depth is kept below the head", async () => {
  const bench = new LedgerBench({ silent: true, ledger: { depthBlocks: 3, intervalMs: 2_000, freshS: 60 } });
  await bench.boot();
  bench.setOwn({ status: 1 });
  for (let i = 0; i < 8; i += 1) {
    const asked = await bench.live(1);
    for (const { block } of asked) {
      const at = bench.blocks.find((one) => hex(one.block.hash) === hex(block));
      assert.ok((at?.block.number ?? 0) <= bench.tip.number - 3, `${at?.block.number} of ${bench.tip.number}`);
    }
  }
  assert.is(bench.registry.own?.status, 1);
});

test.run();
