// Refusals in the log: few lines, and no refusal uncounted.

import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RefusalLog } from "../../firmware/refusal-log.js";
import { Rejection } from "../../firmware/rejection.js";
import { HandClock, LogBook } from "./hand-clock.js";

function make(ticksMs = 0) {
  const clock = new HandClock(ticksMs);
  const log = new LogBook();
  const refusals = new RefusalLog(clock, log);
  const refuse = (code: string, what = "header") => refusals.write(what, new Rejection(code, `because of ${code}`));
  return { clock, log, refuse };
}

test("the first five of ten seconds are written as they come", () => {
  const { log, refuse } = make();
  for (const code of ["a", "b", "c", "d", "e"]) refuse(code);
  assert.equal(
    log.lines,
    ["a", "b", "c", "d", "e"].map((code) => ({ event: "refused", what: "header", code, detail: `because of ${code}` })),
  );
});

test("the rest is counted, and the count is written with the next line, once", () => {
  const { clock, log, refuse } = make(7);
  for (let i = 0; i < 10_000; i += 1) refuse("flood");
  assert.is(log.lines.length, 5);
  clock.pass(9992);
  refuse("flood");
  assert.is(log.lines.length, 5, "the interval has not passed");
  clock.pass(8);
  refuse("next", "reply");
  refuse("after");
  assert.equal(log.lines.slice(5), [
    { event: "refused", what: "reply", code: "next", detail: "because of next", unsaid: 9996 },
    { event: "refused", what: "header", code: "after", detail: "because of after" },
  ]);
});

test("a board that has been up for long begins with lines, not with silence", () => {
  const { log, refuse } = make(2 ** 40);
  refuse("a");
  assert.is(log.lines.length, 1);
});

test("whenever they come: few lines, and the total adds up", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), fc.nat(3000), fc.nat(30_000)), { maxLength: 200 }), (gaps) => {
      const { clock, log, refuse } = make();
      const times: number[] = [];
      for (const gapMs of gaps) {
        clock.pass(gapMs);
        const before = log.lines.length;
        refuse("x");
        if (log.lines.length > before) times.push(clock.ticksMs());
      }
      clock.pass(10_000);
      refuse("last");
      const said = log.lines.reduce((sum, line) => sum + 1 + Number(line.unsaid ?? 0), 0);
      assert.is(said, gaps.length + 1);
      // Intervals begin with a refusal, so two neighbours may lie within ten seconds: ten lines, never more.
      for (let i = 10; i < times.length; i += 1) assert.ok((times[i] as number) - (times[i - 10] as number) >= 10_000);
    }),
  );
});

test.run();
