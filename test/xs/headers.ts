// 10,000 headers of each chain on a 32-bit XS engine with the memory of an esp32c3: what the follower needs does not grow.
// A whole mote over as many of each is in `npm run bench:ratchet`.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { boardOf } from "../../host-sim/boards.js";
import { type Built, buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { bftCheckpointAt } from "../chains/bft-fixture.js";
import { BftChain, fastSealer } from "../chains/bft-generator.js";
import type { BftKind } from "../chains/bft-model.js";
import { checkpointAt } from "../chains/clique-fixture.js";
import { type Account, accounts, CliqueChain } from "../chains/clique-generator.js";
import { RUN_MS_MAX } from "../patience.js";

const HEADERS = 10_000;
/** What the whole runtime may take; a follower alone stays far below. */
const PEAK_BYTES_MAX = 49_152;
/** Votes come and go, and the collector runs when it likes. */
const GROWTH_BYTES_MAX = 2_048;

interface Fed {
  readonly checkpoint: object;
  next(): Uint8Array;
}

function bft(kind: BftKind): Fed {
  const chain = new BftChain({ kind, validators: accounts(4), epoch: 500, tail: [0n] });
  const newcomer = chain.know(accounts(1, "newcomer")[0] as Account);
  let tip = chain.genesis;
  return {
    checkpoint: bftCheckpointAt(chain, chain.genesis),
    next() {
      const vote = { account: newcomer.address, authorize: !tip.model.validators.has(newcomer.hex) };
      tip = chain.child(tip, tip.number % 5 === 0 ? { vote } : {});
      return tip.raw;
    },
  };
}

function clique(): Fed {
  const chain = new CliqueChain({ signers: accounts(4), epoch: 500, londonBlock: 0, sealer: fastSealer });
  const newcomer = chain.know(accounts(1, "newcomer")[0] as Account);
  let tip = chain.genesis;
  return {
    checkpoint: { ...checkpointAt(chain, chain.genesis), londonBlock: 0 },
    next() {
      const vote = { account: newcomer.address, authorize: !tip.model.signers.has(newcomer.hex) };
      tip = chain.child(tip, undefined, tip.number % 5 === 0 ? { vote } : {});
      return tip.raw;
    },
  };
}

const CHAINS = {
  clique,
  ibft: () => bft("ibft"),
  ibft2: () => bft("ibft2"),
  qbft: () => bft("qbft"),
};

/** The test of one chain, in the file that calls it: a file each, so that none runs for minutes. */
export async function testHeaders(name: keyof typeof CHAINS): Promise<void> {
  const test = suite("headers on m32");
  const built = await buildHost("m32");
  if (!("file" in built)) {
    console.log(built);
    test.skip("headers", () => {});
    test.run();
    return;
  }
  const program = { entry: "test/xs/guest/headers.ts", preload: ["firmware/*", "host-sim/*"] };
  const image = packImage(await gatherModules(program), program, {
    creation: boardOf("esp32c3").creation,
    keysInGuest: true,
    seed: 1,
  });
  test(`${name}: ${HEADERS} headers leave the heap flat`, () => feed(built, image, name));
  test.run();
}

async function feed(built: Built, image: Buffer, name: keyof typeof CHAINS): Promise<void> {
  const fed = CHAINS[name]();
  let given = 0;
  const report = await runImage(built, image, {
    timeoutMs: RUN_MS_MAX,
    request(message) {
      if (message.length === 0) return Buffer.from(JSON.stringify(fed.checkpoint));
      given += 1;
      return given > HEADERS ? Buffer.alloc(0) : Buffer.from(fed.next());
    },
  });
  assert.is(report.reason, "ended", report.lines.join("\n"));
  const samples = report.lines.map((line) => JSON.parse(line) as { headers: number; peakBytes: number; liveBytes: number });
  assert.is(samples.at(-1)?.headers, HEADERS);
  const peak = Math.max(...samples.map(({ peakBytes }) => peakBytes));
  const live = samples.map(({ liveBytes }) => liveBytes);
  console.log(`${name}: peak ${peak} bytes, live ${Math.min(...live)} to ${Math.max(...live)}`);
  assert.ok(peak < PEAK_BYTES_MAX, `${peak} bytes`);
  assert.ok(Math.max(...live) - Math.min(...live) < GROWTH_BYTES_MAX, live.join(" "));
}
