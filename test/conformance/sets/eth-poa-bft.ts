// eth-poa, the BFT part: real IBFT 1, IBFT 2.0 and QBFT headers, extra data, and the BFT part of eth-poa/mutations.json, through
// the firmware's own decoder and verifier.

import { RLP } from "@ethereumjs/rlp";
import { type BftCheckpoint, openBft } from "../../../firmware/chain/bft/checkpoint.js";
import type { Bft } from "../../../firmware/chain/bft/consensus.js";
import { readIbft1Extra, readIbft2Extra, readQbftExtra } from "../../../firmware/chain/bft/extra.js";
import type { BftHeader } from "../../../firmware/chain/bft/header.js";
import { sealer } from "../../../firmware/chain/bft/seals.js";
import type { BftTrusted } from "../../../firmware/chain/bft/state.js";
import { textsOf } from "../../../firmware/chain/ethereum/checkpoint-fields.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { encodeExtra } from "../../chains/bft-encoding.js";
import type { BftKind } from "../../chains/bft-model.js";
import { bytesOf, hexOf } from "../../chains/clique-generator.js";
import { checkGenerator } from "../poa/generator-check.js";
import { lowerHex } from "../poa/lower-hex.js";
import { checkMutation, type Mutations } from "../poa/mutations.js";
import { type ConformanceSet, type Outcome, skip, type VectorFile } from "../set.js";

/** Heights and epochs of chains whose configuration the vectors do not tell. */
const EPOCH = 30_000;
const NOWHERE = 2 ** 47;

interface Ibft1Row {
  number: number;
  hash: string;
  header_rlp: string;
  validators: string[];
  proposer: string | null;
  committers: string[];
  context?: boolean;
}

interface Computed {
  hash: string;
  commit_seal_hash: string;
  round: number;
  validators: string[];
  vote: string | string[];
  committers: string[];
}

interface BesuRow {
  chain: string;
  header_rlp: string;
  block_rlp?: string;
  block?: { number?: string | number; parentHash?: string; miner?: string; extraData?: string; timestamp?: string | number };
  context?: boolean;
  computed: Computed;
}

interface ExtraCase {
  qbft_extra_data: {
    vanityData: string;
    validators: string[];
    vote: { recipient: string; voteType: string } | null;
    round: number;
    seals: string[];
  };
  rlp: string;
}

interface Genesis {
  extraData: string;
  config: { chainId: number; ibft?: { epochlength: number; blockperiodseconds: number; ceil2Nby3Block?: number } };
}

export const set: ConformanceSet = {
  name: "eth-poa/bft",
  paths: [
    "eth-poa/ibft1/besu_ibft_genesis.json",
    "eth-poa/ibft1/besu_qbft-migration_genesis.json",
    "eth-poa/ibft1/besu_ibft_headers.json",
    "eth-poa/ibft1/besu_ibft.blocks",
    "eth-poa/ibft1/ion_autonity_blocks.json",
    "eth-poa/ibft2/headers.json",
    "eth-poa/qbft/headers.json",
    "eth-poa/qbft/bft_extra_data.json",
    "eth-poa/qbft/messages.json",
    "eth-poa/mutations.json",
  ],
  async run(report) {
    let genesis: Genesis | undefined;
    const known = new Map<number, string>();
    await report.each("eth-poa/ibft1/besu_ibft_genesis.json", (file) => {
      genesis = lowerHex<Genesis>(file.json());
      file.check("genesis", () => checkGenesis(lowerHex(file.json())));
    });
    await report.each("eth-poa/ibft1/besu_qbft-migration_genesis.json", (file) =>
      file.check("genesis", () => checkGenesis(lowerHex(file.json()))),
    );
    await report.each("eth-poa/ibft1/besu_ibft_headers.json", (file) => {
      const rows = lowerHex<Ibft1Row[]>(file.json());
      for (const row of rows) known.set(row.number, row.header_rlp);
      checkIbft1Chain(file, rows, genesis);
    });
    await report.each("eth-poa/ibft1/besu_ibft.blocks", (file) => checkBlocks(file, known));
    await report.each("eth-poa/ibft1/ion_autonity_blocks.json", (file) => {
      const { blocks } = lowerHex<{ blocks: Ibft1Row[] }>(file.json());
      // An old chain: its quorum is 2F + 1.
      for (const [i, row] of blocks.entries()) {
        if (row.context !== true) file.check(`block ${i}`, () => checkAlone("ibft", row.header_rlp, row, NOWHERE));
      }
    });
    for (const kind of ["ibft2", "qbft"] as const)
      await report.each(`eth-poa/${kind}/headers.json`, (file) => {
        const { headers, extra_data_only = [] } = lowerHex<{ headers: BesuRow[]; extra_data_only?: { rlp: string }[] }>(
          file.json(),
        );
        for (const [i, row] of headers.entries())
          if (row.context !== true) file.check(`header ${i} of ${row.chain}`, () => checkBesuRow(kind, row));
        for (const [i, { rlp }] of extra_data_only.entries()) file.check(`extra data ${i}`, () => checkRoundTrip("qbft", rlp));
      });
    await report.each("eth-poa/qbft/bft_extra_data.json", (file) => {
      for (const [name, row] of Object.entries(lowerHex<Record<string, ExtraCase>>(file.json())))
        file.check(name, () => checkExtraCase(row));
    });
    await report.each("eth-poa/qbft/messages.json", (file) => {
      for (const name of Object.keys(file.json() as object))
        file.check(name, () => skip("messages between validators, which a light client neither sends nor reads"));
    });
    await report.each("eth-poa/mutations.json", (file) => {
      file.mayBeEmpty();
      const { controls, cases } = lowerHex<Mutations>(file.json());
      for (const row of [...controls, ...cases])
        if (row.input.kind !== "clique-header") file.check(row.name, () => checkMutation(row));
    });
  },
};

