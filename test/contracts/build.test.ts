// The committed contracts are the sources', byte for byte; they need nothing later than London and fit a chain's limit; and where they
// keep what motes prove is where docs/ledger.md and the tools' layout say.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { artifactFile } from "../../tools/contracts/artifacts.js";
import { artifactText, type Compiled, compileContracts } from "../../tools/contracts/compile.js";
import {
  ANCHOR_SLOTS,
  ANCHORED_FIELDS,
  type Field,
  MANDATE_FIELDS,
  MOTE_FIELDS,
  REGISTRY_SLOTS,
  SUCCESSOR_FIELDS,
} from "../../tools/contracts/layout.js";
import { ROOT } from "../unit/sources.js";

/** EIP-170. */
const CODE_BYTES_MAX = 24_576;
/** Instructions that came after London: EIP-3855, 4844, 1153, 5656, 7516, 7939, 7069, 4200, 4750, 663, 7480 and EOF's others. */
const LATER: readonly (readonly [number, number])[] = [
  [0x1e, 0x1e],
  [0x44, 0x44], // means another thing since
  [0x49, 0x4b],
  [0x5c, 0x5f],
  [0xa5, 0xef],
  [0xf6, 0xf9],
  [0xfb, 0xfc],
];
const compiled = compileContracts();
const contracts = Object.entries(compiled);

/** The instructions of a byte code, without the words that they push. */
function instructionsOf(code: Uint8Array): Set<number> {
  const found = new Set<number>();
  for (let at = 0; at < code.length; at += 1) {
    const instruction = code[at] as number;
    found.add(instruction);
    if (instruction >= 0x60 && instruction <= 0x7f) at += instruction - 0x5f;
  }
  return found;
}

function laterThanLondon(code: Uint8Array): string[] {
  return [...instructionsOf(code)]
    .filter((instruction) => LATER.some(([from, to]) => instruction >= from && instruction <= to))
    .map((instruction) => instruction.toString(16));
}

test("the committed byte code and interface are what the sources compile to (npm run build:contracts)", () => {
  for (const [name, contract] of contracts)
    assert.is(readFileSync(artifactFile(name), "utf8"), artifactText(contract), `${name}: run npm run build:contracts`);
});

test("no instruction later than London, and no more code than a chain takes", () => {
  for (const [name, { bytecode, deployed, constants }] of contracts) {
    // The code ends with an instruction that is none; constants follow.
    const behind = constants.reduce((length, data) => length + data.length, 0);
    const code = deployed.slice(0, deployed.length - behind);
    assert.ok(behind === 0 || code.endsWith("fe"), name);
    assert.ok(
      constants.every((data) => deployed.slice(code.length).includes(data)),
      name,
    );
    assert.equal(laterThanLondon(Buffer.from(code, "hex")), [], name);
    assert.ok(bytecode.endsWith(deployed), name);
    assert.equal(laterThanLondon(Buffer.from(bytecode.slice(0, -deployed.length), "hex")), [], name);
    assert.ok(deployed.length / 2 <= CODE_BYTES_MAX, `${name}: ${deployed.length / 2} bytes`);
  }
  assert.equal(laterThanLondon(Uint8Array.of(0x60, 0x5f, 0x5f, 0x5c, 0x5e)), ["5f", "5c", "5e"], "a scan that sees them");
});

/** The fields of a struct that a mapping holds, as solc lays them. */
function packed({ storage, types }: Compiled, label: string): Record<string, Field> {
  const mapping = storage.find((variable) => variable.label === label) as { type: string };
  const struct = Object.entries(types).find(([name]) => mapping.type.endsWith(`,${name})`));
  return Object.fromEntries(
    (struct?.[1].members ?? []).map(({ label: name, slot, offset, type }) => {
      assert.is(slot, "0", `${label}.${name} is in the word`);
      return [name, [8 * offset, 8 * Number(types[type]?.numberOfBytes)]];
    }),
  );
}

test("slots and packed words are where the tools' layout says", () => {
  const { MoteRegistry: registry, RecordAnchor: anchor } = compiled as Record<string, Compiled>;
  const slotsOf = (contract: Compiled | undefined): Record<string, number> =>
    Object.fromEntries(
      (contract?.storage ?? []).map(({ label, slot, offset }) => [label, offset === 0 ? Number(slot) : Number.NaN]),
    );
  assert.equal(slotsOf(registry), { ...REGISTRY_SLOTS });
  assert.equal(slotsOf(anchor), { ...ANCHOR_SLOTS });
  assert.equal(packed(registry as Compiled, "motes"), { ...MOTE_FIELDS });
  assert.equal(packed(registry as Compiled, "commanders"), { ...MANDATE_FIELDS });
  assert.equal(packed(registry as Compiled, "enrollers"), { ...MANDATE_FIELDS });
  assert.equal(packed(registry as Compiled, "successors"), { ...SUCCESSOR_FIELDS });
  assert.equal(packed(anchor as Compiled, "anchors"), { ...ANCHORED_FIELDS });
});

test("docs/ledger.md has the same slots and fields", () => {
  const text = readFileSync(join(ROOT, "docs/ledger.md"), "utf8");
  for (const slots of [REGISTRY_SLOTS, ANCHOR_SLOTS])
    for (const [name, slot] of Object.entries(slots)) assert.match(text, new RegExp(`^\\| ${slot} \\| \`${name}\` \\|`, "m"));
  for (const [title, fields] of Object.entries({
    mote: MOTE_FIELDS,
    mandate: MANDATE_FIELDS,
    successor: SUCCESSOR_FIELDS,
    anchored: ANCHORED_FIELDS,
  }))
    for (const [name, [offset, bits]] of Object.entries(fields))
      assert.match(text, new RegExp(`^\\| ${title} \\| \`${name}\` \\| ${offset} \\| ${bits} \\|`, "m"));
});

test.run();
