// IBFT 1, IBFT 2.0 and QBFT: for every rule a header that breaks it and nothing else, sealed anew by those who may, is refused
// with that rule's code.

import { RLP } from "@ethereumjs/rlp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type BftCheckpoint, openBft } from "../../../../firmware/chain/bft/checkpoint.js";
import { isOrdered, setOf, VALIDATORS_MAX } from "../../../../firmware/chain/bft/extra.js";

import type { BftTrusted } from "../../../../firmware/chain/bft/state.js";
import { ALARM_NONE, ALARM_STALE, Vigil } from "../../../../firmware/chain/follow/vigil.js";
import { Rejection } from "../../../../firmware/rejection.js";
import { fastEngine } from "../../../../tools/crypto/engine-fast.js";
import { type BftDraft, encodeExtra, encodeHeader } from "../../../chains/bft-encoding.js";
import {
  bftCheckpointAt,
  judgeBft,
  jumpBft,
  openBftChain,
  TRUSTING_PERIOD_S,
  validatorsOf,
  walkBft,
} from "../../../chains/bft-fixture.js";
import {
  type BftBlock,
  BftChain,
  type BftChainOptions,
  type BftChildOptions,
  checksumText,
} from "../../../chains/bft-generator.js";
import { BFT_KINDS, type BftKind, isGoQuorum } from "../../../chains/bft-model.js";
import { codeOf } from "../../../chains/clique-fixture.js";
import { type Account, account, accounts } from "../../../chains/clique-generator.js";

const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const validators = accounts(7);
const outsider = account("outsider");
const KINDS = BFT_KINDS;

interface World {
  readonly chain: BftChain;
  readonly tip: BftBlock;
  /** What comes of the child of the tip that the options make. */
  judge(options: BftChildOptions, nowS?: number): string;
  /** What comes of a child of the tip whose extra data is replaced after sealing. */
  judgeExtra(bend: (draft: BftDraft) => Uint8Array): string;
  raw(bytes: Uint8Array, nowS?: number): string;
}

/** A chain of seven validators, walked to block 9. */
function world(kind: BftKind, options: Partial<BftChainOptions> = {}, more: Partial<BftCheckpoint> = {}): World {
  const chain = new BftChain({ kind, validators, ...options });
  const bft = openBftChain(chain, { more });
  const blocks = chain.grow(chain.genesis, 9);
  const trusted = walkBft(bft, bft.checkpoint, blocks);
  const tip = blocks.at(-1) as BftBlock;
  const raw = (bytes: Uint8Array, nowS?: number): string => codeOf(judgeBft(bft, trusted, bytes, nowS));
  return {
    chain,
    tip,
    raw,
    judge: (child, nowS) => raw(chain.child(tip, child).raw, nowS),
    judgeExtra: (bend) => {
      const draft = structuredClone(chain.child(tip).draft) as BftDraft;
      return raw(encodeHeader(kind, draft, "all", bend(draft)));
    },
  };
}

function seal(r: bigint, s: bigint, v = 0): Uint8Array {
  const hex = (value: bigint): string => value.toString(16).padStart(64, "0");
  return Uint8Array.from([...Buffer.from(hex(r) + hex(s), "hex"), v]);
}