function checkGenesis(genesis: Genesis): Outcome {
  const { validators, seals } = readIbft1Extra(bytesOf(genesis.extraData));
  if (validators.length === 0 || seals.length > 0) return `${textsOf(validators)} with ${seals.length} seals`;
  return encodeIbft1Genesis(validators, genesis.extraData);
}

function encodeIbft1Genesis(validators: Uint8Array, extraData: string): Outcome {
  const list = textsOf(validators).map(bytesOf);
  const again = hexOf(Buffer.concat([bytesOf(extraData).subarray(0, 32), RLP.encode([list, new Uint8Array(0), []])]));
  return again === extraData.toLowerCase() ? undefined : `its list encodes to ${again}`;
}

/** Each header whose parent is there is verified by all rules, on the state that led there or on one opened at its parent. */
function checkIbft1Chain(file: VectorFile, rows: readonly Ibft1Row[], genesis: Genesis | undefined): void {
  const { epochlength: epoch = EPOCH, blockperiodseconds: periodS = 0, ceil2Nby3Block = 0 } = genesis?.config.ibft ?? {};
  let trusted: BftTrusted | undefined;
  let parent: Ibft1Row | undefined;
  for (const row of rows) {
    const before = parent?.number === row.number - 1 ? parent : undefined;
    const state = before === undefined ? undefined : trusted;
    trusted = undefined;
    parent = row;
    const test = (): Outcome => {
      const bft = openAt("ibft", before?.header_rlp ?? row.header_rlp, before === undefined ? "before" : "at", {
        ...{ epoch, periodS: before === undefined ? 0 : periodS, ceil2Nby3Block, validators: [...row.validators].sort() },
      });
      if (bft instanceof Rejection) return String(bft);
      const header = bft.decode(bytesOf(row.header_rlp));
      if (header instanceof Rejection) return row.number === 0 ? checkIbft1Genesis(row) : String(header);
      const wrong = checkColumns(header, row.number, row.hash, row.validators, row.committers, row.proposer);
      if (wrong !== undefined) return wrong;
      const next = bft.verify(state ?? bft.checkpoint, header);
      if (next instanceof Rejection) return String(next);
      const again = bft.deserialize(bft.serialize(next));
      if (again instanceof Rejection) return String(again);
      trusted = again;
      return checkGenerator("ibft", bytesOf(row.header_rlp), { block: row.hash });
    };
    if (row.context !== true) file.check(row.number, test);
  }
}

/** A genesis block has no seals: what it says is compared, and nothing vouches for it. */
function checkIbft1Genesis(row: Ibft1Row): Outcome {
  const raw = bytesOf(row.header_rlp);
  const bft = openAt("ibft", row.header_rlp, "at", { validators: [...row.validators].sort() });
  if (bft instanceof Rejection) return String(bft);
  if (hexOf(bft.checkpoint.hash) !== row.hash) return `hash ${hexOf(bft.checkpoint.hash)}, not ${row.hash}`;
  const extra = readIbft1Extra(RLP.decode(raw)[12] as Uint8Array);
  return textsOf(extra.validators).join() === row.validators.join() ? undefined : `validators ${textsOf(extra.validators)}`;
}

