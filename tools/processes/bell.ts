// A wait that somebody else may end before its time: of a loop that has something to do now and then, or when it is told.
//
// Promises: a ring while nobody waits is not lost, it ends the next wait at once; several of them are one. Never: rejects.

export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, or at a ring since the last wait. One waits at a time. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, ms));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#wake = undefined;
    this.#rung = false;
  }
}
