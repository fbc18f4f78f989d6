// eth-poa, every bit: a real header that is accepted is refused as soon as a single bit of it is another. The first two headers
// of each list bit by bit, of the others 64 bits each, chosen by the header's own hash. One record per header.

import { RLP } from "@ethereumjs/rlp";
import { openBft } from "../../../firmware/chain/bft/checkpoint.js";
import { openClique } from "../../../firmware/chain/clique/checkpoint.js";
import type { Consensus } from "../../../firmware/chain/consensus.js";
import { Rejection } from "../../../firmware/rejection.js";
import { fastEngine } from "../../../tools/crypto/engine-fast.js";
import { bytesOf, hexOf } from "../../chains/clique-generator.js";
import { lowerHex } from "../poa/lower-hex.js";
import type { ConformanceSet, Outcome, VectorFile } from "../set.js";

const HEADERS_WHOLE = 2;
const FLIPS = 64;
/** Later than any height, so that nothing is an epoch block that was none. */
const EPOCH = 2 ** 47;

interface Row {
  header_rlp: string;
  number?: number;
  difficulty?: number;
  validators?: string[];
  signer?: string | null;
  signers_in_extra?: string[];
  committers?: string[];
  computed?: { validators: string[] };
  context?: boolean;
}

export const set: ConformanceSet = {
  name: "eth-poa/flips",
  paths: [
    "eth-poa/clique/headers.json",
    "eth-poa/ibft1/besu_ibft_headers.json",
    "eth-poa/ibft1/ion_autonity_blocks.json",
    "eth-poa/ibft2/headers.json",
    "eth-poa/qbft/headers.json",
  ],
  async run(report) {
    await report.each("eth-poa/clique/headers.json", (file) => {
      flipAll(file, lowerHex<Row[]>(file.json()), cliqueSigners, "clique");
    });
    for (const name of ["besu_ibft_headers", "ion_autonity_blocks"])
      await report.each(`eth-poa/ibft1/${name}.json`, (file) => {
        const json = lowerHex<Row[] | { blocks: Row[] }>(file.json());
        flipAll(
          file,
          Array.isArray(json) ? json : json.blocks,
          (row) => (row.committers?.length === 0 ? [] : row.committers && row.validators),
          "ibft",
        );
      });
    for (const kind of ["ibft2", "qbft"])
      await report.each(`eth-poa/${kind}/headers.json`, (file) => {
        flipAll(file, lowerHex<{ headers: Row[] }>(file.json()).headers, (row) => row.computed?.validators, kind);
      });
  },
};

/** The signer, and where it signed out of turn somebody whose turn it was. */
function cliqueSigners({ signer, difficulty, number = 0 }: Row): string[] | undefined {
  if (!signer) return signer === null ? [] : undefined;
  const other = `0x${(number % 2 === 0 ? "00" : "ff").repeat(20)}`;
  return difficulty === 1 ? [signer, other] : [signer];
}

/** @param trustedOf who may seal the row's header; nobody where it is a genesis block; undefined where the row does not say */
function flipAll(
  file: VectorFile,
  rows: readonly Row[],
  trustedOf: (row: Row) => readonly string[] | undefined,
  kind: string,
): void {
  let done = 0;
  // There may be none but genesis blocks.
  file.mayBeEmpty();
  for (const [i, row] of rows.entries()) {
    const trusted = trustedOf(row);
    if (row.context === true || trusted?.length === 0) continue;
    file.check(`header ${i}`, () => {
      if (trusted === undefined) return "the row does not say who may have sealed it";
      done += 1;
      return flip(open(kind, row, trusted), bytesOf(row.header_rlp), done <= HEADERS_WHOLE);
    });
  }
}

function flip(consensus: Consensus, raw: Uint8Array, whole: boolean): Outcome {
  const refused = refusalOf(consensus, raw);
  if (refused !== undefined) return `is not accepted as it is: ${refused}`;
  const bits = whole ? Array.from({ length: 8 * raw.length }, (_, bit) => bit) : someBits(raw);
  for (const bit of bits) {
    const bent = raw.slice();
    bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
    if (refusalOf(consensus, bent) === undefined) return `is accepted with bit ${bit & 7} of byte ${bit >> 3} flipped`;
  }
  return undefined;
}

function refusalOf(consensus: Consensus, raw: Uint8Array): Rejection | undefined {
  const header = consensus.decode(raw);
  if (header instanceof Rejection) return header;
  const next = consensus.verify(consensus.checkpoint, header);
  return next instanceof Rejection ? next : undefined;
}

function someBits(raw: Uint8Array): number[] {
  const bits: number[] = [];
  let digest = fastEngine.keccak256(raw);
  for (let i = 0; i < FLIPS; i += 1) {
    digest = fastEngine.keccak256(digest);
    bits.push((((digest[0] as number) << 16) | ((digest[1] as number) << 8) | (digest[2] as number)) % (8 * raw.length));
  }
  return bits;
}

/** A verifier that trusts the block before, as the header names it. */
function open(kind: string, row: Row, trusted: readonly string[]): Consensus {
  const fields = RLP.decode(bytesOf(row.header_rlp)) as Uint8Array[];
  const number = Number(hexOf(fields[8] as Uint8Array)) - 1;
  const hash = hexOf(fields[0] as Uint8Array);
  const common = { chain: "eip155:1", genesisHash: hash, number, hash, timeS: 0, votes: number === 0 ? undefined : [] };
  // An epoch block of Clique lists its signers: then the epoch has to fall there.
  const isEpoch = (row.signers_in_extra?.length ?? 0) > 0;
  const signers = isEpoch ? row.signers_in_extra : trusted;
  const recents = number === 0 ? undefined : { [number]: `0x${"11".repeat(20)}` };
  const padded = { ...common, periodS: 0, epoch: isEpoch ? number + 1 : EPOCH, signers, recents };
  const consensus =
    kind === "clique"
      ? openClique(fastEngine, { ...padded, consensus: kind })
      : openBft(fastEngine, {
          ...{ ...common, consensus: kind, periodS: 0, epoch: EPOCH, trustingPeriodS: 1, validators: trusted },
          ...(kind === "ibft" ? { ceil2Nby3Block: EPOCH } : {}),
        });
  if (consensus instanceof Rejection) throw new Error(String(consensus));
  return consensus;
}
