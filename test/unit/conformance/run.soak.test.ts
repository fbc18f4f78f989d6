// The conformance runner: what it counts, what it selects, and that it fails where it has to. It runs over small folders of
// vectors that this test writes itself.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RLP } from "@ethereumjs/rlp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../../firmware/bytes.js";
import { encode, Tagged } from "../../../firmware/codec/cbor.js";
import { engine } from "../../../tools/crypto/engine.js";
import { rebuildHeader } from "../../../tools/ethereum/raw-header.js";
import { encodeReceipt } from "../../../tools/ethereum/receipts.js";
import { Trie } from "../../../tools/ethereum/trie.js";
import { type Block as BitcoinBlock, BitcoinChain } from "../../chains/bitcoin-generator.js";
import { type Account, accounts, type Block, CliqueChain, type Draft, hexOf } from "../../chains/clique-generator.js";
import { exactJson, fromDiagnostic } from "../../conformance/notation.js";
import { type ConformanceSet, skip } from "../../conformance/set.js";
import { matching, runSet, type Tally } from "../../conformance/tally.js";
import { RUN_MS_MAX } from "../../patience.js";

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));

/** Makes a folder with these files, lets `use` work with it, and removes it. */
async function withVectors(files: Readonly<Record<string, string>>, use: (root: string) => void | Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "vectors-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    await use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

function run(vectors: string, ...sets: string[]): { code: number | null; lines: string[]; error: string } {
  const child = spawnSync(process.execPath, ["--import", "tsx", "test/conformance/run.ts", ...sets], {
    cwd: PROJECT,
    env: { ...process.env, VECTORS: vectors },
    encoding: "utf8",
    timeout: RUN_MS_MAX,
  });
  return { code: child.status, lines: child.stdout.trim().split("\n"), error: child.stderr };
}

const GOOD = JSON.stringify([
  { hex: "00", roundtrip: true, decoded: 0 },
  { hex: "F93C00", roundtrip: true, decoded: 1 },
]);

test("records are counted, absent paths skipped, and the last line is the sum", () =>
  withVectors({ "cbor/rfc8949/appendix_a.json": GOOD }, (root) => {
    const { code, lines } = run(root, "cbor");
    assert.is(code, 0);
    assert.is(lines[0], "cbor/rfc8949/appendix_a.json: 1 passed, 0 failed, 1 skipped");
    assert.ok(lines.includes("cbor/rfc8949/fail.json: 0 passed, 0 failed, 1 skipped"));
    const counts = lines.filter((line) => /^\S+: /.test(line)).map((line) => Number(/(\d+) skipped$/.exec(line)?.[1]));
    assert.is(lines.at(-1), `1 passed, 0 failed, ${counts.reduce((a, b) => a + b)} skipped`);
  }));

test("a record that does not hold ends with 1, and is named", () => {
  const wrong = [
    { hex: "00", roundtrip: true, decoded: 1 },
    { hex: "1800", roundtrip: true, decoded: 0 },
    { hex: "00", roundtrip: false },
    { hex: "zz", roundtrip: true },
    { hex: "1bffffffffffffffff", roundtrip: true, decoded: 1 },
  ];
  return withVectors({ "cbor/rfc8949/appendix_a.json": JSON.stringify(wrong), "cbor/rfc8949/fail.json": "{" }, (root) => {
    const { code, lines } = run(root, "cbor/rfc8949");
    assert.is(code, 1);
    assert.is(lines[0], "cbor/rfc8949/appendix_a.json: 0 passed, 5 failed, 0 skipped");
    assert.match(lines[1] as string, /failed: 0 \(00\): decodes to what encodes as 00; the value beside it encodes as 01/);
    assert.match(lines[2] as string, /failed: 1 \(1800\): cbor-not-shortest/);
    assert.match(lines[3] as string, /failed: 2 \(00\): accepted/);
    assert.match(lines.join("\n"), /fail\.json: 0 passed, 1 failed, 0 skipped\n {2}failed: the file: threw SyntaxError/);
    assert.is(lines.at(-1), "0 passed, 6 failed, 0 skipped");
  });
});

test("a missing folder, an unknown set and a run of nothing end with 1 and say so", () =>
  withVectors({}, (root) => {
    const missing = run(join(root, "nowhere"), "cbor");
    assert.is(missing.code, 1);
    assert.match(missing.error, /^conformance: no folder of vectors at .*nowhere/);
    const unknown = run(root, "nonsense");
    assert.is(unknown.code, 1);
    assert.match(unknown.error, /^conformance: no set is called nonsense/);
    const nothing = run(root, "cbor/rfc8949/fail.json");
    assert.is(nothing.code, 1);
    assert.match(nothing.error, /nothing was executed/);
    assert.is(nothing.lines.at(-1), "0 passed, 0 failed, 1 skipped");
  }));

test("a set runs once, by its name, by its last part, by a folder above it or by a path inside it", () =>
  withVectors({ "cbor/rfc8949/appendix_a.json": GOOD, "cbor/dcbor/valid.json": GOOD }, (root) => {
    assert.match(run(root, "cbor", "cbor/", "cose").lines.at(-1) as string, /^2 passed, /);
    assert.match(run(root, "cbor/dcbor", "cbor/dcbor/valid.json").lines.at(-1) as string, /^1 passed, 0 failed, 2 skipped$/);
    assert.match(run(root, "cose").lines[0] as string, /^cbor\/cose\//);
  }));

const TINY: ConformanceSet = {
  name: "tiny",
  paths: ["tiny/*.txt", "tiny/none.json"],
  async run(report) {
    await report.each("tiny/*.txt", async (file) => {
      file.check(1, () => (file.text() === "good" ? undefined : "bad"));
      await file.checkAsync(2, async () => skip("not built"));
      file.check(3, () => {
        throw new Error("oops");
      });
    });
    await report.each("tiny/none.json", () => {
      throw new Error("there is no such file");
    });
  },
};

test("the tally of a set: one line for each path, all files of it together", () =>
  withVectors({ "tiny/a.txt": "good", "tiny/b.txt": "worse", "tiny/deep/c.txt": "good" }, async (root) => {
    const shown: Tally[] = [];
    const tallies = await runSet(TINY, root, [""], (tally) => shown.push(tally));
    assert.equal(shown, tallies);
    assert.equal(
      tallies.map(({ path, passed, failed, skipped }) => [path, passed, failed, skipped]),
      [
        ["tiny/*.txt", 1, 3, 2],
        ["tiny/none.json", 0, 0, 1],
      ],
    );
    assert.equal(tallies[0]?.failures, ["a.txt 3: threw Error: oops", "b.txt 1: bad", "b.txt 3: threw Error: oops"]);
    const one = await runSet(TINY, root, ["tiny/b"], () => undefined);
    assert.equal(
      one.map(({ path, passed }) => [path, passed]),
      [["tiny/*.txt", 0]],
    );
  }));

test("a set that reads what it does not name, or names what it does not read, is broken", () =>
  withVectors({ "x.json": "[]" }, async (root) => {
    const unread: ConformanceSet = { name: "unread", paths: ["x.json"], run: () => undefined };
    const unnamed: ConformanceSet = { name: "unnamed", paths: [], run: (report) => report.each("x.json", () => undefined) };
    for (const [set, expected] of [
      [unread, "never read its path"],
      [unnamed, "its paths do not name"],
    ] as const)
      try {
        await runSet(set, root, [""], () => undefined);
        assert.unreachable(set.name);
      } catch (error) {
        assert.match(String(error), expected);
      }
  }));

test("a file that holds no record, or none that can be read, is a failure; a file that no set reads is named", () =>
  withVectors(
    {
      "cbor/rfc8949/appendix_a.json": "[]",
      "cbor/dcbor/valid.json": GOOD,
      "cbor/dcbor/invalid.json": JSON.stringify([{ encodedAs: "00" }]),
      "cbor/dcbor/other.json": GOOD,
      "cbor/README.md": "",
      "eth-poa/mutations.json": JSON.stringify({
        controls: [],
        cases: [{ name: "new", expect: "reject", input: { kind: "new" } }],
      }),
      "eth-poa/clique/block_tx_receipt_proof.json": "{}",
      "eth-poa/ibft2/headers.json": JSON.stringify({ headers: [{ chain: "a", header_rlp: "0xc0" }] }),
      "bitcoin/mutations.json": JSON.stringify({
        controls: [],
        cases: [{ name: "new", expect: "reject", input: { kind: "new" } }],
      }),
      "bitcoin/headers/main.bin": "",
      "bitcoin/checkpoints/bitcoinj_production.json": "{",
    },
    (root) => {
      const { code, lines } = run(root);
      const text = lines.join("\n");
      assert.is(code, 1);
      assert.match(text, /appendix_a\.json: 0 passed, 1 failed, 0 skipped\n {2}failed: the file: no record was found in it/);
      assert.match(text, /invalid\.json: 0 passed, 1 failed, 0 skipped\n {2}failed: 0: no bytes beside it/);
      assert.match(text, /\n {2}no set reads cbor\/dcbor\/other\.json\n/);
      assert.not.match(text, /README|no set reads eth-poa/);
      assert.match(text, /receipt_proof\.json: 0 passed, 2 failed, 0 skipped\n {2}failed: .*transaction: threw TypeError/);
      assert.match(text, /eth-poa\/mutations\.json: 0 passed, 1 failed, 0 skipped\n {2}failed: new: threw Error: no such kind/);
      assert.match(text, /failed: header 0: the row does not say who may have sealed it/);
      assert.match(text, /bitcoin\/mutations\.json: 0 passed, 1 failed, 0 skipped\n {2}failed: new: an unknown kind of input/);
      assert.match(text, /failed: main\.bin the file: threw Error: no entry in headers\/index\.json/);
      assert.match(text, /bitcoin\/checkpoints: Error: .*bitcoinj_production\.json cannot be read/);
    },
  ));

test("a stale header is judged in a window that is context alone, from the block before it on", async () => {
  const chain = BitcoinChain.regtest();
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 40)];
  const stale = chain.child(blocks[24] as BitcoinBlock, (draft) => {
    draft.timeS += 1;
  });
  const window = blocks.slice(24, 27);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const shown = (hash: Uint8Array): string => hex(Uint8Array.from(hash).reverse());
  const work = (number: number): string => (2n * BigInt(number + 1)).toString(16).padStart(64, "0");
  const [first, , last] = window as [BitcoinBlock, BitcoinBlock, BitcoinBlock];
  const entries = (context: number): unknown[] => [
    {
      ...{
        file: "headers/regtest.bin",
        network: "regtest",
        first_height: 24,
        count: 3,
        context_count: context,
        period_start: null,
      },
      ...{ first_hash: shown(first.hash), last_hash: shown(last.hash), prev_hash: shown((blocks[23] as BitcoinBlock).hash) },
      ...{ retargets_checkable: [], chainwork_first: work(24), chainwork_last: work(26) },
    },
    { file: "headers/stale_25.bin", network: "regtest", height: 25, hash: shown(stale.hash), count: 1 },
  ];
  for (const context of [0, 1, 2, 3])
    await withVectors({ "bitcoin/headers/index.json": JSON.stringify(entries(context)) }, (root) => {
      writeFileSync(join(root, "bitcoin/headers/regtest.bin"), Buffer.concat(window.map(({ raw }) => raw)));
      writeFileSync(join(root, "bitcoin/headers/stale_25.bin"), stale.raw);
      const { code, lines } = run(root, "bitcoin/headers");
      assert.is(code, 0, lines.join("\n"));
      assert.ok(lines.includes("bitcoin/headers/stale_*.bin: 1 passed, 0 failed, 0 skipped"), `${context}: ${lines.join("\n")}`);
    });
});

