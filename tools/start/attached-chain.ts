// A chain whose node runs already, Besu's, GoQuorum's, geth's or Bitcoin's: what the motes of `chainmote start --rpc` follow.
//
// Promises: which chain it is and by which consensus is asked of the node before anything is made; the checkpoint is what a file says, what
// the folder kept from an earlier start, or what the node gives and its rules hold to; each of them is compared with the node's
// chain, and one of another chain is refused by what differs. What the node cannot say is asked of the person, with the option
// that says it. Never: guesses a rule, or shows more of the node's URL than its host.

import { existsSync } from "node:fs";
import { equal } from "../../firmware/bytes.js";
import { openChain } from "../../firmware/chain/checkpoint.js";
import type { Consensus } from "../../firmware/chain/consensus.js";
import { Rejection } from "../../firmware/rejection.js";
import { Account, type Signer } from "../contracts/account.js";
import { engine } from "../crypto/engine.js";
import { writeWhole } from "../files.js";
import { bftRulesFromGenesis, exportBftCheckpoint } from "../headers/bft.js";
import { exportBitcoinCheckpoint } from "../headers/bitcoin.js";
import { type CliqueGiven, cliqueRulesFromGenesis, exportCliqueCheckpoint } from "../headers/clique.js";
import { overdueS, refuseExpired } from "../headers/expiry.js";
import { chainOfConfig, configOf } from "../headers/genesis-fields.js";
import type { GenesisRules } from "../headers/genesis-rules.js";
import { readJson } from "../headers/json-file.js";
import { publicUrl } from "../public-url.js";
import { hashText, headersOf, isBitcoin } from "../rpc/chain.js";
import { bftClientOf, CONSENSUS_TITLES, catchingUp, chainOf, configOfNode, type NodeChain } from "../rpc/consensus.js";
import { JsonRpc, RpcError } from "../rpc/json-rpc.js";
import { PatientRpc } from "../rpc/patient.js";
import { CommandError, count, plainText } from "../terminal.js";
import { type FollowedChain, firstContractOf, type Payer } from "./followed-chain.js";

export interface AttachOptions {
  /** Of the node's JSON-RPC. */
  readonly url: string;
  /** File of a checkpoint. */
  readonly checkpoint?: string;
  /** The genesis file that the chain was made from. */
  readonly genesis?: string;
  /** IBFT, QBFT: `TRUSTING_PERIOD_S` where absent. */
  readonly trustingPeriodS?: number;
  /** Clique, in place of a genesis file. */
  readonly clique?: CliqueGiven;
  /** Registry's address, 20 bytes. */
  readonly fleet?: Uint8Array;
  /** Whose account pays for the fleet's contracts; none are deployed where absent. */
  readonly deploy?: Signer;
}

/** Where nobody says another: a week, in seconds. */
const TRUSTING_PERIOD_S = 604_800;
/** What an account of the fleet is given, in gas at the price of then: some 3,000 anchors, or enrolments. */
const WAGE_GAS = 200_000_000n;
const GENESIS_DIGITS = 8;
const PROGRESS_BLOCKS = 5000;

export class AttachedChain implements FollowedChain {
  readonly #options: AttachOptions;
  readonly #node: NodeChain;
  readonly #rpc: PatientRpc;
  readonly #stop = new AbortController();
  #say: (text: string) => void = () => undefined;
  #checkpoint: object | undefined;
  readonly payer?: Payer;

  /** Asks the node what it is; throws a `CommandError` that says what to do where it cannot be followed. */
  static async open(options: AttachOptions): Promise<AttachedChain> {
    const rpc = new JsonRpc(options.url);
    try {
      const node = await chainOf(rpc);
      if (options.deploy !== undefined && !node.chain.startsWith("eip155:"))
        throw new CommandError(`--deploy: there are no contracts on ${node.chain}`);
      const behind = await catchingUp(rpc, node.chain);
      if (behind === undefined) return new AttachedChain(options, node, rpc);
      throw new CommandError(
        `the node ${publicUrl(options.url)} is still catching up with its chain, ${behind}: start again when it is done`,
      );
    } catch (error) {
      throw nodeError(options.url, error);
    }
  }

