// A network of real geth nodes on loopback that seal a Clique chain (EIP-225): three signers, and a fourth node that gets whatever
// key a test gives it. Peers are joined and parted by hand, so that a test decides who hears whom.
//
// Promises: every node is tied to the network's life and ended by `close`, its folder removed; nothing listens beyond loopback, and
// nobody is looked for. Never: seals by itself: what a node seals, geth decides.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../tools/processes/ports.js";
import { JsonRpc } from "../../../tools/rpc/json-rpc.js";
import { type Account, account, accounts } from "../../chains/clique-generator.js";
import { pause, WAIT_MS_MAX } from "../../patience.js";

const CHAIN_ID = 1337;
export const CHAIN = `eip155:${CHAIN_ID}`;
export const PERIOD_S = 1;
export const EPOCH = 30;
const PASSWORD = "loopback only";
const FORKS = "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul berlin".split(" ");

export interface GethBlock {
  readonly number: string;
  readonly hash: string;
  readonly totalDifficulty?: string;
}

/** A contract of the genesis block, whose slots are their own numbers. */
export const CONTRACT = `0x${"c0".repeat(20)}`;
export const SLOTS = 200;
/** Accounts of the genesis block: account i has i + 1 wei. */
export const ACCOUNTS = 300;

/** Whose account has a thousand ether, as `account` makes it. */
export const RICH = "rich";

export function allocated(i: number): string {
  return `0xee${(i + 1).toString(16).padStart(38, "0")}`;
}

function allocations(): Record<string, object> {
  const word = (i: number): string => `0x${i.toString(16).padStart(64, "0")}`;
  const storage = Object.fromEntries(Array.from({ length: SLOTS }, (_, i) => [word(i + 1), word(i + 1)]));
  const rich = { [account(RICH).hex]: { balance: `0x${(10n ** 21n).toString(16)}` } };
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => [allocated(i), { balance: `0x${(i + 1).toString(16)}` }]);
  return { ...rich, ...Object.fromEntries(accounts), [CONTRACT]: { balance: "0x1", code: "0x00", storage } };
}

/** One node: `rpc` is its JSON-RPC. */
class GethNode {
  readonly name: string;
  readonly url: string;
  readonly rpc: JsonRpc;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(name: string, url: string, child: ChildProcess) {
    this.name = name;
    this.url = url;
    this.rpc = new JsonRpc(url, { timeoutMs: WAIT_MS_MAX }); // a key's scrypt takes long on a busy machine
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  async block(which: number | "latest"): Promise<GethBlock> {
    const number = which === "latest" ? which : `0x${which.toString(16)}`;
    return (await this.rpc.call("eth_getBlockByNumber", number, false)) as GethBlock;
  }

  async height(): Promise<number> {
    return Number(await this.rpc.call("eth_blockNumber"));
  }

  async signers(): Promise<string[]> {
    return (await this.rpc.call("clique_getSigners", "latest")) as string[];
  }

  /** Seals with `signer` from now on. */
  async sealAs(signer: Account): Promise<void> {
    await this.rpc.call("miner_stop");
    await this.rpc.call("personal_importRawKey", Buffer.from(signer.secret).toString("hex"), PASSWORD).catch((error: Error) => {
      if (!/already exists/.test(error.message)) throw error;
    });
    await this.rpc.call("personal_unlockAccount", signer.hex, PASSWORD, 0);
    await this.rpc.call("miner_setEtherbase", signer.hex);
    await this.rpc.call("miner_start");
  }

  /** Waits until `holds`, asking the node; its own errors meanwhile are no answer. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const endMs = performance.now() + WAIT_MS_MAX; performance.now() < endMs; await pause(100))
      if (await holds().catch(() => false)) return;
    throw new Error(`${this.name}: ${what}: not within ${WAIT_MS_MAX / 1000} s`);
  }

  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

export class GethNetwork {
  /** A, B, C, in the order of their addresses. */
  readonly signers: readonly Account[];
  /** Whoever may be voted in. */
  readonly newcomer: Account = account("newcomer");
  readonly nodes: GethNode[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "chainmote-geth-"));
  readonly #enodes: string[] = [];

  private constructor() {
    this.signers = accounts(3, "geth signer");
  }

