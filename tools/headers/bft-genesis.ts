// The rules of an IBFT 1, IBFT 2.0 or QBFT chain, out of the genesis file that its nodes were made from: Besu's (`config`:
// `JsonBftConfigOptions`, `BftFork`, `QbftFork`) or GoQuorum's (`params/config.go`, `consensus/istanbul/config.go`).
//
// Promises: every key of a consensus section and of a transition is read, known to be without bearing on headers, or refused as
// genesis-unsupported with its name. Where a client's default is part of its rules the default is that client's.
// Never: a rule that the file does not state. A period that GoQuorum's nodes take from their command line is taken as one
// second, which binds least.

import type { BftConsensusName, BftRulesJson, BftTransitionJson } from "../../firmware/chain/bft-checkpoint.js";
import { chainOfConfig, configOf, Section, unsupported } from "./genesis-fields.js";

/** What a genesis file states about one consensus of its chain. */
export interface GenesisRules extends BftRulesJson {
  /** The first block under it, where the chain began with another. */
  fromBlock?: number;
  /** The last block under it, where the chain goes on with another. */
  untilBlock?: number;
  /** Who seals block 1, where the genesis header does not tell. */
  validators?: string[];
}

const EPOCH_DEFAULT = 30_000;
const PERIOD_S_DEFAULT = 1;

/** Known, and nothing that a header's verifier has to know. */
const BESU_NO_RULE = [
  ...["requesttimeoutseconds", "gossipedhistorylimit", "messagequeuelimit", "duplicatemessagelimit", "futuremessageslimit"],
  ...["futuremessagesmaxdistance", "miningbeneficiary", "blockreward"],
];
const EMPTY_PERIODS = ["emptyblockperiodseconds", "xemptyblockperiodseconds"];
const BESU_SECTION = ["epochlength", "blockperiodseconds", "xblockperiodmilliseconds", ...EMPTY_PERIODS, ...BESU_NO_RULE];
const BESU_TRANSITION = [
  ...["block", "validators", "blockperiodseconds", "xblockperiodmilliseconds", ...EMPTY_PERIODS],
  ...["miningbeneficiary", "blockreward"],
];
const GOQUORUM_SECTION = [
  ...["epochlength", "blockperiodseconds", "emptyblockperiodseconds", "ceil2nby3block", "validatorcontractaddress"],
  ...["requesttimeoutseconds", "policy"],
];
const GOQUORUM_QBFT = [
  ...["validatorselectionmode", "validators", "blockreward", "beneficiarymode", "miningbeneficiary", "maxrequesttimeoutseconds"],
];
const GOQUORUM_TRANSITION = [
  ...["block", "algorithm", "epochlength", "blockperiodseconds", "emptyblockperiodseconds", "2fplus1enabled"],
  ...["validatorcontractaddress", "validatorselectionmode", "validators"],
  ...["requesttimeoutseconds", "maxrequesttimeoutseconds", "contractsizelimit", "transactionsizelimit", "miner.gaslimit"],
  ...["enhancedpermissioningenabled", "privacyenhancementsenabled", "privacyprecompileenabled", "gaspriceenabled"],
  ...["blockreward", "beneficiarymode", "miningbeneficiary"],
];

type Part = Omit<GenesisRules, "chain" | "trustingPeriodS" | "londonBlock">;

/**
 * The rules that a Besu or GoQuorum genesis file states for `name`; for a chain that never changes its consensus, whatever it is.
 * @throws a `Rejection`: genesis-unsupported, with the key that is at fault
 */
export function bftRulesFromGenesis(genesis: unknown, trustingPeriodS: number, name?: BftConsensusName): GenesisRules {
  const config = configOf(genesis);
  const isGoQuorum = config.boolean("isquorum") === true || config.has("istanbul") || Array.isArray(config.get("transitions"));
  const parts = isGoQuorum ? goQuorumParts(config) : besuParts(config);
  if (config.has("clique")) throw config.refused("clique", "stands beside another consensus");
  const last = parts.at(-1) as Part;
  if (name === undefined && parts.length > 1)
    throw unsupported(switchOf(config), `takes the chain from ${parts[0]?.consensus} to ${last.consensus}: name one of them`);
  const found = parts.find(({ consensus }) => consensus === name) ?? last;
  return { chain: chainOfConfig(config), trustingPeriodS, ...given({ londonBlock: config.number("londonblock") }), ...found };
}

/** The key that makes a chain change its consensus. */
function switchOf(config: Section): string {
  const istanbul = config.section("istanbul");
  if (istanbul.has("testqbftblock")) return istanbul.pathOf("testqbftblock");
  return Array.isArray(config.get("transitions")) ? config.pathOf("transitions") : config.section("qbft").pathOf("startblock");
}

