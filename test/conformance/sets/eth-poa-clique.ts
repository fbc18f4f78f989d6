// eth-poa/clique: real Clique headers, the voting scenarios of EIP-225, and the Clique part of eth-poa/mutations.json,
// through the firmware's own decoder, verifier and follower state.

import { type CliqueCheckpoint, cliqueCheckpointFromGenesis, openClique } from "../../../firmware/chain/clique/checkpoint.js";
import { type Clique, recoverSigner } from "../../../firmware/chain/clique/consensus.js";
import type { CliqueTrusted } from "../../../firmware/chain/clique/state.js";
import { decodeHeader, type EthereumHeader } from "../../../firmware/chain/ethereum/header.js";
import { nobleEngine } from "../../../firmware/crypto/engine-noble.js";
import { Rejection } from "../../../firmware/rejection.js";
import { type Account, account, bytesOf, CliqueChain, hexOf } from "../../chains/clique-generator.js";
import type { ConformanceSet, Outcome } from "../set.js";

/** As the README of the vectors has it. */
const EPOCH = 30_000;
const NOBODY = `0x${"00".repeat(20)}`;

interface HeaderRow {
  network: string;
  number: number;
  header_rlp: string;
  hash: string;
  parent_hash: string;
  signer: string | null;
  difficulty: number;
  vote_target: string;
  nonce: string;
  timestamp: number;
  gas_limit: number;
  base_fee: number | null;
  signers_in_extra: string[];
}

interface Scenario {
  description: string;
  epoch: number;
  signers: string[];
  blocks: { signer: string; voted?: string; auth?: boolean; checkpoint?: string[] }[];
  expect_signers: string[] | null;
  expect_error: string | null;
}

interface Mutations {
  controls: MutationRow[];
  cases: MutationRow[];
}

interface MutationRow {
  name: string;
  expect: "accept" | "reject";
  input: {
    kind: string;
    parent_header: string | null;
    signers: string[];
    signers_complete: boolean;
    recent_signers: string[];
    header: string;
  };
}

export const set: ConformanceSet = {
  name: "eth-poa/clique",
  paths: ["eth-poa/clique/headers.json", "eth-poa/clique/snapshot_cases.json", "eth-poa/mutations.json"],
  async run(report) {
    await report.each("eth-poa/clique/headers.json", (file) => {
      const chains = new Map<string, { clique: Clique; trusted: CliqueTrusted } | undefined>();
      for (const row of file.json() as HeaderRow[])
        file.check(`${row.network} ${row.number}`, () => checkFields(row) ?? checkRules(row, chains));
    });
    await report.each("eth-poa/clique/snapshot_cases.json", (file) => {
      const { cases } = file.json() as { cases: Scenario[] };
      for (const scenario of cases) file.check(scenario.description, () => checkScenario(scenario));
    });
    await report.each("eth-poa/mutations.json", (file) => {
      // The same file has those of the BFT family.
      file.mayBeEmpty();
      const { controls, cases } = file.json() as Mutations;
      for (const row of [...controls, ...cases])
        if (row.input.kind === "clique-header") file.check(row.name, () => checkMutation(row));
    });
  },
};

/** Every column of the row against what the firmware reads. */
function checkFields(row: HeaderRow): Outcome {
  const header = decodeHeader(nobleEngine, bytesOf(row.header_rlp));
  if (header instanceof Rejection) return String(header);
  const { extraData } = header;
  const list = extraData.subarray(32, extraData.length - 65);
  const found = {
    number: header.number,
    hash: hexOf(header.hash),
    parent_hash: hexOf(header.parentHash),
    difficulty: Number(header.difficulty),
    vote_target: hexOf(header.coinbase),
    nonce: hexOf(header.nonce),
    timestamp: header.timeS,
    gas_limit: Number(header.gas.gasLimit),
    base_fee: header.gas.baseFee === undefined ? null : Number(header.gas.baseFee),
    signers_in_extra: Array.from({ length: list.length / 20 }, (_, i) => hexOf(list.subarray(20 * i, 20 * i + 20))),
    signer: row.signer === null ? null : signerOf(header),
  };
  for (const [name, value] of Object.entries(found)) {
    const expected = row[name as keyof typeof found];
    if (JSON.stringify(value) !== JSON.stringify(expected)) return `${name} is ${value}, not ${expected}`;
  }
  return undefined;
}

function signerOf(header: EthereumHeader): string {
  const signer = recoverSigner(nobleEngine, header);
  return signer instanceof Rejection ? String(signer) : hexOf(signer);
}

/** Where a network's headers run on from its genesis, each has to pass all rules; others, those that need no parent. */
function checkRules(row: HeaderRow, chains: Map<string, { clique: Clique; trusted: CliqueTrusted } | undefined>): Outcome {
  const raw = bytesOf(row.header_rlp);
  if (row.number === 0) {
    // The vectors do not name the networks' periods, so the genesis file's rule of time is left open.
    const json = cliqueCheckpointFromGenesis(nobleEngine, raw, { chain: "eip155:1", periodS: 0, epoch: EPOCH });
    if (json instanceof Rejection) return String(json);
    if (json.signers.join() !== [...row.signers_in_extra].sort().join()) return `signers ${json.signers}`;
    const clique = openClique(nobleEngine, json);
    if (clique instanceof Rejection) return String(clique);
    chains.set(row.network, { clique, trusted: clique.checkpoint });
    return undefined;
  }
  const known = chains.get(row.network);
  const clique =
    known?.clique ?? openAt({ number: row.number - 1, hash: row.parent_hash, timeS: 0, signers: [row.signer ?? ""] });
  if (clique instanceof Rejection) return String(clique);
  const header = clique.decode(raw);
  if (header instanceof Rejection) return String(header);
  if (known === undefined || known.trusted.number !== row.number - 1) return undefined;
  const next = clique.verify(known.trusted, header);
  if (next instanceof Rejection) return String(next);
  const restored = clique.deserialize(clique.serialize(next));
  if (restored instanceof Rejection) return String(restored);
  chains.set(row.network, { clique, trusted: restored });
  return undefined;
}

