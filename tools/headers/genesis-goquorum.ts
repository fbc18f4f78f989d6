// The consensus of an IBFT 1 or QBFT chain as GoQuorum's genesis file has it (`params/config.go`, `consensus/istanbul/config.go`,
// `eth/ethconfig`).
//
// Promises: every key of a section and of a transition is read, known to have no bearing on headers, or refused by name
// (genesis-unsupported). Never: a rule that the file does not state. A period that nodes take from their command line is taken as
// one second, which binds least.

import type { BftTransitionJson } from "../../firmware/chain/bft/checkpoint.js";
import { Section, unsupported } from "./genesis-fields.js";
import { divided, EPOCH_DEFAULT, given, listed, type Part, PERIOD_S_DEFAULT, rulesFrom } from "./genesis-rules.js";

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

/** `istanbul` before `ibft` before `qbft`, as its nodes look for them; the first transition where there is none. */
export function goQuorumParts(config: Section): Part[] {
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
