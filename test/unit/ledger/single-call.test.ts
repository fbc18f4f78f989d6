// One call of a mote that catches up with its chain: what is proven of an older block is no answer. The whole way: test/sim/tx-calls.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { MoteConfig } from "../../../firmware/config.js";
import type { FeatureOwner } from "../../../firmware/feature.js";
import { SingleCall } from "../../../firmware/ledger/single-call.js";
import type { StateProofs } from "../../../firmware/ledger/state-proofs.js";
import type { Transactions } from "../../../firmware/ledger/transactions.js";
import { engine } from "../../../tools/crypto/engine.js";

const CONTRACT = "c0".repeat(20);

test("an anchor waits until the account's proof is of a block after this key's last call: an older root is nobody else's tree", () => {
  let asked = 0;
  let behind = true;
  const said: unknown[] = [];
  const prover = {
    ask() {
      asked += 1;
      return true;
    },
  };
  const transactions = {
    pending: false,
    account: () => ({ block: 449, nonce: 1, balance: 0n }),
    get behind() {
      return behind;
    },
  };
  let nowMs = 0;
  const owner = {
    engine,
    own: new Uint8Array(20).fill(7),
    journal: { lastSeq: 3 },
    device: { clock: { ticksMs: () => nowMs }, log: { write: (...words: unknown[]) => said.push(words) } },
    onWake: () => undefined,
  };
  const call = new SingleCall({ prover } as unknown as StateProofs, transactions as unknown as Transactions);
  const config = { ledger: { call: { kind: "anchor", contract: `0x${CONTRACT}` } } };
  assert.is(call.fault(config as unknown as MoteConfig), undefined);
  call.open(owner as unknown as FeatureOwner);
  for (; nowMs < 10_000; nowMs += 1000) call.step();
  assert.equal([asked, said], [0, []], "nothing is read of the old block, and nothing is given up");
  behind = false;
  call.step();
  assert.is(asked, 1);
});

test.run();
