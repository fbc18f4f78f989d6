// Compiles the contracts beside this file with the pinned solc, the same bytes each time: no metadata, a fixed optimizer, London's
// instructions and none later, since private chains stop there.
//
// Never: is needed to run anything. What it makes is committed (`npm run build:contracts`), and a test compiles again and compares.

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { AbiEntry } from "./artifacts.js";

const SOURCES = fileURLToPath(new URL(".", import.meta.url));
/** What is deployed; the rest is part of these. */
const CONTRACTS = Object.freeze(["MoteRegistry", "RecordAnchor"] as const);
const SETTINGS = {
  evmVersion: "london",
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: {
    "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.legacyAssembly", "storageLayout"] },
  },
};

/** One variable of a contract, as solc's `storageLayout` says it. */
export interface StoredVariable {
  readonly label: string;
  readonly slot: string;
  readonly offset: number;
  readonly type: string;
}

export interface Compiled {
  readonly abi: readonly AbiEntry[];
  /** What a deployment sends, in hexadecimal without 0x; the constructor's arguments follow it. */
  readonly bytecode: string;
  /** What lies on the chain then. */
  readonly deployed: string;
  /** Constants that lie behind the code and are not run, in hexadecimal. */
  readonly constants: readonly string[];
  readonly storage: readonly StoredVariable[];
  readonly types: Readonly<Record<string, { readonly numberOfBytes: string; readonly members?: readonly StoredVariable[] }>>;
}

interface SolcOutput {
  readonly errors?: readonly { readonly formattedMessage: string }[];
  readonly contracts: Readonly<Record<string, Readonly<Record<string, SolcContract>>>>;
}

interface SolcContract {
  readonly abi: readonly AbiEntry[];
  readonly evm: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: { readonly object: string };
    readonly legacyAssembly: { readonly ".data": { readonly "0": { readonly ".data"?: Readonly<Record<string, unknown>> } } };
  };
  readonly storageLayout: { readonly storage: readonly StoredVariable[]; readonly types: Compiled["types"] | null };
}

/** Throws with the compiler's words, warnings too. */
export function compileContracts(): Readonly<Record<string, Compiled>> {
  const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };
  const sources = Object.fromEntries(
    readdirSync(SOURCES)
      .filter((name) => name.endsWith(".sol"))
      .sort()
      .map((name) => [name, { content: readFileSync(`${SOURCES}${name}`, "utf8") }]),
  );
  const { errors = [], contracts } = JSON.parse(
    solc.compile(JSON.stringify({ language: "Solidity", sources, settings: SETTINGS })),
  ) as SolcOutput;
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));
  return Object.fromEntries(
    CONTRACTS.map((name) => {
      const { abi, evm, storageLayout } = (contracts[`${name}.sol`] as Record<string, SolcContract>)[name] as SolcContract;
      const { storage, types } = storageLayout;
      const constants = Object.values(evm.legacyAssembly[".data"]["0"][".data"] ?? {}).filter((data) => typeof data === "string");
      const { bytecode, deployedBytecode } = evm;
      return [
        name,
        { abi, bytecode: bytecode.object, deployed: deployedBytecode.object, constants, storage, types: types ?? {} },
      ];
    }),
  );
}

/** The content of a contract's committed file. */
export function artifactText({ abi, bytecode }: Compiled): string {
  return `${JSON.stringify({ abi, bytecode }, null, 1)}\n`;
}
