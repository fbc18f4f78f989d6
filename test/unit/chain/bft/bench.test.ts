// The benchmark cases of the BFT family run as often as they are asked, and what they verify is what they say.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { BftTrusted } from "../../../../firmware/chain/bft/state.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { bftBenchCases } from "../../../bench/bft-cases.js";
import { bftBenchInputs } from "../../../bench/bft-inputs.js";

test("each case verifies header after header, and begins again at the end", () => {
  let recoveries = 0;
  const counting = {
    ...fastEngine,
    secp256k1: {
      ...fastEngine.secp256k1,
      recover(signature: Uint8Array, id: number, digest: Uint8Array) {
        recoveries += 1;
        return fastEngine.secp256k1.recover(signature, id, digest);
      },
    },
  };
  const cases = bftBenchCases(counting, bftBenchInputs()).map((make) => make());
  assert.equal(
    cases.map(({ name }) => name),
    ["header-ibft2", "header-qbft"],
  );
  for (const { prepare, run } of cases)
    for (let i = 0; i < 60; i += 1) {
      prepare();
      recoveries = 0;
      const trusted = run();
      assert.instance(trusted, BftTrusted);
      assert.is((trusted as BftTrusted).number, 1 + (i % 26));
      assert.is(recoveries, 3, "three seals");
      assert.is((trusted as BftTrusted).validatorCount, 4);
    }
});

test.run();
