// Something that happens once, and that others wait for.

export class Signal {
  readonly given: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor() {
    this.given = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  give(): void {
    this.#resolve();
  }
}