  private constructor(options: AttachOptions, node: NodeChain, rpc: JsonRpc) {
    this.#options = options;
    this.#node = node;
    this.#rpc = new PatientRpc(rpc, {
      onWait: (reason, waitMs) => this.#say(`${plainText(reason)}; asked again in ${(waitMs / 1000).toFixed(1)} s`),
      signal: this.#stop.signal,
    });
    if (options.deploy === undefined) return;
    const account = new Account(rpc, options.deploy, this.#stop.signal);
    this.payer = { account, wageWei: async () => WAGE_GAS * (await account.price()) };
  }

  get chain(): string {
    return this.#node.chain;
  }

  get url(): string {
    return this.#options.url;
  }

  get about(): string {
    const { chain, consensus, client } = this.#node;
    return `${chain} (${CONSENSUS_TITLES[consensus]}), ${client === undefined ? "a node that was there" : plainText(client, 60)}`;
  }

  /** A name for the folder of what follows this chain: no two chains have the same. */
  get name(): string {
    const { chain, genesisHash } = this.#node;
    const genesis = isBitcoin(chain) ? "" : `-${genesisHash.slice(2, 2 + GENESIS_DIGITS)}`;
    return `${chain.replace(":", "-")}${genesis}`;
  }

  registry(collector: Uint8Array): Uint8Array {
    return this.#options.fleet ?? firstContractOf(collector);
  }

  async ready(): Promise<void> {}

  /** Ends what `settle` may still be waiting for; the node is not ours to end. */
  async stop(): Promise<void> {
    this.#stop.abort();
  }

  async checkpoint(): Promise<object> {
    if (this.#checkpoint === undefined) throw new Error("a checkpoint that was not settled");
    return this.#checkpoint;
  }

  /**
   * Settles what the motes start from, and keeps it in `path` for the next start.
   * @param say told what a person should know
   * @throws CommandError where the node cannot say it, or has another chain
   */
  async settle(path: string, say: (text: string) => void): Promise<void> {
    this.#say = say;
    try {
      const { checkpoint: given } = this.#options;
      if (given !== undefined) {
        const named = plainText(given, 200);
        const json = await this.#checked(readJson(given), named, "");
        refuseExpired(json, "the checkpoint of a later block");
        this.#checkpoint = json;
      } else if (existsSync(path)) {
        const advice = "; begin in another folder with --data DIR";
        this.#checkpoint = await this.#checked(readJson(path), `the checkpoint that ${plainText(path, 200)} keeps`, advice);
      } else this.#checkpoint = await this.#export();
      writeWhole(path, `${JSON.stringify(this.#checkpoint, null, 2)}\n`, "owner");
    } catch (error) {
      throw nodeError(this.#options.url, error);
    }
  }

  /** A checkpoint of the node's own chain, or an error that says what differs. */
  async #checked(json: unknown, what: string, advice: string): Promise<object> {
    const opened = openChain(engine, json);
    if (opened instanceof Rejection) throw new CommandError(`${what}: ${opened.detail} (${opened.code})${advice}`);
    const wrong = await this.#difference(opened, json as { genesisHash?: unknown });
    if (wrong !== undefined) throw new CommandError(`${what} is ${wrong}${advice}`);
    return json as object;
  }

  async #difference({ name, chain, checkpoint }: Consensus, json: { genesisHash?: unknown }): Promise<string | undefined> {
    const { chain: own, consensus, genesisHash } = this.#node;
    if (chain !== own) return `of ${chain}, and the node follows ${own}`;
    if (name !== consensus) return `of ${name}, and the node's chain is sealed by ${consensus}`;
    if (typeof json.genesisHash === "string" && json.genesisHash.toLowerCase() !== genesisHash)
      return `of another chain of the same number ${chain}: its genesis block is ${json.genesisHash}, the node's ${genesisHash}`;
    const { number, hash } = checkpoint;
    const block = await headersOf(this.#rpc, chain).header(number);
    if (block === undefined)
      return `of block #${number}, which the node has not got (it is at #${this.#node.head}): it may be behind, or of another chain`;
    if (equal(block.hash, hash)) return undefined;
    const [theirs, ours] = [hashText(chain, block.hash), hashText(chain, hash)];
    return `of another chain, or of one that was begun anew: its block #${number} is ${ours}, the node's ${theirs}`;
  }

  #export(): Promise<object> {
    const { consensus } = this.#node;
    if (consensus === "clique") return this.#exportClique();
    if (consensus !== "bitcoin") return this.#exportBft();
    return exportBitcoinCheckpoint(this.#rpc, {
      onRelativeWork: () => this.#say("the node tells no chainwork: work counts from the checkpoint's block on"),
    });
  }

  async #exportClique(): Promise<object> {
    const rules = this.#options.clique ?? cliqueRulesFromGenesis(await this.#genesis(" or --period S and --epoch N"));
    return exportCliqueCheckpoint(this.#rpc, rules);
  }

  async #exportBft(): Promise<object> {
    const rules = await this.#bftRules();
    const options = { rpc: this.#rpc, engine, rules };
    const made = await exportBftCheckpoint(options);
    if (overdueS(made) <= 0) return made;
    // The newest epoch block vouches for nothing any more: a block near the head does, and all up to there is verified for it.
    const { head } = this.#node;
    this.#say(
      `block #${made.number} is older than the trusting period: verifying all of ${count(head - made.number)} blocks up to #${head}`,
    );
    const later = await exportBftCheckpoint({
      ...{ ...options, number: head },
      progress: (number) => {
        if (this.#stop.signal.aborted) throw new CommandError("told to end while the checkpoint was verified");
        if (number % PROGRESS_BLOCKS === 0) this.#say(`block #${number} of #${head} verified`);
      },
    });
    refuseExpired(later, "a longer --trusting-period");
    return later;
  }

  async #bftRules(): Promise<GenesisRules> {
    const { consensus, client } = this.#node;
    const { trustingPeriodS, genesis } = this.#options;
    const file = await this.#genesis("");
    const rules = bftRulesFromGenesis(file, trustingPeriodS ?? TRUSTING_PERIOD_S, consensus as "ibft" | "ibft2" | "qbft");
    if (rules.consensus !== consensus)
      throw new CommandError(`the rules are of ${rules.consensus}, and the node's chain is sealed by ${consensus}`);
    const said = bftClientOf(client);
    const ruled = rules.client ?? (consensus === "ibft" ? "goquorum" : "besu");
    if (said !== undefined && said !== ruled)
      throw new CommandError(
        `the rules are those of ${ruled}, and the node says that it is ${plainText(client ?? "", 60)}: give its own --genesis FILE`,
      );
    if (said === undefined && genesis === undefined && consensus === "qbft")
      throw new CommandError("the node does not say whether it is Besu or GoQuorum, whose QBFT differ: give --genesis FILE");
    if (trustingPeriodS === undefined)
      this.#say(`trusting period ${count(TRUSTING_PERIOD_S)} s: give --trusting-period S for another (docs/header-rules.md)`);
    if (genesis === undefined && ruled === "besu")
      this.#say("Besu does not tell the transitions of its genesis file: where it has any, give --genesis FILE in a new folder");
    return rules;
  }

  /** The genesis file, or as much of it as the node tells. */
  async #genesis(orElse: string): Promise<unknown> {
    const { genesis } = this.#options;
    if (genesis === undefined) {
      const config = await configOfNode(this.#rpc);
      if (config !== undefined) return { config };
      throw new CommandError(
        "the node does not tell its chain's rules (admin_nodeInfo; geth: --http.api eth,net,web3,admin; Besu: --rpc-http-api=ETH,NET,WEB3,ADMIN): " +
          `give --genesis FILE, the file that the chain was made from,${orElse} or --checkpoint FILE`,
      );
    }
    const file = readJson(genesis);
    const named = chainOfConfig(configOf(file));
    if (named !== this.chain)
      throw new CommandError(`${plainText(genesis, 200)} is the genesis file of ${named}, and the node follows ${this.chain}`);
    return file;
  }
}

/** What a person can do about a node that cannot be followed; whatever is no word about a node stays as it is. */
function nodeError(url: string, error: unknown): unknown {
  const node = `the node ${publicUrl(url)}`;
  if (error instanceof Rejection) return new CommandError(`${node}: ${error.detail} (${error.code})`);
  if (!(error instanceof RpcError)) return error;
  const said = plainText(error.message);
  if (error.http?.status === 401)
    return new CommandError(`${node} refuses the user or the password (HTTP 401): RPC_URL=http://user:password@host:port`);
  if (error.http?.status === 403)
    return new CommandError(
      `${node} refuses to answer (${said}): a key, or its list of hosts (geth --http.vhosts, Besu --host-allowlist)`,
    );
  if (error.methodAbsent)
    return new CommandError(`${node} is of no kind that is known: it has neither eth_chainId nor getblockhash`);
  if (!error.unreachable || error.http?.status === 429) return new CommandError(`${node}: ${said}`);
  if (error.http !== undefined) return new CommandError(`${node}: no JSON-RPC of a node is there (${said})`);
  return new CommandError(
    `${node} cannot be reached (${said}): does it run, and is its JSON-RPC on (geth --http, Besu --rpc-http-enabled, bitcoind -server)?`,
  );
}