/** The rules that hold from block `number` on: what lies behind is no transition any more. */
export function rulesFrom<T extends Pick<BftRulesJson, "periodS" | "transitions">>(rules: T, number: number): T {
  const { transitions = [], ...rest } = rules;
  const behind = transitions.filter(({ block }) => block <= number);
  const ahead = transitions.filter(({ block }) => block > number);
  const now = { ...rest };
  for (const { periodS, emptyPeriodS, validatorSelection } of behind)
    Object.assign(now, given({ periodS, emptyPeriodS, validatorSelection }));
  // This has no place but a transition; false is what holds where nothing is said.
  const said = behind.filter(({ twoFPlusOne }) => twoFPlusOne !== undefined).at(-1);
  if (said?.twoFPlusOne === true) {
    const block = Math.max(1, said.block);
    const [next] = ahead;
    if (next?.block === block) ahead[0] = { twoFPlusOne: true, ...next };
    else ahead.unshift({ block, twoFPlusOne: true });
  }
  return { ...now, ...listed(ahead) } as T;
}

// Besu.

function besuParts(config: Section): Part[] {
  const names = (["ibft", "ibft2", "qbft"] as const).filter((key) => config.has(key));
  const [first, second] = names;
  if (first === undefined) throw unsupported("config", "names no qbft, ibft2, ibft or istanbul");
  if (first === "ibft" && second === "ibft2") throw config.refused("ibft", "stands beside ibft2");
  const transitions = config.section("transitions");
  for (const key of transitions.keys)
    if (key === "ibft" || !names.some((each) => each === key)) throw transitions.refused(key, "is of no consensus of this chain");
  const parts = names.map((key) => besuPart(config, key, transitions));
  if (second === undefined) return parts;
  const start = config.section("qbft").number("startblock") ?? 0;
  if (start === 0) throw unsupported("config.qbft.startblock", `has to say where the chain goes from ${first} to qbft`);
  return divided(parts[0] as Part, parts[1] as Part, start);
}

function besuPart(config: Section, consensus: BftConsensusName, transitions: Section): Part {
  const own = config.section(consensus);
  const more = { ibft: ["ceil2nby3block"], ibft2: [], qbft: ["validatorcontractaddress", "startblock"] }[consensus];
  own.allow(BESU_SECTION, more);
  const periods = new BesuPeriods(own);
  const contract = own.address("validatorcontractaddress") !== undefined;
  const part: Part = {
    ...{ consensus, periodS: periods.periodS, epoch: own.number("epochlength") ?? EPOCH_DEFAULT },
    ...(consensus === "ibft" ? { ceil2Nby3Block: own.number("ceil2nby3block") ?? 0 } : {}),
    ...(contract ? { validatorSelection: "contract" } : {}),
    ...given({ emptyPeriodS: emptyPeriodOf(own) }),
  };
  // Besu counts the epochs of a chain that came to QBFT from the block before its first one on.
  const epochStart = (own.number("startblock") ?? 0) - 1;
  if (epochStart > 0) part.epochStart = epochStart;
  return { ...part, ...listed(besuTransitions(config, consensus, transitions, periods, contract)) };
}

function besuTransitions(
  config: Section,
  consensus: BftConsensusName,
  transitions: Section,
  periods: BesuPeriods,
  contractFirst: boolean,
): BftTransitionJson[] {
  const list = transitions.get(consensus) ?? [];
  if (!Array.isArray(list)) throw transitions.refused(consensus, "is no list");
  const selection = consensus === "qbft" ? ["validatorselectionmode", "validatorcontractaddress"] : [];
  const changes: BftTransitionJson[] = [];
  let contract = contractFirst;
  const sections = list.map((item: unknown, i) => new Section(item, `${transitions.pathOf(consensus)}[${i}]`));
  for (const own of sections) {
    own.allow(BESU_TRANSITION, selection);
    if ((own.number("block") ?? 0) === 0) throw own.refused("block", "has to name a block after genesis");
  }
  const ascending = sections.sort((a, b) => (a.number("block") as number) - (b.number("block") as number));
  for (const [i, own] of ascending.entries()) {
    const block = own.number("block") as number;
    if (block === ascending[i - 1]?.number("block")) throw own.refused("block", "is that of another transition");
    const mode = besuMode(own);
    contract = mode === undefined ? contract : mode === "contract";
    const validators = own.addresses("validators");
    if (mode === "header" && validators === undefined) throw own.refused("validatorselectionmode", "names no validators");
    if (mode === undefined && contract && validators !== undefined)
      throw own.refused("validators", "changes nothing where a contract names them");
    const change = {
      block,
      ...given({ periodS: periods.after(own), emptyPeriodS: emptyPeriodOf(own), validatorSelection: mode, validators }),
    };
    if (Object.keys(change).length === 1) continue;
    checkHeight(config, own, block);
    changes.push(change);
  }
  return changes;
}