/** The same signature in its other form. */
function mirrored(bytes: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(bytes.subarray(32, 64)).toString("hex")}`);
  const r = BigInt(`0x${Buffer.from(bytes.subarray(0, 32)).toString("hex")}`);
  return seal(r, N - s, (bytes[64] as number) ^ 1);
}

for (const kind of KINDS) {
  const plain = world(kind);
  const { chain, tip } = plain;
  const set = chain.validatorsAfter(tip);
  const quorum = set.slice(0, 5);
  const isQbft = kind === "qbft" || kind === "goquorum-qbft";

  test(`${kind}: what nothing is wrong with is accepted`, () => {
    assert.is(plain.judge({}), "accepted");
    assert.is(plain.judge({ sealers: set }), "accepted");
    assert.is(plain.judge({ round: 3 }), "accepted");
    assert.is(plain.judge({ round: 300 }), "accepted");
    assert.is(plain.judge({ vote: { account: outsider.address, authorize: true } }), "accepted");
    assert.is(plain.judge({ vote: { account: (set[0] as { address: Uint8Array }).address, authorize: false } }), "accepted");
    assert.is(plain.judge({}, tip.timeS + 2), "accepted");
    // All of Prague's tail, and one item more that nobody knows yet.
    const hash = new Uint8Array(32).fill(7);
    const prague: (bigint | Uint8Array)[] = [7n, hash, 0n, 0n, hash, hash];
    assert.is(world(kind, { tail: prague }).judge({}), "accepted");
    assert.is(world(kind, { tail: prague }).judge({ bend: (draft) => draft.tail.push(9n) }), "accepted");
  });

  test(`${kind}: fields that the header alone can get wrong`, () => {
    const bend = (change: (draft: BftDraft) => void): string => plain.judge({ bend: change });
    assert.is(
      bend((draft) => {
        draft.mixHash = new Uint8Array(32);
      }),
      "mix-hash-wrong",
    );
    assert.is(
      bend((draft) => {
        draft.difficulty = 2n;
      }),
      "difficulty-range",
    );
    assert.is(
      bend((draft) => {
        draft.difficulty = 0n;
      }),
      "difficulty-range",
    );
    assert.is(
      bend((draft) => {
        draft.gasLimit = 2n ** 63n;
      }),
      "gas-limit-range",
    );
    assert.is(
      bend((draft) => {
        draft.gasUsed = draft.gasLimit + 1n;
      }),
      "gas-used-above-limit",
    );
    assert.is(
      bend((draft) => {
        draft.validators = [];
      }),
      "validators-empty",
    );
    const strange = (draft: BftDraft): void => {
      draft.ommersHash = new Uint8Array(32);
    };
    assert.is(bend(strange), kind === "qbft" ? "accepted" : "ommers-wrong");
    const counted = (draft: BftDraft): void => {
      draft.nonce = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 1]);
    };
    assert.is(bend(counted), isQbft ? "accepted" : "nonce-wrong");
    const mixed = (draft: BftDraft): void => {
      draft.nonce = Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 0]);
    };
    assert.is(bend(mixed), isQbft ? "accepted" : "nonce-wrong");
  });

  test(`${kind}: extra data has one form`, () => {
    const encode = (draft: BftDraft): Uint8Array => encodeExtra(kind, draft);
    assert.is(plain.judgeExtra(encode), "accepted");
    const at = kind === "ibft" ? 32 : 0;
    const list = (draft: BftDraft): Uint8Array[] => RLP.decode(encode(draft).subarray(at)) as Uint8Array[];
    const again = (draft: BftDraft, items: unknown): Uint8Array =>
      Buffer.concat([encode(draft).subarray(0, at), RLP.encode(items as Uint8Array[])]);
    assert.is(
      plain.judgeExtra((draft) => again(draft, [...list(draft), new Uint8Array(0)])),
      "extra-data-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => again(draft, new Uint8Array(60))),
      "extra-data-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => Buffer.concat([encode(draft), Uint8Array.of(0x80)])),
      "extra-data-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => again(draft, list(draft).slice(0, -1))),
      "rlp-truncated",
    );
    const last = (draft: BftDraft, item: unknown): Uint8Array => again(draft, [...list(draft).slice(0, -1), item]);
    assert.is(
      plain.judgeExtra((draft) => last(draft, new Uint8Array(3))),
      "extra-data-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => last(draft, [new Uint8Array(64)])),
      "seal-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => last(draft, [[]])),
      "seal-malformed",
    );
    const first = kind === "ibft" ? 0 : 1;
    const listed = (draft: BftDraft, item: unknown): Uint8Array =>
      again(
        draft,
        list(draft).map((old, i) => (i === first ? item : old)),
      );
    assert.is(
      plain.judgeExtra((draft) => listed(draft, new Uint8Array(20))),
      "validators-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => listed(draft, [new Uint8Array(19)])),
      "validators-malformed",
    );
    assert.is(
      plain.judgeExtra((draft) => listed(draft, [[...Array(20).fill(Uint8Array.of(1))]])),
      "validators-malformed",
    );
    const many = Array<Uint8Array>(VALIDATORS_MAX + 1).fill(outsider.address);
    assert.is(
      plain.judgeExtra((draft) => listed(draft, many)),
      "validators-too-many",
    );
    if (kind === "ibft") {
      assert.is(
        plain.judgeExtra((draft) => encode(draft).subarray(1)),
        "extra-data-malformed",
      );
      assert.is(
        plain.judgeExtra(() => new Uint8Array(31)),
        "vanity-width",
      );
      return;
    }
    const item =
      (index: number, value: unknown) =>
      (draft: BftDraft): Uint8Array =>
        again(
          draft,
          list(draft).map((old, i) => (i === index ? value : old)),
        );
    assert.is(plain.judgeExtra(item(0, new Uint8Array(31))), "vanity-width");
    assert.is(plain.judgeExtra(item(0, [])), "vanity-width");
    for (const vote of [[outsider.address], [outsider.address, Uint8Array.of(1)], [new Uint8Array(19), Uint8Array.of(255)]])
      assert.is(plain.judgeExtra(item(2, vote)), "vote-malformed");
    assert.is(plain.judgeExtra(item(2, [outsider.address, Uint8Array.of(255), Uint8Array.of(1)])), "vote-malformed");
    assert.is(plain.judgeExtra(item(2, [outsider.address, Uint8Array.of(255, 255)])), "vote-malformed");
    // The two family members' own ways are refused in each other's headers.
    const empty = isQbft ? new Uint8Array(0) : [];
    const drop = isQbft ? Uint8Array.of(0) : new Uint8Array(0);
    assert.is(plain.judgeExtra(item(2, empty)), "vote-malformed");
    assert.is(plain.judgeExtra(item(2, [outsider.address, drop])), "vote-malformed");
    const round = isQbft ? Uint8Array.of(0, 0, 0, 0) : new Uint8Array(0);
    assert.is(plain.judgeExtra(item(3, round)), "round-malformed");
    assert.is(plain.judgeExtra(item(3, [])), "round-malformed");
    assert.is(plain.judgeExtra(item(3, new Uint8Array(5).fill(1))), "round-malformed");
  });

  test(`${kind}: against the parent`, () => {
    const bend = (change: (draft: BftDraft) => void, nowS?: number): string => plain.judge({ bend: change }, nowS);
    assert.is(
      bend((draft) => {
        draft.number += 1n;
      }),
      "number-wrong",
    );
    assert.is(
      bend((draft) => {
        draft.parentHash = new Uint8Array(32);
      }),
      "parent-wrong",
    );
    assert.is(plain.judge({ afterS: 1 }), "time-before-period");
    assert.is(plain.judge({ afterS: 100 }, tip.timeS + 84), "time-in-future");
    assert.is(plain.judge({ afterS: 100 }, tip.timeS + 85), "accepted");
    assert.is(plain.judge({}, tip.timeS + TRUSTING_PERIOD_S), "accepted");
    assert.is(plain.judge({}, tip.timeS + TRUSTING_PERIOD_S + 1), "checkpoint-expired");
    const bound = !isGoQuorum(kind);
    const limit = tip.draft.gasLimit;
    assert.is(
      bend((draft) => {
        draft.gasLimit = limit + limit / 1024n;
      }),
      bound ? "gas-limit-delta" : "accepted",
    );
    assert.is(
      bend((draft) => {
        draft.gasLimit = limit + limit / 1024n - 1n;
      }),
      "accepted",
    );
    assert.is(
      bend((draft) => {
        draft.validators = [...draft.validators].reverse();
      }),
      "validators-unordered",
    );
    assert.is(
      bend((draft) => {
        draft.validators = [...draft.validators, draft.validators[6] as Uint8Array];
      }),
      "validators-unordered",
    );
    assert.is(
      bend((draft) => {
        draft.validators = draft.validators.slice(1);
      }),
      "validators-wrong",
    );
    const larger = [...set, outsider].sort((a, b) => (a.hex < b.hex ? -1 : 1));
    const enlarged = {
      bend: (draft: BftDraft) => (draft.validators = larger.map(({ address }) => address)),
      sealers: larger.slice(0, 6),
    };
    assert.is(plain.judge(enlarged), "validators-wrong");
    const stranger = plain.judge({ proposer: outsider });
    assert.is(stranger, kind === "ibft" ? "proposer-stranger" : "coinbase-stranger");
  });

  test(`${kind}: seals`, () => {
    assert.is(plain.judge({ sealers: set.slice(0, 4) }), "seals-too-few");
    assert.is(plain.judge({ sealers: [] }), "seals-too-few");
    assert.is(plain.judge({ sealers: [...set, outsider] }), "seals-too-many");
    assert.is(plain.judge({ sealers: [...quorum, outsider] }), "seal-stranger");
    assert.is(plain.judge({ sealers: [...quorum.slice(0, 4), outsider] }), "seal-stranger");
    assert.is(plain.judge({ sealers: [...quorum.slice(0, 4), quorum[0] as (typeof set)[0]] }), "seal-duplicate");
    const other = (seals: Uint8Array[]): Uint8Array[] => [...seals.slice(0, 4), mirrored(seals[0] as Uint8Array)];
    assert.is(plain.judge({ sealers: quorum, bendSeals: other }), "seal-duplicate");
    // High s: Besu's SECPSignature and GoQuorum's Ecrecover take it.
    assert.is(plain.judge({ sealers: quorum, bendSeals: (seals) => seals.map(mirrored) }), "accepted");
    const with0 = (bad: Uint8Array): string => plain.judge({ sealers: quorum, bendSeals: (seals) => [bad, ...seals.slice(1)] });
    const good = N / 3n;
    for (const [r, s] of [
      [0n, good],
      [good, 0n],
      [N, good],
      [good, N],
      [N + 5n, good],
    ] as const)
      assert.is(with0(seal(r, s)), "seal-unrecoverable");
    for (const v of [2, 3, 27, 28, 255]) assert.is(with0(seal(good, good, v)), "seal-malformed");
    // Seals over another block, another round or by the right keys over the wrong hash are strangers' seals.
    const foreign = chain.child(tip, { gasUsed: 5n }).draft.seals;
    assert.ok(["seal-stranger", "seal-unrecoverable"].includes(plain.judge({ bendSeals: () => foreign })));
    if (kind !== "ibft") {
      const later = chain.child(tip, { round: 1 }).draft.seals;
      assert.ok(["seal-stranger", "seal-unrecoverable"].includes(plain.judge({ bendSeals: () => later })));
      return;
    }
    assert.is(plain.judge({ bendProposerSeal: () => new Uint8Array(0) }), "seal-malformed");
    assert.is(plain.judge({ bendProposerSeal: () => seal(good, good, 2) }), "seal-malformed");
    assert.is(plain.judge({ bendProposerSeal: () => seal(0n, good) }), "seal-unrecoverable");
    assert.is(plain.judge({ bendProposerSeal: mirrored }), "accepted");
  });

  test(`${kind}: London where it is configured`, () => {
    const from5 = world(kind, { tail: [7n] }, { londonBlock: 0 });
    assert.is(from5.judge({}), "accepted");
    assert.is(
      from5.judge({
        bend: (draft) => {
          draft.tail = [];
        },
      }),
      "base-fee-absent",
    );
    const never = world(kind, {}, { londonBlock: 1000 });
    assert.is(
      never.judge({
        bend: (draft) => {
          draft.tail = [7n];
        },
      }),
      "base-fee-unexpected",
    );
    // Where it is not configured, the first base fee begins it, and the gas limit may double then.
    const begin = (draft: BftDraft): void => {
      draft.tail = [7n];
      draft.gasLimit *= 2n;
    };
    assert.is(plain.judge({ bend: begin }), "accepted");
  });

  test(`${kind}: several blocks a second leave time unbound, however odd`, () => {
    const quick = world(kind, { periodS: 0 });
    assert.is(quick.judge({ afterS: 0 }), "accepted");
    assert.is(quick.judge({ afterS: -5 }), "accepted");
  });
}

test("ibft, GoQuorum's qbft: before ceil2Nby3Block a block needs 2F + 1 seals, from it two thirds", () => {
  for (const kind of ["ibft", "goquorum-qbft"] as const) {
    const six = accounts(6, "six");
    const seals = (count: number, more: Partial<BftCheckpoint>): string => {
      const { chain, tip, judge } = world(kind, { validators: six }, more);
      return judge({ sealers: chain.validatorsAfter(tip).slice(0, count) });
    };
    const said = (block: number, twoFPlusOne: boolean) => ({ transitions: [{ block, twoFPlusOne }] });
    for (const few of [{ ceil2Nby3Block: 11 }, { ceil2Nby3Block: "never" }, said(10, true)] as const) {
      assert.is(seals(3, few), "accepted");
      assert.is(seals(2, few), "seals-too-few");
    }
    for (const many of [{ ceil2Nby3Block: 10 }, {}, said(11, true), said(9, false)]) {
      assert.is(seals(3, many), "seals-too-few");
      assert.is(seals(4, many), "accepted");
    }
  }
});

test("a list stands in the order of its bytes, and on GoQuorum's chains in that of its EIP-55 text, too", () => {
  const texts = validators.map(({ hex }) => checksumText(hex));
  assert.is.not(texts.join(), [...texts].sort().join(), "addresses whose two orders differ");
  for (const kind of KINDS) {
    const byBytes = world(kind, { order: "bytes" });
    const byText = new BftChain({ kind, validators, order: "text" }).listOf(byBytes.chain.validatorsAfter(byBytes.tip));
    const listed = (list: readonly { address: Uint8Array }[]): string =>
      byBytes.judge({ bend: (draft) => (draft.validators = list.map(({ address }) => address)) });
    assert.is(listed(byText), isGoQuorum(kind) ? "accepted" : "validators-unordered", kind);
    // Neither order, an address twice, and another set in the order of its text.
    const swapped = [byText[1], byText[0], ...byText.slice(2)] as Account[];
    assert.is(listed(swapped), "validators-unordered");
    assert.is(listed([...byText].reverse()), "validators-unordered");
    assert.is(listed([...byText.slice(0, 6), byText[5] as Account]), "validators-unordered");
    if (isGoQuorum(kind)) assert.is(listed(byText.slice(1)), "validators-wrong");
  }
});

test("the list of a real block 39 is in the order of its text", () => {
  const list = [
    "4335d75841d8b85187cf651ed130774143927c79",
    "61d7d88dbc76259fcf1f26bc0b5763aebd67aead",
    "955425273ef777d6430d910f9a8b10adbe95fff6",
    "f00d3c728929e42000c8d92d1a7e6a666f12e6ed",
    "d42d697aa23f7b3e209259002b456c57af26edd6",
  ];
  const packed = (items: readonly string[]): Uint8Array => Uint8Array.from(Buffer.from(items.join(""), "hex"));
  assert.ok(isOrdered(fastEngine, packed(list), true));
  assert.not.ok(isOrdered(fastEngine, packed(list), false));
  assert.not.ok(isOrdered(fastEngine, packed([...list.slice(1), list[0] as string]), true));
  assert.equal(setOf(packed(list)), packed([...list].sort()));
});

test("a chain that makes no empty blocks is stale only once its empty block is overdue", () => {
  const chain = new BftChain({ kind: "qbft", validators });
  const staleAfterS = (more: Partial<BftCheckpoint>, at?: BftBlock): number =>
    openBftChain(chain, { more, ...(at === undefined ? {} : { block: at }) }).staleAfterS;
  const tenth = chain.grow(chain.genesis, 10).at(-1) as BftBlock;
  assert.is(staleAfterS({}), 120);
  assert.is(staleAfterS({ emptyPeriodS: 600 }), 12_000);
  assert.is(staleAfterS({ emptyPeriodS: 0 }), 120);
  // Whatever is in force now or comes into force later; what is over is over.
  assert.is(staleAfterS({ transitions: [{ block: 5, emptyPeriodS: 60 }] }), 1200);
  assert.is(staleAfterS({ transitions: [{ block: 5, periodS: 30 }] }), 600);
  const over = { emptyPeriodS: 600, transitions: [{ block: 11, emptyPeriodS: 0 }] };
  assert.is(staleAfterS(over), 12_000);
  assert.is(staleAfterS(over, tenth), 120);
  // The least distance stays the period, and the alarm waits as long as it was told.
  const bft = openBftChain(chain, { more: { emptyPeriodS: 600 } });
  assert.is(codeOf(judgeBft(bft, bft.checkpoint, chain.child(chain.genesis, { afterS: 1 }).raw)), "time-before-period");
  assert.is(codeOf(judgeBft(bft, bft.checkpoint, chain.child(chain.genesis, { afterS: 2 }).raw)), "accepted");
  let ticksMs = 0;
  const vigil = new Vigil({ head: bft.checkpoint, fork: undefined, consensus: bft } as never, { ticksMs: () => ticksMs });
  const { timeS } = bft.checkpoint;
  for (const [silentS, alarm] of [
    [600, ALARM_NONE],
    [12_000, ALARM_NONE],
    [12_001, ALARM_STALE],
  ] as const) {
    ticksMs = silentS * 1000;
    assert.is(vigil.look(timeS), alarm, `${silentS} s`);
  }
});

test("fields that are of one client alone are refused for the other", () => {
  const detailOf = (kind: BftKind, more: object): string => {
    const chain = new BftChain({ kind, validators });
    const opened = openBft(fastEngine, { ...bftCheckpointAt(chain, chain.genesis), ...more });
    return opened instanceof Rejection ? `${opened.code} ${opened.detail}` : "accepted";
  };
  assert.match(detailOf("qbft", { ceil2Nby3Block: 0 }), /^checkpoint-invalid ceil2Nby3Block/);
  assert.match(detailOf("ibft2", { client: "goquorum" }), /^checkpoint-invalid client: expected "besu"/);
  assert.match(detailOf("ibft", { client: "besu" }), /^checkpoint-invalid client: expected "goquorum"/);
  assert.match(detailOf("qbft", { client: "geth" }), /^checkpoint-invalid client: expected "besu" or "goquorum"/);
  assert.match(detailOf("qbft", { transitions: [{ block: 1, twoFPlusOne: true }] }), /transitions\[0\].twoFPlusOne/);
  assert.match(detailOf("ibft", { transitions: [{ block: 1, twoFPlusOne: 1 }] }), /transitions\[0\].twoFPlusOne/);
  assert.match(detailOf("goquorum-qbft", { epochStart: 4 }), /^checkpoint-invalid epochStart/);
  assert.match(detailOf("goquorum-qbft", { ceil2Nby3Block: "soon" }), /^checkpoint-invalid ceil2Nby3Block/);
  assert.match(detailOf("qbft", { emptyPeriodS: -1 }), /^checkpoint-invalid emptyPeriodS/);
  assert.match(detailOf("qbft", { transitions: [{ block: 1, emptyPeriodS: "1" }] }), /^checkpoint-invalid emptyPeriodS/);
  assert.is(detailOf("ibft", { client: "goquorum" }), "accepted");
});

test("epochs are counted from the block that the checkpoint names, and the rules of GoQuorum void what Besu's left", () => {
  const chain = new BftChain({ kind: "qbft", validators: accounts(2), epoch: 4 });
  const [newcomer] = accounts(1, "newcomer") as [Account];
  chain.know(newcomer);
  const vote = { account: newcomer.address, authorize: true };
  // Blocks 3 and 4 vote: with epochs at 2, 6, … both count, with epochs at 4, 8, … that of block 4 is ignored.
  const blocks = chain.grow(chain.genesis, 4, (i) => (i >= 2 ? { vote } : {}));
  const after = (more: Partial<BftCheckpoint>): boolean => {
    const bft = openBftChain(chain, { more: { votes: [], ...more } });
    return validatorsOf(walkBft(bft, bft.checkpoint, blocks)).includes(newcomer.hex);
  };
  assert.is(after({}), false);
  assert.is(after({ epochStart: 2 }), true);
  assert.is(after({ epochStart: 4 }), false);
  const digests = [{}, { client: "goquorum" }, { epochStart: 2 }, { client: "goquorum", ceil2Nby3Block: "never" }] as const;
  const lines = digests.map((more) => Buffer.from(openBftChain(chain, { more }).rules).toString("hex"));
  assert.is(new Set(lines).size, lines.length);
});

test("a chain whose order changes at a switch is followed through it, votes and jumps included", () => {
  const [newcomer] = accounts(1, "newcomer") as [Account];
  for (const kind of ["ibft", "goquorum-qbft"] as const) {
    const chain = new BftChain({ kind, validators, epoch: 30, order: "text" });
    chain.know(newcomer);
    // A snapshot that was loaded from disk sorts by text, the node that runs QBFT by bytes.
    const blocks = chain.grow(chain.genesis, 40, (i) => {
      chain.order = i % 3 === 0 ? "bytes" : "text";
      return i >= 10 && i < 14 ? { vote: { account: newcomer.address, authorize: true } } : {};
    });
    const bft = openBftChain(chain);
    const walked = walkBft(bft, bft.checkpoint, blocks);
    const last = blocks[39] as BftBlock;
    assert.equal(validatorsOf(walked), last.model.sorted);
    assert.is(last.model.sorted.length, 8);
    for (const landing of blocks.slice(20)) {
      const jumped = jumpBft(bft, bft.checkpoint, landing.raw, last.timeS) as BftTrusted;
      assert.equal(validatorsOf(jumped), landing.model.sorted, `${kind} ${landing.number}`);
      assert.equal(validatorsOf(bft.deserialize(bft.serialize(jumped)) as BftTrusted), landing.model.sorted);
      assert.is(walkBft(bft, jumped, blocks.slice(landing.number)).number, 40);
    }
  }
});

test("qbft: in contract mode headers list nobody, nobody votes, and the pinned set seals", () => {
  const pinned = world("qbft", { contract: true });
  const set = pinned.chain.validatorsAfter(pinned.tip);
  assert.is(pinned.judge({}), "accepted");
  assert.is(pinned.judge({ bend: (draft) => (draft.validators = set.map(({ address }) => address)) }), "validators-unexpected");
  assert.is(pinned.judge({ vote: { account: outsider.address, authorize: true } }), "validators-unexpected");
  assert.is(pinned.judge({ sealers: set.slice(0, 4) }), "seals-too-few");
  assert.is(pinned.judge({ sealers: [...set.slice(0, 4), outsider] }), "seal-stranger");
  assert.is(pinned.judge({ proposer: outsider }), "coinbase-stranger");
});

test("no single seal of one validator, and no four of six", () => {
  for (const kind of KINDS) {
    const alone = world(kind, { validators: accounts(1) });
    assert.is(alone.judge({ sealers: [] }), "seals-too-few");
    assert.is(alone.judge({ sealers: [outsider] }), "seal-stranger");
    const six = world(kind, { validators: accounts(6) });
    const set = six.chain.validatorsAfter(six.tip);
    assert.is(six.judge({ sealers: set.slice(0, 4) }), "accepted");
    assert.is(six.judge({ sealers: set.slice(0, 3) }), "seals-too-few");
  }
});

test.run();