function openAt(
  fields: Pick<CliqueCheckpoint, "number" | "hash" | "timeS" | "signers"> & Partial<CliqueCheckpoint>,
): Clique | Rejection {
  const genesisHash = fields.number === 0 ? fields.hash : `0x${"00".repeat(32)}`;
  const isEpoch = fields.number % EPOCH === 0;
  return openClique(nobleEngine, {
    ...{ chain: "eip155:1", consensus: "clique", genesisHash, periodS: 0, epoch: EPOCH },
    ...(isEpoch ? {} : { votes: [], recents: {} }),
    ...fields,
  });
}

/** Builds the scenario's blocks with keys of our own, the right difficulty included, and verifies them one by one. */
function checkScenario(scenario: Scenario): Outcome {
  const keys = new Map<string, Account>();
  const key = (name: string): Account => {
    const known = keys.get(name) ?? account(`scenario ${name}`);
    keys.set(name, known);
    return known;
  };
  const chain = new CliqueChain({ signers: scenario.signers.map(key), epoch: scenario.epoch });
  const json = cliqueCheckpointFromGenesis(nobleEngine, chain.genesis.raw, {
    ...{ chain: "eip155:1", periodS: chain.periodS, epoch: scenario.epoch },
  });
  const clique = json instanceof Rejection ? json : openClique(nobleEngine, json);
  if (clique instanceof Rejection) return String(clique);
  let trusted = clique.checkpoint;
  let parent = chain.genesis;
  let refused: Rejection | undefined;
  for (const [i, step] of scenario.blocks.entries()) {
    if (refused !== undefined) return `block ${i} is refused: ${refused}`;
    const vote = step.voted === undefined ? {} : { vote: { account: key(step.voted).address, authorize: step.auth === true } };
    parent = chain.child(parent, key(step.signer), {
      ...vote,
      bend(draft) {
        if (step.checkpoint !== undefined)
          draft.list = Buffer.concat([...step.checkpoint].map((name) => Buffer.from(key(name).address)).sort(Buffer.compare));
      },
    });
    const header = clique.decode(parent.raw);
    const next = header instanceof Rejection ? header : clique.verify(trusted, header);
    if (next instanceof Rejection) refused = next;
    else trusted = next;
  }
  const codes: Record<string, string> = { errUnauthorizedSigner: "signer-unauthorised", errRecentlySigned: "signer-recent" };
  const expected = scenario.expect_error === null ? undefined : (codes[scenario.expect_error] ?? scenario.expect_error);
  if (refused?.code !== expected) return `the last block: ${refused ?? "accepted"}, expected ${expected ?? "accepted"}`;
  if (scenario.expect_signers === null) return undefined;
  const found = Array.from({ length: trusted.signerCount }, (_, i) => hexOf(trusted.signers.subarray(20 * i, 20 * i + 20)));
  const signers = scenario.expect_signers.map((name) => key(name).hex).sort();
  return found.join() === signers.join() ? undefined : `signers ${found}, expected ${signers}`;
}

function checkMutation(row: MutationRow): Outcome {
  const refusal = refusalOf(row.input);
  if (row.expect === "accept") return refusal === undefined ? undefined : `refused: ${refusal}`;
  return refusal === undefined ? "accepted" : undefined;
}

function refusalOf(input: MutationRow["input"]): Rejection | undefined {
  const header = decodeHeader(nobleEngine, bytesOf(input.header));
  if (header instanceof Rejection) return header;
  const parent = input.parent_header === null ? undefined : decodeHeader(nobleEngine, bytesOf(input.parent_header));
  if (parent instanceof Rejection) return parent;
  const number = parent?.number ?? Math.max(0, header.number - 1);
  // The record lists no heights: the signers are those of the last blocks, and before them nobody who matters.
  const fill = Math.max(0, Math.min(input.signers.length >> 1, number) - input.recent_signers.length);
  const recent = [...Array<string>(fill).fill(NOBODY), ...input.recent_signers];
  const recents = recent.map((signer, i): [string, string] => [String(number - recent.length + 1 + i), signer]);
  const clique = openAt({
    number,
    hash: hexOf(parent?.hash ?? header.parentHash),
    timeS: parent?.timeS ?? 0,
    signers: input.signers,
    recents: Object.fromEntries(recents),
    ...(parent === undefined ? {} : gasOf(parent)),
  });
  if (clique instanceof Rejection) {
    // Nobody left who may sign is a refusal; anything else would be this test's own fault.
    if (input.signers.length === 0) return clique;
    throw new Error(String(clique));
  }
  const decoded = clique.decode(header.raw);
  if (decoded instanceof Rejection) return decoded;
  const next = clique.verify(clique.checkpoint, decoded);
  if (!(next instanceof Rejection)) return undefined;
  // Without the whole set nobody's turn is known; the turn is judged last, so all else held.
  return next.code === "difficulty-turn" && !input.signers_complete ? undefined : next;
}

/** A parent without a base fee is one before London. */
function gasOf({
  gas: { gasLimit, gasUsed, baseFee },
}: EthereumHeader): Pick<CliqueCheckpoint, "gasLimit" | "gasUsed" | "baseFee"> {
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  return { gasLimit: hex(gasLimit), gasUsed: hex(gasUsed), ...(baseFee === undefined ? {} : { baseFee: hex(baseFee) }) };
}
