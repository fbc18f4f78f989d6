// EIP-225 as plainly as it can be written: names as texts, sets and maps, the whole history of sealers. It shares no code
// with the firmware and judges it.

/** Who may sign, who signed, and the votes that are under way after one block. Immutable to its users. */
export class CliqueModel {
  readonly epoch: number;
  readonly signers: ReadonlySet<string>;
  /** Sealer of block i + 1 at index i. */
  readonly sealers: readonly string[];
  /** account → voter → direction. */
  readonly votes: ReadonlyMap<string, ReadonlyMap<string, boolean>>;

  constructor(
    epoch: number,
    signers: Iterable<string>,
    sealers: readonly string[] = [],
    votes: ReadonlyMap<string, ReadonlyMap<string, boolean>> = new Map(),
  ) {
    this.epoch = epoch;
    this.signers = new Set(signers);
    this.sealers = sealers;
    this.votes = votes;
  }

  get sorted(): string[] {
    return [...this.signers].sort();
  }

  /** Height of the next block. */
  get next(): number {
    return this.sealers.length + 1;
  }

  /** Whether `signer` is authorised and absent from the ⌊N/2⌋ blocks before the next. */
  maySeal(signer: string): boolean {
    const distance = Math.floor(this.signers.size / 2);
    const recent = distance === 0 ? [] : this.sealers.slice(-distance);
    return this.signers.has(signer) && !recent.includes(signer);
  }

  difficultyOf(signer: string): number {
    return this.sorted.indexOf(signer) === this.next % this.signers.size ? 2 : 1;
  }

  /** The model after the next block; it does not ask whether its signer was allowed to. */
  after(signer: string, account: string, authorize: boolean): CliqueModel {
    const signers = new Set(this.signers);
    const votes = new Map<string, Map<string, boolean>>();
    if (this.next % this.epoch !== 0) for (const [about, voters] of this.votes) votes.set(about, new Map(voters));
    votes.get(account)?.delete(signer);
    if (authorize !== signers.has(account)) {
      const voters = votes.get(account) ?? new Map<string, boolean>();
      votes.set(account, voters.set(signer, authorize));
    }
    if ((votes.get(account)?.size ?? 0) >= Math.floor(signers.size / 2) + 1) {
      if (signers.has(account)) {
        signers.delete(account);
        for (const voters of votes.values()) voters.delete(account);
      } else signers.add(account);
      votes.delete(account);
    }
    return new CliqueModel(this.epoch, signers, [...this.sealers, signer], votes);
  }

  /** Pending votes, in no order that means anything. */
  get pending(): { signer: string; account: string; authorize: boolean }[] {
    return [...this.votes].flatMap(([account, voters]) =>
      [...voters].map(([signer, authorize]) => ({ signer, account, authorize })),
    );
  }
}
