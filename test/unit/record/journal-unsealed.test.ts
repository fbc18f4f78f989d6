// The records that wait for their signatures: a list of four at most, in order, held against a map.

import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UNSEALED_MAX, Unsealed } from "../../../firmware/record/journal-unsealed.js";

const call = fc.oneof(
  fc.record({ what: fc.constant("add" as const), step: fc.integer({ min: 0, max: 3 }), epoch: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ what: fc.constant("delete" as const), seq: fc.integer({ min: 0, max: 40 }) }),
);

test("holds what a map would hold, whatever the calls", () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 40 }), (calls) => {
      const unsealed = new Unsealed();
      const model = new Map<number, number>();
      let newest = 1;
      for (const one of calls) {
        if (one.what === "add") {
          newest += one.step;
          const fits = model.size < UNSEALED_MAX && !model.has(newest) && [...model.keys()].every((seq) => seq < newest);
          if (!fits && model.size < UNSEALED_MAX && !model.has(newest)) continue; // numbers rise
          assert.is(unsealed.add(newest, one.epoch), fits);
          if (fits) model.set(newest, one.epoch);
        } else {
          unsealed.delete(one.seq);
          model.delete(one.seq);
        }
        assert.equal(unsealed.list(), [...model.keys()]);
        assert.is(unsealed.count, model.size);
        assert.is(unsealed.oldest, [...model.keys()][0] ?? 0);
        for (let seq = 0; seq <= 40; seq += 1) assert.is(unsealed.epochOf(seq), model.get(seq));
        for (const epoch of [1, 2, 3])
          assert.is(unsealed.countIn(epoch), [...model.values()].filter((value) => value === epoch).length);
      }
      unsealed.clear();
      assert.equal([unsealed.count, unsealed.oldest, unsealed.list()], [0, 0, []]);
    }),
  );
});

test.run();