/** The concatenated blocks hold the very headers of the list, where it names their heights. */
function checkBlocks(file: VectorFile, known: ReadonlyMap<number, string>): void {
  let rest = file.bytes();
  while (rest.length > 0) {
    const { data, remainder } = RLP.decode(rest, true);
    rest = remainder;
    const fields = (data as Uint8Array[][])[0] as Uint8Array[];
    const number = Number(hexOf(fields[8] as Uint8Array).replace(/^0x$/, "0x0"));
    const raw = hexOf(RLP.encode(fields));
    const expected = known.get(number);
    file.check(number, () => (expected === undefined ? checkSealed(raw) : raw === expected ? undefined : raw));
  }
}

/** A header by itself: sealed by those whom it lists. */
function checkSealed(raw: string): Outcome {
  const extra = readIbft1Extra((RLP.decode(bytesOf(raw)) as Uint8Array[])[12] as Uint8Array);
  if (extra.proposerSeal === undefined) return skip("a genesis block that no list names");
  const bft = openAt("ibft", raw, "before", { validators: textsOf(extra.validators) });
  if (bft instanceof Rejection) return String(bft);
  const header = bft.decode(bytesOf(raw));
  const next = header instanceof Rejection ? header : bft.verify(bft.checkpoint, header);
  return next instanceof Rejection ? String(next) : undefined;
}

function checkBesuRow(kind: "ibft2" | "qbft", row: BesuRow): Outcome {
  const { computed, block } = row;
  const committers = { validators: computed.validators, committers: computed.committers, hash: computed.hash };
  const alone =
    checkAlone(kind, row.header_rlp, committers, 0) ??
    checkGenerator(kind, bytesOf(row.header_rlp), { block: computed.hash, seals: computed.commit_seal_hash });
  if (alone !== undefined) return alone;
  const bft = openAt(kind, row.header_rlp, "before", trustedOf(kind, committers));
  if (bft instanceof Rejection) return String(bft);
  const header = bft.decode(bytesOf(row.header_rlp));
  if (header instanceof Rejection) return String(header);
  const { extra, eth } = header;
  const vote =
    extra.vote === undefined
      ? kind === "qbft"
        ? []
        : "0x"
      : [hexOf(extra.vote.account), extra.vote.authorize ? "0xff" : "0x00"];
  if (hexOf(header.hashForSeals) !== computed.commit_seal_hash) return `sealed hash ${hexOf(header.hashForSeals)}`;
  if (extra.round !== computed.round) return `round ${extra.round}`;
  if (JSON.stringify(vote) !== JSON.stringify(computed.vote)) return `vote ${JSON.stringify(vote)}`;
  if (block?.number !== undefined && Number(block.number) !== header.number) return `number ${header.number}`;
  if (block?.timestamp !== undefined && Number(block.timestamp) !== header.timeS) return `time ${header.timeS}`;
  if (block?.parentHash !== undefined && block.parentHash !== hexOf(header.parentHash))
    return `parent ${hexOf(header.parentHash)}`;
  if (block?.miner !== undefined && block.miner !== hexOf(eth.coinbase)) return `coinbase ${hexOf(eth.coinbase)}`;
  if (block?.extraData !== undefined && block.extraData !== hexOf(eth.extraData)) return "extraData differs";
  if (row.block_rlp === undefined) return undefined;
  const inner = hexOf(RLP.encode((RLP.decode(bytesOf(row.block_rlp)) as Uint8Array[])[0] as Uint8Array));
  return inner === row.header_rlp ? undefined : "the block's header differs";
}

/** Who is trusted: the list, or in contract mode, where there is none, those who sealed. */
function trustedOf(kind: BftKind, row: Pick<Ibft1Row, "validators" | "committers">): Partial<BftCheckpoint> {
  if (kind !== "qbft" || row.validators.length > 0) return { validators: row.validators };
  return { validators: row.committers, validatorSelection: "contract" };
}

/** A header whose parent is not there, verified on a parent that is taken as it names it. */
function checkAlone(
  kind: BftKind,
  rlp: string,
  row: Pick<Ibft1Row, "hash" | "validators" | "committers"> & { number?: number; proposer?: string | null },
  ceil2Nby3Block: number,
): Outcome {
  const bft = openAt(kind, rlp, "before", { ...trustedOf(kind, row), ...(kind === "ibft" ? { ceil2Nby3Block } : {}) });
  if (bft instanceof Rejection) return String(bft);
  const header = bft.decode(bytesOf(rlp));
  if (header instanceof Rejection) return String(header);
  const wrong = checkColumns(header, row.number, row.hash, row.validators, row.committers, row.proposer);
  if (wrong !== undefined) return wrong;
  const next = bft.verify(bft.checkpoint, header);
  return next instanceof Rejection ? String(next) : undefined;
}

