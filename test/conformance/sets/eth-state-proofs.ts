// eth-state, proofs: answers of eth_getProof by several nodes and by mainnet's state, and those with one thing changed, through the
// firmware's own verifier.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Rejection } from "../../../firmware/rejection.js";
import { lowerHex } from "../poa/lower-hex.js";
import type { ConformanceSet, Outcome } from "../set.js";
import { besuChain, bytesOf, checkFields, type Fields, headerOf, hexOf, provenAt } from "../state/blocks.js";
import { checkAnswer, type ProofAnswer, quantity, rootOf, type ShownAccount, shownAccount, shownSlot } from "../state/proofs.js";

interface ColibriRow {
  stateRoot: string;
  stateRoot_bound_to_header: number | string | null;
  check: { addr: string; stateRoot: string; acct: "incl" | "excl"; st: string };
  proof: ProofAnswer;
  context?: boolean;
}

type ProvenBlock = Fields & { readonly stateRoot: string; readonly header_rlp: string };

interface BesuRow {
  request: { params: unknown[] };
  response: { result?: ProofAnswer | null; error?: unknown };
}

interface MutationRow {
  name: string;
  expect: "accept" | "reject";
  input: {
    kind: string;
    state_root: string;
    address: string;
    account: ShownAccount | null;
    storage_root: string;
    key: string;
    root: string;
    index: number;
    value: string;
    proof: string[];
  };
}

const HEADERS = "eth-state/mainnet_headers.json";
const CHAIN = "eth-state/besu-getProof/blockchain-import.bin";

export const set: ConformanceSet = {
  name: "eth-state/proofs",
  paths: ["eth-state/getProof/*.json", "eth-state/besu-getProof/*.json", "eth-state/mutations.json"],
  beside: [HEADERS, CHAIN],
  async run(report, root) {
    const besu = besuRoots(join(root, CHAIN));
    const headers = mainnetRoots(join(root, HEADERS));
    await report.each("eth-state/getProof/*.json", (file) => {
      const json = lowerHex<ColibriRow[] | { block: ProvenBlock; proof: ProofAnswer }>(file.json());
      if (!Array.isArray(json))
        file.check(
          "proof",
          () => checkFields(json.block, json.block.header_rlp) ?? checkAnswer(json.proof, json.block.stateRoot),
        );
      else for (const [i, row] of json.entries()) if (row.context !== true) file.check(i, () => checkColibri(row, headers));
    });
    await report.each("eth-state/besu-getProof/*.json", (file) => {
      file.check("answer", () => checkBesu(lowerHex(file.json()), besu));
    });
    await report.each("eth-state/mutations.json", (file) => {
      const { controls, cases } = lowerHex<{ controls: MutationRow[]; cases: MutationRow[] }>(file.json());
      for (const row of [...controls, ...cases]) file.check(row.name, () => checkMutation(row));
    });
  },
};

function checkColibri(
  { stateRoot, stateRoot_bound_to_header: bound, check, proof }: ColibriRow,
  headers: ReadonlyMap<number, string>,
): Outcome {
  const wrong = checkAnswer(proof, stateRoot);
  if (wrong !== undefined) return wrong;
  if (check.stateRoot !== stateRoot || check.addr !== proof.address) return "the check names another root or account";
  const header = bound === null ? undefined : headers.get(Number(bound));
  if (header !== undefined && header !== stateRoot) return `header ${bound} has the stateRoot ${header}`;
  const shown = shownAccount(stateRoot, proof.address, proof.accountProof);
  if ((shown === null ? "excl" : "incl") !== check.acct) return `the account is ${shown === null ? "absent" : "there"}`;
  const slots = proof.storageProof.map(({ value }) => (quantity(value) === 0n ? "excl" : "incl")).join();
  return slots === check.st ? undefined : `slots: ${slots}, not ${check.st}`;
}

/** @param roots stateRoot of each block, by its number and by its hash */
function checkBesu({ request, response }: BesuRow, roots: ReadonlyMap<string, string>): Outcome {
  const { result } = response;
  // Not available is what it is, and never verified.
  if (result == null) return undefined;
  const wrong = checkAnswer(result);
  if (wrong !== undefined) return wrong;
  const block = request.params[2];
  const named =
    typeof block === "string"
      ? block
      : Object.values((block ?? {}) as Record<string, unknown>).find((value) => typeof value === "string");
  const expected = typeof named !== "string" ? undefined : roots.get(named.length === 66 ? named : String(Number(named)));
  return expected === undefined || expected === rootOf(result.accountProof) ? undefined : `the block's stateRoot is ${expected}`;
}

function checkMutation({ expect, input }: MutationRow): Outcome {
  const accepted = holds(input);
  if (typeof accepted === "string") return expect === "accept" ? accepted : undefined;
  return expect === "accept" ? undefined : "accepted";
}

/** True, or why the input does not show what it claims. */
function holds(input: MutationRow["input"]): true | string {
  if (input.kind === "account-proof") {
    const shown = shownAccount(input.state_root, input.address, input.proof);
    if (shown instanceof Rejection) return String(shown);
    const claimed = input.account;
    if (shown === null || claimed === null) return shown === claimed ? true : "there is an account, or none";
    const same =
      BigInt(shown.nonce) === quantity(claimed.nonce) &&
      BigInt(shown.balance) === quantity(claimed.balance) &&
      shown.storageHash === claimed.storageHash &&
      shown.codeHash === claimed.codeHash;
    return same || "another account";
  }
  if (input.kind === "storage-proof") {
    const shown = shownSlot(input.storage_root, input.key, input.proof);
    if (shown instanceof Rejection) return String(shown);
    return shown === quantity(input.value) || "another value";
  }
  if (input.kind !== "receipt-proof" && input.kind !== "tx-proof") throw new Error(`no such kind: ${input.kind}`);
  const shown = provenAt(bytesOf(input.root), input.index, input.proof.map(bytesOf));
  if (shown instanceof Rejection) return String(shown);
  return (shown !== undefined && hexOf(shown) === input.value) || "another value, or none";
}

/** stateRoot of the headers of that list, by number. */
function mainnetRoots(path: string): ReadonlyMap<number, string> {
  if (!existsSync(path)) return new Map();
  const rows = lowerHex<{ number: string; stateRoot: string }[]>(JSON.parse(readFileSync(path, "utf8")));
  return new Map(rows.map(({ number, stateRoot }) => [Number(number), stateRoot]));
}

function besuRoots(path: string): ReadonlyMap<string, string> {
  const roots = new Map<string, string>();
  if (!existsSync(path)) return roots;
  for (const { rlp } of besuChain(readFileSync(path)).blocks) {
    const header = headerOf(rlp);
    if (typeof header === "string") throw new Error(header);
    roots.set(String(header.number), hexOf(header.stateRoot)).set(hexOf(header.hash), hexOf(header.stateRoot));
  }
  return roots;
}