test("a Clique mutation whose parent is past London keeps the gas limit that London gave it, and the base fee", () => {
  const signers = accounts(3);
  const chain = new CliqueChain({ signers, londonBlock: 4 });
  const blocks = [chain.genesis, ...chain.grow(chain.genesis, 8, () => ({ gasUsed: 5_000_000n }))];
  const row = (number: number, expect: string, bend?: (draft: Draft) => void): unknown => {
    const parent = blocks[number - 1] as Block;
    const header = bend === undefined ? (blocks[number] as Block) : chain.child(parent, undefined, { bend });
    return {
      name: `${number} ${expect}`,
      expect,
      input: {
        ...{ kind: "clique-header", parent_header: hexOf(parent.raw), signers: signers.map(({ hex }) => hex) },
        ...{ signers_complete: true, recent_signers: [(parent.signer as Account).hex], header: hexOf(header.raw) },
      },
    };
  };
  const controls = [3, 4, 5, 8].map((number) => row(number, "accept"));
  const cases = [
    row(6, "reject", (draft) => {
      draft.tail = [(draft.tail[0] as bigint) + 1n];
    }),
    row(6, "reject", (draft) => {
      draft.gasLimit *= 2n;
    }),
    row(6, "reject", (draft) => {
      draft.tail = [];
    }),
  ];
  return withVectors({ "eth-poa/mutations.json": JSON.stringify({ controls, cases }) }, (root) => {
    const { code, lines } = run(root, "eth-poa/clique");
    assert.is(code, 0, lines.join("\n"));
    assert.ok(lines.includes("eth-poa/mutations.json: 7 passed, 0 failed, 0 skipped"), lines.join("\n"));
  });
});