function checkColumns(
  header: BftHeader,
  number: number | undefined,
  hash: string,
  validators: readonly string[],
  committers: readonly string[],
  proposer: string | null | undefined,
): Outcome {
  const name = (seal: Uint8Array, digest: Uint8Array): string => {
    const address = sealer(fastEngine, seal, digest);
    return address instanceof Rejection ? String(address) : hexOf(address);
  };
  const digest = header.extra.proposerSeal === undefined ? header.hashForSeals : header.hashWithByte(2);
  if (number !== undefined && header.number !== number) return `number ${header.number}`;
  if (hexOf(header.hash) !== hash) return `hash ${hexOf(header.hash)}, not ${hash}`;
  if (textsOf(header.extra.validators).join() !== validators.join()) return `validators ${textsOf(header.extra.validators)}`;
  const found = header.extra.seals.map((seal) => name(seal, digest));
  if (found.join() !== committers.join()) return `committers ${found}`;
  const { proposerSeal } = header.extra;
  if (proposer == null || proposerSeal === undefined) return undefined;
  const signer = name(proposerSeal, header.proposalDigest);
  return signer === proposer ? undefined : `proposer ${signer}`;
}

/** A verifier that trusts the block of `rlp`, or the one before it as the header names it. */
function openAt(kind: BftKind, rlp: string, where: "at" | "before", more: Partial<BftCheckpoint>): Bft | Rejection {
  const fields = RLP.decode(bytesOf(rlp)) as Uint8Array[];
  const own = Number(hexOf(fields[8] as Uint8Array).replace(/^0x$/, "0x0"));
  const number = where === "at" ? own : Math.max(0, own - 1);
  const hash = where === "at" ? hashOfFields(kind, rlp) : hexOf(fields[0] as Uint8Array);
  return openBft(fastEngine, {
    ...{ chain: "eip155:1", consensus: kind, genesisHash: hash, periodS: 0, epoch: EPOCH, trustingPeriodS: 1 },
    ...{
      number,
      hash,
      timeS: where === "at" ? Number(hexOf(fields[11] as Uint8Array)) : 0,
      votes: number === 0 ? undefined : "unknown",
    },
    ...more,
  });
}

function hashOfFields(kind: BftKind, rlp: string): string {
  // The firmware's own hash of a block is judged where its row is; here it only links.
  const bft = openAt(kind, rlp, "before", { validators: [`0x${"11".repeat(20)}`] });
  if (bft instanceof Rejection) throw new Error(String(bft));
  const header = bft.decode(bytesOf(rlp));
  if (!(header instanceof Rejection)) return hexOf(header.hash);
  return hexOf(fastEngine.keccak256(bytesOf(rlp)));
}

/**
 * These vectors were published for QBFT before its layout was settled: round in four bytes, no vote as an empty string, which
 * is how IBFT 2.0 has it to this day. Whichever of the two layouts a row has, what is read has to be what the row says.
 */
function checkExtraCase({ qbft_extra_data: fields, rlp }: ExtraCase): Outcome {
  const kind = isRefused(() => readQbftExtra(bytesOf(rlp))) ? "ibft2" : "qbft";
  const extra = READERS[kind](bytesOf(rlp));
  const { vote } = extra;
  const found = {
    vanityData: hexOf((RLP.decode(bytesOf(rlp)) as Uint8Array[])[0] as Uint8Array),
    seals: extra.seals.map(hexOf),
    vote: vote === undefined ? null : { recipient: hexOf(vote.account), voteType: vote.authorize ? "0xff" : "0x00" },
    round: extra.round,
    validators: textsOf(extra.validators),
  };
  for (const [name, value] of Object.entries(found)) {
    const expected = fields[name as keyof typeof found];
    if (JSON.stringify(value) !== JSON.stringify(expected)) return `${name} is ${JSON.stringify(value)}`;
  }
  return checkRoundTrip(kind, rlp);
}

const READERS = { ibft2: readIbft2Extra, qbft: readQbftExtra };

function isRefused(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    if (error instanceof Rejection) return true;
    throw error;
  }
}

/** What the firmware reads, encoded again by third-party code, is what came. */
function checkRoundTrip(kind: "ibft2" | "qbft", rlp: string): Outcome {
  const extra = READERS[kind](bytesOf(rlp));
  const again = encodeExtra(kind, {
    vanity: (RLP.decode(bytesOf(rlp)) as Uint8Array[])[0] as Uint8Array,
    validators: textsOf(extra.validators).map(bytesOf),
    vote: extra.vote,
    round: extra.round,
    proposerSeal: new Uint8Array(0),
    seals: [...extra.seals],
  });
  return hexOf(again) === rlp.toLowerCase() ? undefined : `encodes to ${hexOf(again)}`;
}
