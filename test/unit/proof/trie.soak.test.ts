// The verifier of Merkle-Patricia proofs against @ethereumjs/mpt over ten thousand tries (`trie.test.ts` has a hundred of them).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkTrie } from "./tries.js";

const TRIES = 10_000;

test(`${TRIES} tries of 1 to 2,000 entries: presence and absence are proven, and no proof with one thing changed`, async () => {
  let refused = 0;
  for (let seed = 0; seed < TRIES; seed += 1) refused += await checkTrie(seed);
  assert.ok(refused > TRIES);
});

test.run();
