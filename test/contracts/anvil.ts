// A real EVM for tests: anvil, at London's rules, as a child process on loopback that makes a block for each transaction.
//
// Never: is of our making, keeps anything, listens beyond 127.0.0.1. Where it cannot run, tests say so in one line and skip.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes.js";
import { addressOf } from "../../firmware/crypto/identity.js";
import { digestOf, encodeSign1 } from "../../firmware/record/cose.js";
import { curve } from "../../host-sim/crypto/engine-fast.js";
import { Account, type Signer } from "../../tools/contracts/account.js";
import { engine } from "../../tools/crypto/engine.js";
import { freePort } from "../../tools/processes/ports.js";
import { JsonRpc } from "../../tools/rpc/json-rpc.js";
import { pause, WAIT_MS_MAX } from "../patience.js";

export const CHAIN_ID = 31_337;
const PLATFORM = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;

/** The program, out of the package for this machine; undefined where there is none, or it does not run. */
function anvilProgram(): string | undefined {
  try {
    const path = createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${PLATFORM}/bin/anvil`);
    return existsSync(path) && spawnSync(path, ["--version"]).status === 0 ? path : undefined;
  } catch {
    return undefined;
  }
}

export class Anvil {
  readonly rpc: JsonRpc;
  readonly url: string;
  readonly #child: ChildProcess;
  /** Where it puts the states of older blocks. */
  readonly #states: string;

  private constructor(child: ChildProcess, port: number, states: string) {
    this.#child = child;
    this.#states = states;
    this.url = `http://127.0.0.1:${port}`;
    this.rpc = new JsonRpc(this.url, { timeoutMs: WAIT_MS_MAX });
  }

  /** Undefined, and a line that says why, where it cannot run here. */
  static async start(): Promise<Anvil | undefined> {
    const program = anvilProgram();
    if (program === undefined) {
      console.log(`skipped: no anvil for ${PLATFORM} (npm ci brings it where there is one)`);
      return undefined;
    }
    const port = await freePort();
    const states = mkdtempSync(join(tmpdir(), "chainmote-anvil-"));
    const words = [
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
      "--chain-id",
      String(CHAIN_ID),
      "--hardfork",
      "london",
      "--silent",
      // Else it leaves every older state below the user's home: gigabytes.
      "--cache-path",
      states,
    ];
    const anvil = new Anvil(spawn(program, words, { stdio: "ignore" }), port, states);
    const endMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      try {
        await anvil.rpc.call("eth_blockNumber");
        return anvil;
      } catch (error) {
        if (performance.now() > endMs || anvil.#child.exitCode !== null) throw error;
      }
      await pause(20);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.#states, { recursive: true, force: true });
  }

  /** An account with money. */
  async account(signer: Signer): Promise<Account> {
    await this.rpc.call("anvil_setBalance", `0x${toHex(signer.address)}`, "0x3635c9adc5dea00000");
    return new Account(this.rpc, signer);
  }

  async mine(blocks: number): Promise<void> {
    await this.rpc.call("anvil_mine", `0x${blocks.toString(16)}`);
  }

  async height(): Promise<number> {
    return Number(await this.rpc.call("eth_blockNumber"));
  }
}

/** The key whose secret is SHA-256 of `name`. */
export function signerOf(name: string): Signer {
  const secret = new Uint8Array(createHash("sha256").update(name).digest());
  const address = addressOf(engine, curve.publicKey(secret));
  return { address, sign: (digest) => curve.sign(digest, secret) };
}

/** A COSE_Sign1 over `payload`. */
export function messageOf(signer: Signer, payload: Uint8Array): Uint8Array {
  return encodeSign1(signer.address, payload, signer.sign(digestOf(engine, signer.address, payload)));
}
