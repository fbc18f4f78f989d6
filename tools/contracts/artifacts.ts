// The contracts as `npm run build:contracts` compiled them: interface and byte code, from the committed files beside this one.

import { readFileSync } from "node:fs";

export interface AbiEntry {
  readonly type: string;
  readonly name?: string;
  /** Of a function: `view` and `pure` change nothing. */
  readonly stateMutability?: string;
  readonly inputs?: readonly { readonly name: string; readonly type: string }[];
}

export interface Artifact {
  readonly abi: readonly AbiEntry[];
  /** In hexadecimal without 0x; the constructor's arguments follow it. */
  readonly bytecode: string;
}

export function artifactFile(name: string): URL {
  return new URL(`artifacts/${name}.abi.json`, import.meta.url);
}

export function artifactOf(name: "MoteRegistry" | "RecordAnchor"): Artifact {
  return JSON.parse(readFileSync(artifactFile(name), "utf8")) as Artifact;
}
