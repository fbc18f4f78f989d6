// What our own callbacks throw is said, and goes no further. What the SDK's clients throw: network.test.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { contain } from "../../../firmware/board/contained.js";
import { LogBook } from "../hand-clock.js";

test("what is contained is said, and nothing comes out", () => {
  const log = new LogBook();
  contain(
    log,
    "timer",
    () => {
      throw new RangeError("too far");
    },
    undefined,
  );
  contain(log, "wifi", undefined, "address");
  assert.equal(log.lines, [{ event: "error", what: "timer", detail: "RangeError: too far" }]);
});

test.run();
