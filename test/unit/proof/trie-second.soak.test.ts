// The verifier of Merkle-Patricia proofs against @ethereumjs/mpt over ten thousand tries: the second half.

import { test } from "uvu";
import { checkTries } from "./tries.js";

test("5,000 tries of 1 to 2,000 entries: presence and absence are proven, and no proof with one thing changed", () =>
  checkTries(5_000, 5_000));

test.run();