/** Besu's transitions name a time where the fork that is in force there came by time (`getSpecTypeByBlockNumberOrTimestamp`). */
function checkHeight(config: Section, own: Section, block: number): void {
  for (const key of config.keys) {
    if (!key.endsWith("time") || (config.number(key) as number) > block) continue;
    const reason = `is a time and no height, since ${config.pathOf(key)} is ${config.number(key)}: put the height into the file`;
    throw own.refused("block", `${reason} of the checkpoint's transitions by hand`);
  }
}

function besuMode(own: Section): "header" | "contract" | undefined {
  const mode = own.text("validatorselectionmode")?.toLowerCase();
  if (mode === undefined && own.has("validatorcontractaddress"))
    throw own.refused("validatorcontractaddress", "changes nothing without validatorselectionmode");
  if (mode === undefined || mode === "contract") return mode;
  if (mode !== "blockheader") throw own.refused("validatorselectionmode", "is neither blockheader nor contract");
  return "header";
}

/** Milliseconds stay in force until others replace them, whatever a later transition says about seconds. */
class BesuPeriods {
  #seconds: number;
  #milliseconds: number;

  constructor(own: Section) {
    this.#seconds = positive(own, "blockperiodseconds") ?? PERIOD_S_DEFAULT;
    this.#milliseconds = own.number("xblockperiodmilliseconds") ?? 0;
  }

  /** Less than a second means several blocks with one time, where time is not bound. */
  get periodS(): number {
    return this.#milliseconds === 0 ? this.#seconds : Math.floor(this.#milliseconds / 1000);
  }

  /** Undefined where `own` says nothing about it. */
  after(own: Section): number | undefined {
    const seconds = positive(own, "blockperiodseconds");
    const milliseconds = own.number("xblockperiodmilliseconds");
    if (seconds === undefined && milliseconds === undefined) return undefined;
    this.#seconds = seconds ?? this.#seconds;
    this.#milliseconds = milliseconds ?? this.#milliseconds;
    return this.periodS;
  }
}

function positive(own: Section, key: string): number | undefined {
  const value = own.number(key);
  if (value === 0) throw own.refused(key, "is zero");
  return value;
}

function emptyPeriodOf(own: Section): number | undefined {
  return own.number("xemptyblockperiodseconds") ?? own.number("emptyblockperiodseconds");
}

// GoQuorum.

/** `istanbul` before `ibft` before `qbft`, as its nodes look for them; the first transition where there is none. */
function goQuorumParts(config: Section): Part[] {
  const names = (["istanbul", "ibft", "qbft", "ibft2"] as const).filter((key) => config.has(key));
  const [name, other] = names;
  if (other !== undefined) throw config.refused(other, `stands beside ${config.pathOf(name as string)}`);
  if (name === "ibft2") throw config.refused("ibft2", "is of no chain of GoQuorum's");
  const steps = goQuorumSteps(config);
  const begins = steps.some((step) => step.number("block") === 0 && step.has("algorithm"));
  if (name === undefined && !begins) throw unsupported("config", "names no qbft, ibft or istanbul, and no transition at block 0");
  const own = name === undefined ? new Section({}, "config") : config.section(name);
  if (name === "istanbul") own.allow(["epoch", "policy", "ceil2nby3block", "testqbftblock"]);
  else own.allow(GOQUORUM_SECTION, name === "qbft" ? GOQUORUM_QBFT : []);
  const chain = new GoQuorumChain(own, name);
  for (const step of steps) chain.take(step);
  return chain.parts;
}

function goQuorumSteps(config: Section): Section[] {
  const list = config.get("transitions") ?? [];
  if (!Array.isArray(list)) throw config.refused("transitions", "is no list, and GoQuorum reads a list");
  let before = 0;
  return list.map((item: unknown, i) => {
    const step = new Section(item, `${config.pathOf("transitions")}[${i}]`);
    step.allow(GOQUORUM_TRANSITION);
    const block = step.number("block");
    if (block === undefined || block < before) throw step.refused("block", "has to name a block, ascending");
    before = block;
    return step;
  });
}

/** The rules of a GoQuorum chain, transition by transition. */
class GoQuorumChain {
  readonly #own: Section;
  readonly #base: Part;
  /** Where QBFT begins, if it does. */
  #qbftFrom: number | undefined;
  #testBlock = false;
  #address: string | undefined;
  #mode: string;
  readonly #changes = new Map<number, BftTransitionJson>();