test("patterns", () =>
  withVectors({ "a/1.json": "", "a/b/2.json": "", "a/b/c/3.json": "", "a.json": "", "a/1xjson": "" }, (root) => {
    assert.equal(matching(root, "a/*.json"), ["a/1.json"]);
    assert.equal(matching(root, "a/**/*.json"), ["a/1.json", "a/b/2.json", "a/b/c/3.json"]);
    assert.equal(matching(root, "a/b/2.json"), ["a/b/2.json"]);
    assert.equal(matching(root, "*.json"), ["a.json"]);
    assert.equal(matching(root, "none/*.json"), []);
  }));

test("the notation beside a vector is read exactly", () => {
  assert.equal(exactJson('[18446744073709551615, 1, "9007199254740993", 1.5, -9223372036854775808, 9007199254740993]'), [
    18446744073709551615n,
    1,
    "9007199254740993",
    1.5,
    -9223372036854775808n,
    9007199254740993n,
  ]);
  const value = fromDiagnostic(" {1: -0x10, \"a\\u00fc\": [h'01 ff', true, null, 4([-2, 2130])]} ");
  const same = new Map<string | number, unknown>([
    [1, -16],
    ["aü", [Uint8Array.of(1, 255), true, null, new Tagged(4, [-2, 2130])]],
  ]);
  assert.is(toHex(encode(value)), toHex(encode(same as never)));
  for (const bad of ["1.5", "[1", "{1 2}", "1 2", "undefined", "NaN", "simple(5)", "[_ 1]", ""])
    assert.throws(() => fromDiagnostic(bad), /notation/);
});

