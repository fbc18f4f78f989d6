// What the manifest preloads, preloaded: a module that has run before, whose constants lie in flash, judges every chain as
// it does on Node. It is not a matter of course: to === of XS, a BigInt in flash is unequal to the same one on the heap.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { nobleEngine } from "../../firmware/crypto/engine-noble.js";
import { boardOf } from "../../host-sim/boards.js";
import { libraryPreloads } from "../../host-sim/engine/xs-image.js";
import { buildHost } from "../../host-sim/xs/build.js";
import { gatherModules, packImage } from "../../host-sim/xs/image.js";
import { runImage } from "../../host-sim/xs/run.js";
import { TARGETS, type Target } from "../../host-sim/xs/toolchain.js";
import { HEADERS, proofInput } from "../sdk/input.js";
import { follow } from "../sdk/program/proof.js";

const input = proofInput("00".repeat(32));
const preload = libraryPreloads();

async function followedOn(target: Target): Promise<readonly string[] | undefined> {
  const built = await buildHost(target);
  if ("missing" in built) {
    console.log(`skipped: ${built.missing}`);
    return undefined;
  }
  const sources = { "proof/input": `export default ${JSON.stringify(input)};` };
  const program = { entry: "test/xs/guest/preloaded.ts", sources, preload };
  const modules = await gatherModules(program);
  const names = modules.map((module) => module.name);
  assert.ok(
    [
      "firmware/chain/clique/consensus",
      "firmware/chain/bft/consensus",
      "firmware/chain/bitcoin/consensus",
      "firmware/chain/ethereum/gas",
      "firmware/codec/rlp",
    ].every((name) => names.includes(name) && preload.includes(name)),
  );
  const board = { creation: boardOf("esp32c3").creation, keysInGuest: true, seed: 1 };
  const report = await runImage(built, packImage(modules, program, board, target === "x64" ? 2 : 1));
  assert.is(report.reason, "ended", report.lines.join("\n"));
  return report.lines;
}

const expected = input.chains.flatMap((chain) => follow(nobleEngine, chain));

/** Why each consensus refuses its forged header, the first. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["clique", /^clique refused (seal|signer)-/],
  ["ibft", /^ibft refused seal-/],
  ["ibft2", /^ibft2 refused seal-/],
  ["qbft", /^qbft refused seal-/],
  ["bitcoin", /^bitcoin refused work-/],
];

for (const [i, [name, refused]] of REFUSED.entries())
  test(`${name}: on Node, the forged header is refused and the others hold`, () => {
    const [first, ...others] = expected.slice(i * (1 + HEADERS), (i + 1) * (1 + HEADERS));
    assert.match(first as string, refused);
    assert.equal(
      others.map((line) => line.split(" ").slice(0, 2).join(" ")),
      Array.from({ length: HEADERS }, (_, at) => `${name} ${at + 1}`),
    );
  });

for (const target of TARGETS) {
  const followed = await followedOn(target);
  const check = followed === undefined ? test.skip : test;
  check(`on XS, ${target}, preloaded modules come to the same states`, () => {
    assert.equal(followed, expected);
  });
}

test.run();