  constructor(own: Section, name: "istanbul" | "ibft" | "qbft" | undefined) {
    this.#own = own;
    // In `istanbul` an absent block means never; in the others GoQuorum's own default is 0. A period of 0 means none is given.
    const ceil = own.number("ceil2nby3block") ?? (name === "istanbul" ? "never" : 0);
    this.#base = {
      ...{ consensus: "ibft", periodS: own.number("blockperiodseconds") || PERIOD_S_DEFAULT },
      epoch: (own.number("epochlength") ?? own.number("epoch")) || EPOCH_DEFAULT,
      ceil2Nby3Block: ceil,
      ...given({ emptyPeriodS: own.number("emptyblockperiodseconds"), validators: own.addresses("validators") }),
    };
    const test = own.number("testqbftblock");
    this.#testBlock = test !== undefined;
    this.#qbftFrom = name === "qbft" ? 0 : test;
    this.#address = own.address("validatorcontractaddress");
    this.#mode = modeOf(own) ?? "blockheader";
    if (this.isContract) this.#base.validatorSelection = "contract";
  }

  private get isContract(): boolean {
    return this.#address !== undefined && this.#mode === "contract";
  }

  take(step: Section): void {
    const block = step.number("block") as number;
    this.takeAlgorithm(step, block);
    const epoch = step.number("epochlength") || undefined;
    if (block === 0 && epoch !== undefined) this.#base.epoch = epoch;
    if (epoch !== undefined && epoch !== this.#base.epoch)
      throw step.refused("epochlength", "changes the epoch, which each GoQuorum node takes up when it next loads a snapshot");
    const periodS = step.number("blockperiodseconds") || undefined;
    const emptyPeriodS = step.number("emptyblockperiodseconds");
    this.change(block, { periodS, emptyPeriodS, twoFPlusOne: step.boolean("2fplus1enabled") });
    // Whom a transition or a contract names is read after its block: they seal the next one.
    const before = this.isContract;
    this.#address = step.address("validatorcontractaddress") ?? this.#address;
    this.#mode = modeOf(step) ?? this.#mode;
    const validators = this.isContract ? undefined : step.addresses("validators");
    if (before && !this.isContract && validators === undefined)
      throw step.refused("validatorselectionmode", "names no validators to go on with");
    const validatorSelection = before === this.isContract ? undefined : this.isContract ? "contract" : "header";
    if (validatorSelection === "contract" && (this.#qbftFrom ?? Number.POSITIVE_INFINITY) > block)
      throw step.refused("validatorselectionmode", "lets a contract select for IBFT, which is followed in QBFT alone");
    if (block > 0) this.change(block + 1, { validatorSelection, validators });
    else Object.assign(this.#base, given({ validatorSelection, validators: this.#base.validators ?? validators }));
  }

  private takeAlgorithm(step: Section, block: number): void {
    const algorithm = step.text("algorithm")?.toLowerCase() || undefined;
    if (algorithm === undefined) return;
    if (algorithm !== "qbft" && algorithm !== "ibft") throw step.refused("algorithm", "is neither ibft nor qbft");
    if (this.#testBlock) throw step.refused("algorithm", `stands beside ${this.#own.pathOf("testqbftblock")}`);
    if (algorithm === "qbft") this.#qbftFrom ??= block;
    else if (this.#qbftFrom !== undefined) throw step.refused("algorithm", "goes back from qbft to ibft");
  }

  private change(block: number, fields: { [K in keyof BftTransitionJson]?: BftTransitionJson[K] | undefined }): void {
    const known = given(fields);
    if (Object.keys(known).length > 0) this.#changes.set(block, { ...this.#changes.get(block), ...known, block });
  }

  get parts(): Part[] {
    const transitions = [...this.#changes.values()].sort((a, b) => a.block - b.block);
    const from = this.#qbftFrom;
    const ibft = rulesFrom({ ...this.#base, ...listed(transitions) }, 0);
    const qbft: Part = { ...ibft, consensus: "qbft", client: "goquorum" };
    if (from === undefined) return [ibft];
    return from === 0 ? [qbft] : divided(ibft, qbft, from);
  }
}

function modeOf(own: Section): string | undefined {
  const mode = own.text("validatorselectionmode") || undefined;
  if (mode !== undefined && mode !== "contract" && mode !== "blockheader")
    throw own.refused("validatorselectionmode", "is neither blockheader nor contract");
  return mode;
}

/** A chain that goes from one consensus to another at block `start`. */
function divided(before: Part, after: Part, start: number): Part[] {
  const { transitions = [], ...rest } = before;
  const { validators: _, ...later } = rulesFrom(after, start);
  return [
    { ...rest, ...listed(transitions.filter(({ block }) => block < start)), untilBlock: start - 1 },
    { ...later, fromBlock: start },
  ];
}

function listed(transitions: BftTransitionJson[]): { transitions?: BftTransitionJson[] } {
  return transitions.length === 0 ? {} : { transitions };
}

/** Without what is undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
