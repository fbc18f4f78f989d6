// The consensus of an IBFT 1, IBFT 2.0 or QBFT chain as Besu's genesis file has it (`JsonBftConfigOptions`, `JsonQbftConfigOptions`,
// `BftFork`, `QbftFork`, `QbftForksSchedulesFactory`, `BftProtocolSchedule`).
//
// Promises: every key of a section and of a transition is read, known to have no bearing on headers, or refused by name
// (genesis-unsupported). Never takes a time for a height.

import type { BftConsensusName, BftTransitionJson } from "../../firmware/chain/bft/checkpoint.js";
import { Section, unsupported } from "./genesis-fields.js";
import { divided, EPOCH_DEFAULT, given, listed, type Part, PERIOD_S_DEFAULT } from "./genesis-rules.js";

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

/** One set of rules, or two where the chain goes from IBFT to QBFT. */
export function besuParts(config: Section): Part[] {
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
