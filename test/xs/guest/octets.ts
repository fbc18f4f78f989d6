// Runs on the XS engine: says of each input that its owner hands it what the work on bytes makes of it (test/fuzz/cases.ts), here
// C behind its bindings. An answer has as many results as the request inputs, each behind its length in 2 bytes.

import { readUint, writeUint } from "../../../firmware/bytes.js";
import { request } from "../../../host-sim/xs/guest/host.js";
import { resultOf } from "../../fuzz/cases.js";

const ANSWER_BYTES = 16_384;
const LENGTH_BYTES = 2;

const answer = new Uint8Array(ANSWER_BYTES);
let end = 0;
for (;;) {
  const inputs = new Uint8Array(request(answer.subarray(0, end)));
  if (inputs.length === 0) break;
  end = 0;
  for (let at = 0; at < inputs.length; ) {
    const length = readUint(inputs, at, LENGTH_BYTES);
    const result = resultOf(inputs.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    writeUint(answer, result.length, end, LENGTH_BYTES);
    answer.set(result, end + LENGTH_BYTES);
    at += LENGTH_BYTES + length;
    end += LENGTH_BYTES + result.length;
  }
}