  /** Three nodes that seal, and a fourth that only follows, all joined. */
  static async start(binary: string): Promise<GethNetwork> {
    const network = new GethNetwork();
    try {
      for (const [i, name] of ["a", "b", "c", "d"].entries()) await network.#launch(binary, name, i);
      await network.join([0, 1, 2, 3]);
      for (const [i, signer] of network.signers.entries()) await (network.nodes[i] as GethNode).sealAs(signer);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  node(i: number): GethNode {
    return this.nodes[i] as GethNode;
  }

  /** Every one of `group` hears every other. */
  async join(group: readonly number[]): Promise<void> {
    await this.#eachPair(group, group, "admin_addPeer");
  }

  /** Nobody of `some` hears anybody of `others` any more. */
  async part(some: readonly number[], others: readonly number[]): Promise<void> {
    await this.#eachPair(some, others, "admin_removePeer");
    await this.#eachPair(others, some, "admin_removePeer");
    for (const i of some)
      await this.node(i).until("its peers are gone", async () => {
        const peers = (await this.node(i).rpc.call("admin_peers")) as { enode: string }[];
        return others.every((j) => !peers.some(({ enode }) => enode.startsWith(this.#idOf(j))));
      });
  }

  /** Node `i` gives up what it has above block `number`, and takes over what `j` has. */
  async meetAnew(i: number, j: number, number: number): Promise<void> {
    const node = this.node(i);
    await node.rpc.call("miner_stop");
    await node.rpc.call("debug_setHead", `0x${number.toString(16)}`);
    await this.part([i], [j]);
    await this.join([i, j]);
    const wanted = await this.node(j).block(await this.node(j).height());
    await node.until("it has the other's block", async () => (await node.block(await node.height())).hash === wanted.hash);
    await node.rpc.call("miner_start");
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** `enode://` and the node's key, without its address: a peer that called has another port. */
  #idOf(i: number): string {
    return (this.#enodes[i] as string).split("@")[0] as string;
  }

  async #eachPair(from: readonly number[], to: readonly number[], method: string): Promise<void> {
    for (const i of from) for (const j of to) if (i !== j) await this.node(i).rpc.call(method, this.#enodes[j]);
  }

  async #launch(binary: string, name: string, i: number): Promise<void> {
    const folder = join(this.#folder, name);
    const genesis = join(this.#folder, "genesis.json");
    mkdirSync(folder, { recursive: true });
    if (i === 0) writeFileSync(genesis, JSON.stringify(this.#genesis()));
    execFileSync(binary, ["init", "--datadir", folder, "--state.scheme", "hash", genesis], { stdio: "ignore" });
    const [http, p2p] = [await freePort(), await freePort()];
    const config = join(folder, "config.toml");
    writeFileSync(config, `[Node.P2P]\nListenAddr = "127.0.0.1:${p2p}"\n`);
    const log = createWriteStream(join(folder, "log"));
    const words = [
      ...["--config", config, "--datadir", folder, "--networkid", String(CHAIN_ID), "--ipcdisable"],
      ...["--nodiscover", "--nat", "none", "--netrestrict", "127.0.0.0/8", "--syncmode", "full", "--gcmode", "archive"],
      ...["--state.scheme", "hash", "--allow-insecure-unlock", "--authrpc.port", String(await freePort())],
      ...["--http", "--http.addr", "127.0.0.1", "--http.port", String(http)],
      ...["--http.api", "eth,net,clique,admin,debug,miner,personal", "--rpc.enabledeprecatedpersonal"],
    ];
    const child = spawn(binary, words, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    process.once("exit", () => child.kill("SIGKILL"));
    const node = new GethNode(name, `http://127.0.0.1:${http}`, child);
    this.nodes.push(node);
    await node.until("it answers", async () => (await node.height()) >= 0);
    const { enode } = (await node.rpc.call("admin_nodeInfo")) as { enode: string };
    this.#enodes.push(enode.replace(/@.*$/, `@127.0.0.1:${p2p}`));
  }

  #genesis(): unknown {
    const list = this.signers.map(({ hex }) => hex.slice(2)).join("");
    return {
      config: {
        ...Object.fromEntries(FORKS.map((fork) => [`${fork}Block`, 0])),
        ...{ chainId: CHAIN_ID, clique: { period: PERIOD_S, epoch: EPOCH } },
      },
      ...{
        difficulty: "0x1",
        gasLimit: "0x1c9c380",
        timestamp: `0x${(Math.floor(Date.now() / 1000) - 5).toString(16)}`,
        alloc: allocations(),
      },
      extraData: `0x${"00".repeat(32)}${list}${"00".repeat(65)}`,
    };
  }
}