test("files that this folder's vectors have none of are read where there are some: proofs out of Ion, Helios and Nimbus", () => {
  const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
  const { keccak256 } = engine;
  const zeros = (length: number): string => `0x${"00".repeat(length)}`;
  const receipt = {
    type: "0x0",
    status: "0x1",
    cumulativeGasUsed: "0x5208",
    logsBloom: zeros(256),
    logs: [],
    transactionIndex: "0x1",
  };
  const receipts = new Trie([0, 1, 2].map((i) => [RLP.encode(i), encodeReceipt(receipt)] as const));
  const address = new Uint8Array(20).fill(7);
  const code = Uint8Array.of(0x60, 0);
  const storage = new Trie([[keccak256(new Uint8Array(32)), RLP.encode(5)]]);
  const account = { nonce: "0x1", balance: "0x2", storageRoot: hex(storage.root), codeHash: hex(keccak256(code)) };
  const state = new Trie([[keccak256(address), RLP.encode([1, 2, storage.root, keccak256(code)])]]);
  const block = {
    ...{
      parentHash: zeros(32),
      sha3Uncles: zeros(32),
      miner: hex(address),
      stateRoot: hex(state.root),
      transactionsRoot: hex(receipts.root),
    },
    ...{
      receiptsRoot: hex(receipts.root),
      logsBloom: zeros(256),
      difficulty: "0x0",
      number: "0x1",
      gasLimit: "0x1",
      gasUsed: "0x0",
    },
    ...{ timestamp: "0x1", extraData: "0x", mixHash: zeros(32), nonce: zeros(8) },
  };
  const header = rebuildHeader(block) as Uint8Array;
  const named = { ...block, hash: hex(keccak256(header)), header_rlp: hex(header) };
  const accountProof = state.proof(keccak256(address)).map(hex);
  const storageProof = [{ key: "0x0", value: "0x5", proof: storage.proof(keccak256(new Uint8Array(32))).map(hex) }];
  const { storageRoot: storageHash, codeHash, nonce, balance } = account;
  const answer = { address: hex(address), nonce, balance, storageHash, codeHash, accountProof, storageProof };
  const nodes = receipts.proof(RLP.encode(1));
  const nodesRlp = hex(RLP.encode(nodes.map((node) => RLP.decode(node))));
  const value = hex(encodeReceipt(receipt));
  const ion = {
    block: named,
    tx_path: "0x01",
    receipt_path: "0x01",
    tx_value_rlp: value,
    tx_nodes_rlp: nodesRlp,
    receipt_value_rlp: value,
  };
  const folder = "eth-state/helios";
  return withVectors(
    {
      "eth-poa/clique/block_tx_receipt_proof.json": JSON.stringify({ ...ion, receipt_nodes_rlp: nodesRlp }),
      "eth-state/getProof/nimbus.json": JSON.stringify({ source: "", block: named, proof: answer }),
      [`${folder}/rpc_block.json`]: JSON.stringify(named),
      [`${folder}/rpc_proof.json`]: JSON.stringify(answer),
      [`${folder}/rpc_block_miner_proof.json`]: JSON.stringify(answer),
      [`${folder}/rpc_account.json`]: JSON.stringify({ account, code: hex(code), accountProof, storageProof }),
      [`${folder}/rpc_block_miner_account.json`]: JSON.stringify({ account, code: hex(code), accountProof, storageProof }),
      [`${folder}/rpc_receipts.json`]: JSON.stringify([receipt, receipt, receipt]),
      [`${folder}/verifiable_api_receipt.json`]: JSON.stringify({ receipt, receiptProof: nodes.map(hex) }),
    },
    (root) => {
      const { code: exit, lines } = run(root, "eth-state", "eth-poa/proofs");
      const text = lines.join("\n");
      assert.is(exit, 0, text);
      assert.match(text, /receipt_proof\.json: 2 passed, 0 failed/);
      assert.match(text, /getProof\/\*\.json: 1 passed, 0 failed/);
      assert.match(text, /rpc_block\.json: 7 passed, 0 failed/);
      assert.not.match(text, /no set reads/);
    },
  );
});

test.run();
