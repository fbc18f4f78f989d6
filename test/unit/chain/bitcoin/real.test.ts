// Real headers of the public vectors, where their folder is there: 64 random bits of each turned, one at a time.
//
// Regtest is left out: every second header of any content meets its target.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BitcoinTrusted } from "../../../../firmware/chain/bitcoin/state.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { Prng } from "../../../../host-sim/world/prng.js";
import { judge } from "../../../chains/bitcoin-fixture.js";
import { anchor, decoded, headersOf, openAt, rulesOf } from "../../../conformance/bitcoin-anchor.js";
import { seedOr } from "../../../seed.js";

const root = process.env.VECTORS ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));
const path = join(root, "bitcoin/headers/index.json");
const FLIPS = 64;

interface Window {
  file: string;
  network: string;
  first_height?: number;
  context_count?: number;
  chainwork_first: string;
  period_start: { header: string } | null;
}

const windows = existsSync(path)
  ? (JSON.parse(readFileSync(path, "utf8")) as Window[]).filter(
      ({ network, first_height: first, context_count: context }) =>
        network !== "regtest" && first !== undefined && context !== undefined,
    )
  : [];
if (windows.length === 0) test.skip("there is no folder of vectors here", () => {});

for (const { file, network, first_height: first = 0, period_start: start } of windows)
  test(`${file}: no header with a bit turned is accepted`, () => {
    const seed = seedOr();
    const random = new Prng(seed);
    const rules = rulesOf(network);
    const raws = headersOf(new Uint8Array(readFileSync(join(root, "bitcoin", file))));
    const periodStart = start === null ? undefined : decoded(rules, new Uint8Array(Buffer.from(start.header, "hex")));
    let trusted: BitcoinTrusted = anchor(rules, decoded(rules, raws[0] as Uint8Array), {
      number: first,
      ...(periodStart === undefined ? {} : { periodStart }),
    });
    const bitcoin = openAt(rules, trusted);
    for (let i = 1; i < raws.length; i += 1) {
      const raw = raws[i] as Uint8Array;
      for (let flip = 0; flip < FLIPS; flip += 1) {
        const bit = random.below(640);
        const turned = raw.slice();
        turned[bit >> 3] = (turned[bit >> 3] as number) ^ (1 << (bit & 7));
        if (!(judge(bitcoin, trusted, turned) instanceof Rejection))
          assert.unreachable(`block ${first + i} with bit ${bit} turned is accepted (seed ${seed})`);
      }
      const next = judge(bitcoin, trusted, raw);
      // The period's first header is not in every file: there, the walk begins anew.
      trusted = next instanceof Rejection ? anchor(rules, decoded(rules, raw), { number: first + i }) : next;
    }
  });

test.run();
