// Who validates a BFT chain, as plainly as it can be written: names as texts, sets and maps. Besu's tally (IBFT 2.0, QBFT) and
// GoQuorum's (IBFT 1, its QBFT), from their sources. It shares no code with the firmware and judges it.

export type BftKind = "ibft" | "ibft2" | "qbft" | "goquorum-qbft";

export const BFT_KINDS: readonly BftKind[] = ["ibft", "ibft2", "qbft", "goquorum-qbft"];

/** What a checkpoint says of each. */
export function consensusOf(kind: BftKind): { consensus: "ibft" | "ibft2" | "qbft"; client?: "goquorum" } {
  return kind === "goquorum-qbft" ? { consensus: "qbft", client: "goquorum" } : { consensus: kind };
}

/** Whose tally it has. */
export function isGoQuorum(kind: BftKind): boolean {
  return kind === "ibft" || kind === "goquorum-qbft";
}

export interface ModelVote {
  readonly account: string;
  readonly authorize: boolean;
}

/** Validators and votes after one block. Immutable to its users. */
export class BftModel {
  readonly kind: BftKind;
  readonly epoch: number;
  readonly number: number;
  readonly validators: ReadonlySet<string>;
  /** account → voter → direction. */
  readonly votes: ReadonlyMap<string, ReadonlyMap<string, boolean>>;

  constructor(
    kind: BftKind,
    epoch: number,
    number: number,
    validators: Iterable<string>,
    votes: ReadonlyMap<string, ReadonlyMap<string, boolean>> = new Map(),
  ) {
    this.kind = kind;
    this.epoch = epoch;
    this.number = number;
    this.validators = new Set(validators);
    this.votes = votes;
  }

  get sorted(): string[] {
    return [...this.validators].sort();
  }

  get quorum(): number {
    return Math.ceil((2 * this.validators.size) / 3);
  }

  /** The model after the next block, proposed by `proposer`. */
  after(proposer: string, vote: ModelVote | undefined): BftModel {
    const number = this.number + 1;
    const isEpoch = number % this.epoch === 0;
    const validators = new Set(this.validators);
    const votes = new Map<string, Map<string, boolean>>();
    if (!isEpoch) for (const [about, voters] of this.votes) votes.set(about, new Map(voters));
    if (vote !== undefined && (!isEpoch || isGoQuorum(this.kind))) this.#cast(validators, votes, proposer, vote);
    return new BftModel(this.kind, this.epoch, number, validators, votes);
  }

  /** The same with the set replaced, as a transition does it. */
  replaced(validators: Iterable<string>): BftModel {
    return new BftModel(this.kind, this.epoch, this.number, validators);
  }

  #cast(
    validators: Set<string>,
    votes: Map<string, Map<string, boolean>>,
    proposer: string,
    { account, authorize }: ModelVote,
  ): void {
    const voters = votes.get(account) ?? new Map<string, boolean>();
    votes.set(account, voters);
    voters.delete(proposer);
    if (!isGoQuorum(this.kind) || authorize !== validators.has(account)) voters.set(proposer, authorize);
    const limit = Math.floor(validators.size / 2) + 1;
    const count = (direction: boolean): number => [...voters.values()].filter((value) => value === direction).length;
    if (count(true) >= limit) {
      validators.add(account);
      votes.delete(account);
    } else if (count(false) >= limit) {
      validators.delete(account);
      votes.delete(account);
      for (const others of votes.values()) others.delete(account);
    }
  }

  /** Pending votes, in no order that means anything. */
  get pending(): { validator: string; account: string; authorize: boolean }[] {
    return [...this.votes].flatMap(([account, voters]) =>
      [...voters].map(([validator, authorize]) => ({ validator, account, authorize })),
    );
  }
}
